"""The live catalog: entities as a real Backstage answered them, served by a stand-in that filters as Backstage does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.errors import ConfigurationError
from shared.incident import CoverageStatus
from shared.moment import Deadline, DeadlineExceeded
from tests.loopback import Asked, Reply, StandIn
from worker.catalog_model.entities import ref_of
from worker.catalogs.backstage_catalog import BackstageCatalog
from worker.inquiry import AlertSubject, SourceFailure

RESPONSES = Path(__file__).parents[2] / "responses" / "backstage"
TOKEN = "backstage-canary-token"


def recorded(name: str) -> Any:
    return json.loads((RESPONSES / name).read_text())


def entity(kind: str, name: str, annotations: dict[str, str] | None = None, **relations: list[str]) -> dict[str, Any]:
    told = [{"type": type_, "targetRef": ref} for type_, refs in relations.items() for ref in refs]
    return {
        "kind": kind,
        "metadata": {"name": name, "namespace": "default", "annotations": annotations or {}},
        "spec": {},
        "relations": told,
    }


REAL = [
    recorded("by_name.json"),
    *recorded("by_query_relation.json")["items"],
    recorded("dangling.json"),
    *recorded("query_fulltext.json")["items"][:2],
]


class Backstage:
    """Answers as the catalog's API does: commas mean and, repeated filters mean or, no value means present."""

    def __init__(self, *entities: dict[str, Any], page: int = 500) -> None:
        self.entities = list(entities)
        self.page = page
        self.script: list[Reply] = []

    def __call__(self, asked: Asked) -> Reply:
        if self.script:
            return self.script.pop(0)
        if asked.path.endswith("/by-refs"):
            by_ref = {ref_of(item): item for item in self.entities}
            return Reply({"items": [by_ref.get(ref) for ref in asked.json()["entityRefs"]]})
        assert asked.path == "/api/catalog/entities/by-query"
        query = dict(asked.query)
        filters = [value for key, value in asked.query if key == "filter"]
        start = 0
        if "cursor" in query:
            filters, start = json.loads(query["cursor"])
        found = [item for item in self.entities if any(self._passes(item, each) for each in filters)]
        end = start + min(self.page, int(query.get("limit", "20")))
        following = {"nextCursor": json.dumps([filters, end])} if end < len(found) else {}
        return Reply({"items": found[start:end], "totalItems": len(found), "pageInfo": following})

    @staticmethod
    def _passes(item: dict[str, Any], filter_: str) -> bool:
        for condition in filter_.split(","):
            key, equals, value = condition.partition("=")
            if key.startswith("metadata.annotations."):
                actual = item["metadata"].get("annotations", {}).get(key.removeprefix("metadata.annotations."))
            else:
                actual = {"kind": item["kind"], "metadata.name": item["metadata"]["name"]}[key]
            if actual is None or (equals and actual.lower() != value.lower()):
                return False
        return True


def subject(service: str = "unknown", **labels: str) -> AlertSubject:
    return AlertSubject(service, "Down", labels=labels)


def soon() -> Deadline:
    return Deadline.after(30)


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[BackstageCatalog, StandIn, Backstage]]]:
    running: list[StandIn] = []

    def start(*entities: dict[str, Any], page: int = 500) -> tuple[BackstageCatalog, StandIn, Backstage]:
        backstage = Backstage(*entities, page=page)
        server = StandIn(backstage).__enter__()
        running.append(server)
        return BackstageCatalog(server.url, TOKEN), server, backstage

    yield start
    for server in running:
        server.__exit__(None, None, None)


def test_a_component_comes_with_its_neighbours(serve: Any) -> None:
    catalog, server, _ = serve(*REAL)
    match = catalog.match(subject("Invoice-API"), soon())
    assert match.component is not None
    assert match.component.ref == "component:default/invoice-api"
    assert match.component.depends_on == ("resource:default/invoice-db",)
    assert match.component.dependents == ("component:default/notification-service",)
    assert {neighbour.name for neighbour in match.neighbours} == {"invoice-db", "notification-service"}
    assert {asked.headers["authorization"] for asked in server.asked} == {f"Bearer {TOKEN}"}


def test_the_provider_of_a_consumed_api_is_found_two_steps_away(serve: Any) -> None:
    catalog, _, _ = serve(
        entity("Component", "shop", consumesApi=["api:default/pay"]),
        entity("API", "pay", apiProvidedBy=["component:default/payments"], apiConsumedBy=["component:default/shop"]),
        entity("Component", "payments", providesApi=["api:default/pay"]),
    )
    shop = catalog.match(subject("shop"), soon())
    assert shop.component.depends_on == ("component:default/payments", "api:default/pay")
    assert {neighbour.name for neighbour in shop.neighbours} == {"payments", "pay"}
    payments = catalog.match(subject("payments"), soon())
    assert payments.component.dependents == ("component:default/shop",)
    assert [neighbour.name for neighbour in payments.neighbours] == ["shop"]


def test_refs_that_lead_nowhere_are_kept(serve: Any) -> None:
    catalog, _, _ = serve(*REAL)
    match = catalog.match(subject("legacy-reporting"), soon())
    assert match.component.depends_on == ("component:default/does-not-exist",)
    assert match.neighbours == ()


def test_annotations_lead_to_the_component_and_all_of_it_is_read(serve: Any) -> None:
    catalog, _, _ = serve(
        *REAL,
        entity(
            "Component", "search", {"grafana/alert-label-selector": "team=find"}, dependsOn=["component:default/index"]
        ),
        entity("Component", "mailer", {"prometheus.io/alert": "MailerDown"}),
        entity("Component", "ledger", {"backstage.io/kubernetes-id": "ledger-core"}),
    )
    assert catalog.match(subject(team="find"), soon()).component.depends_on == ("component:default/index",)
    assert catalog.match(subject("invoice-api", alertname="MailerDown"), soon()).component.name == "mailer"
    assert catalog.match(subject(container="LEDGER-core"), soon()).component.name == "ledger"


def test_an_explicit_ref_is_asked_for_by_itself(serve: Any) -> None:
    catalog, _, _ = serve(*REAL)
    match = catalog.match(subject("ledger", entity_ref="resource:invoice-db"), soon())
    assert match.component.ref == "resource:default/invoice-db"
    assert match.component.dependents == ("component:default/invoice-api",)


def test_an_unknown_service_is_answered_with_the_closest_names_of_all_pages(serve: Any) -> None:
    catalog, server, _ = serve(*(entity("Component", f"other-{n}") for n in range(30)), *REAL, page=7)
    match = catalog.match(subject("invoice-apu"), soon())
    assert match.component is None
    assert match.closest[0] == "invoice-api"
    assert sum(1 for asked in server.asked if "cursor" in dict(asked.query)) >= 4


@pytest.mark.parametrize("name", ["x,kind=user", "x=y", "a b", "é", "x&filter=kind=user", "x\n", "*", ""])
def test_a_hostile_name_does_not_alter_a_filter(serve: Any, name: str) -> None:
    catalog, server, _ = serve(entity("Component", "x"), entity("User", "x"))
    match = catalog.match(AlertSubject(name, "T", labels={"app": name, "entity_ref": name}, entity_ref=name), soon())
    assert match.component is None or match.component.ref == "component:default/x"
    for asked in server.asked:
        for key, value in asked.query:
            assert key in ("filter", "limit", "fields", "cursor")
            assert "kind=user" not in value
            assert value.count(",") <= 1 or key == "fields"


@pytest.mark.parametrize("file", ["no_token.json", "bad_token.json"])
def test_a_refused_token_is_denied_at_once(serve: Any, file: str) -> None:
    catalog, server, backstage = serve()
    backstage.script = [Reply(recorded(file), status=401)]
    with pytest.raises(SourceFailure) as failure:
        catalog.match(subject("invoice-api"), soon())
    assert failure.value.status is CoverageStatus.DENIED
    assert TOKEN not in failure.value.detail
    assert len(server.asked) == 1


def test_passing_troubles_are_tried_again(serve: Any) -> None:
    catalog, server, backstage = serve(*REAL)
    backstage.script = [Reply("overloaded", status=503), Reply("{cut", status=200)]
    assert catalog.match(subject("invoice-api"), soon()).component is not None
    assert server.asked[0].query == server.asked[2].query


def test_lasting_troubles_are_a_failure_and_not_an_unknown_service(serve: Any) -> None:
    catalog, server, backstage = serve(*REAL)
    backstage.script = [Reply("down", status=500)] * 3
    with pytest.raises(SourceFailure, match="answered 500") as failure:
        catalog.match(subject("invoice-api"), soon())
    assert not failure.value.transient, "three tries are enough"
    assert len(server.asked) == 3


def test_a_catalog_that_hangs_is_given_up_at_the_deadline() -> None:
    def hang(asked: Asked) -> Reply:
        server.closing.wait(60)
        return Reply()

    with StandIn(hang) as server, pytest.raises(DeadlineExceeded):
        BackstageCatalog(server.url).match(subject("invoice-api"), Deadline.after(0.3))


def test_neighbours_that_cannot_be_read_do_not_cost_the_component(serve: Any) -> None:
    catalog, _, backstage = serve(*REAL)

    class Broken(Backstage):
        def __call__(self, asked: Asked) -> Reply:
            return Reply("no", status=404) if asked.path.endswith("by-refs") else super().__call__(asked)

    backstage.__class__ = Broken
    match = catalog.match(subject("invoice-api"), soon())
    assert match.component.depends_on == ("resource:default/invoice-db",)
    assert "neighbours could not be read" in match.how


def test_nonsense_answers_are_no_entities(serve: Any) -> None:
    answers: list[Any] = [[], {"items": {"a": 1}}, {"items": [None, 7, {"kind": "Component"}]}, {"pageInfo": 7}]
    for nonsense in answers:
        catalog, _, backstage = serve()
        backstage.script = [Reply(nonsense)] * 9
        assert catalog.match(subject("invoice-api"), soon()).component is None


def test_the_probe_counts_components(serve: Any) -> None:
    catalog, _, _ = serve(*REAL)
    assert catalog.probe(soon()) == "3 components"


def test_the_refs_of_all_that_an_alert_may_be_about(serve: Any) -> None:
    others = (entity("Component", f"other-{n}") for n in range(20))
    catalog, _, _ = serve(*others, entity("Group", "billing"), entity("Resource", "Invoice-DB"), page=7)
    refs = catalog.refs(soon())
    assert len(refs) == 21
    assert {"component:default/other-7", "resource:default/invoice-db"} <= set(refs)


def test_it_is_configured_by_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WHYDOWN_BACKSTAGE_URL", raising=False)
    assert BackstageCatalog.from_settings() is None
    monkeypatch.setenv("WHYDOWN_BACKSTAGE_URL", "backstage:7007")
    with pytest.raises(ConfigurationError, match="WHYDOWN_BACKSTAGE_URL"):
        BackstageCatalog.from_settings()
    monkeypatch.setenv("WHYDOWN_BACKSTAGE_URL", "http://backstage:7007/")
    monkeypatch.setenv("WHYDOWN_BACKSTAGE_TOKEN", TOKEN)
    assert BackstageCatalog.from_settings() is not None
