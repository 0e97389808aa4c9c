"""Child processes: started, started again when they end, and all ended together, whatever becomes of us.

Every child is put into the process group of one guard process (`whydown.guard`). Ending that group ends the children,
their own children and the guard, so nothing can be forgotten; and the guard ends it when this process is killed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Final, Self

from shared.errors import WhydownError

_GUARD: Final = Path(__file__).with_name("guard.py")
_ASKING: Final = ((signal.SIGTERM, 8.0), (signal.SIGQUIT, 4.0))
"""How children are asked to end, and the seconds each way is given. On QUIT workers and gunicorn drop what they do."""
_GONE_SECONDS: Final = 5.0
"""SIGKILL takes effect at once, except on a process that the kernel holds; nobody waits for that one."""
_FIRST_DELAY: Final = 1.0
_LONGEST_DELAY: Final = 30.0
_STEADY_SECONDS: Final = 60.0
_LOG_BYTES: Final = 5 * 1024 * 1024
_TICK: Final = 0.1


class StopRequested(Exception):
    """A signal asked this process to end."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to run."""

    name: str
    """Its log is `<name>.log`."""
    command: tuple[str, ...]
    environment: Mapping[str, str]
    """All of it: nothing is inherited."""
    folder: Path
    """The working directory."""


@dataclass(slots=True)
class _Child:
    program: Program
    log: Path
    process: subprocess.Popen[bytes]
    started: float
    delay: float = _FIRST_DELAY
    due: float | None = None
    """When to start it again, after it ended."""


class Supervisor:
    """Looks after children. A context manager of the main thread: leaving it ends every child."""

    def __init__(self, logs: Path, say: Callable[[str], None]) -> None:
        """`logs` is the folder for the children's output; `say` tells a person one line."""
        self._logs = logs
        self._say = say
        self._children: list[_Child] = []
        self._settled = False
        self._stop_requested = False
        self._handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._handlers[number] = signal.signal(number, self._on_signal)
        # A group of its own, so that Ctrl-C reaches this process only, and the children are ended in order.
        self._guard = subprocess.Popen(  # noqa: S603 - our own script
            [sys.executable, "-I", "-S", _GUARD], stdin=subprocess.PIPE, process_group=0
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._end(self._children[1:])
            self._end(self._children[:1])  # the others need the first one, the queue, to end in order
        finally:
            with suppress(ProcessLookupError):
                os.killpg(self._guard.pid, signal.SIGKILL)
            self._guard.communicate()
            for child in self._children:
                with suppress(subprocess.TimeoutExpired):
                    child.process.wait(_GONE_SECONDS)
            for number, handler in self._handlers.items():
                signal.signal(number, handler)

    def start(self, program: Program) -> int:
        """Starts `program` and looks after it from now on. Gives its process id."""
        log = self._logs / f"{program.name}.log"
        child = _Child(program, log, self._spawn(program, log), time.monotonic())
        self._children.append(child)
        return child.process.pid

    def run(self, program: Program, seconds: float) -> None:
        """Runs `program` to its end. Raises WhydownError with the end of its log when it fails or takes longer."""
        log = self._logs / f"{program.name}.log"
        process = self._spawn(program, log)
        deadline = time.monotonic() + seconds
        try:
            while process.poll() is None and time.monotonic() < deadline:
                self.pause(_TICK)
            if process.returncode != 0:
                raise _failed(program, process, log)
        finally:
            process.kill()
            process.wait()

    def settled(self) -> None:
        """From now on a child that ends is started again; until now it was a failure to start."""
        self._settled = True

    def pause(self, seconds: float) -> None:
        """Looks after the children for that long. Raises StopRequested, or WhydownError when a child did not start."""
        until = time.monotonic() + seconds
        while True:
            if self._stop_requested:
                raise StopRequested
            for child in self._children:
                self._look_after(child)
            left = until - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, _TICK))

    def watch(self) -> None:
        """Looks after the children until a signal asks to end."""
        with suppress(StopRequested):
            while True:
                self.pause(1.0)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        # Only a note: an exception raised here could strike between a child's birth and our knowing of it.
        self._stop_requested = True

    def _spawn(self, program: Program, log: Path) -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            return subprocess.Popen(  # noqa: S603 - our own programs
                program.command,
                env=dict(program.environment),
                cwd=program.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=self._guard.pid,
            )

    def _look_after(self, child: _Child) -> None:
        _bound(child.log)
        if child.due is not None:
            if time.monotonic() >= child.due:
                child.process, child.started, child.due = self._spawn(child.program, child.log), time.monotonic(), None
        elif child.process.poll() is not None:
            if not self._settled:
                raise _failed(child.program, child.process, child.log)
            if time.monotonic() - child.started > _STEADY_SECONDS:
                child.delay = _FIRST_DELAY
            self._say(
                f"{child.program.name} ended ({_how(child.process)}); starting it again in {child.delay:g} s. "
                f"Its log: {child.log}"
            )
            child.due = time.monotonic() + child.delay
            child.delay = min(child.delay * 2, _LONGEST_DELAY)

    def _end(self, children: Sequence[_Child]) -> None:
        for number, seconds in _ASKING:
            for child in children:
                child.process.send_signal(number)
            deadline = time.monotonic() + seconds
            while any(child.process.poll() is None for child in children):
                if time.monotonic() > deadline:
                    break
                time.sleep(_TICK / 4)


def _failed(program: Program, process: subprocess.Popen[bytes], log: Path) -> WhydownError:
    what = "did not end in time" if process.returncode is None else f"ended ({_how(process)})"
    return WhydownError(f"{program.name} {what} instead of starting. The end of {log}:\n{_tail(log)}")


def _how(process: subprocess.Popen[bytes]) -> str:
    status = process.returncode
    return f"exit status {status}" if status >= 0 else f"killed by {signal.Signals(-status).name}"


def _tail(log: Path) -> str:
    with log.open(encoding="utf-8", errors="replace") as lines:
        return "".join(f"  {line}" for line in deque(lines, maxlen=15)).rstrip()


def _bound(log: Path) -> None:
    # Copied and cut, not renamed: the child holds the file open, and appends wherever its end is.
    if log.stat().st_size > _LOG_BYTES:
        shutil.copyfile(log, log.with_suffix(".log.1"))
        os.truncate(log, 0)
