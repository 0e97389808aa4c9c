"""Whether a storm of alerts is deferred and not dropped: 10,000 alerts of 50 services within a minute, half of them of
one noisy service, on the production shape.

`python -m benchmarks.storm_of_alerts [--seed N] [--quick] [--json]`; docs/reliability.md says what is measured. Exit
status 1 unless every alert was answered with 202 at its first try and has its diagnosis, the model was never asked more
often at once than the bound allows, and the quiet services' incidents are done before the noisy one's (median).
"""

from __future__ import annotations

import json
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import requests
from sqlalchemy import func, select

from benchmarks import command_line
from benchmarks.production import Production
from benchmarks.stand_ins import service_name, surroundings
from benchmarks.traffic import SENDERS, PlannedAlert, alertmanager_body
from benchmarks.verdict import Verdict, judge, unfinished
from shared.database import Database
from shared.moment import now
from shared.tables import IncidentRow
from tests.loopback import Asked, Reply, StandIn

BOUND: Final = 12
"""Fewer than the workers have threads, so that it is the bound that holds."""
TOGETHER: Final = 5
"""Alerts of one group that come in one delivery, as Alertmanager gathers them."""
OF_A_GROUP: Final = 25
MODEL_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Size:
    """How much of it."""

    alerts: int
    services: int
    seconds: float
    """Within which all alerts come."""
    patience: float
    """Seconds after the last alert until what is unfinished counts as lost."""


FULL: Final = Size(alerts=10_000, services=50, seconds=60, patience=900)
QUICK: Final = Size(alerts=1_000, services=20, seconds=6, patience=180)


@dataclass
class Gauge:
    """The model's server, with a count of how many ask it at once."""

    server: StandIn
    most: int = 0

    def __post_init__(self) -> None:
        self._well = self.server.respond
        self._lock = threading.Lock()
        self._now = 0
        self.server.respond = self._respond

    def _respond(self, asked: Asked) -> Reply:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(MODEL_SECONDS)
        try:
            return self._well(asked)
        finally:
            with self._lock:
                self._now -= 1


@dataclass
class Answers:
    """What the deliveries were answered."""

    incidents: dict[int, set[str]] = field(default_factory=dict)
    """Incident ids by the number of each alert that was answered with 202."""
    refused: int = 0
    """Deliveries that got anything else, or nothing."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def deliver(self, url: str, alerts: Sequence[PlannedAlert], started: datetime) -> None:
        """Sends alerts of one group once."""
        try:
            body = alertmanager_body(alerts, started)
            answer = requests.post(f"{url}/webhook/alertmanager", json=body, timeout=ANSWER_SECONDS)
            named = {one["id"] for one in answer.json()["incidents"]} if answer.status_code == 202 else None
        except (requests.RequestException, ValueError):
            named = None
        with self._lock:
            if named is None:
                self.refused += 1
            else:
                self.incidents.update({alert.number: named for alert in alerts})


def planned(seed: int, size: Size) -> list[list[PlannedAlert]]:
    """The deliveries in the order in which they come: half of the alerts are of the first service. The same for the
    same arguments.
    """
    services = [
        service_name(0 if number % 2 else 1 + number // 2 % (size.services - 1)) for number in range(size.alerts)
    ]
    counted: dict[str, int] = defaultdict(int)
    groups: dict[tuple[str, str], list[PlannedAlert]] = defaultdict(list)
    for number, service in enumerate(services):
        group = f"{service}-{counted[service] // OF_A_GROUP}"
        counted[service] += 1
        groups[service, group].append(PlannedAlert(number, service, group, "high", called_back=False))
    together = [group[at : at + TOGETHER] for group in groups.values() for at in range(0, len(group), TOGETHER)]
    random.Random(seed).shuffle(together)
    return together


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run's result."""

    seed: int
    size: Size
    verdict: Verdict
    deliveries: int
    refused: int
    incidents: int
    most_at_once: int
    model_calls: int
    sending_seconds: float
    last_seconds: float
    """From the last alert to the last diagnosis."""
    quiet_seconds: float
    """From the alert to the diagnosis: the median of the quiet services' medians."""
    slowest_quiet_seconds: float
    """The longest of those medians."""
    noisy_seconds: float

    @property
    def kept(self) -> bool:
        """Whether the goal was met."""
        answered = self.verdict.accepted == self.verdict.diagnosed == self.size.alerts
        fair = self.quiet_seconds <= self.noisy_seconds
        return answered and not self.refused and self.verdict.sound and self.most_at_once <= BOUND and fair

    def wire(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "sent": self.size.alerts,
            "accepted": self.verdict.accepted,
            "refused": self.refused,
            "incidents": self.incidents,
            "diagnosed": self.verdict.diagnosed,
            "lost": len(self.verdict.lost),
            "duplicateDiagnoses": len(self.verdict.duplicate_diagnoses),
            "modelCalls": self.model_calls,
            "mostModelCallsAtOnce": self.most_at_once,
            "bound": BOUND,
            "sendingSeconds": round(self.sending_seconds, 1),
            "lastDiagnosisSeconds": round(self.last_seconds, 1),
            "quietToNoisyRatio": round(self.quiet_seconds / max(self.noisy_seconds, 0.001), 3),
            "slowestQuietToNoisyRatio": round(self.slowest_quiet_seconds / max(self.noisy_seconds, 0.001), 3),
            "seed": self.seed,
        }

    def table(self) -> str:
        """As a person reads it."""
        told, verdict = self.wire(), self.verdict
        rows = (
            (
                "alerts accepted (answered 202)",
                f"{verdict.accepted} of {self.size.alerts}, in {self.sending_seconds:.0f} s",
            ),
            ("deliveries, not answered with 202", f"{self.deliveries}, {self.refused}"),
            ("incidents, diagnoses stored (by the model)", f"{self.incidents}, {verdict.stored} ({verdict.by_model})"),
            ("alerts with their diagnosis, lost", f"{verdict.diagnosed}, {len(verdict.lost)}"),
            ("model calls, most at once (bound)", f"{self.model_calls}, {self.most_at_once} ({BOUND})"),
            ("last diagnosis after the last alert", f"{self.last_seconds:.0f} s"),
            ("alert to diagnosis, median: quiet services", f"{self.quiet_seconds:.1f} s"),
            ("  the slowest of them", f"{self.slowest_quiet_seconds:.1f} s"),
            ("  the noisy service", f"{self.noisy_seconds:.1f} s"),
            (
                "  quiet / noisy, slowest quiet / noisy",
                f"{told['quietToNoisyRatio']}, {told['slowestQuietToNoisyRatio']}",
            ),
        )
        lines = [f"{name:<46}{value}" for name, value in rows]
        return "\n".join([*lines, *(f"  ! {each}" for each in (*verdict.lost, *verdict.duplicate_diagnoses)[:10])])


def run(seed: int, size: Size) -> Outcome:
    """One run, from an empty folder to its numbers; nothing is left of it."""
    folder = Path(tempfile.mkdtemp(prefix="whydown-storm-"))
    try:
        with surroundings(folder / "catalog", size.services) as around:
            settings = around.settings() | {
                "WHYDOWN_CONCURRENT_INVESTIGATIONS": str(BOUND),
                # What is measured is who waits how long, not what a busy machine cannot do in time.
                "WHYDOWN_AI_TIMEOUT_SECONDS": "60",
                "WHYDOWN_SOURCE_TIMEOUT_SECONDS": "10",
            }
            gauge = Gauge(around.model.server)
            with Production(folder / "whydown", settings) as production:
                deliveries = planned(seed, size)
                answers, sending = _send(production.urls, deliveries, size.seconds)
                ended = now()
                database = Database(production.database_url)
                try:
                    _wait(database, size.patience)
                    alerts = [alert for delivery in deliveries for alert in delivery]
                    verdict = judge(database, alerts, answers.incidents)
                    waits = _waits(database)
                    noisy = waits.pop(service_name(0), 0.0)
                    return Outcome(
                        seed=seed,
                        size=size,
                        verdict=verdict,
                        deliveries=len(deliveries),
                        refused=answers.refused,
                        incidents=_count(database),
                        most_at_once=gauge.most,
                        model_calls=around.model_calls,
                        sending_seconds=sending,
                        last_seconds=_last(database, ended),
                        quiet_seconds=statistics.median(waits.values() or [0.0]),
                        slowest_quiet_seconds=max(waits.values(), default=0.0),
                        noisy_seconds=noisy,
                    )
                finally:
                    database.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _send(urls: Sequence[str], deliveries: Sequence[Sequence[PlannedAlert]], seconds: float) -> tuple[Answers, float]:
    """Spread over so many seconds, at both receivers in turn."""
    answers, started, begin = Answers(), now() - timedelta(minutes=2), time.monotonic()
    with ThreadPoolExecutor(SENDERS) as pool:
        for number, alerts in enumerate(deliveries):
            time.sleep(max(0.0, begin + seconds * number / len(deliveries) - time.monotonic()))
            pool.submit(answers.deliver, urls[number % len(urls)], alerts, started)
    return answers, time.monotonic() - begin


def _wait(database: Database, patience: float) -> None:
    until = time.monotonic() + patience
    while (left := unfinished(database)) and time.monotonic() < until:
        print(f"storm: {left} incidents are unfinished", file=sys.stderr, flush=True)
        time.sleep(5)


def _waits(database: Database) -> dict[str, float]:
    """Median seconds from the alert to the diagnosis, by service."""
    query = select(IncidentRow.service, IncidentRow.received_at, IncidentRow.finished_at)
    took = defaultdict(list)
    with database.reading() as session:
        for service, received, finished in session.execute(query.where(IncidentRow.finished_at.is_not(None))):
            if finished is not None:
                took[service].append((finished - received).total_seconds())
    return {service: statistics.median(seconds) for service, seconds in took.items()}


def _count(database: Database) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(IncidentRow)) or 0


def _last(database: Database, ended: datetime) -> float:
    with database.reading() as session:
        last = session.scalar(select(func.max(IncidentRow.finished_at)))
    return max(0.0, (last - ended).total_seconds()) if last else 0.0


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Gives the exit status."""
    parser = command_line.parser(
        "storm_of_alerts",
        __doc__,
        seed="which order of deliveries (default: 1)",
        quick="1,000 alerts of 20 services in 6 s",
    )
    given = command_line.given(parser, arguments)
    outcome = run(given.seed, QUICK if given.quick else FULL)
    print(outcome.table(), flush=True)
    if given.json:
        print(json.dumps(outcome.wire()), flush=True)
    return 0 if outcome.kept else 1


if __name__ == "__main__":
    sys.exit(main())
