"""What people are told: short, in the order in which it helps, and inert."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.incident import RelatedIncident, Status
from shared.moment import now
from tests.worker.news import FORBIDDEN, MOMENT, PAGE, incident, push
from worker.announcement import Announcement, clock


def test_a_diagnosis_says_what_fails_since_when_why_and_what_to_do_first() -> None:
    told = Announcement.of(push())
    assert told.headline.startswith("invoice-api: Error rate above 5 %")
    assert (told.state, told.cause_title) == ("Diagnosis", "Probable cause (72%)")
    assert told.facts == "critical · since 2026-11-23 03:04 UTC · fired 3 times · 1 source did not answer"
    assert told.cause.startswith("The pool is exhausted")
    assert told.action is not None
    assert told.action.text.startswith("Roll back"), "what is immediate comes first"
    assert told.action.command == "git revert 67e271c #42 dev"
    assert told.details[1] == "The moon is full: “moon” (unverified)"
    assert told.details[2:] == ("Then: Read the change", "Missing: traces")
    assert told.lines()[-1] == PAGE


@pytest.mark.parametrize("status", list(Status))
def test_nothing_in_it_is_a_link_a_mention_or_markup(status: Status) -> None:
    told = Announcement.of(push(incident(status, detail="because <!here> https://evil.test/d")))
    said = "\n".join((*told.lines(), *told.details)).replace(PAGE, "")
    assert not [each for each in FORBIDDEN if each in said]
    assert max(map(len, told.lines())) < 700


@pytest.mark.parametrize(
    ("status", "state", "title", "cause"),
    [
        (
            Status.GATHERING,
            "First look",
            "So far",
            "Commit 67e271c most likely broke it",
        ),
        (Status.FAILED, "Investigation failed", "Before it failed (no room)", "Commit 67e271c most likely broke it"),
        (Status.SKIPPED, "Not investigated", "Why", "no room"),
    ],
)
def test_without_a_diagnosis_it_says_how_far_it_got(status: Status, state: str, title: str, cause: str) -> None:
    told = Announcement.of(push(incident(status, detail="no room")))
    assert (told.state, told.cause_title, told.cause, told.action) == (state, title, cause, None)


def test_that_it_is_over_comes_first() -> None:
    told = Announcement.of(push(incident(resolved_at=MOMENT + timedelta(minutes=16))))
    assert told.state == "Resolved at 2026-11-23 03:20 UTC"
    assert told.cause_title == "Probable cause (72%)"


def test_an_incident_that_another_covers_names_it() -> None:
    other = RelatedIncident(id="i0", service="till", title="t", status=Status.DONE, relation="dependency")
    assert Announcement.of(push(incident(covered_by=other))).facts.endswith("same trouble as till")


def test_without_an_address_there_is_no_link() -> None:
    assert not any("://" in line for line in Announcement.of(push(url=None)).lines())


def test_the_day_is_said_unless_it_is_today() -> None:
    today = now().replace(hour=0, minute=5)
    assert clock(today) == "00:05 UTC"
    assert clock(today - timedelta(days=1)).endswith(" 00:05 UTC")
    assert clock(today - timedelta(days=1)) != "00:05 UTC"
