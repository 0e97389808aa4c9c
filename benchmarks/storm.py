"""How long a storm takes compared with what it waits for, and how much memory: incidents that come all at once.

`python -m benchmarks.storm [--seed N] [--quick] [--json] [--workers N ...]`, on two cores and PostgreSQL: 100, 1,000
and 5,000 incidents of as many services, each with a Loki that takes 300 ms (7 requests) and a model that takes 2 s, 250
of them at once; and 1,000 with a GitHub and a Prometheus as well (24 requests). The ideal is the waves of 250 one after
the other: so often the sources and the model. Time runs from just before the first alert is sent until the last
diagnosis is stored. Exit status 1 unless at 1,000 with Loki the total is at most 1.5 times the ideal and the resident
memory of all processes but the database is below 400 MB. `--workers` has the storm of 1,000 with each number of worker
processes instead.
"""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from sqlalchemy import func, select

from benchmarks import command_line
from benchmarks.consumption import Watch
from benchmarks.faults import PROCESSES
from benchmarks.load import Generator, post
from benchmarks.production import Production
from benchmarks.slow_stand_ins import write_catalog
from benchmarks.stand_ins import service_name
from shared.database import Database
from shared.incident import Status
from shared.moment import now
from shared.tables import AttemptRow, IncidentRow
from tests.installation import REPOSITORY

SOURCE_SECONDS: Final = 0.3
MODEL_SECONDS: Final = 2.0
AT_ONCE: Final = 250
CORES: Final = 2

JUDGED: Final = 1_000
"""The size that the goals are about."""
TOTAL_RATIO: Final = 1.5
TREE_MB: Final = 400.0

WARM: Final = 12
"""Incidents beforehand: the first ones of each worker pay for imports and connections."""
SENDERS: Final = 16
PATIENCE: Final = 10.0
"""Times the ideal, after which what is unfinished counts as lost."""


Sources = Literal["loki", "all"]
RUNS: Final[tuple[tuple[int, Sources], ...]] = ((100, "loki"), (JUDGED, "loki"), (5_000, "loki"), (JUDGED, "all"))


@dataclass(frozen=True)
class Outcome:
    """What one size showed."""

    incidents: int
    sources: Sources
    diagnosed: int
    by_brief: int
    """Of those, the ones whose diagnosis is the brief, as the model gave none that could be used."""
    seconds: float
    sending_seconds: float
    cpu: dict[str, float]
    """Seconds of processor time by part."""
    memory_mb: dict[str, float]
    """At its peak, by part."""
    asked: dict[str, int]
    """What the stand-ins were asked."""

    @property
    def ideal(self) -> float:
        """Seconds: the waves, each as long as the sources and the model."""
        return math.ceil(self.incidents / AT_ONCE) * (SOURCE_SECONDS + MODEL_SECONDS)

    @property
    def total_ratio(self) -> float:
        """Total over ideal."""
        return self.seconds / self.ideal

    @property
    def tree_mb(self) -> float:
        """Resident memory of everything but the database and the stand-ins."""
        return sum(mb for name, mb in self.memory_mb.items() if name not in ("postgresql", "stand-ins"))

    @property
    def whole(self) -> bool:
        """Whether every incident was diagnosed by the model, and the bound on its calls held."""
        most = self.asked["most_model_calls_at_once"]
        return self.diagnosed == self.incidents and not self.by_brief and most <= AT_ONCE

    @property
    def reached(self) -> bool:
        """Whether the goals are, and nothing was lost."""
        return self.whole and self.total_ratio <= TOTAL_RATIO and self.tree_mb < TREE_MB

    def wire(self) -> dict[str, Any]:
        """As one JSON object."""
        return {
            "incidents": self.incidents,
            "sources": self.sources,
            "diagnosed": self.diagnosed,
            "diagnosedByBrief": self.by_brief,
            "totalRatio": round(self.total_ratio, 3),
            "treeRssMb": round(self.tree_mb),
            "totalSeconds": round(self.seconds, 1),
            "idealSeconds": round(self.ideal, 1),
            "sendingSeconds": round(self.sending_seconds, 1),
            "cpuMillisPerIncident": {
                name: round(1000 * seconds / self.incidents, 1) for name, seconds in self.cpu.items()
            },
            "rssMb": {name: round(mb) for name, mb in self.memory_mb.items()},
            "modelCalls": self.asked["model_calls"],
            "mostModelCallsAtOnce": self.asked["most_model_calls_at_once"],
            "sourceRequests": self.asked["source_requests"],
        }

    def table(self) -> str:
        """For people."""
        cpu = ", ".join(f"{name} {millis:.1f}" for name, millis in self.wire()["cpuMillisPerIncident"].items())
        memory = ", ".join(f"{name} {mb:.0f}" for name, mb in self.memory_mb.items())
        return "\n".join(
            (
                f"{self.incidents:,} incidents, sources: {self.sources}",
                f"  diagnosed                 {self.diagnosed:,}, {self.by_brief:,} of them by the brief",
                f"  total / ideal             {self.total_ratio:.2f} ({self.seconds:.1f} s / {self.ideal:.1f} s; all"
                f" sent after {self.sending_seconds:.1f} s)",
                f"  resident memory           {self.tree_mb:.0f} MB ({memory})",
                f"  ms of CPU per incident    {1000 * sum(self.cpu.values()) / self.incidents:.1f} ({cpu})",
                f"  asked                     {self.asked['source_requests']:,} source requests,"
                f" {self.asked['model_calls']:,} model calls, {self.asked['most_model_calls_at_once']} of them at once",
            )
        )


def run(incidents: int, sources: Sources, seed: int, workers: int = PROCESSES) -> Outcome:
    """One run, from an empty folder to its figures; nothing is left of it."""
    folder = Path(tempfile.mkdtemp(prefix="whydown-storm-"))
    try:
        write_catalog(folder / "catalog", incidents + WARM)
        with (
            _stand_ins() as answers,
            Production(
                folder / "whydown",
                _settings(folder / "catalog", answers, sources, workers),
                receivers=1,
                workers=1,
            ) as production,
        ):
            database = Database(production.database_url)
            url = production.urls[0]
            _send(url, range(incidents, incidents + WARM), seed)
            _wait(database, WARM, 60)
            with Watch({**production.process_ids(), "stand-ins": answers.pid}) as watch:
                clock = now()
                sending = _send(url, range(incidents), seed)
                _wait(database, incidents + WARM, PATIENCE * math.ceil(incidents / AT_ONCE) * MODEL_SECONDS)
            outcome = Outcome(
                incidents=incidents,
                sources=sources,
                diagnosed=_diagnosed(database) - WARM,
                by_brief=_by_brief(database),
                seconds=(_last(database) - clock).total_seconds(),
                sending_seconds=sending,
                cpu=_by_part(watch.cpu),
                memory_mb=_by_part(watch.peak_mb),
                asked=_counted(answers),
            )
            database.close()
            if production.unexpected:
                raise RuntimeError("; ".join(production.unexpected))
            return outcome
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _stand_ins() -> Iterator[subprocess.Popen[str]]:
    """The process that answers for the sources and the model."""
    command = (sys.executable, "-m", "benchmarks.many_answers", str(SOURCE_SECONDS), str(MODEL_SECONDS))
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _settings(catalog: Path, answers: subprocess.Popen[str], sources: Sources, workers: int) -> dict[str, str]:
    """What an operator sets who wants so many model calls at once (docs/performance.md)."""
    assert answers.stdout is not None, "it is a pipe"
    url = f"http://127.0.0.1:{int(answers.stdout.readline())}"
    others = {
        "WHYDOWN_GITHUB_URL": url,
        "GITHUB_TOKEN": "github-token",
        "PROMETHEUS_URL": url,
        "WHYDOWN_PROMETHEUS_LABEL": "service",
    }
    return (others if sources == "all" else {}) | {
        "WHYDOWN_CATALOG": str(catalog),
        "LOKI_URL": url,
        "WHYDOWN_LOKI_LABEL": "service_name",
        "WHYDOWN_AI_ENDPOINT": f"{url}/v1",
        "WHYDOWN_AI_KEY": "model-key",
        "WHYDOWN_AI_CHAT_MODEL": "stand-in",
        "WHYDOWN_WEB_WORKERS": "1",
        "WHYDOWN_CONCURRENT_INVESTIGATIONS": str(AT_ONCE),
        "WHYDOWN_WORKER_PROCESSES": str(workers),
        "WHYDOWN_WORKER_CONCURRENCY": str(AT_ONCE // workers + 16),
        # What is measured is how long a busy machine takes, not what it gives up.
        "WHYDOWN_SOURCE_TIMEOUT_SECONDS": "60",
        "WHYDOWN_AI_TIMEOUT_SECONDS": "120",
    }


def _counted(answers: subprocess.Popen[str]) -> dict[str, int]:
    said, _ = answers.communicate()
    counts: dict[str, int] = json.loads(said)
    return counts


def _send(url: str, numbers: Sequence[int], seed: int) -> float:
    """An alert of each service, in the order that the seed gives, as fast as the receiver takes them. Gives the seconds
    that took, after all were made ready.
    """
    host, _, port = url.removeprefix("http://").partition(":")
    order = random.Random(seed).sample(numbers, len(numbers))
    requests = [post(host, int(port), "/webhook/alert", _alert(number)) for number in order]
    load = Generator(host, int(port)).send(iter(requests), SENDERS)
    if load.refused:
        raise RuntimeError(f"an alert was answered with {load.refused[0]}")
    return load.seconds


def _alert(number: int) -> bytes:
    return json.dumps({"serviceName": service_name(number), "alertTitle": "Error rate", "severity": "high"}).encode()


def _wait(database: Database, incidents: int, seconds: float) -> None:
    until = time.monotonic() + seconds
    while _finished(database) < incidents and time.monotonic() < until:
        time.sleep(0.5)


def _finished(database: Database) -> int:
    query = select(func.count()).select_from(IncidentRow).where(IncidentRow.finished_at.is_not(None))
    with database.reading() as session:
        return session.scalar(query) or 0


def _diagnosed(database: Database) -> int:
    query = select(func.count()).select_from(IncidentRow).where(IncidentRow.status == Status.DONE)
    with database.reading() as session:
        return session.scalar(query) or 0


def _by_brief(database: Database) -> int:
    with database.reading() as session:
        query = select(func.count()).select_from(AttemptRow)
        by_brief = AttemptRow.diagnosis["producedBy"]["stage"].as_string() == "brief"
        return session.scalar(query.where(by_brief)) or 0


def _last(database: Database) -> datetime:
    with database.reading() as session:
        return (
            session.scalars(select(IncidentRow.finished_at).order_by(IncidentRow.finished_at.desc())).first() or now()
        )


def _by_part(of_processes: dict[str, float]) -> dict[str, float]:
    """`worker0` and `worker1` are one part."""
    parts: dict[str, float] = {}
    for name, value in of_processes.items():
        part = name.rstrip("0123456789")
        parts[part] = parts.get(part, 0.0) + value
    return parts


def _by_workers(numbers: Sequence[int], incidents: int, seed: int) -> int:
    """The same storm with one number of worker processes after the other (docs/scaling.md)."""
    outcomes = {number: run(incidents, "loki", seed, number) for number in numbers}
    for number, outcome in outcomes.items():
        worked = 1000 * outcome.cpu.get("worker", 0.0) / incidents
        print(
            f"{number} worker processes: total / ideal {outcome.total_ratio:.2f} ({outcome.seconds:.1f} s), "
            f"{worked:.1f} ms of the workers' CPU per incident, {outcome.memory_mb['worker']:.0f} MB of workers",
            flush=True,
        )
    return 0 if all(outcome.whole for outcome in outcomes.values()) else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Gives the exit status."""
    parser = command_line.parser(
        "storm", __doc__, seed="which order of the alerts (default: 1)", quick=f"{RUNS[0][0]} incidents only"
    )
    parser.add_argument("--workers", type=int, nargs="+", help="one size, once with each number of worker processes")
    given = command_line.given(parser, arguments)
    # Everything that is started runs on these too.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    if given.workers:
        return _by_workers(given.workers, RUNS[0][0] if given.quick else JUDGED, given.seed)
    outcomes = []
    for incidents, sources in RUNS[:1] if given.quick else RUNS:
        outcomes.append(run(incidents, sources, given.seed))
        print(outcomes[-1].table(), flush=True)
    judged = next((each for each in outcomes if each.incidents == JUDGED), outcomes[0])
    if given.json:
        goals = {"totalRatio": f"at most {TOTAL_RATIO}", "treeRssMb": f"below {TREE_MB:.0f}"}
        print(json.dumps({**judged.wire(), "goals": goals, "runs": [each.wire() for each in outcomes]}), flush=True)
    return 0 if judged.reached and all(each.whole for each in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
