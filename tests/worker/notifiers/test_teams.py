"""Teams: a card to a workflow, which answers 202 or why not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.errors import ConfigurationError
from shared.incident import Status
from shared.moment import Deadline
from tests.loopback import Reply, StandIn
from tests.worker.news import FORBIDDEN, PAGE, Memory, incident, push
from worker.notifiers import PushFailure
from worker.notifiers.teams import Teams

SOON = 10


def sent(status: Status, url: str | None = PAGE) -> Any:
    """The card that a workflow gets."""
    memory = Memory()
    with StandIn(lambda asked: Reply("", 202)) as workflow:
        Teams(f"{workflow.url}/workflows/1/triggers/manual/paths/invoke?sig=s3cr3t").push(
            push(incident(status), memory, url), Deadline.after(SOON)
        )
        (asked,) = workflow.asked
    assert asked.query == [("sig", "s3cr3t")]
    assert memory.kept == {}, "nothing can be changed later"
    message = asked.json()
    assert message["type"] == "message"
    (attachment,) = message["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    return attachment["content"]


def test_a_diagnosis_is_a_card_with_the_cause_the_first_action_and_a_button() -> None:
    card = sent(Status.DONE)
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    lines = ["".join(run["text"] for run in block["inlines"]) for block in card["body"]]
    assert lines[0].startswith("invoice-api: Error rate above 5 %")
    assert lines[1].startswith("Diagnosis · critical · since 2026-11-23 03:04 UTC")
    assert lines[2].startswith("Probable cause (72%): The pool is exhausted")
    assert lines[3].startswith("First: Roll back")
    assert lines[4].startswith("git revert 67e271c")
    assert card["actions"] == [{"type": "Action.OpenUrl", "title": "Open the incident", "url": PAGE}]


def test_nothing_from_outside_is_markdown_or_a_link() -> None:
    for status in (Status.DIAGNOSING, Status.DONE, Status.FAILED):
        card = sent(status)
        assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
        assert {run["type"] for block in card["body"] for run in block["inlines"]} == {"TextRun"}
        assert not [each for each in FORBIDDEN if each in json.dumps(card).replace(PAGE, "")]
    assert "actions" not in sent(Status.DONE, url=None)


@pytest.mark.parametrize(
    ("reply", "permanent"),
    [
        (Reply("", 429, {"Retry-After": "9"}), False),
        (Reply("", 502), False),
        (Reply("", 404), True),
        (Reply("", 401), True),
    ],
)
def test_what_its_answers_mean(reply: Reply, permanent: bool) -> None:
    with StandIn(lambda asked: reply) as workflow, pytest.raises(PushFailure, match=str(reply.status)) as failure:
        Teams(workflow.url).push(push(), Deadline.after(SOON))
    assert failure.value.permanent is permanent
    assert failure.value.retry_after == (9 if reply.status == 429 else None)


def test_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Teams.from_settings() is None
    monkeypatch.setenv("WHYDOWN_TEAMS_WEBHOOK_URL", "prod-1.logic.example.test/s3cr3t")
    with pytest.raises(ConfigurationError, match="WHYDOWN_TEAMS_WEBHOOK_URL") as failure:
        Teams.from_settings()
    assert "s3cr3t" not in str(failure.value)
    monkeypatch.setenv("WHYDOWN_TEAMS_WEBHOOK_URL", "https://prod-1.logic.example.test/s3cr3t")
    teams = Teams.from_settings()
    assert teams is not None
    assert "not tried" in teams.probe(Deadline.after(1))
