"""What the command lines of the benchmarks have in common: what every one takes, and how it ends."""

from __future__ import annotations

import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from benchmarks.production import ENGINES


def parser(name: str, description: str | None, *, seed: str, quick: str, engines: bool = False) -> ArgumentParser:
    """A parser of `--seed` (default: 1), `--quick` and `--json`, and of `--engine` where there is a choice of them.
    `seed` and `quick` say what these two mean here.
    """
    made = ArgumentParser(prog=f"python -m benchmarks.{name}", description=description)
    made.add_argument("--seed", type=int, default=1, help=seed)
    made.add_argument("--quick", action="store_true", help=quick)
    made.add_argument("--json", action="store_true", help="one JSON object as the last line")
    if engines:
        made.add_argument(
            "--engine",
            dest="engines",
            metavar="ENGINE",
            choices=ENGINES,
            action="append",
            help=f"on this engine only: {' or '.join(ENGINES)} (default: both in turn)",
        )
    return made


def given(parser: ArgumentParser, arguments: Sequence[str] | None) -> Namespace:
    """What was asked for. From then on the benchmark ends its children however it is ended."""
    asked = parser.parse_args(arguments)
    if "engines" in asked and not asked.engines:
        asked.engines = list(ENGINES)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return asked
