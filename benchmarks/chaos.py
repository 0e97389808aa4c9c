"""Whether a 202 is a promise: alerts come in while everything is killed, stalled and flushed; then all are counted.

`python -m benchmarks.chaos [--seed N] [--quick] [--json] [--no-reconciler]`; docs/reliability.md says what is measured.
Exit status 1 unless no accepted alert was lost and none was diagnosed twice.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError

from benchmarks import command_line
from benchmarks.faults import Fault, FaultKind, schedule
from benchmarks.production import Production
from benchmarks.stand_ins import Breakable, Mood, Surroundings, surroundings
from benchmarks.traffic import Sender, plan
from benchmarks.verdict import Recovery, Verdict, duplicate_pushes, judge, recovery, unfinished
from shared.database import Database
from shared.moment import now

_SHOWN: Final = 10
"""Lost or doubled ones that are listed one by one."""

_PARTS: Final = {FaultKind.KILL_WEB: "web", FaultKind.KILL_WORKER: "worker"}
_MOODS: Final[dict[FaultKind, Mood]] = {
    FaultKind.MODEL_HANGS: "hangs",
    FaultKind.MODEL_FAILS: "fails",
    FaultKind.MODEL_RAVES: "raves",
    FaultKind.CALLBACK_HANGS: "hangs",
    FaultKind.CALLBACK_FAILS: "fails",
}


@dataclass(frozen=True, slots=True)
class Size:
    """How much of it."""

    alerts: int
    services: int
    seconds: float
    """How long alerts come in and things break."""
    patience: float
    """Seconds after the last fault until what is unfinished counts as lost."""
    thinks: float
    """Seconds that the model takes. What is killed a few times only shall have work in hand."""


QUICK: Final = Size(alerts=120, services=40, seconds=18, patience=75, thinks=1.5)
FULL: Final = Size(alerts=1_000, services=200, seconds=360, patience=300, thinks=0.0)
STRANDED_PATIENCE: Final = 20.0
"""Seconds of patience where nobody sweeps: what then lies about lies for ever."""


@dataclass
class Outcome:
    """A run's result."""

    seed: int
    sent: int
    verdict: Verdict
    recovery: Recovery
    duplicate_pushes: int
    pushes: int
    model_calls: int
    """Answered or not."""
    retries: int
    faults: Sequence[Fault]
    unexpected: Sequence[str]
    seconds: float

    @property
    def model_calls_per_diagnosis(self) -> float:
        """Calls of the model, answered or not, for each stored diagnosis."""
        return self.model_calls / max(1, self.verdict.stored)

    def wire(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "accepted": self.verdict.accepted,
            "diagnosed": self.verdict.diagnosed,
            "cancelled": self.verdict.cancelled,
            "lost": len(self.verdict.lost),
            "duplicateDiagnoses": len(self.verdict.duplicate_diagnoses),
            "wronglyMerged": len(self.verdict.wrongly_merged),
            "duplicatePushes": self.duplicate_pushes,
            "modelCallsPerDiagnosis": round(self.model_calls_per_diagnosis, 3),
            "recoveryMedianSeconds": round(self.recovery.median, 1),
            "recoveryP95Seconds": round(self.recovery.p95, 1),
            "faults": len(self.faults),
            "seed": self.seed,
            "sent": self.sent,
            "byModel": self.verdict.by_model,
            "unexpectedExits": len(self.unexpected),
            "seconds": round(self.seconds, 1),
        }

    def table(self) -> str:
        """As a person reads it."""
        verdict, recovered = self.verdict, self.recovery
        rows = (
            ("accepted alerts (answered 202)", f"{verdict.accepted} of {self.sent}"),
            ("  diagnosed", f"{verdict.diagnosed}"),
            ("  cancelled: resolved before the work began", f"{verdict.cancelled}"),
            ("  lost", f"{len(verdict.lost)}"),
            ("diagnoses stored (by the model)", f"{verdict.stored} ({verdict.by_model})"),
            ("duplicate diagnoses", f"{len(verdict.duplicate_diagnoses)}"),
            ("wrongly merged incidents", f"{len(verdict.wrongly_merged)}"),
            ("pushes taken, duplicates by webhook-id", f"{self.pushes}, {self.duplicate_pushes}"),
            ("pushes that wait for their next try", f"{verdict.open_pushes}"),
            ("model calls per diagnosis", f"{self.model_calls_per_diagnosis:.2f}"),
            (
                "recovery median / p95 / longest",
                f"{recovered.median:.1f} / {recovered.p95:.1f} / {recovered.longest:.1f} s",
            ),
            ("faults, sends that had to be repeated", f"{len(self.faults)}, {self.retries}"),
            ("processes that ended by themselves", f"{len(self.unexpected)}"),
            ("the whole run", f"{self.seconds:.0f} s, seed {self.seed}"),
        )
        lines = [f"{name:<46}{value}" for name, value in rows]
        lines += [f"  by the brief {count} times: {reason}" for reason, count in verdict.stood_in.most_common(5)]
        for wrong in (verdict.lost, verdict.duplicate_diagnoses, verdict.wrongly_merged, self.unexpected):
            lines += [f"  ! {each}" for each in wrong[:_SHOWN]]
        return "\n".join(lines)


@dataclass
class Saboteur:
    """Breaks things on schedule, each in a thread of its own, for they may overlap."""

    production: Production
    around: Surroundings
    ended: list[datetime] = field(default_factory=list)
    """When each fault was over."""
    failed: list[str] = field(default_factory=list)
    """Faults that could not be brought about."""

    def run(self, faults: Sequence[Fault]) -> None:
        """Returns when the last fault is over."""
        begin = time.monotonic()
        running = []
        for fault in faults:
            time.sleep(max(0.0, begin + fault.at - time.monotonic()))
            _say(f"{fault.at:6.1f} s  {fault.kind}" + (f", {fault.seconds:.1f} s" if fault.seconds else ""))
            thread = threading.Thread(target=self._break, args=(fault,), daemon=True)
            thread.start()
            running.append(thread)
        for thread in running:
            thread.join()

    def _break(self, fault: Fault) -> None:
        try:
            self._do(fault)
        except Exception as failure:  # noqa: BLE001  the other faults go on; the run fails in the end
            self.failed.append(f"{fault.kind}: {failure}")
        self.ended.append(now())

    def _do(self, fault: Fault) -> None:
        match fault.kind:
            case FaultKind.KILL_WEB | FaultKind.KILL_WORKER:
                self._kill(f"{_PARTS[fault.kind]}{fault.target}", fault.seconds)
            case FaultKind.KILL_REDIS:
                self._kill("redis", fault.seconds)
            case FaultKind.KILL_BEAT:
                if self.production.reconciler:
                    self._kill("beat", fault.seconds)
            case FaultKind.FLUSH_REDIS:
                self.production.flush_redis()
            case FaultKind.STALL_REDIS:
                self.production.stall_redis(fault.seconds)
            case FaultKind.STOP_POSTGRES:
                self.production.stop_postgres(fault.seconds)
            case FaultKind.CALLBACK_FAILS | FaultKind.CALLBACK_HANGS:
                _unwell(self.around.callback, _MOODS[fault.kind], fault.seconds)
            case _:
                _unwell(self.around.model, _MOODS[fault.kind], fault.seconds)

    def _kill(self, name: str, seconds: float) -> None:
        self.production.kill(name, seconds)
        time.sleep(seconds)


def run(seed: int, size: Size, quick: bool, reconciler: bool = True) -> Outcome:
    """One run, from an empty folder to its verdict; nothing is left of it."""
    began = time.monotonic()
    patience = size.patience if reconciler else STRANDED_PATIENCE
    folder = Path(tempfile.mkdtemp(prefix="whydown-chaos-"))
    try:
        with (
            surroundings(folder / "catalog", size.services, size.thinks) as around,
            Production(folder / "whydown", around.settings(), reconciler) as production,
        ):
            _say(f"started after {time.monotonic() - began:.0f} s; alerts come in and things break")
            sender = Sender(production.urls, around.callback_url)
            sends = plan(seed, size.alerts, size.services, size.seconds)
            faults = schedule(seed, size.seconds, quick)
            saboteur = Saboteur(production, around)
            sending = threading.Thread(target=sender.run, args=(sends, patience), daemon=True)
            sending.start()
            try:
                saboteur.run(faults)
                if saboteur.failed:
                    raise RuntimeError("; ".join(saboteur.failed))
                until = time.monotonic() + patience
                sending.join()
            finally:
                sender.stop()  # a run that is ended before its time must not wait for answers from nobody
            database = Database(production.database_url)
            _wait(database, until)
            planned = [send.alert for send in sends if not send.resolved]
            outcome = Outcome(
                seed=seed,
                sent=size.alerts,
                verdict=judge(database, list(dict.fromkeys(planned)), sender.answers, list(around.pushes)),
                recovery=recovery(database, saboteur.ended),
                duplicate_pushes=duplicate_pushes(list(around.pushes)),
                pushes=len(around.pushes),
                model_calls=around.model_calls,
                retries=sender.retries,
                faults=faults,
                unexpected=list(production.unexpected),
                seconds=time.monotonic() - began,
            )
            database.close()
            return outcome
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(database: Database, until: float) -> None:
    """Until no incident is unfinished, or it is too late."""
    told = 0.0
    while time.monotonic() < until:
        try:
            left = unfinished(database)
        except SQLAlchemyError:
            left = -1
        if left == 0:
            return
        if time.monotonic() - told > 10:
            told = time.monotonic()
            _say(f"the faults are over; {left} incidents are unfinished, {until - told:.0f} s left")
        time.sleep(0.5)


def _unwell(stand_in: Breakable, mood: Mood, seconds: float) -> None:
    stand_in.turn(mood)
    time.sleep(seconds)
    stand_in.turn("well")


def _say(line: str) -> None:
    print(f"chaos: {line}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Gives the exit status."""
    parser = command_line.parser(
        "chaos",
        __doc__,
        seed="which schedule of alerts and faults (default: 1)",
        quick="120 alerts in about a minute instead of 1,000",
    )
    parser.add_argument("--no-reconciler", action="store_true", help="without the sweep: it must lose alerts")
    given = command_line.given(parser, arguments)
    outcome = run(given.seed, QUICK if given.quick else FULL, given.quick, reconciler=not given.no_reconciler)
    print(outcome.table(), flush=True)
    if given.json:
        print(json.dumps(outcome.wire()), flush=True)
    return 0 if outcome.verdict.sound else 1


if __name__ == "__main__":
    sys.exit(main())
