"""What is sent to /webhook/alert."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.alert import Alert, Delivery, Severity
from shared.incident import Link
from webhook.fields import NOTE
from webhook.grouping import Grouping
from webhook.plain_alert import MAX_ERRORS
from webhook.senders import SENDERS, MalformedBody
from webhook.senders.plain import Plain


def parse(body: Any) -> Delivery:
    """What the body says."""
    return Plain(Grouping()).parse(body, {})


def alert(**body: Any) -> Alert:
    """The alert of a body that names its service and this."""
    ((one,),) = (group.alerts for group in parse({"serviceName": "invoice-api", **body}).groups)
    return one


def test_it_is_registered() -> None:
    assert SENDERS.load("alert") is Plain


def test_the_whole_body() -> None:
    delivery = parse(
        {
            "serviceName": "invoice-api",
            "alertTitle": "500 errors above threshold",
            "severity": "critical",
            "startedAt": "2026-11-23T03:08:00+01:00",
            "errors": "NpgsqlException: connection refused",
            "callbackUrl": "https://example.com/hooks/1?x=y",
            "labels": {"region": "eu", "replicas": 3},
            "annotations": {"runbook_url": "https://runbooks.example.com/invoice-api"},
            "fingerprint": "inv-500",
            "somethingElse": {},
        }
    )
    (group,) = delivery.groups
    assert (delivery.sender, delivery.callback_url) == ("alert", "https://example.com/hooks/1?x=y")
    assert (group.key, group.service, group.title) == ("inv-500", "invoice-api", "500 errors above threshold")
    assert group.alerts == (
        Alert(
            fingerprint="inv-500",
            firing=True,
            title="500 errors above threshold",
            service="invoice-api",
            severity=Severity.CRITICAL,
            starts_at=datetime(2026, 11, 23, 2, 8, tzinfo=UTC),
            labels={"region": "eu", "replicas": "3"},
            annotations={"runbook_url": "https://runbooks.example.com/invoice-api"},
            links=(Link(title="Runbook", url="https://runbooks.example.com/invoice-api"),),
            errors="NpgsqlException: connection refused",
        ),
    )


def test_the_service_alone_is_enough() -> None:
    one = alert()
    assert (one.title, one.severity, one.starts_at, one.errors) == (
        "Alert for invoice-api",
        Severity.UNKNOWN,
        None,
        None,
    )


def test_a_refire_is_the_same_alert() -> None:
    first = alert(alertTitle="500 errors", startedAt="2026-11-23T03:08:00Z", errors="a")
    again = alert(alertTitle="500 errors", startedAt="2026-11-23T04:08:00Z", errors="b")
    other = alert(alertTitle="Slow")
    assert first.fingerprint == again.fingerprint != other.fingerprint


@pytest.mark.parametrize("service", [None, "", " \n", 5, True, ["a"], {"name": "a"}])
def test_a_missing_service_is_named(service: object) -> None:
    with pytest.raises(MalformedBody, match="serviceName is missing") as refusal:
        parse({"serviceName": service, "alertTitle": "x"})
    assert refusal.value.field == "serviceName"


@pytest.mark.parametrize(
    ("body", "route"),
    [
        ({"alerts": []}, "/webhook/alertmanager or /webhook/grafana"),
        ({"ruleName": "x"}, "/webhook/grafana"),
        ({"event": {"id": "1"}}, ""),
    ],
)
def test_a_neighbours_body_is_sent_to_the_right_route(body: object, route: str) -> None:
    with pytest.raises(MalformedBody) as refusal:
        parse(body)
    assert route in refusal.value.detail


@pytest.mark.parametrize(
    "url", ["nowhere", "ftp://example.com", "javascript:alert(1)", 5, {}, "http://user:secret@example.com", "http://"]
)
def test_a_callback_must_be_a_web_address(url: object) -> None:
    with pytest.raises(MalformedBody, match="callbackUrl") as refusal:
        parse({"serviceName": "a", "callbackUrl": url})
    assert refusal.value.field == "callbackUrl"
    assert "secret" not in refusal.value.detail


@pytest.mark.parametrize("url", [None, ""])
def test_a_callback_is_optional(url: object) -> None:
    assert parse({"serviceName": "a", "callbackUrl": url}).callback_url is None


@pytest.mark.parametrize("field", ["labels", "annotations"])
def test_labels_must_be_an_object(field: str) -> None:
    with pytest.raises(MalformedBody) as refusal:
        parse({"serviceName": "a", field: ["x"]})
    assert refusal.value.field == field


def test_a_wrong_clock_loses_no_alert() -> None:
    one = alert(startedAt="3:12 am")
    assert one.starts_at is None
    assert one.annotations[NOTE] == "startedAt '3:12 am' was left out: it is no RFC 3339 time"


def test_a_resolved_alert_has_its_end() -> None:
    over = alert(status="Resolved", endsAt="2026-11-23T04:00:00Z")
    assert (over.firing, over.ends_at) == (False, datetime(2026, 11, 23, 4, tzinfo=UTC))
    still = alert(status="firing", endsAt="2026-11-23T04:00:00Z")
    assert (still.firing, still.ends_at) == (True, None)


@pytest.mark.parametrize(
    ("given", "errors"),
    [
        (["first", "second", 3], "first\nsecond\n3"),
        ({"code": 500}, '{"code":500}'),
        ([], None),
        (" ", None),
        ("line\r\nline", "line\nline"),
    ],
)
def test_errors_come_as_text_or_list(given: object, errors: str | None) -> None:
    assert alert(errors=given).errors == errors


def test_long_errors_are_cut_and_it_is_said() -> None:
    one = alert(errors=["x" * MAX_ERRORS, "y"])
    assert one.errors == "x" * (MAX_ERRORS - 1) + "…"
    assert one.annotations[NOTE] == f"errors was cut, it has {MAX_ERRORS + 2} characters"


@pytest.mark.parametrize(
    ("body", "severity"),
    [
        ({"severity": "P1"}, Severity.CRITICAL),
        ({"labels": {"severity": "warning"}}, Severity.WARNING),
        ({"severity": 7}, Severity.UNKNOWN),
    ],
)
def test_severities(body: dict[str, Any], severity: Severity) -> None:
    assert alert(**body).severity == severity
