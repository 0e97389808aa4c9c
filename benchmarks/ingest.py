"""How fast alerts are taken in, beside the least that a receiver can do.

`python -m benchmarks.ingest [--seed N] [--quick] [--json] [--engine postgresql|sqlite] [--peer]`. Real Alertmanager
bodies go to Whydown's receiver and, turn about, to a bare Flask and gunicorn that does one committed INSERT and one
LPUSH, with as many processes and threads, on the same kind of database. No worker runs. `--peer` puts Alerta beside it,
installed from PyPI into a folder of its own. Exit status 1 unless, on every engine and at every number of connections,
distinct alerts are taken in at half of the floor's rate or more and the 99th percentile is at most twice the floor's;
a burst of a thousand groups over a thousand connections is stored whole, without a refusal, in at most twice the
floor's time; and Alerta, if it ran, takes in a fifth or less.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, cycle, islice
from pathlib import Path
from typing import Any, Final

from sqlalchemy import create_engine, text

from benchmarks import command_line
from benchmarks.alertmanager_bodies import of_many, single
from benchmarks.load import Generator, Load, post
from benchmarks.peer import Unavailable, alerta
from benchmarks.production import Engine
from benchmarks.receiving import Receiver, Size, side_by_side

CONNECTIONS: Final = (1, 8, 32)
TOGETHER: Final = 50
"""Alerts of the larger groups."""
REPEATED: Final = 100
"""Groups that the duplicates are of."""
BURST: Final = 1_000

RATE: Final = 0.5
P99: Final = 2.0
BURST_TIME: Final = 2.0
PEER: Final = 5.0


GOALS: Final = {
    "floorRatio": f"at least {RATE}",
    "p99Ratio": f"at most {P99:g}",
    "burstRatio": f"at most {BURST_TIME:g}",
    "peerRatio": f"at least {PEER:g}",
}


FULL: Final = Size(rounds=5, seconds=2.0)
QUICK: Final = Size(rounds=1, seconds=1.0)


@dataclass
class Compared:
    """One kind of traffic, on both sides."""

    ours: Load = field(default_factory=Load)
    floor: Load = field(default_factory=Load)
    rates: list[float] = field(default_factory=list)
    """Ours over the floor's, round by round."""
    cpu: dict[str, float] = field(default_factory=lambda: {"ours": 0.0, "floor": 0.0})
    """Seconds that the receivers used."""

    @property
    def rate(self) -> float:
        """Our throughput in times of the floor's: the median of the rounds."""
        return statistics.median(self.rates)

    @property
    def p99(self) -> float:
        """Our 99th percentile in times of the floor's."""
        return self.ours.p99() / self.floor.p99()

    def wire(self) -> dict[str, Any]:
        """For programs."""
        sides = {"ours": self.ours, "floor": self.floor}
        return {
            "floorRatio": round(self.rate, 3),
            "p99Ratio": round(self.p99, 3),
            "perSecond": {name: round(load.per_second) for name, load in sides.items()},
            "p99Millis": {name: round(1000 * load.p99(), 1) for name, load in sides.items()},
            "cpuMillisEach": {name: round(1000 * self.cpu[name] / len(load.taken), 2) for name, load in sides.items()},
            "refused": len(self.ours.refused),
        }

    def row(self, name: str) -> str:
        """For people."""
        shown = self.wire()

        def side(of: str) -> str:
            each, p99, cpu = (shown[figure][of] for figure in ("perSecond", "p99Millis", "cpuMillisEach"))
            return f"{each:>6,}/s {p99:>7.1f} ms {cpu:>5.2f} ms"

        return f"  {name:<28}{self.rate:>6.2f}{self.p99:>7.2f}   {side('ours')}   {side('floor')}"


@dataclass(frozen=True, slots=True)
class Burst:
    """Every group at once, each over a connection of its own."""

    ratio: float
    """Our time in times of the floor's."""
    seconds: float
    refused: int
    missing: int
    """Groups that have not exactly one incident in the database."""


@dataclass(frozen=True)
class Outcome:
    """What one engine showed."""

    engine: Engine
    distinct: Mapping[int, Compared]
    """By the number of connections."""
    others: Mapping[str, Compared]
    burst: Burst
    peer: float | None = None
    """Our throughput in times of Alerta's."""

    @property
    def reached(self) -> bool:
        """Whether every goal is."""
        return (
            all(each.rate >= RATE and each.p99 <= P99 and not each.ours.refused for each in self.distinct.values())
            and not any(each.ours.refused for each in self.others.values())
            and self.burst.ratio <= BURST_TIME
            and not self.burst.refused
            and not self.burst.missing
            and (self.peer is None or self.peer >= PEER)
        )

    def wire(self) -> dict[str, Any]:
        """For programs."""
        return {
            "floorRatio": min(each.wire()["floorRatio"] for each in self.distinct.values()),
            "p99Ratio": max(each.wire()["p99Ratio"] for each in self.distinct.values()),
            "burstRatio": round(self.burst.ratio, 3),
            "burstRefused": self.burst.refused,
            "burstMissing": self.burst.missing,
            "peerRatio": None if self.peer is None else round(self.peer, 1),
            "connections": {str(number): each.wire() for number, each in self.distinct.items()},
            "others": {name: each.wire() for name, each in self.others.items()},
        }

    def table(self) -> str:
        """For people."""
        heads = "rate", "p99", "ours: rate, p99, cpu each", "floor"
        lines = [
            f"{self.engine}: ours in times of the floor (goals: rate {RATE}, p99 {P99})",
            f"  {'':<28}{heads[0]:>6}{heads[1]:>7}   {heads[2]:<28}   {heads[3]}",
            *(each.row(f"distinct, {number} at once") for number, each in self.distinct.items()),
            *(each.row(name) for name, each in self.others.items()),
            f"  burst of {BURST:,} groups at once{self.burst.ratio:>6.2f} of the floor's time (goal: {BURST_TIME}), "
            f"{self.burst.seconds:.1f} s; {self.burst.refused} refused, {self.burst.missing} not stored exactly once",
        ]
        if self.peer is not None:
            lines.append(f"  Alerta takes in 1 where ours takes in {self.peer:.1f} (goal: {PEER:g})")
        return "\n".join(lines)


class Traffic:
    """Bodies by number, never the same number twice unless they are to be repeated."""

    def __init__(self, seed: int) -> None:
        """`seed` says where the numbers begin."""
        self._numbers = count(seed * 10_000_000)
        self._repeated = [single(number) for number in islice(self._numbers, REPEATED)]

    def distinct(self) -> Iterator[bytes]:
        """Groups of one alert."""
        return (single(number) for number in self._numbers)

    def together(self) -> Iterator[bytes]:
        """Groups of many alerts."""
        return (of_many(number, TOGETHER) for number in self._numbers)

    def duplicates(self) -> Iterator[bytes]:
        """The same groups again and again."""
        return cycle(self._repeated)


def run(engine: Engine, size: Size, seed: int, peer: bool) -> Outcome:
    """One engine, from an empty folder to its figures; nothing is left of it."""
    folder = Path(tempfile.mkdtemp(prefix="whydown-ingest-"))
    traffic = Traffic(seed)
    try:
        with side_by_side(engine, folder) as sides:
            for side in sides.values():  # the first ones pay for imports and connections
                _generator(side).send(_requests(side, traffic.distinct(), 200), 8)
            distinct = {number: compared(sides, traffic.distinct, number, size) for number in CONNECTIONS}
            others = {
                f"groups of {TOGETHER}, 8 at once": compared(sides, traffic.together, 8, size),
                "duplicates, 8 at once": compared(sides, traffic.duplicates, 8, size),
            }
            shown = burst(sides, traffic)
            beside = _against_alerta(sides["ours"], folder, traffic, size) if peer else None
            return Outcome(engine, distinct, others, shown, beside)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def compared(
    sides: Mapping[str, Receiver], bodies: Callable[[], Iterator[bytes]], at_once: int, size: Size
) -> Compared:
    """Rounds in which first the one side and then the other is under load, so that what else the machine does hits
    both.
    """
    found = Compared()
    for _ in range(size.rounds):
        for name in ("ours", "floor"):
            before = sides[name].cpu_seconds()
            load = _sent(sides[name], bodies(), at_once, size.seconds)
            found.cpu[name] += sides[name].cpu_seconds() - before
            getattr(found, name).add(load)
            found.rates.append(load.per_second)
        floor, ours = found.rates.pop(), found.rates.pop()
        found.rates.append(ours / floor)
    return found


def burst(sides: Mapping[str, Receiver], traffic: Traffic) -> Burst:
    """A thousand connections at once on each side."""
    bodies = list(islice(traffic.distinct(), BURST))
    loads = {}
    for name, side in sides.items():
        loads[name] = _generator(side).send(_requests(side, iter(bodies), BURST), BURST)
    keys = [json.loads(body)["alerts"][0]["fingerprint"] for body in bodies]
    ours = loads["ours"]
    return Burst(
        ratio=ours.seconds / loads["floor"].seconds,
        seconds=ours.seconds,
        refused=len(ours.refused),
        missing=BURST - _stored_once(sides["ours"].database, keys),
    )


def _stored_once(url: str, fingerprints: Sequence[str]) -> int:
    """How many of the alerts have exactly one row."""
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            found = connection.execute(
                text(
                    "SELECT fingerprint FROM alerts JOIN incidents ON incidents.id = alerts.incident_id "
                    "GROUP BY fingerprint HAVING count(*) = 1"
                )
            ).scalars()
            return len(set(found) & set(fingerprints))
    finally:
        engine.dispose()


def _against_alerta(ours: Receiver, folder: Path, traffic: Traffic, size: Size) -> float | None:
    try:
        with alerta(folder) as peer:
            _generator(peer).send(_requests(peer, traffic.distinct(), 50), 8)
            rates = []
            for _ in range(size.rounds):
                mine, theirs = (_sent(side, traffic.distinct(), 8, size.seconds) for side in (ours, peer))
                if theirs.refused:
                    raise Unavailable(f"it refused alerts: {theirs.refused[0]}")
                rates.append(mine.per_second / theirs.per_second)
            return statistics.median(rates)
    except Unavailable as reason:
        print(f"ingest: Alerta is left out: {reason}", file=sys.stderr, flush=True)
        return None


def _generator(side: Receiver) -> Generator:
    return Generator("127.0.0.1", side.port)


MOST_PER_SECOND: Final = 2_500
"""Requests that are made ready for each second of load: more than any side takes."""


def _sent(side: Receiver, bodies: Iterator[bytes], at_once: int, seconds: float) -> Load:
    return _generator(side).send(_requests(side, bodies, int(MOST_PER_SECOND * seconds)), at_once, seconds)


def _requests(side: Receiver, bodies: Iterator[bytes], many: int) -> Iterator[bytes]:
    """Made before the clock starts, as it is no work of the receiver's."""
    return iter([post("127.0.0.1", side.port, side.path, body) for body in islice(bodies, many)])


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Gives the exit status."""
    parser = command_line.parser(
        "ingest",
        __doc__,
        seed="which numbers make the alerts distinct (default: 1)",
        quick="one short round of each",
        engines=True,
    )
    parser.add_argument("--peer", action="store_true", help="Alerta beside it, on PostgreSQL")
    given = command_line.given(parser, arguments)
    outcomes = []
    for engine in given.engines:
        with_peer = given.peer and engine == "postgresql"
        outcomes.append(run(engine, QUICK if given.quick else FULL, given.seed, with_peer))
        print(outcomes[-1].table(), flush=True)
    if given.json:
        wires = {outcome.engine: outcome.wire() for outcome in outcomes}
        worst = {
            "floorRatio": min(wire["floorRatio"] for wire in wires.values()),
            "p99Ratio": max(wire["p99Ratio"] for wire in wires.values()),
            "burstRatio": max(wire["burstRatio"] for wire in wires.values()),
            "peerRatio": next((wire["peerRatio"] for wire in wires.values() if wire["peerRatio"]), None),
        }
        print(json.dumps({**worst, "goals": GOALS, "engines": wires}), flush=True)
    return 0 if all(outcome.reached for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
