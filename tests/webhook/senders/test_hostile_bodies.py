"""Nothing that anybody sends breaks a route, and nothing hostile comes out of one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.alert import Delivery
from shared.redaction.redactor import Redactor
from tests.corpora.hostile_bodies import HostileBody, bodies
from webhook.body import BodyRejected, parse, text
from webhook.fields import MAX_LABEL_NAME, MAX_LABEL_VALUE, MAX_LABELS, MAX_LINKS, http_url
from webhook.grouping import MAX_FINGERPRINT, MAX_SERVICE, MAX_TITLE, Grouping
from webhook.plain_alert import MAX_ERRORS
from webhook.senders import SENDERS, MalformedBody

REDACTOR = Redactor()
ROUTES = tuple(SENDERS.names())


def taken(route: str, body: bytes, content_type: str | None, encoding: str | None) -> Delivery | None:
    """What comes of a body; None when it was refused."""
    try:
        return SENDERS.load(route)(Grouping()).parse(parse(body, content_type, encoding, REDACTOR.value), {})
    except BodyRejected as refusal:
        assert refusal.status in (400, 411, 413, 415, 422)
        return None
    except MalformedBody as refusal:
        assert refusal.detail
        return None


def check(delivery: Delivery) -> None:
    """Fails unless everything in it can be stored and shown."""
    assert delivery.groups or delivery.ignored
    for group in delivery.groups:
        assert 0 < len(group.service) <= MAX_SERVICE
        assert 0 < len(group.title) <= MAX_TITLE
        for alert in group.alerts:
            assert 0 < len(alert.fingerprint) <= MAX_FINGERPRINT
            assert 0 < len(alert.title) <= MAX_TITLE
            assert len(alert.errors or "") <= MAX_ERRORS
            assert len(alert.links) <= MAX_LINKS
            assert all(http_url(link.url) for link in alert.links)
            for pairs in (alert.labels, alert.annotations):
                assert len(pairs) <= MAX_LABELS + 1
                assert all(len(key) <= MAX_LABEL_NAME and len(pairs[key]) <= MAX_LABEL_VALUE for key in pairs)
            shown = [
                alert.title,
                alert.service,
                alert.fingerprint,
                alert.errors or "",
                *alert.labels,
                *alert.annotations,
            ]
            for string in (*shown, *alert.labels.values(), *alert.annotations.values()):
                assert text(string, len(string) + 1) == string
                string.encode()


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("hostile", [pytest.param(hostile, id=hostile.name) for hostile in bodies()])
def test_hostile_bodies(hostile: HostileBody, route: str) -> None:
    delivery = taken(
        route, hostile.body, hostile.headers["Content-Type"] or None, hostile.headers.get("Content-Encoding")
    )
    if hostile.expect == "reject" and (route, hostile.name) != ("cloudevents", "top_list"):  # a batch is a list
        assert delivery is None
    if delivery is not None:
        check(delivery)


def test_a_hostile_label_is_kept_as_it_is() -> None:
    hostile = next(hostile for hostile in bodies() if hostile.name == "txt_html_alertname")
    delivery = taken("alertmanager", hostile.body, "application/json", None)
    assert delivery is not None
    ((alert,),) = (group.alerts for group in delivery.groups)
    assert alert.labels["alertname"] == "<img src=x onerror=alert(1)>\"'><script>alert(1)</script>"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


def objects(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    """Objects of which some known fields hold anything."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, ANYTHING))


ALERTS = objects(
    "status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint", "values", "valueString"
)
DELIVERIES = st.one_of(
    ANYTHING,
    st.builds(
        lambda body, alerts: {**body, "alerts": alerts},
        objects("groupKey", "groupLabels", "status", "title", "truncatedAlerts", "externalURL"),
        st.lists(ALERTS | ANYTHING, max_size=3),
    ),
    objects("ruleId", "ruleName", "ruleUrl", "state", "tags", "evalMatches", "title", "message", "imageUrl"),
    st.builds(
        lambda body, service: {**body, "serviceName": service},
        objects("alertTitle", "severity", "startedAt", "errors", "callbackUrl", "labels", "fingerprint", "status"),
        st.text(min_size=1),
    ),
)


@pytest.mark.parametrize("route", ROUTES)
@given(body=DELIVERIES)
def test_any_json_is_taken_or_refused(route: str, body: object) -> None:
    delivery = taken(route, json.dumps(body).encode(), "application/json", None)
    if delivery is not None:
        check(delivery)
