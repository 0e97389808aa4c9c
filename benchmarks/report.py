"""Runs the benchmarks of speed and writes what they showed into docs/performance.md.

`python -m benchmarks.report [NAME ...] [--quick]` runs those that are named, or all, one after the other: nothing else
should be at work on the machine. What each says with `--json` stands in docs/performance.md between two markers, with
the machine's description: a row for each number of its last line, with the goal that the line's `goals` gives for it
(`{"totalRatio": "at most 1.5"}`), and what it prints for people. A benchmark that was not run keeps what was written of
it before. Exit status 1 when one of them missed a goal.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import psutil

from shared.moment import now
from tests.installation import REPOSITORY

NAMES: Final = ("latency", "storm", "ingest", "scale", "startup", "polling")
BESIDE: Final = {"ingest": ("--peer",)}
"""Options of the full length: the peer is installed from PyPI, and left out where it cannot be."""
DOCUMENT: Final = REPOSITORY / "docs" / "performance.md"


@dataclass(frozen=True, slots=True)
class Result:
    """What one benchmark showed."""

    name: str
    options: Sequence[str]
    status: int
    shown: str
    """What it printed for people."""
    numbers: dict[str, Any]
    """Its last line."""

    def section(self) -> str:
        """As it stands in the document."""
        goals = self.numbers.get("goals", {})
        rows = [
            f"| `{key}` | {value:,} | {goals.get(key, '')} |"
            for key, value in self.numbers.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        ]
        said = "every goal was met" if self.status == 0 else "a goal was missed"
        return "\n".join(
            (
                f"### `{' '.join(('python -m', f'benchmarks.{self.name}', *self.options))}`: {said}",
                "",
                f"{_machine()}, {now():%Y-%m-%d}.",
                "",
                "| | value | goal |",
                "|---|---|---|",
                *rows,
                "",
                "```text",
                self.shown,
                "```",
            )
        )


def ran(name: str, options: Sequence[str]) -> Result:
    """Runs one benchmark. Raises RuntimeError when it broke off."""
    command = (sys.executable, "-m", f"benchmarks.{name}", "--json", *options)
    done = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=False)
    *shown, last = done.stdout.strip().splitlines() or [""]
    if done.returncode not in (0, 1) or not last.startswith("{"):
        raise RuntimeError(f"{' '.join(command[1:])} broke off with status {done.returncode}")
    return Result(name, options, done.returncode, "\n".join(shown), json.loads(last))


def written(document: str, result: Result) -> str:
    """`document` with a benchmark's section. Raises ValueError when it has no place for it."""
    begin, end = f"<!-- benchmark {result.name} -->", f"<!-- /benchmark {result.name} -->"
    place = re.compile(rf"{re.escape(begin)}\n.*?{re.escape(end)}", re.DOTALL)
    section = f"{begin}\n{result.section()}\n{end}"
    changed, places = place.subn(lambda _: section, document)
    if places != 1:
        raise ValueError(f"{DOCUMENT.name} needs one place for {result.name}: {begin} and {end}")
    return changed


def _machine() -> str:
    memory = psutil.virtual_memory().total / 1024**3
    return (
        f"{len(os.sched_getaffinity(0))} cores ({_processor()}), {memory:.0f} GB, "
        f"{platform.system()}, Python {platform.python_version()}"
    )


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else platform.machine()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Gives the exit status."""
    there = [name for name in NAMES if find_spec(f"benchmarks.{name}")]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *there], metavar="NAME", help=f"{', '.join(there)}")
    parser.add_argument("--quick", action="store_true", help="runs each with --quick, and writes nothing")
    given = parser.parse_args(arguments)
    missed = False
    for name in given.names or there:
        result = ran(name, ["--quick"] if given.quick else BESIDE.get(name, ()))
        missed |= result.status != 0
        if given.quick:
            print(result.section(), flush=True)
        else:
            DOCUMENT.write_text(written(DOCUMENT.read_text(encoding="utf-8"), result), encoding="utf-8")
            print(f"{name}: written, status {result.status}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
