"""How much longer an investigation takes than the slowest source and the model together.

`python -m benchmarks.latency [--seed N] [--quick] [--json] [--engine postgresql|sqlite]`. Alerts come in one after the
other on the production shape; the sources and the model stand on loopback and take a fixed time for each request, so
that the ideal is known: what the slowest source was busy with an incident, and then the model. Time runs from just
before the alert is sent until the diagnosis is stored. Exit status 1 unless, on every engine, the median is at most
1.05 and the 95th percentile at most 1.15 times the ideal, and the brief is stored within 1.10 times the slowest source
(median).
"""

from __future__ import annotations

import json
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import requests
from sqlalchemy import select

from benchmarks import command_line
from benchmarks.production import Engine, Production
from benchmarks.slow_stand_ins import SECONDS, SOURCES, Diary, slow_surroundings
from benchmarks.stand_ins import service_name
from shared.database import Database
from shared.moment import now, rfc3339
from shared.tables import AttemptRow, IncidentRow

ALERTS: Final = 200
QUICK: Final = 20
SPACING_SECONDS: Final = 0.7
"""Between two alerts, on average: several investigations are under way at any time, as when something is wrong."""
PATIENCE_SECONDS: Final = 60.0

TOTAL_MEDIAN: Final = 1.05
TOTAL_P95: Final = 1.15
BRIEF_MEDIAN: Final = 1.10


@dataclass(frozen=True, slots=True)
class Sent:
    """One alert."""

    service: str
    at: float
    """Of the monotonic clock, just before it was sent."""
    answered: float
    clock: datetime
    """The same moment as `at`, of the wall clock."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Where the time of one investigation went, in seconds."""

    slowest_source: float
    model: float
    brief: float
    """Until the brief of all sources was stored."""
    total: float
    """Until the diagnosis was stored."""
    hops: dict[str, float]

    @property
    def ideal(self) -> float:
        """The slowest source plus the model."""
        return self.slowest_source + self.model


HOPS: Final = (
    "answered with 202",
    "first source asked",
    "slowest source (its own work)",
    "other rounds and gaps of the sources",
    "last source answered -> brief stored",
    "brief stored -> model asked",
    "model (its own work)",
    "model answered -> diagnosis stored",
)


@dataclass(frozen=True)
class Outcome:
    """What one engine showed."""

    engine: Engine
    alerts: int
    taken: Sequence[Taken]

    @property
    def total_ratios(self) -> list[float]:
        """Total over ideal, of each investigation."""
        return [each.total / each.ideal for each in self.taken]

    @property
    def brief_ratios(self) -> list[float]:
        """Brief over slowest source, of each investigation."""
        return [each.brief / each.slowest_source for each in self.taken]

    @property
    def reached(self) -> bool:
        """Whether every goal is, and nothing was lost."""
        return (
            len(self.taken) == self.alerts
            and statistics.median(self.total_ratios) <= TOTAL_MEDIAN
            and p95(self.total_ratios) <= TOTAL_P95
            and statistics.median(self.brief_ratios) <= BRIEF_MEDIAN
        )

    def wire(self) -> dict[str, Any]:
        """As one JSON object."""
        return {
            "alerts": self.alerts,
            "diagnosed": len(self.taken),
            "totalRatioMedian": round(statistics.median(self.total_ratios), 3),
            "totalRatioP95": round(p95(self.total_ratios), 3),
            "briefRatioMedian": round(statistics.median(self.brief_ratios), 3),
            "hopMillisMedian": {
                hop: round(1000 * statistics.median(each.hops[hop] for each in self.taken)) for hop in HOPS
            },
        }

    def table(self) -> str:
        """For people."""
        shown = self.wire()
        return "\n".join(
            (
                f"{self.engine}: {len(self.taken)} of {self.alerts} alerts diagnosed",
                f"  total / (slowest source + model)   median {shown['totalRatioMedian']:.3f} (goal {TOTAL_MEDIAN})  "
                f"p95 {shown['totalRatioP95']:.3f} (goal {TOTAL_P95})",
                f"  brief / slowest source             median {shown['briefRatioMedian']:.3f} (goal {BRIEF_MEDIAN})",
                *(f"  {hop:<40}{millis:>7,} ms" for hop, millis in shown["hopMillisMedian"].items()),
            )
        )


def p95(values: Sequence[float]) -> float:
    """The 95th percentile: the smallest value that at least 95 of 100 do not exceed."""
    return sorted(values)[max(0, -(-len(values) * 95 // 100) - 1)]


def run(engine: Engine, alerts: int, seed: int) -> Outcome:
    """One run, from an empty folder to its figures; nothing is left of it."""
    folder = Path(tempfile.mkdtemp(prefix="whydown-latency-"))
    try:
        with (
            slow_surroundings(folder / "catalog", alerts + 2) as (diary, settings),
            Production(folder / "whydown", settings, engine=engine) as production,
        ):
            database = Database(production.database_url)
            # The first ones of each worker pay for imports and connections; production pays that once a deploy.
            warm = [_send(production.urls[0], service_name(alerts + number)) for number in range(2)]
            _wait(database, len(warm))
            sent = _sent(production.urls, alerts, seed)
            _wait(database, alerts + len(warm))
            outcome = Outcome(engine, alerts, _taken(database, diary, sent))
            database.close()
            if production.unexpected:
                raise RuntimeError("; ".join(production.unexpected))
            return outcome
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sent(urls: Sequence[str], alerts: int, seed: int) -> list[Sent]:
    chance = random.Random(seed)
    with ThreadPoolExecutor(16) as pool:
        waiting = []
        for number in range(alerts):
            waiting.append(pool.submit(_send, urls[number % len(urls)], service_name(number)))
            time.sleep(SPACING_SECONDS * chance.uniform(0.5, 1.5))
            if number % 20 == 19:
                print(f"latency: {number + 1} of {alerts} alerts sent", file=sys.stderr, flush=True)
        return [each.result() for each in waiting]


def _send(url: str, service: str) -> Sent:
    body = {"serviceName": service, "alertTitle": "Error rate", "severity": "high", "startedAt": rfc3339(now())}
    at, clock = time.monotonic(), now()
    answer = requests.post(f"{url}/webhook/alert", json=body, timeout=30)
    answer.raise_for_status()
    return Sent(service, at, time.monotonic(), clock)


def _wait(database: Database, incidents: int) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        with database.reading() as session:
            if len(
                session.scalars(select(AttemptRow.incident_id).where(AttemptRow.finished_at.is_not(None))).all()
            ) >= (incidents):
                return
        time.sleep(0.25)


def _taken(database: Database, diary: Diary, sent: Sequence[Sent]) -> list[Taken]:
    stored = select(IncidentRow.service, AttemptRow.brief_at, AttemptRow.finished_at).join(
        AttemptRow, AttemptRow.incident_id == IncidentRow.id
    )
    with database.reading() as session:
        rows = {service: (brief, end) for service, brief, end in session.execute(stored) if brief and end}
    return [_measured(diary, each, *rows[each.service]) for each in sent if each.service in rows]


def _measured(diary: Diary, sent: Sent, brief_at: datetime, finished_at: datetime) -> Taken:
    who = sent.service
    brief, total = ((moment - sent.clock).total_seconds() for moment in (brief_at, finished_at))
    slowest, model = max(diary.busy(source, who) for source in SOURCES), diary.busy("model", who)
    begin = min(diary.first(source, who) for source in SOURCES) - sent.at
    end = max(diary.last(source, who) for source in SOURCES) - sent.at
    asked, said = diary.first("model", who) - sent.at, diary.last("model", who) - sent.at
    times = (
        sent.answered - sent.at,
        begin,
        slowest,
        end - begin - slowest,
        brief - end,
        asked - brief,
        model,
        total - said,
    )
    return Taken(slowest, model, brief, total, dict(zip(HOPS, times, strict=True)))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Gives the exit status."""
    parser = command_line.parser(
        "latency",
        __doc__,
        seed="which spacing of the alerts (default: 1)",
        quick=f"{QUICK} alerts on each engine instead of {ALERTS}",
        engines=True,
    )
    given = command_line.given(parser, arguments)
    outcomes = [run(engine, QUICK if given.quick else ALERTS, given.seed) for engine in given.engines]
    delays = ", ".join(f"{name} {seconds * 1000:.0f} ms" for name, seconds in SECONDS.items())
    print(f"each request takes: {delays}")
    print("\n".join(outcome.table() for outcome in outcomes), flush=True)
    if given.json:
        # The worst of the engines, and each of them.
        wires = {outcome.engine: outcome.wire() for outcome in outcomes}
        worst = {
            name: max(wire[name] for wire in wires.values())
            for name in ("totalRatioMedian", "totalRatioP95", "briefRatioMedian")
        }
        bounds = zip(worst, (TOTAL_MEDIAN, TOTAL_P95, BRIEF_MEDIAN), strict=True)
        goals = {name: f"at most {bound}" for name, bound in bounds}
        print(json.dumps({**worst, "goals": goals, "engines": wires}), flush=True)
    return 0 if all(outcome.reached for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
