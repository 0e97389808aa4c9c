"""How many secrets redaction finds, how many clean lines it alters, and how fast it is.

`python -m benchmarks.redaction [--corpus FILE] [--seed N] [--quick] [--json]`. A secret counts as found when no piece
of it of 12 characters (of its whole length, if it is shorter) is left. A corpus has rows like those of
tests/corpora/secrets.jsonl; a text that it holds under both labels counts as a secret. Exit status 1 unless recall is
at least 0.93, at most 2 of 1,000 clean lines are altered, and 20,000 lines are redacted in a second on one core.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from shared.redaction.redactor import Redactor
from shared.redaction.rules import built_in

CORPUS: Final = Path(__file__).parent.parent / "tests" / "corpora" / "secrets.jsonl"
PIECE: Final = 12

RECALL: Final = 0.93
ALTERED_PER_MILLE: Final = 2.0
LINES_PER_SECOND: Final = 20_000

HOSTILE_CHARACTERS: Final = 100_000
HOSTILE: Final = (
    'token="',
    "password: ",
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----\n",
    "http://a:bcd@",
    "cookie: a=b; ",
    "Authorization: Digest ",
    "[secret:a:123456] password=ab%d ",
)
"""Pieces that begin what many rules look for, over and over."""


@dataclass(frozen=True, slots=True)
class Row:
    """One text of a corpus."""

    text: str
    secret: str | None
    """None: the text is clean."""
    kind: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was measured."""

    found: Counter[str]
    missed: Counter[str]
    """By kind."""
    clean: int
    altered: int
    lines_per_second: float
    floor_ratio: float
    """Time of redaction over the time of one `re` that looks for all keywords at once and replaces nothing."""
    hostile_growth: float
    """How many times as long the worst of HOSTILE takes at twice the length: 2 is linear, 4 quadratic."""

    @property
    def recall(self) -> float:
        """The share of secrets that were found."""
        return self.found.total() / max(self.found.total() + self.missed.total(), 1)

    @property
    def altered_per_mille(self) -> float:
        """Altered clean texts of 1,000."""
        return 1000 * self.altered / max(self.clean, 1)

    @property
    def reached(self) -> bool:
        """Whether every goal is."""
        return (
            self.recall >= RECALL
            and self.altered_per_mille <= ALTERED_PER_MILLE
            and self.lines_per_second >= LINES_PER_SECOND
        )

    def wire(self) -> dict[str, Any]:
        """As one JSON object."""
        return {
            "recall": round(self.recall, 4),
            "cleanAlteredPerMille": round(self.altered_per_mille, 3),
            "linesPerSecond": round(self.lines_per_second),
            "floorRatio": round(self.floor_ratio, 2),
            "hostileGrowth": round(self.hostile_growth, 2),
            "secrets": self.found.total() + self.missed.total(),
            "clean": self.clean,
            "recallByKind": {
                kind: round(self.found[kind] / (self.found[kind] + self.missed[kind]), 4)
                for kind in sorted({*self.found, *self.missed})
            },
        }

    def table(self) -> str:
        """For people."""
        kinds = ", ".join(f"{kind} {share:.3f}" for kind, share in self.wire()["recallByKind"].items())
        return "\n".join(
            (
                f"secrets found          {self.recall:.4f}  ({kinds}; goal {RECALL})",
                f"clean texts altered    {self.altered_per_mille:.2f} of 1,000  (goal {ALTERED_PER_MILLE:g})",
                f"lines in a second      {self.lines_per_second:,.0f}  (goal {LINES_PER_SECOND:,})",
                f"times a keyword search {self.floor_ratio:.1f}",
                f"growth of the worst    {self.hostile_growth:.1f}  (at twice the length; 2 is linear, 4 quadratic)",
            )
        )


def read(corpus: Path) -> list[Row]:
    """The rows of a corpus file. Raises OSError, ValueError or KeyError."""
    rows = [json.loads(line) for line in corpus.read_text(encoding="utf-8").splitlines() if line.strip()]
    secrets = {row["text_b64"] for row in rows if row["label"] == "positive"}
    return [
        Row(
            text=_decoded(row["text_b64"]),
            secret=_decoded(row["secret_b64"]) if row["label"] == "positive" else None,
            kind=row.get("class") or "clean",
        )
        for row in rows
        if row["label"] == "positive" or row["text_b64"] not in secrets
    ]


def survives(secret: str, redacted: str) -> bool:
    """Whether a piece of the secret is left."""
    size = min(PIECE, len(secret))
    return any(secret[at : at + size] in redacted for at in range(len(secret) - size + 1))


def run(rows: Sequence[Row], seed: int, seconds: float) -> Outcome:
    """Redacts everything once for what is found, and again for about so many `seconds` for how fast."""
    redactor = Redactor()
    found: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    clean = altered = 0
    for row in rows:
        redacted = redactor.text(row.text)
        if row.secret is None:
            clean += 1
            altered += redacted != row.text
        else:
            (missed if survives(row.secret, redacted) else found)[row.kind] += 1
    lines = [line for row in rows for line in row.text.splitlines() if line]
    random.Random(seed).shuffle(lines)
    words = {keyword for rule in built_in().rules for keyword in rule.keywords}
    floor = re.compile("|".join(map(re.escape, sorted(words, key=len, reverse=True))), re.IGNORECASE)
    ours = _seconds_per_pass(redactor.text, lines, seconds)
    return Outcome(
        found,
        missed,
        clean,
        altered,
        lines_per_second=len(lines) / ours,
        floor_ratio=ours / _seconds_per_pass(floor.search, lines, seconds),
        hostile_growth=max(_growth(redactor, piece, seconds / 40) for piece in HOSTILE),
    )


def _growth(redactor: Redactor, piece: str, seconds: float) -> float:
    short, long = (piece * (size // len(piece)) for size in (HOSTILE_CHARACTERS, 2 * HOSTILE_CHARACTERS))
    return _seconds_per_pass(redactor.text, [long], seconds) / _seconds_per_pass(redactor.text, [short], seconds)


def _seconds_per_pass(of: Callable[[str], object], lines: Sequence[str], seconds: float) -> float:
    """Processor seconds of the quickest pass: what else the machine does must not count."""
    until = time.monotonic() + seconds
    quickest = float("inf")
    while time.monotonic() < until:
        began = time.process_time()
        for line in lines:
            of(line)
        quickest = min(quickest, time.process_time() - began)
    return quickest


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode("utf-8", "replace")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.redaction", description=__doc__)
    parser.add_argument("--corpus", type=Path, default=CORPUS, help="JSON lines like tests/corpora/secrets.jsonl")
    parser.add_argument("--seed", type=int, default=1, help="in which order lines are timed (default: 1)")
    parser.add_argument("--quick", action="store_true", help="timed for one second instead of five")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    given = parser.parse_args(arguments)
    try:
        rows = read(given.corpus)
    except (OSError, ValueError, KeyError) as unreadable:
        parser.error(f"--corpus {given.corpus}: no corpus of JSON lines ({type(unreadable).__name__}: {unreadable})")
    outcome = run(rows, given.seed, 1.0 if given.quick else 5.0)
    print(outcome.table(), flush=True)
    if given.json:
        print(json.dumps(outcome.wire()), flush=True)
    return 0 if outcome.reached else 1


if __name__ == "__main__":
    sys.exit(main())
