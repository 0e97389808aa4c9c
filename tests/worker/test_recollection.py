"""Earlier incidents with the same errors, from one incident's feedback to the next one's diagnosis, on both engines."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select, update

from shared.database import Database
from shared.incident import BroughtContext, Incident, Status
from shared.moment import now
from shared.settings import Investigation
from shared.store import admission, feedback, intake, reading, work
from shared.store.feedback import Judgement
from shared.store.intake import ManualRequest
from shared.store.related import WINDOW
from shared.tables import AttemptRow, FactRow, IncidentRow, SignatureRow
from worker import pipeline
from worker.investigation.recurrence import SOURCE
from worker.parts import Parts

TODAY = now()
YESTERDAY = TODAY - timedelta(days=1)
LONG_AGO = TODAY - timedelta(days=9)


def opened(database: Database, errors: str, started_at: datetime, service: str = "invoice-api") -> str:
    """A new incident whose errors the caller brought along."""
    brought = BroughtContext(recent_errors=errors)
    request = ManualRequest(service=service, title=f"{service} is down", started_at=started_at, brought=brought)
    return intake.open_manual(database, request).incidents[0].id


def parts_on(database: Database) -> Parts:
    return Parts(database=database, settings=Investigation(), sources={}, public_url="https://whydown.example.test")


def investigated(database: Database, incident_id: str, attempt: int = 1) -> Incident:
    """Runs the stages of an attempt here."""
    parts = parts_on(database)
    admission.admit(database, 99)
    for stage in (pipeline.investigate, pipeline.diagnose):
        claim = work.claim(database, f"{incident_id}.{attempt}.{stage.__name__}")
        assert claim is not None
        stage(parts, claim)()
    document = reading.incident(database, incident_id)
    assert document is not None
    assert document.status is Status.DONE
    return document


def incident(database: Database, errors: str, started_at: datetime, service: str = "invoice-api") -> Incident:
    return investigated(database, opened(database, errors, started_at, service))


def refused(host: str, order: int) -> str:
    return f"ERROR order {order}: connection to {host} refused"


def test_what_fixed_it_then_is_shown_when_the_same_errors_come_again(database: Database) -> None:
    first = incident(database, refused("10.0.1.5:5432", 17), LONG_AGO)
    assert (first.brief and first.brief.similar) == ()
    said = Judgement("wrong", "a full <script>disk", "emptied /var/log")
    assert feedback.judge(database, first.id, said)

    second = incident(database, refused("10.0.9.9:6432", 4711), YESTERDAY)
    assert second.brief
    (similar,) = second.brief.similar
    assert (similar.id, similar.at, similar.count, similar.score) == (first.id, LONG_AGO, 1, 1.0)
    assert (similar.verdict, similar.actual_cause, similar.fixed_by) == ("wrong", said.actual_cause, said.fixed_by)
    assert similar.cause == first.cause
    assert similar.signatures == (second.brief.signatures[0].fact,)

    fact = next(fact for fact in second.facts if fact.id == similar.fact)
    assert (fact.source, fact.kind) == (SOURCE, "similar")
    assert fact.url == f"https://whydown.example.test/incidents/{first.id}"
    assert "fixed by, as people tell it: emptied /var/log" in fact.text
    assert second.diagnosis
    assert "fixed by “emptied /var/log”" in second.diagnosis.probable_cause.statement
    cited = next(each for each in second.diagnosis.evidence if each.fact == similar.fact)
    assert cited.verified
    assert any("emptied /var/log" in action.text for action in second.diagnosis.suggested_actions)
    assert second.analysis
    assert "emptied /var/log" in second.analysis
    assert "<script" not in second.analysis
    line = next(line for line in second.coverage if line.source == SOURCE)
    assert (line.status.value, line.items) == ("ok", 1)

    assert feedback.judge(database, second.id, Judgement("right", fixed_by="made /var bigger"))
    third = incident(database, refused("10.0.1.5:5432", 18), TODAY)
    assert third.brief
    (twice,) = third.brief.similar
    assert (twice.id, twice.count, twice.since, twice.fixed_by) == (second.id, 2, LONG_AGO, "made /var bigger")
    assert twice.cause
    assert "emptied" not in twice.cause, "what it says of the incidents before it is not handed on"


def test_other_errors_are_no_recurrence(database: Database) -> None:
    incident(database, refused("10.0.1.5:5432", 17), LONG_AGO)
    document = incident(database, "ERROR certificate expired", TODAY)
    assert document.brief
    assert document.brief.similar == ()
    assert next(line for line in document.coverage if line.source == SOURCE).status.value == "empty"


def test_one_storm_is_no_recurrence_until_somebody_judged_it(database: Database) -> None:
    first = incident(database, refused("a:1", 1), TODAY - WINDOW)
    second = incident(database, refused("a:1", 2), TODAY)
    assert second.brief
    assert second.brief.similar == ()
    feedback.judge(database, first.id, Judgement("right", fixed_by="a restart"))
    again = incident(database, refused("a:1", 3), TODAY - timedelta(minutes=1))
    assert again.brief
    assert [(each.id, each.fixed_by) for each in again.brief.similar] == [(first.id, "a restart")]


def test_what_was_over_when_this_one_came_is_no_storm(database: Database) -> None:
    first = incident(database, refused("a:1", 1), TODAY - timedelta(minutes=5))
    with database.writing() as session:
        session.get_one(IncidentRow, first.id).resolved_at = now()
    again = incident(database, refused("a:1", 2), TODAY)
    assert again.brief
    assert [each.id for each in again.brief.similar] == [first.id]


def test_an_incident_is_not_similar_to_itself(database: Database) -> None:
    first = incident(database, refused("a:1", 1), LONG_AGO)
    feedback.judge(database, first.id, Judgement("right"))
    intake.investigate_again(database, first.id)
    again = investigated(database, first.id, attempt=2)
    assert again.brief
    assert again.brief.similar == ()


def test_a_diagnosis_that_died_and_is_done_again_tells_everything_once(database: Database) -> None:
    first = incident(database, refused("a:1", 1), LONG_AGO)
    second = opened(database, refused("a:1", 2), TODAY)
    parts = parts_on(database)
    admission.admit(database, 99)
    claim = work.claim(database, f"{second}.1.investigate")
    assert claim is not None
    pipeline.investigate(parts, claim)()
    dying = work.claim(database, f"{second}.1.diagnose")
    assert dying is not None
    pipeline.assemble(parts, dying)
    feedback.judge(database, first.id, Judgement("wrong"))
    work.hand_back(database, dying, timedelta(0), "died")
    following = work.claim(database, f"{second}.1.diagnose")
    assert following is not None
    pipeline.diagnose(parts, following)()
    with database.reading() as session:
        told = select(func.count()).select_from(FactRow).where(FactRow.kind == "similar")
        assert session.scalar(told) == 1
        assert session.scalar(select(func.count()).select_from(SignatureRow)) == 2


def test_a_memory_that_fails_is_a_gap(database: Database) -> None:
    first = incident(database, refused("a:1", 1), LONG_AGO)
    with database.writing() as session:
        session.execute(update(AttemptRow).where(AttemptRow.incident_id == first.id).values(diagnosis={"not": "ours"}))
    second = opened(database, refused("a:1", 2), TODAY)
    parts = parts_on(database)
    admission.admit(database, 99)
    for stage in (pipeline.investigate, pipeline.diagnose):
        claim = work.claim(database, f"{second}.1.{stage.__name__}")
        assert claim is not None
        stage(parts, claim)()
    with database.reading() as session:
        attempt = session.get_one(AttemptRow, (second, 1))
        assert attempt.outcome == Status.DONE
        assert attempt.diagnosis
        assert any(SOURCE in missing for missing in attempt.diagnosis["missingData"])
