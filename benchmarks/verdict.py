"""What became of the accepted alerts, counted from the database."""

from __future__ import annotations

import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from benchmarks.stand_ins import Push
from benchmarks.traffic import PlannedAlert
from shared.database import Database
from shared.incident import Status
from shared.tables import AlertRow, AttemptRow, IncidentRow, WorkRow

_DIAGNOSED = AttemptRow.diagnosis.is_not(None)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The counts of a run."""

    accepted: int
    """Distinct alerts that were answered with 202."""
    diagnosed: int
    """Of those, the ones whose incident has its diagnosis."""
    cancelled: int
    """Of those, the ones that were resolved before the investigation began."""
    lost: tuple[str, ...]
    """The others, each with what is wrong: accepted, and nothing came of it."""
    duplicate_diagnoses: tuple[str, ...]
    """Incidents diagnosed again although nobody asked, alerts that became two incidents, and attempts that were pushed
    with two different diagnoses.
    """
    wrongly_merged: tuple[str, ...]
    """Incidents that hold alerts of more than one service or group."""
    stored: int
    """Diagnoses in the database."""
    by_model: int
    """Of those, the ones that the model wrote; the others are the brief in its place."""
    stood_in: Counter[str]
    """Why the brief stood in, its numbers left out, and how often."""
    open_pushes: int
    """Pushes that have not been taken yet: their next try may be minutes away."""

    @property
    def sound(self) -> bool:
        """Whether the promise was kept; a run that accepted nothing shows nothing."""
        return self.accepted > 0 and not self.lost and not self.duplicate_diagnoses


def unfinished(database: Database) -> int:
    """How many incidents are still on their way."""
    ended = [status for status in Status if status.finished]
    with database.reading() as session:
        return (
            session.scalar(select(func.count()).select_from(IncidentRow).where(IncidentRow.status.not_in(ended))) or 0
        )


def judge(
    database: Database,
    planned: Sequence[PlannedAlert],
    answers: Mapping[int, Collection[str]],
    pushes: Sequence[Push] = (),
) -> Verdict:
    """Compares what was accepted (`answers`: incident ids of each alert, by its number) with what is stored."""
    with database.reading() as session:
        incidents = {row.id: row for row in session.scalars(select(IncidentRow))}
        alerts = session.execute(select(AlertRow.fingerprint, AlertRow.incident_id)).all()
        attempts = session.execute(
            select(AttemptRow.incident_id, AttemptRow.number, AttemptRow.outcome, _DIAGNOSED, AttemptRow.calls)
        ).all()
        stored = session.execute(select(AttemptRow.diagnosis).where(_DIAGNOSED)).scalars().all()
        open_pushes = session.scalar(
            select(func.count()).where(WorkRow.kind == "deliver", WorkRow.state.in_(("pending", "running")))
        )
    diagnosed_attempts = {(incident, number) for incident, number, _, diagnosed, _ in attempts if diagnosed}
    outcomes = {(incident, number): outcome for incident, number, outcome, _, _ in attempts}
    places = defaultdict(set)
    for fingerprint, incident in alerts:
        places[fingerprint].add(incident)

    ends: Counter[str] = Counter()
    lost = []
    for alert in planned:
        if alert.number in answers:
            end = _end(alert, answers[alert.number], places, incidents, diagnosed_attempts)
            ends[end] += 1
            if end not in ("diagnosed", "cancelled"):
                lost.append(f"{alert.fingerprint}: {end}")
    return Verdict(
        accepted=len(answers),
        diagnosed=ends["diagnosed"],
        cancelled=ends["cancelled"],
        lost=tuple(lost),
        duplicate_diagnoses=(*_again(outcomes), *_split(places), *_contradicting(pushes)),
        wrongly_merged=tuple(_merged(planned, alerts)),
        stored=len(stored),
        by_model=sum(each["producedBy"]["stage"] == "model" for each in stored),
        stood_in=Counter(
            re.sub(r"\d+", "n", each["producedBy"]["reason"])
            for each in stored
            if each["producedBy"]["stage"] == "brief"
        ),
        open_pushes=open_pushes or 0,
    )


def _end(
    alert: PlannedAlert,
    answered: Collection[str],
    places: Mapping[str, set[str]],
    incidents: Mapping[str, IncidentRow],
    diagnosed: Collection[tuple[str, int]],
) -> str:
    """`diagnosed`, `cancelled`, or what is wrong with an accepted alert."""
    if not answered:
        return "its 202 names no incident"
    if not places.get(alert.fingerprint):
        return "accepted, but not in the database"
    ends = [_end_of(incident, incidents, diagnosed) for incident in sorted({*answered, *places[alert.fingerprint]})]
    return next((end for end in ends if end not in ("diagnosed", "cancelled")), ends[0])


def _end_of(incident: str, incidents: Mapping[str, IncidentRow], diagnosed: Collection[tuple[str, int]]) -> str:
    row = incidents.get(incident)
    if row is None:
        return f"its incident {incident} is not in the database"
    if row.status == Status.CANCELLED and row.resolved_at is not None:
        return "cancelled"
    if row.status != Status.DONE:
        return f"its incident {incident} is {row.status}" + (f" ({row.detail})" if row.detail else "")
    return (
        "diagnosed" if (incident, row.attempt) in diagnosed else f"its incident {incident} is done without a diagnosis"
    )


def _again(outcomes: Mapping[tuple[str, int], str | None]) -> Iterable[str]:
    """Attempts that followed one which was not cancelled: nobody asks for any in these runs."""
    for (incident, number), _ in sorted(outcomes.items()):
        before = outcomes.get((incident, number - 1), Status.CANCELLED)
        if before != Status.CANCELLED:
            yield f"{incident} was investigated again after it was {before}"


def _split(places: Mapping[str, set[str]]) -> Iterable[str]:
    return (f"{fingerprint} is in {len(found)} incidents" for fingerprint, found in places.items() if len(found) > 1)


def _contradicting(pushes: Sequence[Push]) -> Iterable[str]:
    said = defaultdict(set)
    for push in pushes:
        said[push.webhook_id].add(push.diagnosis)
    return (f"{name} was pushed with {len(found)} diagnoses" for name, found in said.items() if len(found) > 1)


def _merged(planned: Sequence[PlannedAlert], alerts: Iterable[Sequence[str]]) -> Iterable[str]:
    belongs = {alert.fingerprint: (alert.service, alert.group) for alert in planned}
    held = defaultdict(set)
    for fingerprint, incident in alerts:
        held[incident].add(belongs.get(fingerprint))
    return (f"{incident} holds alerts of {len(groups)} groups" for incident, groups in held.items() if len(groups) > 1)


def duplicate_pushes(pushes: Sequence[Push]) -> int:
    """Pushes that were taken more than once under the same webhook-id: allowed, for delivery is at least once."""
    return len(pushes) - len({push.webhook_id for push in pushes})


@dataclass(frozen=True, slots=True)
class Recovery:
    """How long faults hold incidents up, in seconds: for every fault and every attempt that was open when it was over,
    the time from the fault's end to the attempt's.
    """

    median: float
    p95: float
    longest: float


def recovery(database: Database, ends_of_faults: Sequence[datetime]) -> Recovery:
    """Over all faults that were over at the given moments. Attempts that never ended do not count here: their incidents
    are lost.
    """
    with database.reading() as session:
        spans = session.execute(
            select(AttemptRow.created_at, AttemptRow.finished_at).where(AttemptRow.finished_at.is_not(None))
        ).all()
    took = sorted(
        (finished - end).total_seconds()
        for end in ends_of_faults
        for created, finished in spans
        if finished is not None and created <= end <= finished
    )
    if not took:
        return Recovery(0.0, 0.0, 0.0)
    return Recovery(statistics.median(took), took[int(0.95 * (len(took) - 1))], took[-1])
