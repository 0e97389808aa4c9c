"""Whether callers that wait for an incident's end hold up the alerts.

`python -m benchmarks.polling [--seed N] [--quick] [--json] [--engine postgresql|sqlite]`. Alerts are taken in over
eight connections, turn about without and with a thousand clients that wait with `Prefer: wait=60` for incidents that
never end, and come again when Retry-After says so. Exit status 1 unless, with them, alerts are taken in at 0.8 of the
rate or more, no client is refused, and the receiver has as many threads as without.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any, Final

import psutil

from benchmarks import command_line
from benchmarks.alertmanager_bodies import single
from benchmarks.load import Generator, Load, post
from benchmarks.production import Engine
from benchmarks.receiving import Receiver, Size, environment, running, side_by_side
from webhook.answers import CROWDED_SECONDS

CLIENTS: Final = 1_000
AT_ONCE: Final = 8
WAITED_FOR: Final = 20
SETTLED: Final = 0.95
"""Share of the clients that must have been answered once before alerts are sent: then all wait, or come again later."""
SETTLE_SECONDS: Final = 60.0
MOST_PER_SECOND: Final = 2_000

RATE: Final = 0.8
GOALS: Final = {"intakeRatio": f"at least {RATE}", "failed": "0", "moreThreads": "0"}


FULL: Final = Size(rounds=4, seconds=8.0)
QUICK: Final = Size(rounds=1, seconds=3.0)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one engine showed."""

    engine: Engine
    alone: Load
    beside: Load
    """While the clients waited."""
    ratios: Sequence[float]
    """Rate with the clients over the rate without, round by round."""
    polls_per_second: float
    failed: int
    threads: tuple[int, int]
    """Of the receiver, at most, without and with the clients."""

    @property
    def ratio(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.ratios)

    @property
    def more_threads(self) -> int:
        """How many threads the clients cost."""
        return max(0, self.threads[1] - self.threads[0])

    @property
    def reached(self) -> bool:
        """Whether every goal is."""
        refused = self.failed or self.beside.refused
        return self.ratio >= RATE and not refused and not self.more_threads

    def wire(self) -> dict[str, Any]:
        """For programs."""
        return {
            "intakeRatio": round(self.ratio, 3),
            "perSecond": [round(self.alone.per_second), round(self.beside.per_second)],
            "p99Millis": [round(1000 * load.p99(), 1) for load in (self.alone, self.beside)],
            "pollsPerSecond": round(self.polls_per_second, 1),
            "failed": self.failed + len(self.beside.refused),
            "threads": list(self.threads),
            "moreThreads": self.more_threads,
        }

    def table(self) -> str:
        """For people."""
        shown = self.wire()
        (rate, rate_beside), (p99, p99_beside) = shown["perSecond"], shown["p99Millis"]
        return "\n".join(
            (
                f"{self.engine}: alerts beside {CLIENTS:,} waiting clients",
                f"  rate {rate:,}/s alone, {rate_beside:,}/s beside them: {self.ratio:.2f} (goal: {RATE})",
                f"  p99 {p99} ms alone, {p99_beside} ms beside them",
                f"  {self.polls_per_second:.0f} polls/s answered, {shown['failed']} requests failed",
                f"  threads of the receiver: {self.threads[0]} alone, {self.threads[1]} beside them",
            )
        )


def run(engine: Engine, size: Size, seed: int) -> Outcome:
    """One engine, from an empty folder to its figures; nothing is left of it."""
    folder = Path(tempfile.mkdtemp(prefix="whydown-polling-"))
    numbers = count(seed * 10_000_000)
    try:
        with side_by_side(engine, folder) as sides:
            ours = sides["ours"]
            incidents = [
                each["id"] for body in _sent(ours, numbers, 200, None).bodies for each in json.loads(body)["incidents"]
            ]
            alone, beside, ratios, polls, failed, threads = Load(), Load(), [], 0, 0, [0, 0]
            for number in range(size.rounds):
                alone.add(one := _sent(ours, numbers, int(MOST_PER_SECOND * size.seconds), size.seconds))
                threads[0] = max(threads[0], _threads(ours))
                with _clients(ours.port, incidents[:WAITED_FOR], folder / f"pollers{number}.log") as log:
                    settled = _settled(log)
                    beside.add(other := _sent(ours, numbers, int(MOST_PER_SECOND * size.seconds), size.seconds))
                    threads[1] = max(threads[1], _threads(ours))
                ratios.append(other.per_second / one.per_second)
                told = _told(log)
                polls += sum(answered for answered, _ in told[settled:])
                failed += sum(each for _, each in told)
            each_second = polls / (size.rounds * size.seconds)
            return Outcome(engine, alone, beside, ratios, each_second, failed, (threads[0], threads[1]))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sent(ours: Receiver, numbers: Iterator[int], many: int, seconds: float | None) -> Load:
    requests = [post("127.0.0.1", ours.port, ours.path, single(number)) for number in islice(numbers, many)]
    return Generator("127.0.0.1", ours.port, keep=seconds is None).send(iter(requests), AT_ONCE, seconds)


def _settled(log: Path) -> int:
    """Waits until nearly all clients have asked, and come again; gives the seconds that this took."""
    for second in range(int(SETTLE_SECONDS)):
        time.sleep(1.0)
        if sum(answered for answered, _ in _told(log)) >= SETTLED * CLIENTS:
            time.sleep(CROWDED_SECONDS.stop)  # then the first of them have come again, and the others come evenly
            return second + 1 + CROWDED_SECONDS.stop
    raise TimeoutError(f"{CLIENTS} clients were not answered within {SETTLE_SECONDS:g} s")


def _told(log: Path) -> list[tuple[int, int]]:
    """What the clients say of each second: how many requests were answered, and how many failed."""
    lines = log.read_text(encoding="utf-8").splitlines()
    return [(int(answered), int(failed)) for answered, failed in map(str.split, lines)]


@contextmanager
def _clients(port: int, incidents: Sequence[str], log: Path) -> Iterator[Path]:
    command = (sys.executable, "-m", "benchmarks.pollers", str(port), str(CLIENTS), *incidents)
    with running(command, log, environment()):
        yield log


def _threads(ours: Receiver) -> int:
    return sum(each.num_threads() for each in psutil.Process(ours.process.pid).children())


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Gives the exit status."""
    parser = command_line.parser(
        "polling",
        __doc__,
        seed="which numbers make the alerts distinct (default: 1)",
        quick="one short round",
        engines=True,
    )
    given = command_line.given(parser, arguments)
    outcomes = []
    for engine in given.engines:
        outcomes.append(run(engine, QUICK if given.quick else FULL, given.seed))
        print(outcomes[-1].table(), flush=True)
    if given.json:
        wires = {outcome.engine: outcome.wire() for outcome in outcomes}
        worst = {
            "intakeRatio": min(wire["intakeRatio"] for wire in wires.values()),
            "failed": sum(wire["failed"] for wire in wires.values()),
            "moreThreads": max(wire["moreThreads"] for wire in wires.values()),
        }
        print(json.dumps({**worst, "goals": GOALS, "engines": wires}), flush=True)
    return 0 if all(outcome.reached for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
