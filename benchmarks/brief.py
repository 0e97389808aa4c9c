"""How long the brief takes, from the facts at hand in the database to the brief stored in it, on one core.

`python -m benchmarks.brief [--seed N] [--quick] [--json]`. Over the recorded and the invented incidents of tests/cases,
and over bigger ones made of these: the median time, and its ratio to a script that counts for every commit the words it
shares with lines about errors, on the same facts in the same run. It prints, too, how many causes the brief named and
how many the script. Exit status 1 when the median is 300 ms or more.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from shared.alert import Alert, AlertGroup, Delivery
from shared.database import Database
from shared.incident import Fact
from shared.settings import Investigation
from shared.store import admission, beginnings, findings, intake, work
from shared.store.findings import Resolution
from shared.tables import Base
from tests.cases.invented import INCIDENTS
from tests.cases.invented.incident import Change, Incident, Log
from worker.evaluation.answers import Answer, answer, folders, score
from worker.parts import Parts
from worker.pipeline import assemble

CASES: Final = Path(__file__).parent.parent / "tests" / "cases"
BOUND_MS: Final = 300.0
COMMITS: Final = (60, 240)
"""How many more commits the bigger incidents have."""
ERROR_WORDS: Final = re.compile(r"error|fail|exception|timeout|panic|fatal|refused|denied", re.IGNORECASE)
_WORD: Final = re.compile(r"[a-z_]{3,}")


@dataclass(frozen=True, slots=True)
class Timed:
    """One incident."""

    name: str
    facts: int
    brief_ms: float
    script_ms: float
    passed: bool
    script_passed: bool
    script_decoy: bool


def shared_words(facts: Sequence[Fact]) -> str | None:
    """What a keyword script answers: the commit whose message and diff share most words with the lines about errors."""
    errors = Counter(
        word
        for fact in facts
        if fact.kind == "signature" and ERROR_WORDS.search(fact.text)
        for word in _WORD.findall(fact.text.lower())
    )
    points = {
        str(fact.data["sha"]): sum(
            errors[word] for word in set(_WORD.findall(f"{fact.text} {fact.data.get('diff')}".lower()))
        )
        for fact in facts
        if fact.kind == "commit"
    }
    best = max(points, key=lambda sha: points[sha], default=None)
    return best if best and points[best] else None


def bigger(incident: Incident, commits: int, dice: random.Random) -> Incident:
    """The incident in a busier place: so many harmless commits more, and other lines in all logs."""
    names = list(incident.graph)
    words = [
        "cart",
        "order",
        "invoice",
        "user",
        "page",
        "price",
        "stock",
        "route",
        "label",
        "queue",
        "report",
        "cache",
        "item",
        "token",
        "address",
    ]

    def rewritten() -> str:
        one, other, third = dice.sample(words, 3)
        return f"-    {one}_{other} = as_{third}({one})\n+    {one}_{other} = as_{third}({one}, {other})"

    changes = [
        Change(
            at=-dice.uniform(30, 2_000),
            message=f"{dice.choice(words)}: tidy {number}",
            diff=f"@@ {dice.choice(names)}/{dice.choice(words)}.py @@\n" + "\n".join(rewritten() for _ in range(20)),
            part="other",
        )
        for number in range(commits)
    ]
    logs = [
        Log(name, dice.choice(("warning", "error", "info")), f"{each} {dice.choice(words)} took {{ms}} ms", 40)
        for name in names
        for each in words
    ]
    return replace(
        incident,
        id=f"{incident.id}+{commits}",
        changes=(*incident.changes, *changes),
        logs=(*incident.logs, *logs),
    )


def measured(folder: Path, times: int) -> Timed:
    """One incident: the quickest of so many `times`, for what else the machine does must not count."""
    answered = answer(folder, Investigation(), None, 1.0)
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    script = shared_words(answered.case.facts)
    return Timed(
        answered.id,
        len(answered.case.facts),
        brief_ms=min(_brief_ms(answered) for _ in range(times)),
        script_ms=min(_script_ms(answered.case.facts) for _ in range(times)),
        passed=score(answered).passed,
        script_passed=script == truth["commit"],
        script_decoy=script in truth["decoy_commits"],
    )


def _script_ms(facts: Sequence[Fact]) -> float:
    began = time.perf_counter()
    shared_words(facts)
    return (time.perf_counter() - began) * 1_000


def _brief_ms(answered: Answer) -> float:
    """The time of the real stage, on a database of its own that holds the facts as the sources stored them."""
    case = answered.case
    assert case.scope is not None
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'brief.db'}")
        try:
            Base.metadata.create_all(database.engine)
            alert = Alert("f", True, case.title, case.service, starts_at=case.started_at)
            intake.accept(
                database, Delivery("plain", (AlertGroup("g", case.service, case.title, (alert,)),)), timedelta(hours=1)
            )
            (opened,) = admission.admit(database, 1)
            first = work.claim(database, opened)
            assert first is not None
            beginnings.begin(database, first)
            resolution = Resolution(case.scope.wire(), case.service, case.entity_ref, case.facts, case.coverage)
            (diagnosis,) = findings.resolve(database, first, resolution)
            claim = work.claim(database, diagnosis)
            assert claim is not None
            parts = Parts(database=database, settings=Investigation(), sources={})
            began = time.perf_counter()
            assembled, _ = assemble(parts, claim)
            took = (time.perf_counter() - began) * 1_000
            stored = findings.attempt_state(database, claim.incident_id, claim.attempt).brief
            assert stored is not None and stored.complete and stored.verdict == assembled.brief.verdict
            return took
        finally:
            database.close()


@dataclass(frozen=True, slots=True)
class Outcome:
    """All incidents of a run."""

    timed: tuple[Timed, ...]

    @property
    def median_ms(self) -> float:
        """Of the briefs."""
        return statistics.median(each.brief_ms for each in self.timed)

    @property
    def script_ratio(self) -> float:
        """The median brief, in times of the median script."""
        return self.median_ms / statistics.median(each.script_ms for each in self.timed)

    def table(self) -> str:
        """For people."""
        rows = [
            f"{each.name[:44]:44} {each.facts:5} facts {each.brief_ms:8.1f} ms {each.script_ms:8.2f} ms"
            for each in self.timed
        ]
        return "\n".join(
            (
                *rows,
                f"median {self.median_ms:.1f} ms (goal: under {BOUND_MS:g} ms), "
                f"longest {max(each.brief_ms for each in self.timed):.1f} ms, "
                f"{self.script_ratio:.1f} times as long as the keyword script",
                f"causes named: {self._count('passed')} of {len(self.timed)} by the brief, "
                f"{self._count('script_passed')} by the script, which named {self._count('script_decoy')} decoys",
            )
        )

    def wire(self) -> dict[str, Any]:
        """For programs."""
        return {
            "scriptRatio": round(self.script_ratio, 2),
            "medianMs": round(self.median_ms, 2),
            "longestMs": round(max(each.brief_ms for each in self.timed), 2),
            "boundMs": BOUND_MS,
            "cases": len(self.timed),
            "passed": self._count("passed"),
            "scriptPassed": self._count("script_passed"),
            "scriptDecoys": self._count("script_decoy"),
        }

    def _count(self, what: str) -> int:
        return sum(getattr(each, what) for each in self.timed)


def _folders(parent: Path, seed: int, quick: bool) -> Iterator[Path]:
    dice = random.Random(seed)
    recorded = folders(CASES)
    yield from recorded[:3] if quick else recorded
    invented = INCIDENTS[:4] if quick else INCIDENTS
    for incident in invented:
        yield incident.write(parent)
    for commits in COMMITS[:1] if quick else COMMITS:
        for incident in invented[: 1 if quick else 3]:
            yield bigger(incident, commits, dice).write(parent)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.brief", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of what the bigger incidents are made (default: 1)")
    parser.add_argument("--quick", action="store_true", help="fewer incidents, each once")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    given = parser.parse_args(arguments)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as parent:
        timed = [
            measured(folder, 1 if given.quick else 3) for folder in _folders(Path(parent), given.seed, given.quick)
        ]
    outcome = Outcome(tuple(timed))
    print(outcome.table(), flush=True)
    if given.json:
        print(json.dumps(outcome.wire()), flush=True)
    return 0 if outcome.median_ms < BOUND_MS else 1


if __name__ == "__main__":
    sys.exit(main())
