"""Whether what is done all the time takes as long with a million incidents as with a thousand.

`python -m benchmarks.scale [--seed N] [--quick] [--json] [--engine postgresql|sqlite]`. Two databases of one engine, a
small one and one that grows, are asked the same in turn, so that what else the machine does hits both. Exit status 1
unless every operation of the hot path stays within 1.5 times its time on the small one, on both engines.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final

from benchmarks import command_line
from benchmarks.production import Engine
from benchmarks.seasoned import WAITING, season
from shared.alert import Alert, AlertGroup, Delivery
from shared.database import Database
from shared.incident import Status
from shared.moment import now
from shared.store import admission, reading, telemetry, work
from shared.store.intake import Reception
from shared.store.reading import Filters
from shared.tables import Base
from tests.postgres import PostgresServer

SMALL: Final = 1_000
SIZES: Final = (100_000, 1_000_000)
QUICK: Final = (20_000,)
LINE: Final = 10_000
"""So many more wait, in the end."""
TURNS: Final = 60
BOUND: Final = 1.5
QUIET: Final = timedelta(hours=1)


class Operations:
    """What is done all the time, on one database."""

    def __init__(self, database: Database) -> None:
        """`database` is filled."""
        self.database = database
        self.worker = Database(database.url, planned_once=True)
        self.reception = Reception(database, QUIET)
        self._numbers = count()
        self._again = _delivery("again")
        self.reception.accept(self._again)

    def timed(self) -> Mapping[str, Callable[[], float]]:
        """Each operation by its name: it gives the seconds that it took."""
        critical = Filters(status=Status.DONE, severity="critical")
        quick: dict[str, Callable[[], object]] = {
            "list: newest": lambda: reading.page(self.database, Filters()),
            "list: of a service": lambda: reading.page(self.database, Filters(service="service-007")),
            "list: done and critical": lambda: reading.page(self.database, critical),
            "list: words": lambda: reading.page(self.database, Filters(text="error service-00")),
            "poll": lambda: reading.revision(self.database, "i7"),
            "document": lambda: reading.incident(self.database, "i700"),
            "sweep": lambda: work.sweep(self.worker),
            "new alert": lambda: self.reception.accept(_delivery(f"new{next(self._numbers)}")),
            "same alert again": lambda: self.reception.accept(self._again),
        }
        named = {name: partial(_seconds, act) for name, act in quick.items()}
        return {**named, "admission": self._admission, "claim": self._claim}

    def of_the_line(self) -> Mapping[str, Callable[[], float]]:
        """What depends on how many wait, as in `timed`. The newest of the least urgent comes last."""
        looks: dict[str, Callable[[], object]] = {
            "document of the last": lambda: reading.incident(self.database, "i45"),
            "list: newest": lambda: reading.page(self.database, Filters()),
        }
        return {**{name: partial(_seconds, look) for name, look in looks.items()}, "admission": self._admission}

    def _admission(self) -> float:
        """One more is let in: the whole way, with all that wait compared."""
        most = self._under_way() + 1
        return _seconds(lambda: admission.admit(self.worker, most))

    def _claim(self) -> float:
        (work_id,) = admission.admit(self.worker, self._under_way() + 1)
        return _seconds(lambda: work.claim(self.worker, work_id))

    def _under_way(self) -> int:
        return telemetry.under_way(self.worker)


def _delivery(name: str) -> Delivery:
    alert = Alert(name, True, "Error rate", "service-001", starts_at=_START)
    return Delivery("alertmanager", (AlertGroup(name, "service-001", "Error rate", (alert,)),))


_START: Final = now()


def _seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


@dataclass(frozen=True, slots=True)
class Outcome:
    """One engine at one size."""

    engine: Engine
    incidents: int
    small: Mapping[str, float]
    """Median seconds of each operation with SMALL incidents."""
    large: Mapping[str, float]
    metrics: tuple[float, float]
    """Seconds of one GET /metrics on both, which counts all attempts and so may grow."""
    line: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Median seconds of what looks at the line, with few in it and with LINE more: that may grow too."""

    def ratio(self, name: str) -> float:
        """How many times as long it takes."""
        return self.large[name] / self.small[name]

    @property
    def worst(self) -> float:
        """The largest of the ratios."""
        return max(map(self.ratio, self.small))

    def wire(self) -> dict[str, Any]:
        """For programs."""
        return {
            "ratios": {name: round(self.ratio(name), 2) for name in self.small},
            "millis": {name: round(1000 * seconds, 2) for name, seconds in self.large.items()},
            "metricsMillis": [round(1000 * seconds, 1) for seconds in self.metrics],
            "lineMillis": {name: [round(1000 * each, 2) for each in both] for name, both in self.line.items()},
        }

    def table(self) -> str:
        """For people."""
        rows = (
            f"  {name:<26}{1000 * self.small[name]:>8.2f} ms{1000 * self.large[name]:>8.2f} ms{self.ratio(name):>7.2f}"
            for name in self.small
        )
        return "\n".join(
            (
                f"{self.engine}: {SMALL:,} and {self.incidents:,} incidents (goal: at most {BOUND} times as long)",
                *rows,
                f"  {'(metrics, no goal)':<26}{1000 * self.metrics[0]:>8.1f} ms{1000 * self.metrics[1]:>8.1f} ms",
                *self._of_the_line(),
            )
        )

    def _of_the_line(self) -> Iterator[str]:
        if self.line:
            yield f"  with {LINE:,} more in line (no goal)"
        for name, (few, many) in self.line.items():
            yield f"    {name:<24}{1000 * few:>8.2f} ms{1000 * many:>8.2f} ms"


def run(engine: Engine, sizes: Sequence[int]) -> Iterator[Outcome]:
    """One engine at growing sizes; nothing is left of it."""
    folder = Path(tempfile.mkdtemp(prefix="whydown-scale-"))
    try:
        with _two_databases(engine, folder) as (small, large):
            season(small, 0, SMALL)
            there = 0
            for size in sizes:
                season(large, there, size)
                there = size
                outcome = _compared(engine, size, small, large)
                yield replace(outcome, line=_line(small, large, size)) if size == sizes[-1] else outcome
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _compared(engine: Engine, size: int, small: Database, large: Database) -> Outcome:
    operations = [Operations(database) for database in (small, large)]
    ways = [each.timed() for each in operations]
    taken: list[dict[str, list[float]]] = [{name: [] for name in way} for way in ways]
    for turn in range(TURNS):
        for name in ways[0]:
            for side in (0, 1) if turn % 2 else (1, 0):
                taken[side][name].append(ways[side][name]())
    for each in operations:
        each.worker.close()
    medians = [{name: statistics.median(seconds) for name, seconds in side.items()} for side in taken]
    metrics = [_seconds(partial(telemetry.measure, database)) for database in (small, large)]
    return Outcome(engine, size, medians[0], medians[1], (metrics[0], metrics[1]))


def _line(small: Database, large: Database, there: int) -> Mapping[str, tuple[float, float]]:
    """What looks at the line, which has become long in the large one."""
    season(small, SMALL, SMALL + WAITING, waiting=SMALL + WAITING)  # those of before were admitted
    season(large, there, there + LINE, waiting=there + LINE)
    both = [Operations(database) for database in (small, large)]
    taken = [{name: _median(look) for name, look in each.of_the_line().items()} for each in both]
    for each in both:
        each.worker.close()
    return {name: (taken[0][name], taken[1][name]) for name in taken[0]}


def _median(look: Callable[[], float]) -> float:
    return statistics.median(look() for _ in range(TURNS))


@contextmanager
def _two_databases(engine: Engine, folder: Path) -> Iterator[tuple[Database, Database]]:
    with ExitStack() as stack:
        urls = [f"sqlite:///{folder / name}.db" for name in ("small", "large")]
        if engine == "postgresql":
            server = stack.enter_context(PostgresServer(folder / "postgres"))
            for name in ("small", "large"):
                server.create(name)
            urls = [server.url(name) for name in ("small", "large")]
        small, large = (Database(url) for url in urls)
        for database in (small, large):
            stack.callback(database.close)
            Base.metadata.create_all(database.engine)
        yield small, large


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Gives the exit status."""
    parser = command_line.parser(
        "scale",
        __doc__,
        seed="nothing here is left to chance: taken and not used",
        quick=f"{QUICK[0]:,} incidents instead of up to {SIZES[-1]:,}",
        engines=True,
    )
    given = command_line.given(parser, arguments)
    outcomes = []
    for engine in given.engines:
        for outcome in run(engine, QUICK if given.quick else SIZES):
            outcomes.append(outcome)
            print(outcome.table(), flush=True)
    if given.json:
        found = {f"{outcome.engine} {outcome.incidents}": outcome.wire() for outcome in outcomes}
        worst = {"worstRatio": round(max(outcome.worst for outcome in outcomes), 2)}
        print(json.dumps({**worst, "goals": {"worstRatio": f"at most {BOUND}"}, "found": found}), flush=True)
    return 0 if all(outcome.worst <= BOUND for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
