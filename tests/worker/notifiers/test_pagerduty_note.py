"""PagerDuty: notes on the incident that its own webhook told of."""

from __future__ import annotations

import pytest

from shared.errors import ConfigurationError
from shared.incident import AlertSeen, Status
from shared.moment import Deadline
from tests.loopback import Asked, Reply, StandIn
from tests.worker.news import FORBIDDEN, PAGE, incident, push
from worker.notifiers import Occasion, PushFailure
from worker.notifiers.pagerduty_note import PagerDutyNote

SOON = 10
CREATED = Reply({"note": {"id": "PWL7QXS", "content": "x"}}, 200)


def pagerduty(asked: Asked) -> Reply:
    """As its REST API answers, for an account's key."""
    if asked.headers.get("authorization") != "Token token=key":
        return Reply({"error": {"message": "Unauthorized", "code": 2006}}, 401)
    if asked.path == "/abilities":
        return Reply({"abilities": ["teams"]})
    if asked.headers.get("from") != "oncall@example.test":
        return Reply({"error": {"message": "Requester User Not Found", "errors": ["From header required"]}}, 400)
    if asked.path == "/incidents/Q02JTSNZWHSEKV/notes":
        return CREATED
    return Reply({"error": {"message": "Not Found", "code": 2100}}, 404)


def test_brief_and_diagnosis_are_a_note_each_of_plain_lines() -> None:
    with StandIn(pagerduty) as server:
        notes = PagerDutyNote("key", "oncall@example.test", server.url)
        for status in (Status.DIAGNOSING, Status.DONE):
            notes.push(push(incident(status)), Deadline.after(SOON))
        first, second = [asked.json()["note"]["content"] for asked in server.asked]
        assert server.asked[0].headers["accept"] == "application/vnd.pagerduty+json;version=2"
    assert first.startswith("First look: invoice-api: Error rate above 5 %")
    assert "Probable cause (72%): The pool is exhausted" in second
    assert "The moon is full: “moon” (unverified)" in second
    assert not [each for each in FORBIDDEN if each in (first + second).replace(PAGE, "")]


@pytest.mark.parametrize(
    ("token", "sender", "fingerprint", "said"),
    [
        ("wrong", "oncall@example.test", "Q02JTSNZWHSEKV", "WHYDOWN_PAGERDUTY_TOKEN is wrong"),
        ("key", None, "Q02JTSNZWHSEKV", "set WHYDOWN_PAGERDUTY_FROM"),
        ("key", "oncall@example.test", "Q0000000000000", "404"),
        ("key", "oncall@example.test", "../users/PXPGF42?x=", "told no id"),
    ],
)
def test_what_cannot_be_told_is_given_up_with_the_fix(
    token: str, sender: str | None, fingerprint: str, said: str
) -> None:
    alerts = (AlertSeen(fingerprint=fingerprint, status="firing", title="t"),)
    with StandIn(pagerduty) as server, pytest.raises(PushFailure, match=said) as failure:
        PagerDutyNote(token, sender, server.url).push(push(incident(alerts=alerts)), Deadline.after(SOON))
    assert failure.value.permanent
    assert not [asked for asked in server.asked if "users" in asked.path]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_is_worth_another_try(status: int) -> None:
    with StandIn(lambda _: Reply("", status)) as server, pytest.raises(PushFailure) as failure:
        PagerDutyNote("key", None, server.url).push(push(), Deadline.after(SOON))
    assert not failure.value.permanent


def test_it_is_for_what_came_from_there() -> None:
    notes = PagerDutyNote("key")
    assert notes.wants(Occasion("brief", "web", "critical", "pagerduty"))
    assert not notes.wants(Occasion("brief", "web", "critical", "alertmanager"))
    with pytest.raises(ConfigurationError, match="`pagerduty`"):
        PagerDutyNote.at("Q02JTSNZWHSEKV")


def test_the_probe_asks_whether_the_key_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert PagerDutyNote.from_settings() is None
    with StandIn(pagerduty) as server:
        monkeypatch.setenv("WHYDOWN_PAGERDUTY_API_URL", server.url)
        monkeypatch.setenv("WHYDOWN_PAGERDUTY_TOKEN", "key")
        notes = PagerDutyNote.from_settings()
        assert notes is not None
        assert notes.probe(Deadline.after(SOON)) == "the key is taken"
        with pytest.raises(PushFailure, match="WHYDOWN_PAGERDUTY_TOKEN is wrong"):
            PagerDutyNote("other", None, server.url).probe(Deadline.after(SOON))
