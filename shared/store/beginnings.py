"""The beginning of an attempt: it is taken up, and what the alerts reported is read, in one transaction."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import BindParameter, Table, bindparam, case, exists, select, update

from shared.database import Database, UtcDateTime
from shared.incident import BroughtContext, Status
from shared.known_services import remember
from shared.moment import now
from shared.store.pushes import Addressed
from shared.store.work import CLAIMABLE, Claim, bounds, hold, take
from shared.tables import AlertRow, AttemptRow, IncidentRow
from shared.transaction import Row, Transaction


@dataclass(frozen=True, slots=True)
class Reported:
    """What is known of an incident before anything is gathered."""

    incident_id: str
    service: str
    entity_ref: str | None
    title: str
    severity: str
    sender: str
    callback_url: str | None
    started_at: datetime
    received_at: datetime
    labels: dict[str, str]
    annotations: dict[str, str]
    stored_context: dict[str, Any] | None
    errors: tuple[str, ...] = ()

    @property
    def brought(self) -> BroughtContext | None:
        """The context that the caller of /api/incident/analyze brought along."""
        return BroughtContext.model_validate(self.stored_context) if self.stored_context else None

    @property
    def addressed(self) -> Addressed:
        """What decides who is told."""
        return Addressed(self.service, self.severity, self.sender, self.callback_url)


def reported(database: Database, incident_id: str) -> Reported:
    """What the alerts of the incident said. Raises sqlalchemy.exc.NoResultFound."""
    with database.looking() as look:
        return _with_errors(look, look.one(_INCIDENT, {"incident": incident_id}))


def told(row: Row) -> Reported:
    """What the alerts of the incident said, without their errors, by a row of `TOLD`."""
    said = Reported(**dict(zip(_TOLD, row, strict=True)))
    remember(said.incident_id, said.service)
    return said


def begin(database: Database, claim: Claim) -> Reported:
    """Marks the attempt as under way. Raises Fenced: whoever took the work over may have ended the attempt."""
    moment = now()
    with database.transaction() as transaction:
        row = transaction.one(_SHOWN, {"incident": claim.incident_id, "current": claim.attempt})
        hold(transaction, claim)
        return _begun(transaction, row, claim, moment)


def take_up(database: Database, work_id: str) -> tuple[Claim, Reported] | None:
    """The claim on the first work of an attempt, which is under way from then on. None when there is nothing to claim:
    it waits for its turn, is done, or in somebody else's hands.
    """
    incident_id, attempt, _ = work_id.split(".", 2)
    moment = now()
    key = {"incident": incident_id, "current": int(attempt), "work_id": work_id}
    with database.transaction() as transaction:
        # The incident first, and what can be had of its work then, in the order of whoever cancels what waits.
        row = transaction.row(_SHOWN_IF_CLAIMABLE, {**key, **bounds(moment)})
        claim = take(transaction, work_id, secrets.token_hex(8), moment) if row else None
        if row is None or claim is None:
            transaction.undo()
            return None
        return claim, _begun(transaction, row, claim, moment)


def _begun(transaction: Transaction, row: Row, claim: Claim, moment: datetime) -> Reported:
    transaction.count(_BEGUN, {"incident": claim.incident_id, "current": claim.attempt, "moment": moment})
    return _with_errors(transaction, row)


def _with_errors(look: Transaction, row: Row) -> Reported:
    *reported, has_errors = row
    said = told(tuple(reported))
    errors = look.rows(_ERRORS, {"incident": said.incident_id}) if has_errors else ()
    return replace(said, errors=tuple(error for (error,) in errors if error))


# Built once: SQLAlchemy takes longer to build a statement than to run it.
_INCIDENTS, _ATTEMPTS, _ALERTS = (cast("Table", row.__table__) for row in (IncidentRow, AttemptRow, AlertRow))
_ID: Final[BindParameter[str]] = bindparam("incident")
_CURRENT: Final[BindParameter[int]] = bindparam("current")
_TOLD: Final = {
    "incident_id": _INCIDENTS.c.id,
    "stored_context": _INCIDENTS.c.brought,
    **{
        name: _INCIDENTS.c[name]
        for name in (
            *("service", "entity_ref", "title", "severity", "sender", "callback_url"),
            *("started_at", "received_at", "labels", "annotations"),
        )
    },
}
"""By the fields of Reported."""
TOLD: Final = tuple(_TOLD.values())
"""The columns of incidents that `told` takes."""
_WITH_ERRORS: Final = (_ALERTS.c.incident_id == _ID, _ALERTS.c.errors.is_not(None))
_INCIDENT: Final = select(*TOLD, exists().where(*_WITH_ERRORS)).where(_INCIDENTS.c.id == _ID)
_SHOWN: Final = (
    update(_INCIDENTS)
    .where(_INCIDENTS.c.id == _ID)
    .values(
        # Unless a newer attempt has taken its place.
        status=case((_INCIDENTS.c.attempt == _CURRENT, Status.GATHERING.value), else_=_INCIDENTS.c.status),
        revision=_INCIDENTS.c.revision + 1,
    )
    .returning(*TOLD, exists().where(*_WITH_ERRORS))
)
_SHOWN_IF_CLAIMABLE: Final = _SHOWN.where(exists().where(CLAIMABLE))
_BEGUN: Final = (
    update(_ATTEMPTS)
    .where(_ATTEMPTS.c.incident_id == _ID, _ATTEMPTS.c.number == _CURRENT, _ATTEMPTS.c.started_at.is_(None))
    .values(started_at=bindparam("moment", type_=UtcDateTime))
)
_ERRORS: Final = select(_ALERTS.c.errors).where(*_WITH_ERRORS).order_by(_ALERTS.c.received_at).limit(20)
