"""Which service, and which incident."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.alert import UNNAMED, Alert
from webhook.grouping import MAX_FINGERPRINT, Grouping, bounded_fingerprint, fingerprint_of, groups_of, service_of

LABELS = Grouping().service_labels


def alert(service: str = "shop", title: str = "Slow", firing: bool = True, **labels: str) -> Alert:
    """An alert of which only this matters."""
    return Alert(fingerprint="f", firing=firing, title=title, service=service, labels=labels)


@pytest.mark.parametrize(
    ("labels", "service"),
    [
        ({"service": "invoice-api", "job": "node"}, "invoice-api"),
        ({"job": "checkout"}, "checkout"),
        ({"app": "cart", "container": "istio-proxy"}, "cart"),
        ({"app.kubernetes.io/name": "cart"}, "cart"),
        ({"serviceName": "cart"}, "cart"),
        ({"Service-Name": "cart"}, "cart"),
        ({"service.name": "", "service_name": "cart"}, "cart"),
        ({"service": "", "app": " ", "job": "cart"}, "cart"),
        ({"service": "two\nlines  here "}, "two lines here"),
        ({"service": "s" * 200}, "s" * 127 + "…"),
        ({"namespace": "shop", "instance": "10.0.0.1"}, UNNAMED),
        ({}, UNNAMED),
    ],
)
def test_labels_name_the_service(labels: dict[str, str], service: str) -> None:
    assert service_of(labels, {}, LABELS) == service


@pytest.mark.parametrize("name", ["entity_ref", "entityRef", "backstage_entity_ref", "backstage.io/entity-ref"])
@pytest.mark.parametrize(
    ("ref", "service"),
    [
        ("component:default/invoice-api", "invoice-api"),
        ("Component:invoice-api", "invoice-api"),
        ("shop/invoice-api", "invoice-api"),
        (" invoice-api ", "invoice-api"),
    ],
)
def test_an_entity_ref_comes_first(name: str, ref: str, service: str) -> None:
    assert service_of({"service": "other", name: ref}, {}, LABELS) == service
    assert service_of({"service": "other"}, {name: ref}, LABELS) == service


def test_an_empty_entity_ref_names_nothing() -> None:
    assert service_of({"entity_ref": " ", "service": "cart"}, {"entity_ref": ""}, LABELS) == "cart"


def test_the_label_list_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHYDOWN_SERVICE_LABELS", "team_service, workload")
    chosen = Grouping.read().service_labels
    assert service_of({"service": "no", "workload": "yes"}, {}, chosen) == "yes"


@given(st.dictionaries(st.text(), st.text()), st.dictionaries(st.text(), st.text()))
def test_every_alert_has_a_bounded_service(labels: dict[str, str], annotations: dict[str, str]) -> None:
    service = service_of(labels, annotations, LABELS)
    assert 0 < len(service) <= 128
    assert "\n" not in service


def test_one_group_per_key_and_service() -> None:
    alerts = [("k2", alert("b")), ("k1", alert("b")), ("k1", alert("a")), ("k1", alert("b", "Slower"))]
    groups = groups_of(alerts, truncated=3)
    assert [(group.key, group.service, len(group.alerts), group.truncated) for group in groups] == [
        ("k1", "a", 1, 3),
        ("k1", "b", 2, 3),
        ("k2", "b", 1, 3),
    ]


@pytest.mark.parametrize(
    ("alerts", "title"),
    [
        ([alert(title="Slow", alertname="Latency")], "Slow"),
        ([alert(title="Slow", alertname="Latency"), alert(title="Slow", alertname="Latency")], "Slow"),
        ([alert(title="Slow on 1", alertname="Latency"), alert(title="Slow on 2", alertname="Latency")], "Latency"),
        ([alert(title="Slow on 1", alertname="Latency"), alert(title="Full", alertname="Disk")], "Slow on 1"),
        ([alert(title="Slow on 1"), alert(title="Slow on 2")], "Slow on 1"),
        ([alert(title="Over", firing=False), alert(title="Full")], "Full"),
        ([alert(title="Over", firing=False)], "Over"),
    ],
)
def test_a_group_has_a_title_that_fits_all_of_it(alerts: list[Alert], title: str) -> None:
    (group,) = groups_of([("key", alert) for alert in alerts])
    assert group.title == title


def test_fingerprints_tell_parts_apart() -> None:
    assert fingerprint_of("a", "bc") == fingerprint_of("a", "bc")
    assert len({fingerprint_of("a", "bc"), fingerprint_of("ab", "c"), fingerprint_of("a\x00bc"), fingerprint_of()}) == 4


def test_a_long_fingerprint_stays_its_own() -> None:
    longest = "f" * MAX_FINGERPRINT
    assert bounded_fingerprint(longest) == longest
    one, other = bounded_fingerprint(longest + "1"), bounded_fingerprint(longest + "2")
    assert one != other
    assert len(one) <= MAX_FINGERPRINT
