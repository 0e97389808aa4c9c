"""The OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.1), made from the routes themselves."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, TypeVar

from flask import Flask
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema
from werkzeug.routing import Rule

from shared.callback_event import CallbackEvent
from webhook.access import Gate
from webhook.problem import ProblemDocument

View = TypeVar("View", bound=Callable[..., Any])

JSON: Final = "application/json"
HTML: Final = "text/html"


@dataclass(frozen=True)
class Parameter:
    """A path part, query parameter or header."""

    name: str
    place: str
    """`path`, `query` or `header`."""
    description: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})

    def document(self) -> dict[str, Any]:
        """The parameter object."""
        return {
            "name": self.name,
            "in": self.place,
            "required": self.place == "path",
            "description": self.description,
            "schema": dict(self.schema),
        }


@dataclass(frozen=True)
class Answer:
    """One answer of a route."""

    description: str
    model: type[BaseModel] | None = None
    headers: tuple[str, ...] = ()
    media: tuple[str, ...] = (JSON,)


@dataclass(frozen=True)
class Operation:
    """What a route does, for people and for their tools."""

    summary: str
    answers: Mapping[int, Answer]
    gate: Gate = Gate.API
    description: str = ""
    body: type[BaseModel] | None = None
    accepts: str | None = None
    """Media type of the body; None for a route without one."""
    example: object = None
    parameters: tuple[Parameter, ...] = ()
    refusals: tuple[int, ...] = ()
    """Statuses of problem documents beside those that every such route may answer."""


HEADERS: Final = {
    "Location": "Address of the incident, when there is exactly one.",
    "Retry-After": "Seconds after which asking again makes sense.",
    "ETag": "Version of the document, for If-None-Match.",
    "Preference-Applied": "The wait that was granted.",
}

_REFUSALS: Final = {
    400: "The body is not JSON.",
    401: "The token is missing or wrong.",
    403: "A page of another site sent this.",
    404: "There is no such thing.",
    409: "It is not finished yet.",
    413: "The body is too large.",
    415: "The body is not `application/json`, or compressed.",
    422: "A field is missing or wrong; `errors` lists all of them.",
    503: "Nothing was stored: send it again after Retry-After.",
}

_OPERATIONS: dict[Callable[..., Any], Operation] = {}


def describes(operation: Operation) -> Callable[[View], View]:
    """Says what the decorated view does. Goes below the route decorator."""

    def note(view: View) -> View:
        _OPERATIONS[view] = operation
        return view

    return note


def operation_of(app: Flask, endpoint: str) -> Operation | None:
    """What the view behind an endpoint says of itself."""
    return _OPERATIONS.get(app.view_functions[endpoint])


def document(app: Flask, version: str, server: str) -> dict[str, Any]:
    """The OpenAPI document of every route of `app`; `server` is the base URL."""
    operations = [
        (rule, operation)
        for rule in app.url_map.iter_rules()
        if (operation := operation_of(app, rule.endpoint)) is not None
    ]
    models: dict[type[BaseModel], JsonSchemaMode] = {ProblemDocument: "serialization", CallbackEvent: "serialization"}
    for _, operation in operations:
        if operation.body:
            models[operation.body] = "validation"
        models |= {answer.model: "serialization" for answer in operation.answers.values() if answer.model}
    _, definitions = models_json_schema(list(models.items()), ref_template="#/components/schemas/{model}")
    paths: dict[str, dict[str, Any]] = {}
    for rule, operation in sorted(operations, key=lambda pair: pair[0].rule):
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            paths.setdefault(_path(rule), {})[method.lower()] = _operation(rule, method, operation)
    return {
        "openapi": "3.1.1",
        "info": {"title": "Whydown", "version": version, "summary": "Why is it down?", "license": _LICENSE},
        "servers": [{"url": server}],
        "paths": paths,
        "webhooks": {"callback": {"post": _CALLBACK}},
        "components": {"schemas": definitions["$defs"], "securitySchemes": _SCHEMES},
    }


_LICENSE: Final = {"name": "Apache-2.0", "identifier": "Apache-2.0"}

_SCHEMES: Final = {
    "apiToken": {"type": "http", "scheme": "bearer", "description": "WHYDOWN_API_TOKEN"},
    "session": {"type": "apiKey", "in": "cookie", "name": "whydown_session", "description": "Made by /sign-in."},
    "webhookToken": {"type": "http", "scheme": "bearer", "description": "WHYDOWN_WEBHOOK_TOKEN"},
    "webhookPassword": {"type": "http", "scheme": "basic", "description": "WHYDOWN_WEBHOOK_TOKEN as the password."},
    "webhookQuery": {"type": "apiKey", "in": "query", "name": "token", "description": "WHYDOWN_WEBHOOK_TOKEN"},
}

_WEBHOOK_SCHEMES: Final = ("webhookToken", "webhookPassword", "webhookQuery")

_SECURITY: Final = {
    Gate.OPEN: (),
    Gate.API: ("apiToken", "session"),
    Gate.WEBHOOK: _WEBHOOK_SCHEMES,
    Gate.EITHER: ("apiToken", *_WEBHOOK_SCHEMES),
}


def _path(rule: Rule) -> str:
    return re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule)


def _operation(rule: Rule, method: str, operation: Operation) -> dict[str, Any]:
    refusals = {*operation.refusals}
    if operation.gate is not Gate.OPEN:
        refusals.add(401)
    if rule.arguments:
        refusals.add(404)
    if operation.accepts == JSON:
        refusals |= {400, 413, 415, 422, 503}
    written: dict[str, Any] = {
        "operationId": f"{method.lower()}.{rule.endpoint}",
        "tags": [rule.endpoint.partition(".")[0]],
        "summary": operation.summary,
        "responses": {str(status): _answer(answer) for status, answer in operation.answers.items()}
        | {str(status): _refusal(status) for status in sorted(refusals)},
        "security": [{scheme: []} for scheme in _SECURITY[operation.gate]],
    }
    if operation.description:
        written["description"] = operation.description
    if operation.parameters:
        written["parameters"] = [parameter.document() for parameter in operation.parameters]
    if operation.accepts:
        written["requestBody"] = {"required": True, "content": {operation.accepts: _body(operation)}}
    return written


def _body(operation: Operation) -> dict[str, Any]:
    schema = _reference(operation.body) if operation.body else {"type": "object"}
    return {"schema": schema} | ({"example": operation.example} if operation.example is not None else {})


def _answer(answer: Answer) -> dict[str, Any]:
    written: dict[str, Any] = {"description": answer.description}
    if answer.headers:
        written["headers"] = {
            name: {"description": HEADERS[name], "schema": {"type": "string"}} for name in answer.headers
        }
    schema: Any = _reference(answer.model) if answer.model else {}
    content = {media: {"schema": schema if media == JSON else {"type": "string"}} for media in answer.media}
    return written | ({"content": content} if content else {})


def _refusal(status: int) -> dict[str, Any]:
    return {
        "description": _REFUSALS.get(status, HTTPStatus(status).phrase),
        "content": {"application/problem+json": {"schema": _reference(ProblemDocument)}},
    }


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


_CALLBACK: Final = {
    "summary": "What the callbackUrl of a request is sent.",
    "description": "Signed as https://www.standardwebhooks.com says, at least once, with one webhook-id at every try.",
    "requestBody": {"required": True, "content": {JSON: {"schema": _reference(CallbackEvent)}}},
    "responses": {"2XX": {"description": "Taken. Anything else is tried again, or given up where that is no use."}},
}
