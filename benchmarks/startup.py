"""How long it takes until the receiver answers, and until the command line does.

`python -m benchmarks.startup [--seed N] [--quick] [--json]`. `whydown web` beside a bare Flask behind gunicorn, both
until the first request is answered, and `whydown --help` beside `python -c pass`, turn about; the medians' ratios.
Exit status 1 when the receiver takes more than 3 times as long as the bare one, or the help more than 4 times as long
as an interpreter that does nothing.
"""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks import command_line, floor
from benchmarks.receiving import environment, floor_command, running
from tests.installation import free_port

WEB: Final = 3.0
HELP: Final = 4.0
GOALS: Final = {"webRatio": f"at most {WEB:g}", "helpRatio": f"at most {HELP:g}"}
RUNS: Final = 15
QUICK: Final = 3
PATIENCE_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.002


@dataclass(frozen=True)
class Outcome:
    """Seconds of each, run by run."""

    web: Sequence[float]
    bare: Sequence[float]
    help: Sequence[float]
    python: Sequence[float]

    @property
    def web_ratio(self) -> float:
        """The receiver's median in times of the bare one's."""
        return statistics.median(self.web) / statistics.median(self.bare)

    @property
    def help_ratio(self) -> float:
        """The help's median in times of the interpreter's."""
        return statistics.median(self.help) / statistics.median(self.python)

    @property
    def reached(self) -> bool:
        """Whether both goals are."""
        return self.web_ratio <= WEB and self.help_ratio <= HELP

    def wire(self) -> dict[str, Any]:
        """For programs."""
        timed = {"web": self.web, "bare": self.bare, "help": self.help, "python": self.python}
        return {
            "webRatio": round(self.web_ratio, 2),
            "helpRatio": round(self.help_ratio, 2),
            "medianMillis": {name: round(1000 * statistics.median(seconds)) for name, seconds in timed.items()},
            "runs": len(self.web),
        }

    def table(self) -> str:
        """For people."""
        millis = self.wire()["medianMillis"]
        return "\n".join(
            (
                f"whydown web ready     {millis['web']:>6} ms   bare Flask ready {millis['bare']:>6} ms   "
                f"ratio {self.web_ratio:.2f} (goal {WEB:g})",
                f"whydown --help        {millis['help']:>6} ms   python -c pass   {millis['python']:>6} ms   "
                f"ratio {self.help_ratio:.2f} (goal {HELP:g})",
            )
        )


def measured(runs: int) -> Outcome:
    """So many runs of each, turn about, after one of each that fills the caches."""
    with tempfile.TemporaryDirectory(prefix="whydown-startup-", ignore_cleanup_errors=True) as parent:
        folder = Path(parent)
        own = environment(WHYDOWN_DATA=str(folder), FLOOR_DATABASE=str(folder / "floor.db"), FLOOR_REDIS="6379")
        whydown = (sys.executable, "-m", "whydown")
        subprocess.run([*whydown, "migrate"], env=own, cwd=folder, check=True, capture_output=True)
        floor.create_table(own["FLOOR_DATABASE"])
        ways: dict[str, Callable[[], float]] = {
            "web": lambda: _ready(lambda port: (*whydown, "web", "--port", str(port)), folder, own),
            "bare": lambda: _ready(floor_command, folder, own),
            "help": lambda: _over((*whydown, "--help"), folder, own),
            "python": lambda: _over((sys.executable, "-c", "pass"), folder, own),
        }
        taken = _turns(ways, runs)
    return Outcome(**taken)


def _turns(ways: Mapping[str, Callable[[], float]], runs: int) -> dict[str, list[float]]:
    rounds = [{name: way() for name, way in ways.items()} for _ in range(runs + 1)]
    return {name: [each[name] for each in rounds[1:]] for name in ways}


def _ready(command: Callable[[int], Sequence[str]], folder: Path, own: Mapping[str, str]) -> float:
    """Seconds until a server answers its first request."""
    port = free_port()
    began = time.perf_counter()
    with running(command(port), folder / "server.log", own):
        while time.perf_counter() < began + PATIENCE_SECONDS:
            if _answers(port):
                return time.perf_counter() - began
            time.sleep(_LOOK_SECONDS)
    raise TimeoutError((folder / "server.log").read_text(errors="replace")[-3000:])


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
            connection.sendall(f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
            return connection.recv(16).startswith(b"HTTP/1.1 2")
    except OSError:
        return False


def _over(command: Sequence[str], folder: Path, own: Mapping[str, str]) -> float:
    """Seconds until a command has ended."""
    began = time.perf_counter()
    subprocess.run(command, env=dict(own), cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - began


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Gives the exit status."""
    parser = command_line.parser(
        "startup",
        __doc__,
        seed="nothing here is left to chance: taken and not used",
        quick=f"{QUICK} runs of each instead of {RUNS}",
    )
    given = command_line.given(parser, arguments)
    outcome = measured(QUICK if given.quick else RUNS)
    print(outcome.table(), flush=True)
    if given.json:
        print(json.dumps({**outcome.wire(), "goals": GOALS}), flush=True)
    return 0 if outcome.reached else 1


if __name__ == "__main__":
    sys.exit(main())
