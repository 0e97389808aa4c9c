"""The chaos benchmark: its schedule, its counting on a real database, and one short real run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update

from benchmarks.faults import FaultKind, schedule
from benchmarks.stand_ins import Push
from benchmarks.traffic import PlannedAlert, Sender, plan
from benchmarks.verdict import duplicate_pushes, judge, recovery, unfinished
from shared.alert import Alert, AlertGroup, Delivery
from shared.database import Database
from shared.incident import Diagnosis, ProbableCause, ProducedBy, Status
from shared.moment import now
from shared.store import admission, endings, intake, work
from shared.store.endings import Conclusion
from shared.tables import AlertRow, AttemptRow, Base, IncidentRow
from tests.installation import PATIENCE_SECONDS, REPOSITORY, free_port, until
from tests.whydown.processes_seen import eventually, mentioning

FIRST = PlannedAlert(0, "service-000", "group-0", "high", called_back=False)
SECOND = PlannedAlert(1, "service-001", "group-1", "high", called_back=False)


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[Database]:
    """A database with all tables."""
    database = Database(f"sqlite:///{tmp_path / 'verdict.db'}")
    Base.metadata.create_all(database.engine)
    yield database
    database.close()


@pytest.mark.parametrize("quick", [True, False])
def test_the_schedule_is_the_seeds_own(quick: bool) -> None:
    assert schedule(7, 60, quick) == schedule(7, 60, quick)
    assert schedule(7, 60, quick) != schedule(8, 60, quick)


@pytest.mark.parametrize("seed", range(20))
def test_everything_breaks_within_the_run(seed: int) -> None:
    for quick in (True, False):
        faults = schedule(seed, 100, quick)
        assert {fault.kind for fault in faults} == set(FaultKind)
        assert all(0 <= fault.at < 100 for fault in faults)
        assert list(faults) == sorted(faults, key=lambda fault: fault.at)


def test_the_traffic_is_the_seeds_own_and_of_the_promised_kind() -> None:
    sends = plan(3, 1_000, 200, 60)
    assert sends == plan(3, 1_000, 200, 60)
    assert sends != plan(4, 1_000, 200, 60)
    distinct = {send.alert for send in sends}
    assert len(distinct) == len({alert.fingerprint for alert in distinct}) == 1_000
    assert len({alert.service for alert in distinct}) == 200
    resolved = [send for send in sends if send.resolved]
    again = len(sends) - len(resolved) - 1_000
    assert 60 < len(resolved) < 140
    assert 60 < again < 140
    groups = {(alert.service, alert.group) for alert in distinct}
    assert 800 <= len(groups) < 900, "some join, and each joins a group of its own service"
    assert len({group for _, group in groups}) == len(groups)


def test_a_sender_that_is_stopped_waits_for_nobody() -> None:
    sender = Sender([f"http://127.0.0.1:{free_port()}"], "http://127.0.0.1:1/hook")
    sending = threading.Thread(target=sender.run, args=(plan(1, 5_000, 10, 3_600), 3_600), daemon=True)
    sending.start()
    until(lambda: sender.retries, "nobody answers")
    sender.stop()
    sending.join(PATIENCE_SECONDS)
    assert not sending.is_alive()


def test_what_is_diagnosed_is_no_loss(stored: Database) -> None:
    answers = _accepted(stored, FIRST, SECOND)
    assert unfinished(stored) == 2
    _diagnose(stored, 2)
    assert unfinished(stored) == 0
    verdict = judge(stored, (FIRST, SECOND), answers)
    assert verdict.sound
    assert (verdict.accepted, verdict.diagnosed, verdict.stored, verdict.by_model) == (2, 2, 2, 2)
    assert verdict.wrongly_merged == ()


def test_what_was_never_accepted_is_no_loss(stored: Database) -> None:
    answers = _accepted(stored, FIRST)
    _diagnose(stored, 1)
    verdict = judge(stored, (FIRST, SECOND), answers)
    assert verdict.sound
    assert verdict.accepted == 1


def test_a_run_that_accepted_nothing_shows_nothing(stored: Database) -> None:
    assert not judge(stored, (FIRST, SECOND), {}).sound


def test_resolved_before_it_began_is_an_end(stored: Database) -> None:
    answers = _accepted(stored, FIRST)
    intake.accept(stored, _delivery(FIRST, firing=False), timedelta(hours=1))
    verdict = judge(stored, (FIRST,), answers)
    assert verdict.sound
    assert verdict.cancelled == 1


@pytest.mark.parametrize("status", [Status.QUEUED, Status.GATHERING, Status.FAILED, Status.SKIPPED, Status.CANCELLED])
def test_every_other_end_is_a_loss(stored: Database, status: Status) -> None:
    answers = _accepted(stored, FIRST, SECOND)
    _diagnose(stored, 2)
    with stored.writing() as session:
        session.execute(update(IncidentRow).where(IncidentRow.id == _only(answers[0])).values(status=status))
    verdict = judge(stored, (FIRST, SECOND), answers)
    assert len(verdict.lost) == 1
    assert status in verdict.lost[0]
    assert not verdict.sound


def test_done_without_a_diagnosis_is_a_loss(stored: Database) -> None:
    answers = _accepted(stored, FIRST)
    _diagnose(stored, 1)
    with stored.writing() as session:
        session.execute(update(AttemptRow).values(diagnosis=None))
    assert len(judge(stored, (FIRST,), answers).lost) == 1


def test_rows_that_are_gone_are_losses(stored: Database) -> None:
    answers = _accepted(stored, FIRST, SECOND)
    _diagnose(stored, 2)
    with stored.writing() as session:
        session.execute(delete(IncidentRow).where(IncidentRow.id == _only(answers[0])))
        session.execute(delete(AlertRow).where(AlertRow.incident_id == _only(answers[1])))
    assert len(judge(stored, (FIRST, SECOND), answers).lost) == 2


def test_an_attempt_that_nobody_asked_for_is_a_duplicate(stored: Database) -> None:
    answers = _accepted(stored, FIRST)
    _diagnose(stored, 1)
    assert intake.investigate_again(stored, _only(answers[0])) is not None
    _diagnose(stored, 1)
    verdict = judge(stored, (FIRST,), answers)
    assert verdict.lost == ()
    assert len(verdict.duplicate_diagnoses) == 1
    assert not verdict.sound


def test_an_alert_in_two_incidents_is_a_duplicate(stored: Database) -> None:
    _accepted(stored, FIRST)
    elsewhere = _accepted(stored, FIRST, sender="grafana")
    _diagnose(stored, 2)
    assert len(judge(stored, (FIRST,), elsewhere).duplicate_diagnoses) == 1


def test_alerts_of_two_services_in_one_incident_are_wrongly_merged(stored: Database) -> None:
    answers = _accepted(stored, FIRST, SECOND)
    _diagnose(stored, 2)
    with stored.writing() as session:
        session.execute(update(AlertRow).values(incident_id=_only(answers[0])))
    assert len(judge(stored, (FIRST, SECOND), answers).wrongly_merged) == 1


def test_pushes_under_one_id_are_counted_and_must_say_the_same(stored: Database) -> None:
    answers = _accepted(stored, FIRST)
    _diagnose(stored, 1)
    same = [Push("a", "one"), Push("a", "one"), Push("b", "one")]
    assert duplicate_pushes(same) == 1
    assert judge(stored, (FIRST,), answers, same).sound
    other = [Push("a", "one"), Push("a", "two")]
    assert len(judge(stored, (FIRST,), answers, other).duplicate_diagnoses) == 1


def test_recovery_is_measured_from_the_end_of_a_fault(stored: Database) -> None:
    _accepted(stored, FIRST, SECOND)
    base = now()
    with stored.writing() as session:
        session.execute(update(AttemptRow).values(created_at=base, finished_at=base + timedelta(seconds=30)))
    assert recovery(stored, [base + timedelta(seconds=10)]).median == pytest.approx(20)
    assert recovery(stored, [base + timedelta(seconds=10)]).longest == pytest.approx(20)
    assert recovery(stored, [base + timedelta(seconds=40)]).longest == 0, "nothing was open then"
    with stored.writing() as session:
        session.execute(update(IncidentRow).values(received_at=base, finished_at=base + timedelta(hours=1)))
    assert recovery(stored, [base + timedelta(seconds=40)]).longest == 0, "cancelled, and fired again much later"


@dataclass
class Run:
    """A real run of the command, and the folder that it may use."""

    folder: str
    process: subprocess.Popen[str]

    @classmethod
    def started(cls, folder: str, *options: str) -> Run:
        # The folder is told by TMPDIR, and so by the environment of every process that the run starts.
        Path(folder).mkdir()
        command = [sys.executable, "-m", "benchmarks.chaos", "--quick", "--json", "--seed", "1", *options]
        pipe = subprocess.PIPE
        environment = {**os.environ, "TMPDIR": folder}
        return cls(
            folder, subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=pipe, stderr=pipe, text=True)
        )

    def outcome(self) -> tuple[int, dict[str, Any]]:
        """Its exit status, and the JSON that it printed last; nothing else may be left of it."""
        printed, said = self.process.communicate(timeout=300)
        lines = printed.splitlines()
        assert lines, said
        left = [path.name for path in Path(self.folder).iterdir() if not path.is_file()]
        assert left == [], "the package that starts PostgreSQL leaves an empty file"
        assert eventually(lambda: mentioning(self.folder) == [])
        found: dict[str, Any] = json.loads(lines[-1])
        return self.process.returncode, found


def test_a_short_run_loses_nothing_and_shows_losses_where_nobody_sweeps() -> None:
    """Both at once: they mostly wait."""
    with tempfile.TemporaryDirectory(prefix="wd") as folder:
        whole = Run.started(f"{folder}/whole")
        stranded = Run.started(f"{folder}/stranded", "--no-reconciler")
        try:
            status, outcome = stranded.outcome()
            assert (status, outcome["lost"] > 0) == (1, True), outcome
            assert outcome["duplicateDiagnoses"] == 0
            status, outcome = whole.outcome()
        finally:
            for run in (whole, stranded):
                run.process.terminate()  # it ends its children
                run.process.communicate()
    wrong = ("lost", "duplicateDiagnoses", "wronglyMerged", "duplicatePushes", "unexpectedExits")
    assert [outcome[name] for name in wrong] == [0] * len(wrong), outcome
    assert outcome["accepted"] == outcome["sent"] == outcome["diagnosed"] + outcome["cancelled"]
    assert status == 0


def _accepted(database: Database, *alerts: PlannedAlert, sender: str = "alertmanager") -> dict[int, set[str]]:
    """The alerts taken in; the incident ids of each, by its number."""
    taken = {
        alert.number: intake.accept(database, _delivery(alert, sender=sender), timedelta(hours=1)) for alert in alerts
    }
    return {number: {one.id for one in each.incidents} for number, each in taken.items()}


_STARTED: datetime = now()


def _delivery(alert: PlannedAlert, *, firing: bool = True, sender: str = "alertmanager") -> Delivery:
    fired = Alert(alert.fingerprint, firing, "Error rate", alert.service, starts_at=_STARTED)
    return Delivery(sender, (AlertGroup(alert.group, alert.service, "Error rate", (fired,)),))


def _diagnose(database: Database, count: int) -> None:
    """Does the work of so many incidents, as a worker without sources would."""
    admitted = admission.admit(database, 64)
    assert len(admitted) == count
    for work_id in admitted:
        claim = work.claim(database, work_id)
        assert claim is not None
        endings.conclude(database, claim, Conclusion(_DIAGNOSIS, "analysis"))


def _only(answered: set[str]) -> str:
    (incident,) = answered
    return incident


_DIAGNOSIS = Diagnosis(
    probable_cause=ProbableCause(statement="It broke.", confidence=0.5), produced_by=ProducedBy(stage="model")
)
