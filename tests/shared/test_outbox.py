"""The outbox, on both engines: what is opened when, one push to a recipient at a time, and what became pointless."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from shared.alert import Alert, AlertGroup, Delivery, Severity
from shared.database import Database
from shared.incident import Brief, Diagnosis, ProbableCause, ProducedBy
from shared.moment import now
from shared.store import admission, endings, findings, intake, pushes, reading, work
from shared.store.endings import Conclusion
from shared.store.findings import Resolution
from shared.store.pushes import Busy, Pointless
from shared.store.work import Claim, Fenced
from shared.tables import NotificationRow, WorkRow

BRIEF = Brief(summary="a commit")
DIAGNOSIS = Diagnosis(
    probable_cause=ProbableCause(statement="x", confidence=0.5), produced_by=ProducedBy(stage="model")
)
START = now() - timedelta(minutes=3)


def _claimed(database: Database, work_id: str) -> Claim:
    claim = work.claim(database, work_id)
    assert claim is not None, work_id
    return claim


def _delivery(firing: bool, times: int = 1) -> Delivery:
    alert = Alert(
        fingerprint="f",
        firing=firing,
        title="t",
        service="web",
        severity=Severity.CRITICAL,
        starts_at=START + timedelta(seconds=times),
        ends_at=None if firing else now(),
    )
    return Delivery("alertmanager", (AlertGroup(key="k", service="web", title="t", alerts=(alert,)),))


def _accept(database: Database, firing: bool, times: int = 1) -> tuple[str, ...]:
    return intake.accept(database, _delivery(firing, times), timedelta(hours=1)).work


def _diagnosing(database: Database) -> Claim:
    """The claim on the diagnosis of a new incident."""
    (opened,) = _accept(database, firing=True)
    admission.admit(database, 9)
    (diagnose,) = findings.resolve(database, _claimed(database, opened), Resolution({}, "web", None))
    return _claimed(database, diagnose)


def _told(database: Database, claim: Claim, *recipients: str) -> tuple[str, ...]:
    return findings.briefed(database, claim, BRIEF, recipients)


def _concluded(database: Database, claim: Claim, *recipients: str) -> tuple[str, ...]:
    return endings.conclude(database, claim, Conclusion(DIAGNOSIS, "x", recipients=recipients))


def _state(database: Database, work_id: str) -> str:
    with database.reading() as session:
        return str(session.scalar(select(WorkRow.state).where(WorkRow.id == work_id)))


def test_the_brief_and_the_end_are_a_push_each(database: Database) -> None:
    claim = _diagnosing(database)
    briefs = _told(database, claim, "slack", "teams")
    for brief in briefs:
        pushes.begin(database, _claimed(database, brief))
    ends = _concluded(database, claim, "slack")
    assert briefs == tuple(f"{claim.incident_id}.1.deliver.{name}.brief" for name in ("slack", "teams"))
    assert ends == (f"{claim.incident_id}.1.deliver.slack",)
    document = reading.incident(database, claim.incident_id)
    assert document is not None
    assert [(each.to, each.stage) for each in document.deliveries] == [
        ("slack", "brief"),
        ("teams", "brief"),
        ("slack", "result"),
    ]


def test_the_complete_brief_does_not_push_again_what_the_early_one_opened(database: Database) -> None:
    claim = _diagnosing(database)
    early = BRIEF.model_copy(update={"complete": False})
    opened = findings.early_brief(database, claim.incident_id, 1, early, ("slack",))
    assert opened == (f"{claim.incident_id}.1.deliver.slack.brief",)
    assert _told(database, claim, "slack", "teams") == (f"{claim.incident_id}.1.deliver.teams.brief",)


def test_a_brief_that_never_got_out_is_not_sent_after_the_diagnosis(database: Database) -> None:
    claim = _diagnosing(database)
    (brief,) = _told(database, claim, "slack")
    pushes.begin(database, tried := _claimed(database, brief))
    pushes.put_off(database, tried, timedelta(0), "answered 500")
    _concluded(database, claim, "slack")
    document = reading.incident(database, claim.incident_id)
    assert document is not None
    assert [each.stage for each in document.deliveries] == ["result"], "nobody needs to wait for it"
    with pytest.raises(Pointless):
        pushes.begin(database, _claimed(database, brief))
    assert _state(database, brief) == "cancelled"


def test_pushes_to_one_recipient_go_out_one_at_a_time_and_know_what_was_kept(database: Database) -> None:
    claim = _diagnosing(database)
    (brief,) = _told(database, claim, "slack")
    first = _claimed(database, brief)
    assert pushes.begin(database, first) == {}
    (end, other) = _concluded(database, claim, "slack", "teams")
    with pytest.raises(Busy):
        pushes.begin(database, second := _claimed(database, end))
    assert (_state(database, end), second.tries) == ("pending", 1)
    pushes.begin(database, _claimed(database, other))  # the other recipient does not wait
    pushes.keep(database, first, {"ts": "1.2"})
    assert pushes.delivered(database, first) == (end,), "whoever waited is woken"
    again = _claimed(database, end)
    assert again.tries == 1, "waiting is no try"
    assert pushes.begin(database, again) == {"ts": "1.2"}


def test_a_push_whose_worker_died_keeps_what_it_had_stored_and_holds_nobody_up_for_ever(database: Database) -> None:
    claim = _diagnosing(database)
    (brief,) = _told(database, claim, "slack")
    died = _claimed(database, brief)
    pushes.begin(database, died)
    pushes.keep(database, died, {"ts": "1.2"})
    (end,) = _concluded(database, claim, "slack")
    with database.writing() as session:
        session.execute(update(NotificationRow).values(busy_until=now() - timedelta(seconds=1)))
    assert pushes.begin(database, _claimed(database, end)) == {"ts": "1.2"}
    pushes.keep(database, died, {"ts": "late"})
    with database.reading() as session:
        assert session.scalar(select(NotificationRow.kept)) == {"ts": "1.2"}, "who lost its turn stores nothing"


def test_a_fenced_push_cannot_be_closed(database: Database) -> None:
    claim = _diagnosing(database)
    (brief,) = _told(database, claim, "slack")
    late = _claimed(database, brief)
    pushes.begin(database, late)
    with database.writing() as session:
        session.execute(update(WorkRow).where(WorkRow.id == brief).values(owner="another"))
    with pytest.raises(Fenced):
        pushes.delivered(database, late)


def test_failed_and_skipped_investigations_are_told_too(database: Database) -> None:
    failing = _diagnosing(database)
    assert endings.fail(database, failing, "because", ("slack",)) == (f"{failing.incident_id}.1.deliver.slack",)


def test_only_who_keeps_a_message_is_told_that_the_alert_is_over_or_back(database: Database) -> None:
    claim = _diagnosing(database)
    _told(database, claim)
    for end in _concluded(database, claim, "slack", "teams"):
        push = _claimed(database, end)
        pushes.begin(database, push)
        if push.subject == "slack":
            pushes.keep(database, push, {"ts": "1.2"})
        pushes.delivered(database, push)
    over = f"{claim.incident_id}.1.deliver.slack.resolved.1"
    assert _accept(database, firing=False) == (over,)
    assert _accept(database, firing=False) == (), "once"
    back = f"{claim.incident_id}.1.deliver.slack.firing.2"
    assert _accept(database, firing=True, times=2) == (back,)
    with pytest.raises(Pointless):
        pushes.begin(database, _claimed(database, over))  # it fires again
    assert pushes.begin(database, _claimed(database, back)) == {"ts": "1.2"}


def test_a_result_of_an_attempt_that_was_taken_up_anew_is_left_to_the_new_one(database: Database) -> None:
    claim = _diagnosing(database)
    (end,) = _concluded(database, claim, "callback")
    again = intake.investigate_again(database, claim.incident_id)
    assert again is not None
    with pytest.raises(Pointless):
        pushes.begin(database, _claimed(database, end))
    admission.admit(database, 9)
    (diagnose,) = findings.resolve(database, _claimed(database, again.work[0]), Resolution({}, "web", None))
    second = _claimed(database, diagnose)
    assert _told(database, second, "slack") == (), "whoever has a diagnosis is not shown less meanwhile"
    (new,) = _concluded(database, second, "callback")
    assert new == f"{claim.incident_id}.2.deliver.callback"
    pushes.begin(database, _claimed(database, new))


def test_after_a_failure_the_next_brief_is_told(database: Database) -> None:
    claim = _diagnosing(database)
    endings.fail(database, claim, "because")
    again = intake.investigate_again(database, claim.incident_id)
    assert again is not None
    admission.admit(database, 9)
    (diagnose,) = findings.resolve(database, _claimed(database, again.work[0]), Resolution({}, "web", None))
    assert _told(database, _claimed(database, diagnose), "slack") == (f"{claim.incident_id}.2.deliver.slack.brief",)
