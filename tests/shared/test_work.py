"""Leases, fencing and the sweep, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from shared.database import Database
from shared.incident import Brief, Coverage, CoverageStatus, Diagnosis, Fact, ProbableCause, ProducedBy, Status
from shared.moment import now
from shared.store import admission, endings, findings, intake, reading, work
from shared.store.endings import Conclusion
from shared.store.findings import Recollection, Resolution
from shared.store.intake import ManualRequest
from shared.store.work import Claim, Fenced
from shared.tables import Base, WorkRow

FACT = Fact(source="logs.a", kind="signature", text="t")
LINE = Coverage(source="logs.a", status=CoverageStatus.OK)
DIAGNOSIS = Diagnosis(
    probable_cause=ProbableCause(statement="x", confidence=0.5), produced_by=ProducedBy(stage="model")
)


@pytest.fixture
def opened(database: Database) -> str:
    """The id of the first work of a new incident, whose turn has come."""
    work_id = intake.open_manual(database, ManualRequest(service="checkout", title="t")).work[0]
    assert admission.admit(database, 1) == (work_id,)
    return work_id


def test_one_of_many_claims_wins(database: Database, opened: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda _: work.claim(database, opened), range(16)))
    assert len([claim for claim in claims if claim]) == 1


def test_the_sources_of_an_attempt_are_claimed_together_and_each_by_one_only(database: Database, opened: str) -> None:
    first = _claimed(database, opened)
    resolution = findings.Resolution(scope={}, service="checkout", entity_ref=None, sources=("a", "b", "c"))
    gathers = findings.resolve(database, first, resolution)
    held = work.claim(database, gathers[1])
    assert held is not None
    taken = work.claim_all(database, [*gathers, "no.1.such"], timedelta(seconds=10))
    assert sorted(claim.subject for claim in taken) == ["a", "c"]
    assert work.claim_all(database, gathers) == []
    for claim in taken:
        assert findings.gathered(database, claim, (), Coverage(source=claim.subject, status=CoverageStatus.EMPTY)) == ()
    last = findings.gathered(database, held, (), Coverage(source="b", status=CoverageStatus.EMPTY))
    assert last == (f"{first.incident_id}.1.diagnose",)


def test_a_lost_lease_is_taken_over_and_the_late_owner_is_fenced(database: Database, opened: str) -> None:
    late = _claimed(database, opened)
    _overdue(database)
    taken = _claimed(database, opened)
    assert taken.lapses == 1
    endings.skip(database, taken, "not in catalog", (), ())
    with pytest.raises(Fenced):
        endings.fail(database, late, "too late")
    document = reading.incident(database, taken.incident_id)
    assert document is not None
    assert document.status is Status.SKIPPED


RECALLED = Recollection(
    Coverage(source="memory", status=CoverageStatus.OK),
    (Fact(id="F2", source="memory", kind="similar", text="seen before"),),
    ("key",),
    now(),
)


def _resolved(database: Database, claim: Claim) -> tuple[str, ...]:
    return findings.resolve(database, claim, Resolution({"a": 1}, "other", None, (FACT,), (LINE,), ("logs.a",)))


@pytest.mark.parametrize("kind", ["investigate", "gather", "diagnose"])
def test_what_a_late_owner_stores_leaves_no_trace(database: Database, opened: str, kind: str) -> None:
    late = _claimed(database, opened)
    if kind != "investigate":
        late = _claimed(database, _resolved(database, late)[0])
    if kind == "diagnose":
        late = _claimed(database, findings.gathered(database, late, (), LINE)[0])
    _overdue(database)
    _claimed(database, late.work_id)
    before = _everything(database)
    stores: dict[str, list[Callable[[], object]]] = {
        "investigate": [
            lambda: _resolved(database, late),
            lambda: endings.skip(database, late, "over", ("a",), (LINE,)),
        ],
        "gather": [lambda: findings.gathered(database, late, (FACT,), LINE)],
        "diagnose": [
            lambda: findings.briefed(database, late, Brief(summary="s"), (), RECALLED),
            lambda: findings.briefed(database, late, Brief(summary="s"), ("slack",), RECALLED),
            lambda: endings.conclude(database, late, Conclusion(DIAGNOSIS, "a", recipients=("slack",))),
            lambda: endings.conclude(database, late, Conclusion(DIAGNOSIS, "a", facts=(FACT,))),
        ],
    }
    stores[kind].append(lambda: endings.fail(database, late, "too late", ("slack",)))
    for store in stores[kind]:
        with pytest.raises(Fenced):
            store()
        assert _everything(database) == before


def test_a_brief_is_stored_once(database: Database, opened: str) -> None:
    """Whoever takes the diagnosis over finds the brief of all that was gathered, with what was recalled."""
    gathering = _claimed(database, _resolved(database, _claimed(database, opened))[0])
    diagnosing = _claimed(database, findings.gathered(database, gathering, (), LINE)[0])
    assert findings.briefed(database, diagnosing, Brief(summary="s"), (), RECALLED) == ()
    _overdue(database)
    taken = _claimed(database, diagnosing.work_id)
    before = _everything(database)
    for recipients in ((), ("slack",)):
        assert findings.briefed(database, taken, Brief(summary="another"), recipients, RECALLED) == ()
        assert _everything(database) == before
    assert [fact.id for fact in findings.attempt_state(database, taken.incident_id, 1).facts] == ["F1", "F2"]


def _everything(database: Database) -> dict[str, list[Any]]:
    """All rows of all tables."""
    with database.reading() as session:
        return {
            table.name: sorted(map(str, session.execute(select(table)).all())) for table in Base.metadata.sorted_tables
        }


def test_a_heartbeat_keeps_the_lease(database: Database, opened: str) -> None:
    held = _claimed(database, opened)
    _overdue(database)
    work.renew(database, [held])
    assert work.claim(database, opened) is None


def test_the_sweep_finds_what_was_never_published_and_what_died(database: Database, opened: str) -> None:
    assert work.sweep(database).publish == (), "not due yet"
    _overdue(database)
    assert work.sweep(database).publish == (opened,), "never published"
    assert work.sweep(database).publish == (), "just published"
    _claimed(database, opened)
    _overdue(database)
    assert work.sweep(database).publish == (opened,), "its worker died"
    assert _claimed(database, opened).lapses == 1


def test_a_lease_that_ran_out_is_counted_and_is_no_try(database: Database, opened: str) -> None:
    for lapses in range(5):
        held = _claimed(database, opened)
        assert (held.tries, held.lapses) == (1, lapses), "found by the sweep"
        _overdue(database)
        assert work.sweep(database).publish == (opened,)
    for lapses in range(5, 9):
        held = _claimed(database, opened)
        assert (held.tries, held.lapses) == (1, lapses), "found by whoever looks"
        _overdue(database)


def test_a_try_that_failed_counts(database: Database, opened: str) -> None:
    for tries in range(1, 4):
        held = _claimed(database, opened)
        assert (held.tries, held.lapses) == (tries, 0)
        work.hand_back(database, held, timedelta(0), "broken")


def test_a_stop_in_the_middle_is_not_held_against_the_work(database: Database, opened: str) -> None:
    for _ in range(5):
        work.hand_back(database, _claimed(database, opened), timedelta(0), "handed back", counts=False)
    assert _claimed(database, opened).tries == 1


def test_the_last_source_in_opens_the_diagnosis_exactly_once(database: Database, opened: str) -> None:
    sources = tuple(f"logs.s{n}" for n in range(8))
    resolution = Resolution(scope={}, service="checkout", entity_ref=None, sources=sources)
    gathers = findings.resolve(database, _claimed(database, opened), resolution)
    claims = [_claimed(database, work_id) for work_id in gathers]

    def store(claim: Claim) -> tuple[str, ...]:
        facts = [Fact(source=claim.subject, kind="signature", text=f"{claim.subject} {n}") for n in range(5)]
        return findings.gathered(database, claim, facts, Coverage(source=claim.subject, status=CoverageStatus.OK))

    with ThreadPoolExecutor(8) as pool:
        opened_by = [work_ids for work_ids in pool.map(store, claims) if work_ids]
    incident_id = claims[0].incident_id
    assert opened_by == [(f"{incident_id}.1.diagnose",)]
    document = reading.incident(database, incident_id)
    assert document is not None
    assert sorted(fact.id for fact in document.facts) == sorted(f"F{n}" for n in range(1, 41))
    assert len(document.coverage) == 8


def test_a_source_past_its_deadline_is_closed_for_whoever_sweeps(database: Database, opened: str) -> None:
    resolution = Resolution(scope={}, service="checkout", entity_ref=None, sources=("logs.loki",))
    (gather,) = findings.resolve(database, _claimed(database, opened), resolution)
    hanging = work.claim(database, gather, timedelta(seconds=-1))
    assert hanging is not None
    (late,) = work.sweep(database).overdue
    line = Coverage(source="logs.loki", status=CoverageStatus.TIMEOUT)
    assert findings.gathered(database, late, (), line) == (f"{late.incident_id}.1.diagnose",)
    with pytest.raises(Fenced):
        findings.gathered(database, hanging, (), line)
    document = reading.incident(database, late.incident_id)
    assert document is not None
    assert [each.status for each in document.coverage] == [CoverageStatus.TIMEOUT]


def _claimed(database: Database, work_id: str) -> Claim:
    claim = work.claim(database, work_id)
    assert claim is not None
    return claim


def _overdue(database: Database) -> None:
    """Lets every lease and every wait run out."""
    with database.writing() as session:
        session.execute(update(WorkRow).values(due_at=now() - timedelta(seconds=1)))
