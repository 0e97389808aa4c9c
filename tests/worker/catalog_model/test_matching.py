"""From an alert to its component: the order of the evidence, and no guesses."""

from __future__ import annotations

from worker.catalog_model.matching import Directory, closest, explicit_refs, names
from worker.inquiry import AlertSubject, Component

KEYS = {"alert": "prometheus.io/alert", "selector": "grafana/alert-label-selector", "k8s": "backstage.io/kubernetes-id"}


def component(name: str, kind: str = "Component", namespace: str = "default", **annotations: str) -> Component:
    renamed = {KEYS[key]: value for key, value in annotations.items()}
    return Component(ref=f"{kind}:{namespace}/{name}".lower(), name=name, kind=kind, annotations=renamed)


def subject(
    service: str = "unknown", title: str = "Down", entity_ref: str | None = None, **labels: str
) -> AlertSubject:
    return AlertSubject(service=service, title=title, labels=labels, entity_ref=entity_ref)


CATALOG = [
    component("invoice-api"),
    component("invoice-api", namespace="staging"),
    component("ledger", k8s="ledger-core"),
    component("Mailer", alert="QueueFull, MailerDown"),
    component("search", selector="team=find,tier=1"),
    component("invoice-db", "Resource"),
    component("billing", "System"),
    component("billing", "Group"),
]


def chosen(asked: AlertSubject) -> str | None:
    found = Directory(CATALOG).choose(asked)
    return found[0].ref if found else None


def test_an_explicit_ref_beats_everything_else() -> None:
    asked = subject("ledger", alertname="MailerDown", entity_ref="component:staging/invoice-api")
    assert chosen(asked) == "component:staging/invoice-api"


def test_a_ref_in_any_of_the_known_labels_or_annotations_counts() -> None:
    for key in ("entity_ref", "entityRef", "backstage_entity_ref", "backstage.io/entity-ref"):
        in_label = AlertSubject("ledger", "Down", labels={key: "Component:default/Invoice-API"})
        in_annotation = AlertSubject("ledger", "Down", annotations={key: "resource:invoice-db"})
        assert chosen(in_label) == "component:default/invoice-api", key
        assert chosen(in_annotation) == "resource:default/invoice-db", key


def test_a_request_for_one_entity_is_not_answered_with_another_of_the_same_name() -> None:
    assert chosen(subject("invoice-api", entity_ref="component:prod/invoice-api")) is None


def test_a_ref_in_a_label_that_leads_nowhere_gives_way_to_the_name() -> None:
    assert chosen(subject("ledger", entity_ref=None, entityRef="component:default/gone")) == "component:default/ledger"


def test_a_bare_name_in_the_request_is_a_name() -> None:
    assert chosen(subject(entity_ref="Invoice-DB")) == "resource:default/invoice-db"


def test_an_annotation_that_names_the_alert_beats_the_name() -> None:
    found = Directory(CATALOG).choose(subject("ledger", alertname="MailerDown"))
    assert found is not None
    assert found[0].name == "Mailer"
    assert "prometheus.io/alert" in found[1]


def test_a_selector_needs_all_of_its_labels() -> None:
    assert chosen(subject(team="find", tier="1")) == "component:default/search"
    assert chosen(subject(team="find", tier="2")) is None
    assert chosen(subject(team="find")) is None


def test_an_alert_that_several_components_claim_is_decided_by_the_name() -> None:
    catalog = [component("a", alert="HighErrorRate"), component("b", alert="HighErrorRate"), component("c")]
    assert Directory(catalog).choose(subject(alertname="HighErrorRate")) is None
    for name in ("b", "c"):
        found = Directory(catalog).choose(subject(alertname="HighErrorRate", app=name))
        assert found is not None and found[0].name == name


def test_an_empty_annotation_claims_nothing() -> None:
    assert Directory([component("a", alert="", selector="")]).choose(subject(title="")) is None
    assert Directory([component("a", selector=" , ")]).choose(subject(title="x")) is None


def test_the_service_comes_first_then_the_labels_in_their_order() -> None:
    assert chosen(subject("invoice-api", app="ledger")) == "component:default/invoice-api"
    assert chosen(subject("payments", job="invoice-api", app="ledger")) == "component:default/ledger"
    assert chosen(subject("payments", job="monitoring/ledger")) == "component:default/ledger"


def test_names_match_in_any_case_and_by_kubernetes_id() -> None:
    assert chosen(subject("INVOICE-API")) == "component:default/invoice-api"
    found = Directory(CATALOG).choose(subject("x", container="Ledger-Core"))
    assert found is not None
    assert found[0].name == "ledger"
    assert found[1] == "the alert's label container is its backstage.io/kubernetes-id"


def test_databases_and_systems_match_by_name_but_groups_do_not() -> None:
    assert chosen(subject("invoice-db")) == "resource:default/invoice-db"
    assert chosen(subject("billing")) == "system:default/billing"


def test_of_several_namespaces_the_default_one_is_taken_and_said() -> None:
    found = Directory(CATALOG).choose(subject("invoice-api"))
    assert found is not None
    assert found[0].ref == "component:default/invoice-api"
    assert "one of 2" in found[1]


def test_an_alert_without_a_service_matches_nothing() -> None:
    assert Directory([*CATALOG, component("unknown")]).choose(subject("unknown")) is None


def test_names_that_no_component_can_have_are_not_asked_about() -> None:
    hostile = subject("a,kind=user", app="x=y", component="a b", container="ok-1", job="x" * 129)
    assert [hint.value for hint in names(hostile)] == ["ok-1"]
    assert explicit_refs(subject(entity_ref="component:default/a,kind=user")) == []


def test_the_closest_names_are_offered() -> None:
    known = ["invoice-api", "invoice-db", "ledger", "mailer"]
    assert closest(subject("invoce-api"), known)[0] == "invoice-api"
    assert closest(subject("zzz"), known) == ()
    assert closest(subject("unknown", app="Ledgr"), known)[0] == "ledger"
    assert len(closest(subject("api"), [f"api{n}" for n in range(9)])) == 5
