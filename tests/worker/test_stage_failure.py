"""What becomes of a stage that fails unexpectedly: operators see where, and no secret that it quotes."""

from __future__ import annotations

import traceback

import pytest

from shared.database import Database
from shared.settings import Investigation
from shared.store import admission, intake
from shared.store.intake import ManualRequest
from shared.store.work import Claim
from shared.tables import WorkRow
from worker import tasks
from worker.parts import Parts

SECRET = "hunter2pass"


def broken_stage(parts: Parts, claim: Claim, question: object) -> tuple[str, ...]:
    raise ValueError(f"cannot parse postgres://app:{SECRET}@db/app")


def test_the_failure_of_a_stage_tells_where_and_quotes_no_secret(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = Parts(database=database, settings=Investigation(), sources={})
    monkeypatch.setattr(tasks, "parts", lambda: parts)
    monkeypatch.setitem(tasks.STAGES, "investigate", broken_stage)
    (work_id,) = intake.open_manual(database, ManualRequest("invoice-api", "t")).work
    admission.admit(database, 1)
    with pytest.raises(tasks.StageFailure) as raised:
        tasks._go_through((work_id,))
    shown = "".join(traceback.format_exception(raised.value))
    assert "in broken_stage" in shown and "ValueError" in shown and "[secret:url-credentials:" in shown
    assert SECRET not in shown
    with database.reading() as session:
        assert SECRET not in str(session.get_one(WorkRow, work_id).error)
