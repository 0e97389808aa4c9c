"""A clock that is set forwards or back by days: nothing is lost, nothing is done twice. On SQLite and PostgreSQL."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from shared import moment
from shared.database import Database
from shared.incident import Diagnosis, ProbableCause, ProducedBy, Status
from shared.store import admission, endings, findings, intake, reading, work
from shared.store.endings import Conclusion
from shared.store.findings import Resolution
from shared.store.work import Claim, Fenced
from tests.shared.test_intake import QUIET, alert, delivery

DAYS = [timedelta(days=3), timedelta(days=-3)]

SetClock = Callable[[timedelta], None]


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> SetClock:
    """Sets the clock on the wall, as the code sees it, so far from where it was."""
    real = moment.now

    def set_to(offset: timedelta) -> None:
        def shifted() -> datetime:
            return real() + offset

        for name, module in list(sys.modules.items()):
            if name.startswith(("shared", "worker")) and vars(module).get("now") is not None:
                monkeypatch.setattr(module, "now", shifted)

    return set_to


@pytest.fixture
def opened(database: Database) -> str:
    (work_id,) = intake.accept(database, delivery(alert()), QUIET).work
    assert admission.admit(database, 1) == (work_id,)
    return work_id


@pytest.mark.parametrize("jump", DAYS)
def test_work_that_was_never_published_is_found(
    database: Database, opened: str, set_clock: SetClock, jump: timedelta
) -> None:
    set_clock(jump)
    assert work.sweep(database).publish == (opened,)
    assert work.sweep(database).publish == (), "it was just published"


@pytest.mark.parametrize("jump", DAYS)
def test_work_whose_holder_died_is_taken_up(
    database: Database, opened: str, set_clock: SetClock, jump: timedelta
) -> None:
    late = claimed(database, opened)
    set_clock(jump)
    assert claimed(database, opened).lapses == 1, "by whoever hears of it"
    with pytest.raises(Fenced):
        endings.fail(database, late, "too late")


@pytest.mark.parametrize("jump", DAYS)
def test_whoever_lives_and_renews_first_keeps_it(
    database: Database, opened: str, set_clock: SetClock, jump: timedelta
) -> None:
    held = claimed(database, opened)
    set_clock(jump)
    work.renew(database, [held])
    assert work.sweep(database).publish == ()
    assert work.claim(database, opened) is None


@pytest.mark.parametrize("jump", DAYS)
def test_whoever_lives_and_is_late_stores_nothing_beside_the_other(
    database: Database, opened: str, set_clock: SetClock, jump: timedelta
) -> None:
    (diagnose,) = findings.resolve(database, claimed(database, opened), Resolution({}, "checkout", None))
    late = claimed(database, diagnose)
    set_clock(jump)
    assert work.sweep(database).publish == (diagnose,)
    endings.conclude(database, claimed(database, diagnose), conclusion("the other's"))
    with pytest.raises(Fenced):
        endings.conclude(database, late, conclusion("the late one's"))
    document = reading.incident(database, late.incident_id)
    assert document is not None
    assert (document.status, document.analysis) == (Status.DONE, "the other's")
    assert [attempt.outcome for attempt in document.attempts] == ["done"]


@pytest.mark.parametrize("jump", DAYS)
def test_a_source_whose_worker_died_is_closed_or_asked_again(
    database: Database, opened: str, set_clock: SetClock, jump: timedelta
) -> None:
    resolution = Resolution({}, "checkout", None, sources=("logs.loki",))
    (gather,) = findings.resolve(database, claimed(database, opened), resolution)
    assert work.claim(database, gather, timedelta(seconds=10)) is not None
    set_clock(jump)
    found = work.sweep(database)
    assert [claim.work_id for claim in found.overdue] == [gather] or found.publish == (gather,)


@pytest.mark.parametrize("jump", DAYS)
def test_a_push_that_waits_for_its_next_try_goes_out(
    database: Database, opened: str, set_clock: SetClock, jump: timedelta
) -> None:
    (diagnose,) = findings.resolve(database, claimed(database, opened), Resolution({}, "checkout", None))
    (push,) = endings.conclude(database, claimed(database, diagnose), conclusion("a", recipients=("callback",)))
    work.hand_back(database, claimed(database, push), work.LONGEST_PAUSE, "answered 503")
    assert work.sweep(database).publish == (), "not yet"
    set_clock(jump)
    assert work.sweep(database).publish == (push,)


@pytest.mark.parametrize("seconds", [-60, 25])
def test_clocks_that_differ_a_little_take_nothing_from_each_other(
    database: Database, opened: str, set_clock: SetClock, seconds: int
) -> None:
    claimed(database, opened)
    set_clock(timedelta(seconds=seconds))
    assert work.sweep(database).publish == ()
    assert work.claim(database, opened) is None


@pytest.mark.parametrize("jump", DAYS)
def test_the_same_delivery_is_the_same_alert(database: Database, set_clock: SetClock, jump: timedelta) -> None:
    (first,) = intake.accept(database, delivery(alert()), QUIET).incidents
    set_clock(jump)
    (again,) = intake.accept(database, delivery(alert()), QUIET).incidents
    assert (again.id, again.new) == (first.id, False)


def claimed(database: Database, work_id: str) -> Claim:
    claim = work.claim(database, work_id)
    assert claim is not None
    return claim


def conclusion(analysis: str, recipients: tuple[str, ...] = ()) -> Conclusion:
    diagnosis = Diagnosis(
        probable_cause=ProbableCause(statement="It broke.", confidence=0.5), produced_by=ProducedBy(stage="brief")
    )
    return Conclusion(diagnosis, analysis, recipients=recipients)
