"""Backstage documents as components, related in both directions whoever tells it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from worker.catalog_model.entities import components, parse_ref, related

RESPONSES = Path(__file__).parents[2] / "responses" / "backstage"


def entity(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": name}, "spec": spec}


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("Component:Default/Invoice-API", "component:default/invoice-api"),
        ("invoice-api", "component:default/invoice-api"),
        ("resource:invoice-db", "resource:default/invoice-db"),
        ("billing/invoice-api", "component:billing/invoice-api"),
        (" group:default/team-billing ", "group:default/team-billing"),
        ("a:b:c", None),
        ("a/b/c", None),
        ("invoice api", None),
        ("x,kind=user", None),
        ("", None),
        (None, None),
        (7, None),
    ],
)
def test_a_short_ref_is_made_full(text: object, full: str | None) -> None:
    assert parse_ref(text) == full


def test_a_dependency_counts_whichever_side_tells_it() -> None:
    known = components(
        [
            entity("Component", "shop", dependsOn=["component:cart", "resource:default/db"]),
            entity("Component", "cart"),
            entity("Resource", "db"),
            entity("Component", "mailer", dependencyOf=["component:shop"]),
        ]
    )
    shop = known["component:default/shop"]
    assert set(shop.depends_on) == {
        "component:default/cart",
        "component:default/mailer",
        "resource:default/db",
    }
    assert known["component:default/mailer"].dependents == ("component:default/shop",)
    assert known["resource:default/db"].dependents == ("component:default/shop",)
    assert shop.dependents == ()


def test_who_consumes_an_api_needs_the_api_and_its_provider() -> None:
    known = components(
        [
            entity("Component", "shop", consumesApis=["payment-rest"]),
            entity("Component", "payments", providesApis=["payment-rest"], consumesApis=["payment-rest"]),
            entity("API", "payment-rest"),
        ]
    )
    assert known["component:default/shop"].depends_on == ("component:default/payments", "api:default/payment-rest")
    assert known["component:default/payments"].dependents == ("component:default/shop",)
    assert "component:default/payments" not in known["component:default/payments"].depends_on


def test_services_come_before_databases_and_interfaces() -> None:
    known = components([entity("Component", "shop", dependsOn=["api:a", "resource:b", "component:c"])])
    assert [ref.partition(":")[0] for ref in known["component:default/shop"].depends_on] == [
        "component",
        "resource",
        "api",
    ]


def test_cycles_and_refs_that_lead_nowhere_do_no_harm() -> None:
    known = components(
        [
            entity("Component", "a", dependsOn=["component:b", "component:a"]),
            entity("Component", "b", dependsOn=["component:a", "component:gone"]),
        ]
    )
    assert known["component:default/a"].depends_on == ("component:default/b",)
    assert known["component:default/b"].depends_on == ("component:default/a", "component:default/gone")


def test_a_short_ref_is_in_the_namespace_of_whoever_tells_it() -> None:
    shop = entity("Component", "shop", dependsOn=["component:cart"], owner="team", system="store")
    shop["metadata"]["namespace"] = "Retail"
    found = components([shop])["component:retail/shop"]
    assert (found.depends_on, found.owner, found.system) == (
        ("component:retail/cart",),
        "group:retail/team",
        "system:retail/store",
    )


def test_a_system_needs_its_parts_but_they_do_not_name_it_as_a_dependent() -> None:
    known = components([entity("System", "billing"), entity("Component", "invoice-api", system="billing")])
    assert known["system:default/billing"].depends_on == ("component:default/invoice-api",)
    assert known["component:default/invoice-api"].dependents == ()


def test_the_relations_of_the_live_catalog_are_read() -> None:
    found = components([json.loads((RESPONSES / "by_name.json").read_text())])["component:default/invoice-api"]
    assert found.depends_on == ("resource:default/invoice-db",)
    assert found.dependents == ("component:default/notification-service",)
    assert (found.owner, found.system) == ("group:default/team-billing", "system:default/billing")
    assert found.repository == "acme/invoice-api"
    assert [link.title for link in found.links] == ["Runbook", "Dashboard"]
    assert found.tags == ("dotnet", "rest")


def test_what_is_related_starts_with_what_is_needed() -> None:
    document = json.loads((RESPONSES / "by_name.json").read_text())
    refs = related(document)
    assert refs[0] == "resource:default/invoice-db"
    assert {"component:default/notification-service", "api:default/invoice-rest"} <= set(refs)


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "text",
        {},
        {"kind": "Component"},
        {"kind": "Component", "metadata": []},
        {"kind": ["x"], "metadata": {"name": "a"}},
        {"kind": "Component", "metadata": {"name": {"a": 1}}},
        {"kind": "Component", "metadata": {"name": "a,kind=user"}},
    ],
)
def test_what_is_no_entity_is_left_out(document: Any) -> None:
    assert components([document]) == {}


def test_fields_of_the_wrong_shape_count_as_missing_and_long_ones_are_cut() -> None:
    document = {
        "kind": "Component",
        "metadata": {
            "name": "a",
            "description": "x" * 10_000,
            "title": "a\x00b\ud800",
            "tags": {"not": "a list"},
            "links": [{"url": "javascript:alert(1)"}, "x", {"url": "https://example.test/"}],
            "annotations": {"good": "yes", "bad": ["no"], 7: "no"},
        },
        "spec": {"dependsOn": [{"x": 1}, None, "component:b"], "owner": 7, "system": ["s"]},
        "relations": "none",
    }
    found = components([document])["component:default/a"]
    assert found.description is not None and len(found.description) == 2_000
    assert found.title == "a\ufffdb\ufffd"
    assert (found.tags, found.owner, found.annotations) == ((), None, {"good": "yes"})
    assert [link.url for link in found.links] == ["https://example.test/"]
    assert found.depends_on == ("component:default/b",)
