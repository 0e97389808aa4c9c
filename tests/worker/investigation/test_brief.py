"""The brief: what it names, and when it names nobody."""

from __future__ import annotations

from datetime import timedelta

from shared.incident import Coverage, CoverageStatus
from tests.worker.investigation.incident import (
    ALERT_AT,
    COVERAGE,
    GUILTY,
    INNOCENT,
    SCOPE,
    SEED_FACTS,
    at,
    commit,
    deploy,
    error,
    rule,
)
from worker.investigation import brief, standing_in
from worker.investigation.suspects import candidates


def test_the_seeds_incident_names_commit_error_and_heuristic() -> None:
    made = brief.make(SCOPE, SEED_FACTS, COVERAGE, complete=True)
    assert made.verdict == "change"
    assert made.suspects[0].id == GUILTY
    assert set(made.suspects[0].facts) == {"F1", "F2"}
    assert made.onset == at(3.8)
    (matched,) = made.heuristics
    assert (matched.fact, matched.matches) == ("F5", ("F4", "F1"))
    assert {"npgsql", "database"} <= set(matched.words)
    assert made.signatures[0].fact == "F4"
    assert "a3f7c2d" in made.summary
    assert "NpgsqlException" in made.summary


def test_timing_alone_does_not_beat_shared_words() -> None:
    decoy = commit("F7", "c" * 40, at(4.5), "tune the colour of the button", "-red\n+blue", path="ui/button.css")
    made = brief.make(SCOPE, (*SEED_FACTS, decoy), COVERAGE, complete=True)
    assert made.suspects[0].id == GUILTY


def test_a_change_deployed_after_the_onset_is_no_suspect() -> None:
    facts = [fact for fact in SEED_FACTS if fact.id != "F2"] + [deploy("F2", GUILTY, ALERT_AT + timedelta(minutes=3))]
    made = brief.make(SCOPE, facts, COVERAGE, complete=True)
    assert GUILTY not in [suspect.id for suspect in made.suspects]


def test_documents_alone_break_nothing() -> None:
    facts = [fact for fact in SEED_FACTS if fact.id in ("F3", "F4")]
    made = brief.make(SCOPE, facts, COVERAGE, complete=True)
    assert (made.verdict, made.suspects) == ("noChange", ())
    assert [(each.id, each.facts) for each in made.set_aside] == [(INNOCENT, ("F3",))]
    assert "documents" in made.set_aside[0].reason


def test_no_change_is_said_only_where_changes_were_looked_at() -> None:
    errors = [error("F1", "upstream timed out", at(3))]
    assert brief.make(SCOPE, errors, COVERAGE, complete=True).verdict == "noChange"
    blind = (Coverage(source="changes.git", status=CoverageStatus.TIMEOUT),)
    assert brief.make(SCOPE, errors, blind, complete=True).verdict == "undecided"


def test_nothing_at_all_is_said_plainly() -> None:
    made = brief.make(SCOPE, (), (), complete=True)
    assert made.verdict == "undecided"
    assert made.onset == ALERT_AT
    assert "No error was found" in made.summary


def test_a_commit_seen_by_two_sources_is_one_change() -> None:
    again = SEED_FACTS[0].model_copy(update={"id": "F9", "source": "changes.github"})
    found = candidates.changes((*SEED_FACTS, again), SCOPE, frozenset())
    assert [change.id for change in found].count(GUILTY) == 1
    assert next(change for change in found if change.id == GUILTY).facts == ("F1", "F9", "F2")


def test_the_names_of_the_services_match_no_rule() -> None:
    facts = (error("F1", "invoice-api: upstream timed out", at(3)), rule("F2", "invoice-api needs an api key"))
    assert brief.make(SCOPE, facts, COVERAGE, complete=True).heuristics == ()


def test_standing_in_cites_and_quotes_facts() -> None:
    made = brief.make(SCOPE, SEED_FACTS, COVERAGE, complete=True)
    gap = Coverage(source="logs", status=CoverageStatus.NOT_CONFIGURED, detail="set LOKI_URL")
    answer = standing_in.diagnosis(
        SCOPE, made, SEED_FACTS, (*COVERAGE, gap), provider=None, reason="no model is configured"
    )
    by_id = {fact.id: fact.text for fact in SEED_FACTS}
    assert answer.suspect_change == GUILTY
    assert answer.evidence
    assert all(each.verified and each.quote in by_id[each.fact] for each in answer.evidence)
    assert {"F1", "F4", "F5"} <= {each.fact for each in answer.evidence}
    assert [(each.service, each.in_catalog) for each in answer.related_services] == [
        ("notification-service", True),
        ("invoice-db", False),
    ]
    assert answer.missing_data == ("logs: set LOKI_URL",)
    assert (answer.produced_by.stage, answer.produced_by.reason) == ("brief", "no model is configured")


def test_a_change_without_a_time_is_no_suspect() -> None:
    undated = [fact.model_copy(update={"at": None}) for fact in SEED_FACTS if fact.kind != "deploy"]
    made = brief.make(SCOPE, undated, COVERAGE, complete=True)
    assert (made.suspects, made.set_aside) == ((), ())
