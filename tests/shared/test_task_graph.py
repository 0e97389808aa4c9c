"""The task graph as a state machine: alerts, workers, crashes, lost messages and sweeps in whatever order.

After every step the rows of work stand as the rules say, and every accepted incident has a way to its end; at the end
of every run the sweep alone, with workers that do their part, brings each of them there, with one diagnosis for each
attempt, also where one analysis covers several. It fails when a late worker can begin, store, prolong or give back what
is another's; when work is done twice, or its tries are not counted; when the sweep, the join or admission overlooks
something; when a resolved alert cancels what has begun.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import delete, event, select

from shared.alert import Alert, AlertGroup, Delivery
from shared.database import Database
from shared.incident import Coverage, CoverageStatus, Diagnosis, ProbableCause, ProducedBy, Status
from shared.moment import now
from shared.store import admission, beginnings, covering, endings, findings, intake, pushes, work
from shared.store.covering import Awaited
from shared.store.endings import Conclusion
from shared.store.findings import Resolution
from shared.store.work import Claim, Fenced, GoingOn
from shared.tables import AttemptRow, Base, IncidentRow, WorkRow
from shared.task_queue import kind_of
from tests.shared.expected_work import LEASE, ExpectedWork

BOUND: Final = 3
MUCH: Final = 8
"""So much open work, and no more alerts come."""
SOURCES: Final = ("changes.git", "logs.loki", "heuristics.git")
WITHIN: Final = timedelta(seconds=LEASE * 0.5)
"""A source's deadline: before its lease runs out."""
QUIET: Final = timedelta(days=1)
START: Final = datetime(2026, 11, 23, 3, 12, tzinfo=UTC)
ENOUGH_ROUNDS: Final = 60

T = TypeVar("T")
Draw = Callable[[st.SearchStrategy[Any]], Any]

DEPENDS_ON: Final = {"cart": ("checkout", "search"), "checkout": ("mail",), "mail": ("checkout",), "search": ()}
"""Chains and a circle: whom an analysis may cover must not wait for itself."""

services, alerts = st.sampled_from(sorted(DEPENDS_ON)), st.integers(0, 1)
either, seldom = st.booleans(), st.sampled_from((False, False, False, True))
which = st.sampled_from((0, 0, 0, 0, 1, 1, 2, 4, 8))
"""One of many, the newest first."""

EVENTS: Final = {
    "deliver": 4,
    "spread": 2,
    "resolve": 1,
    "retry": 2,
    "admit": 3,
    "take": 6,
    "begin": 2,
    "finish": 6,
    "end": 1,
    "hand_back": 2,
    "heartbeat": 2,
    "crash": 1,
    "overtake": 3,
    "flush": 1,
    "expire": 1,
    "sweep": 2,
}
"""What may happen, and how often. They are one rule and not many, because hypothesis leaves out half of all rules in
each run, and a late worker takes most of these to come about.
"""


class TaskGraph(RuleBasedStateMachine):
    """What happens, and what must come of it."""

    def __init__(self, database: Database) -> None:
        """The database is emptied first."""
        super().__init__()
        self.database = database
        with database.writing() as session:
            for table in reversed(Base.metadata.sorted_tables):
                session.execute(delete(table))
        self.expected = ExpectedWork()
        self.incidents: dict[tuple[str, int], str] = {}
        """The incident of each service's alerts."""
        self.fired: Counter[tuple[str, int]] = Counter()
        """How often they fired anew."""
        self.messages: list[str] = []
        self.hands: list[Claim] = []
        """What workers that live have in hand, also when others have taken it over."""

    @rule(data=st.data())
    def happens(self, data: st.DataObject) -> None:
        """Any of the events."""
        event_name = data.draw(st.sampled_from([name for name, often in EVENTS.items() for _ in range(often)]))
        getattr(self, event_name)(data.draw)

    # What comes from outside.

    def deliver(self, draw: Draw) -> None:
        """An alert fires: for the first time, the same delivery once more, or anew, which joins."""
        if len(self.expected.open()) < MUCH:
            self._fire((draw(services), draw(alerts)), draw(either), draw(seldom))

    def spread(self, draw: Draw) -> None:
        """A service fails, then one that needs it; both get as far as their diagnosis."""
        if len(self.expected.open()) < MUCH:
            service = draw(st.sampled_from([each for each, needs in DEPENDS_ON.items() if needs]))
            keys = [(name, draw(alerts)) for name in (draw(st.sampled_from(DEPENDS_ON[service])), service)]
            for key in keys:
                self._fire(key, anew=True, lost=False)
                self._opened(admission.admit(self.database, BOUND), "pending", lost=False)
            for first in [_first(self.incidents[key], 1) for key in keys]:
                if self.expected.state[first] == "pending":
                    self._claim(first)
                    claim = self.hands.pop()
                    self._finish(claim, lambda held=claim: self._stage(held, 0), lost=False)  # type: ignore[misc]
                    self._claim(first.replace("investigate", "diagnose"))

    def resolve(self, draw: Draw) -> None:
        """It is over: what has not begun is cancelled, and nothing else."""
        if key := _one_of(list(self.incidents), draw(which)):
            before = self._incident(self.incidents[key])
            taken = intake.accept(self.database, _delivery(*key, self.fired[key], firing=False), QUIET)
            after = self._incident(before.id)
            assert taken.work == ()
            first = _first(after.id, after.attempt)
            waits = self.expected.state[first] in ("waiting", "pending")
            if waits and before.resolved_at is None and before.status == Status.QUEUED:
                self.expected.closed(first, "cancelled")
                self.expected.ended.add((after.id, after.attempt))
                assert after.status == Status.CANCELLED
            else:
                assert after.status == before.status
            assert after.resolved_at is not None

    def retry(self, draw: Draw) -> None:
        """Investigate again."""
        if incident_id := _one_of(list(self.incidents.values()), draw(which)):
            before = self._incident(incident_id)
            taken = intake.investigate_again(self.database, incident_id)
            assert taken is not None
            over = (incident_id, before.attempt) in self.expected.ended
            assert taken.work == ((_first(incident_id, before.attempt + 1),) if over else ())
            self._opened(taken.work, "waiting", draw(seldom))

    # What workers do.

    def admit(self, draw: Draw) -> None:
        """Those begin whose turn has come."""
        self._opened(admission.admit(self.database, BOUND), "pending", draw(seldom))

    def take(self, draw: Draw) -> None:
        """A worker takes a message, that may come once more whatever becomes of the work."""
        if work_id := _one_of(self.messages, draw(which)):
            if not draw(seldom):
                self.messages.remove(work_id)
            self._claim(work_id, begins=draw(either))

    def begin(self, draw: Draw) -> None:
        """The first thing that a worker does with an attempt."""
        claim = self._in_hand(draw)
        if claim and claim.kind == "investigate":
            self._stored_if_in_force(claim, lambda: beginnings.begin(self.database, claim))

    def finish(self, draw: Draw) -> None:
        """A worker comes back with its result."""
        if claim := self._in_hand(draw):
            self.hands.remove(claim)
            going_on = GoingOn(WITHIN) if draw(either) else None
            sources = draw(st.integers(0, len(SOURCES)))
            self._finish(claim, lambda: self._stage(claim, sources, going_on), draw(seldom), going_on)

    def end(self, draw: Draw) -> None:
        """The work is closed without a result, and with a reason."""
        if claim := self._in_hand(draw):
            self.hands.remove(claim)
            self._finish(claim, lambda: self._give_up(claim, draw(either)), draw(seldom))

    def hand_back(self, draw: Draw) -> None:
        """A worker gives its work up, also work that is another's by now."""
        if claim := self._in_hand(draw):
            counts = draw(either)
            self.hands.remove(claim)
            work.hand_back(self.database, claim, timedelta(seconds=5), "given back", counts)
            if self.expected.in_force(claim):
                self.expected.released(claim.work_id)
                self.expected.tries[claim.work_id] -= not counts

    def heartbeat(self, draw: Draw) -> None:
        """A worker renews its lease, or tries to."""
        if claim := self._in_hand(draw):
            self.expire(draw)
            work.renew(self.database, [claim])
            if self.expected.in_force(claim):
                self.expected.renewed(claim)

    # What goes wrong, and the remedy.

    def crash(self, draw: Draw) -> None:
        """A worker dies with what it holds."""
        if claim := self._in_hand(draw):
            self.hands.remove(claim)

    def overtake(self, draw: Draw) -> None:
        """A worker is held up for longer than its lease, and another takes its work over."""
        if claim := self._in_hand(draw):
            self._pass(LEASE + 1)
            self._claim(claim.work_id)

    def flush(self, draw: Draw) -> None:
        """All messages are lost."""
        self.messages.clear()

    def expire(self, draw: Draw) -> None:
        """Time passes."""
        self._pass(LEASE * draw(st.sampled_from((0.3, 0.6, 1.1))))

    def sweep(self, draw: Draw) -> None:
        """The reconciler's turn, after a while. It may die in the middle, too."""
        self.expire(draw)
        self._sweep(dies=draw(seldom), lost=draw(seldom))

    # What is always true.

    @invariant()
    def rows_stand_as_the_rules_say(self) -> None:
        """No work is held by anybody but its holder, and none is missing or doubled."""
        columns = (WorkRow.id, WorkRow.state, WorkRow.owner, WorkRow.tries, WorkRow.lapses, WorkRow.due_at)
        with self.database.reading() as session:
            rows = session.execute(select(*columns)).all()
        moment, expected = now(), self.expected
        assert {row.id: row.state for row in rows} == expected.state
        assert {row.id: row.owner for row in rows if row.owner} == expected.holder
        for row in rows:
            assert (row.tries, row.lapses) == (expected.tries[row.id], expected.lapses[row.id])
            if row.owner:
                left = (row.due_at - moment).total_seconds()
                assert left == pytest.approx(expected.lease[row.id] - expected.clock, abs=3)

    @invariant()
    def every_incident_has_a_way_to_its_end(self) -> None:
        """It has come to its end, or its current attempt has open work; and no more are under way than may be."""
        expected = self.expected
        ways = {tuple(each.split(".")[:2]) for each in expected.open() if kind_of(each) != "deliver"}
        under_way = 0
        covered: dict[str, str | None] = {}
        for row in self._attempts():
            key = (row.id, row.number)
            assert (row.finished_at is not None) == (key in expected.ended)
            assert (row.analysis, row.outcome == Status.DONE) == (expected.told.get(key), key in expected.told)
            under_way += row.admitted_at is not None and row.finished_at is None
            if row.current:
                assert Status(row.status).finished == (key in expected.ended)
                assert key in expected.ended or (row.id, str(row.number)) in ways
                assert row.covered_by is None or row.number == 1, "investigated again, it stands for itself"
                covered[row.id] = row.covered_by
        assert not any(covered[each] for each in covered.values() if each), "who covers others is covered by none"
        assert under_way <= BOUND

    def teardown(self) -> None:
        """Everybody has died and every message is lost; the sweep finds it all, and nothing else says where it is."""
        self.hands.clear()
        for _ in range(ENOUGH_ROUNDS):
            self.messages.clear()
            if not self.expected.open():
                break
            self._pass(LEASE + 1)
            self._sweep(dies=False, lost=False)
            for work_id in self.messages:
                self._claim(work_id)
            while self.hands:
                claim = self.hands.pop()
                self._finish(claim, lambda held=claim: self._stage(held, 2), lost=True)  # type: ignore[misc]
        self.rows_stand_as_the_rules_say()
        self.every_incident_has_a_way_to_its_end()
        attempts = self._attempts()
        assert {row.id for row in attempts} == set(self.incidents.values())
        assert {(row.id, row.number) for row in attempts} == self.expected.ended

    # How it is done.

    def _fire(self, key: tuple[str, int], anew: bool, lost: bool) -> None:
        before = self._incident(self.incidents[key]) if key in self.incidents else None
        self.fired[key] += anew
        taken = intake.accept(self.database, _delivery(*key, self.fired[key]), QUIET)
        (accepted,) = taken.incidents
        assert self.incidents.setdefault(key, accepted.id) == accepted.id
        assert accepted.new == (before is None)
        if before is None:
            assert taken.work == (_first(accepted.id, 1),)
        else:
            revived = anew and before.status == Status.CANCELLED
            assert taken.work == ((_first(before.id, before.attempt + 1),) if revived else ())
        self._opened(taken.work, "waiting", lost)

    def _claim(self, work_id: str, begins: bool = False) -> None:
        within = WITHIN if kind_of(work_id) == "gather" else None
        if begins and kind_of(work_id) == "investigate":
            taken = beginnings.take_up(self.database, work_id)
            claim = taken[0] if taken else None
            assert taken is None or taken[1].service == self._service(taken[0])
        else:
            claim = work.claim(self.database, work_id, within)
        assert (claim is not None) == self.expected.claimable(work_id)
        if claim is not None:
            self.expected.claimed(claim, within.total_seconds() if within else None)
            assert (claim.tries, claim.lapses) == (self.expected.tries[work_id], self.expected.lapses[work_id])
            self.hands.append(claim)

    def _sweep(self, dies: bool, lost: bool) -> None:
        found = work.sweep(self.database)
        for work_id in found.publish:
            assert self.expected.claimable(work_id)
            self.expected.swept(work_id)
        assert self.expected.overdue() == {claim.work_id for claim in found.overdue}
        for claim in found.overdue:
            self.expected.held(claim)
        if dies:
            return
        if not lost:
            self.messages += found.publish
        for claim in found.overdue:
            self._finish(claim, lambda late=claim: self._gathered(late, CoverageStatus.TIMEOUT), lost)  # type: ignore[misc]
        self._opened(admission.admit(self.database, BOUND), "pending", lost)

    def _stored_if_in_force(self, claim: Claim, store: Callable[[], T]) -> T | None:
        if self.expected.in_force(claim):
            return store()
        with pytest.raises(Fenced):
            store()
        return None

    def _finish(
        self,
        claim: Claim,
        stage: Callable[[], Iterable[str] | None],
        lost: bool,
        going_on: GoingOn | None = None,
    ) -> None:
        opened = self._stored_if_in_force(claim, stage)
        if opened is None:
            return
        self.expected.closed(claim.work_id)
        if going_on is None or claim.kind not in ("investigate", "gather"):
            self._opened(opened, "pending", lost)
            return
        for work_id in opened:
            following = work.next_claim(claim, work_id)
            within = WITHIN.total_seconds() if following.kind == "gather" else None
            self.expected.opened([work_id], "pending")
            self.expected.claimed(following, within)
            self.hands.append(following)

    def _stage(self, claim: Claim, sources: int, going_on: GoingOn | None = None) -> Iterable[str] | None:
        """What the stage opens; None when it gave the work back, to wait for another incident's analysis."""
        attempt = f"{claim.incident_id}.{claim.attempt}"
        if claim.kind == "investigate":
            asked = SOURCES[:sources]
            beginnings.begin(self.database, claim)
            resolution = Resolution({}, self._service(claim), None, sources=asked)
            opened = findings.resolve(self.database, claim, resolution, going_on)
            assert opened == (tuple(f"{attempt}.gather.{name}" for name in asked) or (f"{attempt}.diagnose",))
            return opened
        if claim.kind == "gather":
            return self._gathered(claim, CoverageStatus.OK, going_on)
        if claim.kind == "deliver":
            pushes.delivered(self.database, claim)
            return ()
        try:
            covering.leader(self.database, claim, DEPENDS_ON[self._service(claim)], QUIET)
        except Awaited:
            self.expected.released(claim.work_id)
            self.expected.tries[claim.work_id] -= 1
            return None
        said = f"says {claim.owner}"
        cause = ProbableCause(statement=said, confidence=0.5)
        diagnosis = Diagnosis(probable_cause=cause, produced_by=ProducedBy(stage="model"))
        opened = endings.conclude(self.database, claim, Conclusion(diagnosis, said, recipients=("callback",)))
        assert (claim.incident_id, claim.attempt) not in self.expected.ended
        self.expected.told[claim.incident_id, claim.attempt] = said
        self.expected.ended.add((claim.incident_id, claim.attempt))
        return opened

    def _gathered(self, claim: Claim, status: CoverageStatus, going_on: GoingOn | None = None) -> Iterable[str]:
        opened = findings.gathered(self.database, claim, (), Coverage(source=claim.subject, status=status), going_on)
        last = self.expected.last_in(claim)
        assert opened == ((f"{claim.incident_id}.{claim.attempt}.diagnose",) if last else ())
        return opened

    def _give_up(self, claim: Claim, skips: bool) -> Iterable[str]:
        if claim.kind == "gather":
            return self._gathered(claim, CoverageStatus.ERROR)
        if claim.kind == "deliver":
            pushes.delivered(self.database, claim, error="dead")
            return ()
        if skips:
            opened = endings.skip(self.database, claim, "not in the catalog", (), ())
        else:
            opened = endings.fail(self.database, claim, "given up")
        self.expected.ended.add((claim.incident_id, claim.attempt))
        return opened

    def _opened(self, work_ids: Iterable[str], state: str, lost: bool) -> None:
        self.expected.opened(work_ids, state)
        if not lost:
            self.messages += work_ids

    def _pass(self, seconds: float) -> None:
        """Time passes: what is stored gets older."""
        self.expected.clock += seconds
        with self.database.writing() as session:
            for row in session.scalars(select(WorkRow).where(WorkRow.finished_at.is_(None))):
                row.due_at -= timedelta(seconds=seconds)
                row.deadline_at = row.deadline_at and row.deadline_at - timedelta(seconds=seconds)

    def _in_hand(self, draw: Draw) -> Claim | None:
        """One of the claims in hand; mostly one that was overtaken, if there is one."""
        overtaken = [claim for claim in self.hands if not self.expected.in_force(claim)]
        return _one_of(overtaken if overtaken and not draw(seldom) else self.hands, draw(which))

    def _service(self, claim: Claim) -> str:
        return next(service for (service, _), incident_id in self.incidents.items() if incident_id == claim.incident_id)

    def _incident(self, incident_id: str) -> IncidentRow:
        with self.database.reading() as session:
            return session.get_one(IncidentRow, incident_id)

    def _attempts(self) -> Sequence[Any]:
        current = (IncidentRow.attempt == AttemptRow.number).label("current")
        told = (
            AttemptRow.number,
            AttemptRow.admitted_at,
            AttemptRow.finished_at,
            AttemptRow.outcome,
            AttemptRow.analysis,
        )
        query = select(IncidentRow.id, IncidentRow.status, IncidentRow.covered_by, current, *told)
        with self.database.reading() as session:
            return session.execute(query.join(AttemptRow, AttemptRow.incident_id == IncidentRow.id)).all()


def test_every_order_of_events_keeps_the_promise(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'graph.db'}")
    event.listen(database.engine, "connect", _careless)
    Base.metadata.create_all(database.engine)
    try:
        run_state_machine_as_test(
            lambda: TaskGraph(database),  # type: ignore[arg-type]  # a factory is as good as a class
            settings=settings(
                max_examples=30,
                stateful_step_count=60,
                derandomize=True,
                database=None,
                deadline=None,
                phases=(Phase.generate,),  # a shrunk run would tell little more, and take minutes
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        database.close()


def _careless(connection: Any, _record: Any) -> None:
    """What a power cut would lose is not the question here, and waiting for the disk would be half of the time."""
    connection.execute("PRAGMA synchronous=OFF")


def _one_of(many: Sequence[T], nth: int) -> T | None:
    """The newest for 0, the one before it for 1, and so on round; None of none."""
    return many[-1 - nth % len(many)] if many else None


def _first(incident_id: str, attempt: int) -> str:
    return f"{incident_id}.{attempt}.investigate"


def _delivery(service: str, alert: int, anew: int, *, firing: bool = True) -> Delivery:
    started = START + timedelta(minutes=anew)
    ended = None if firing else started + timedelta(minutes=5)
    fired = Alert(f"{service}-{alert}", firing, "t", service, starts_at=started, ends_at=ended)
    return Delivery("alertmanager", (AlertGroup(f"group-{alert}", service, "t", (fired,)),))
