"""What is old goes with all that belongs to it, on both engines; what is needed stays."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from shared.database import Database
from shared.deploy import Deploy
from shared.incident import Coverage, CoverageStatus, Fact
from shared.moment import now
from shared.store import admission, deployments, endings, findings, intake, retention, spending, work
from shared.store.intake import ManualRequest
from shared.store.spending import Budget, Call, Filters
from shared.tables import AttemptRow, CoverageRow, DeploymentRow, FactRow, IncidentRow, WorkRow

OLD = now() - timedelta(days=100)
CUTOFF = now() - timedelta(days=90)


def _incident(database: Database, service: str, finished: bool = True) -> str:
    incident_id = intake.open_manual(database, ManualRequest(service=service, title="t")).incidents[0].id
    admission.admit(database, 99)
    claim = work.claim(database, f"{incident_id}.1.investigate")
    assert claim is not None
    if finished:
        line = Coverage(source="catalog", status=CoverageStatus.OK)
        facts = (Fact(source="catalog", kind="service", text="x"),)
        findings.resolve(
            database, claim, findings.Resolution({}, service, None, facts, (line,), sources=("logs.loki",))
        )
        gathering = work.claim(database, f"{incident_id}.1.gather.logs.loki")
        assert gathering is not None
        (opened,) = findings.gathered(database, gathering, (), line.model_copy(update={"source": "logs.loki"}))
        diagnosing = work.claim(database, opened)
        assert diagnosing is not None
        endings.fail(database, diagnosing, "because")
    return incident_id


def _aged(database: Database, incident_id: str, **later: object) -> None:
    with database.writing() as session:
        values = {"received_at": OLD, "last_seen_at": OLD, **later}
        session.execute(update(IncidentRow).where(IncidentRow.id == incident_id).values(**values))


def _left(database: Database, table: type) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_what_is_old_goes_with_all_that_belongs_to_it(database: Database) -> None:
    old, young, seen, busy = (_incident(database, name, name != "busy") for name in ("old", "young", "seen", "busy"))
    for incident_id in (old, busy):
        _aged(database, incident_id)
    _aged(database, seen, last_seen_at=now())
    spending.note(database, Call(old, 1, "old", "openai", "m", 10), Budget())
    assert retention.expire(database, CUTOFF) == 1
    assert retention.expire(database, CUTOFF) == 0
    with database.reading() as session:
        assert set(session.scalars(select(IncidentRow.id))) == {young, seen, busy}
        for table in (AttemptRow, FactRow, CoverageRow, WorkRow):
            assert old not in set(session.scalars(select(table.incident_id)))
    assert [each.service for each in spending.sums(database, Filters())] == ["old"], "what was spent was spent"


def test_deploys_are_forgotten_too(database: Database) -> None:
    deployments.record(database, [Deploy("web", OLD, version="1"), Deploy("web", now(), version="2")])
    retention.expire(database, CUTOFF)
    assert _left(database, DeploymentRow) == 1


def test_a_batch_at_a_time(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    for number in range(3):
        _aged(database, _incident(database, f"s{number}"))
    assert [retention.expire(database, CUTOFF) for _ in range(3)] == [2, 1, 0]
