"""The description of the API: whole, consistent, and readable as a page without any other server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from openapi_spec_validator import OpenAPIV31SpecValidator

from shared.database import Database
from tests.webhook.investigations import alert, conclude
from tests.webhook.receivers import PAGE, receiver_on
from webhook.openapi import operation_of


@pytest.fixture
def app(sqlite: Database) -> Flask:
    """A receiver without tokens."""
    return receiver_on(sqlite)


@pytest.fixture
def document(app: Flask) -> dict[str, Any]:
    """The document as it is served."""
    answer = app.test_client().get("/openapi.json")
    assert answer.mimetype == "application/json"
    served: dict[str, Any] = answer.get_json()
    return served


def parts(value: object) -> Iterator[dict[str, Any]]:
    """Every object inside `value`."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from parts(inner)


def test_every_route_is_described(app: Flask, document: dict[str, Any]) -> None:
    routes = {
        (method.lower(), re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.endpoint != "static"
    }
    described = {(method, path) for path, methods in document["paths"].items() for method in methods}
    assert described == routes
    assert {path for _, path in described} >= {
        "/webhook/{sender}",
        "/analyze",
        "/api/incident/analyze",
        "/incidents",
        "/incidents/{incident_id}",
        "/incidents/{incident_id}/retry",
        "/incidents/{incident_id}/feedback",
        "/deployments",
        "/healthz",
        "/readyz",
        "/openapi.json",
        "/docs",
    }


def test_it_is_openapi_31(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["title"] == "Whydown"
    for reference in [part["$ref"] for part in parts(document) if "$ref" in part]:
        name = reference.removeprefix("#/components/schemas/")
        assert name in document["components"]["schemas"]
    schemes = document["components"]["securitySchemes"]
    identifiers = []
    for path, methods in document["paths"].items():
        for operation in methods.values():
            identifiers.append(operation["operationId"])
            assert operation["summary"]
            assert operation["responses"]
            assert all(response["description"] for response in operation["responses"].values())
            assert all(name in schemes for requirement in operation["security"] for name in requirement)
            declared = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
            assert declared == set(re.findall(r"{(\w+)}", path))
    assert len(identifiers) == len(set(identifiers))


def test_what_a_callback_is_sent_is_described_too(document: dict[str, Any]) -> None:
    sent = document["webhooks"]["callback"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    event = document["components"]["schemas"][sent["$ref"].rpartition("/")[2]]
    assert set(event["properties"]) == {"type", "schemaVersion", "timestamp", "data"}
    assert "incident.finished" in event["properties"]["type"]["enum"]
    assert event["properties"]["data"]["$ref"].endswith("/Incident")


def test_it_fits_the_specification_s_own_schema(document: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(document).validate()


def test_bodies_have_models_and_examples_that_are_accepted(
    app: Flask, sqlite: Database, document: dict[str, Any]
) -> None:
    concluded = alert(app.test_client())
    conclude(sqlite, concluded)
    for path, methods in document["paths"].items():
        content = methods.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json")
        if content:
            filled = path.replace("{sender}", "alert").replace("{incident_id}", concluded)
            answer = app.test_client().post(filled, json=content["example"])
            assert answer.status_code in (200, 202), (path, answer.text)
    analyze = document["paths"]["/api/incident/analyze"]["post"]
    model = document["components"]["schemas"]["ContextRequest"]
    assert analyze["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/ContextRequest")
    assert model["required"] == ["serviceName"]
    assert {"recentDeployments", "gotchaHeuristics", "startedAt"} <= model["properties"].keys()


def test_answers_of_the_incident_are_described_in_its_own_words(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert {"diagnosis", "producedBy", "suspectChange"} & {
        *schemas["Incident"]["properties"],
        *schemas["Diagnosis"]["properties"],
    } == {
        "diagnosis",
        "producedBy",
        "suspectChange",
    }
    assert "data" not in schemas["Fact"]["properties"]
    shown = document["paths"]["/incidents/{incident_id}"]["get"]["responses"]
    assert {"200", "202", "304", "401", "404"} <= shown.keys()


def test_open_routes_say_so(app: Flask, document: dict[str, Any]) -> None:
    for path in ("/healthz", "/readyz"):
        assert document["paths"][path]["get"]["security"] == []
    assert document["paths"]["/incidents"]["get"]["security"] == [{"apiToken": []}, {"session": []}]
    assert operation_of(app, "incidents.listing") is not None


def test_the_page_shows_every_route_and_asks_no_other_server(app: Flask, document: dict[str, Any]) -> None:
    page = app.test_client().get("/docs", headers=PAGE).text
    for path in document["paths"]:
        assert f"</b> {path}</code>" in page
    for name in document["components"]["schemas"]:
        assert f'id="{name}"' in page
    assert "<script" not in page
    for address in re.findall(r'(?:href|src|action)="([^"]*)"', page):
        assert address.startswith(("/", "#")), address
        if address.startswith("#"):
            assert f'id="{address[1:]}"' in page
