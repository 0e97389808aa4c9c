"""Real child processes: what becomes of them when they, or we, end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from shared.errors import WhydownError
from tests.whydown.processes_seen import eventually, mentioning
from whydown.supervision import Program, StopRequested, Supervisor

SLEEP = "import time; time.sleep(600)"
STUBBORN = """
import signal, subprocess, sys, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", child, sys.argv[1]])
print("ready", flush=True)
time.sleep(600)
"""


def python(name: str, code: str, folder: Path) -> Program:
    return Program(name, (sys.executable, "-c", code, str(folder)), {"PATH": os.environ["PATH"]}, folder)


def guards(supervising: int | None = None) -> list[psutil.Process]:
    children = psutil.Process(supervising).children()
    return [child for child in children if "guard.py" in " ".join(child.cmdline())]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, said: list[str]) -> Supervisor:
    return Supervisor(tmp_path / "logs", said.append)


def test_a_child_that_ends_is_started_again_and_that_is_said(
    supervisor: Supervisor, said: list[str], tmp_path: Path
) -> None:
    with supervisor:
        first = supervisor.start(python("sleeper", SLEEP, tmp_path))
        supervisor.settled()
        os.kill(first, signal.SIGKILL)

        def another() -> bool:
            supervisor.pause(0.05)
            return {process.pid for process in mentioning(str(tmp_path))} not in (set(), {first})

        assert eventually(another)
    assert len(said) == 1
    assert said[0].startswith("sleeper ended (killed by SIGKILL); starting it again in 1 s.")
    assert mentioning(str(tmp_path)) == []


def test_a_child_that_ends_before_all_are_settled_stops_the_start_with_its_last_words(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    with supervisor, pytest.raises(WhydownError, match=r"(?s)broken ended \(exit status 3\).*no such setting"):
        supervisor.start(python("broken", "import sys; print('no such setting'); sys.exit(3)", tmp_path))
        while True:
            supervisor.pause(0.05)


@pytest.mark.parametrize("guarded", [True, False])
def test_children_that_ignore_every_request_are_ended_with_their_own_children(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    # The bound itself is what the clock would test; here only that something comes after it.
    monkeypatch.setattr("whydown.supervision._ASKING", ((signal.SIGTERM, 0.2), (signal.SIGQUIT, 0.2)))
    with supervisor:
        supervisor.start(python("stubborn", STUBBORN, tmp_path))
        assert eventually(lambda: "ready" in (tmp_path / "logs" / "stubborn.log").read_text())
        assert eventually(lambda: len(mentioning(str(tmp_path))) == 2)
        if not guarded:
            guards()[0].kill()
    assert eventually(lambda: mentioning(str(tmp_path)) == [])
    assert guards() == []


def test_nothing_outlives_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from tests.whydown.test_supervision import STUBBORN, python
from whydown.supervision import Supervisor

folder = Path({str(tmp_path)!r})
with Supervisor(folder / "logs", print) as supervisor:
    supervisor.start(python("stubborn", STUBBORN, folder))
    supervisor.watch()
"""
    supervising = subprocess.Popen([sys.executable, "-c", code])
    # The supervisor, its child and its grandchild; the guard knows nothing of the folder.
    assert eventually(lambda: len(mentioning(str(tmp_path))) == 3)
    guard = guards(supervising.pid)
    supervising.kill()
    supervising.wait()
    assert eventually(lambda: mentioning(str(tmp_path)) == [])
    assert len(guard) == 1
    assert eventually(lambda: not guard[0].is_running() or guard[0].status() == psutil.STATUS_ZOMBIE)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_a_request_to_stop(supervisor: Supervisor, tmp_path: Path, number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with supervisor, pytest.raises(StopRequested):
        supervisor.start(python("sleeper", SLEEP, tmp_path))
        os.kill(os.getpid(), number)
        supervisor.pause(10)
    assert mentioning(str(tmp_path)) == []
    assert signal.getsignal(number) is before


def test_a_step_that_fails_is_reported_with_its_log(supervisor: Supervisor, tmp_path: Path) -> None:
    with supervisor, pytest.raises(WhydownError, match=r"(?s)migrate ended \(exit status 2\).*cannot be reached"):
        supervisor.run(python("migrate", "import sys; print('cannot be reached'); sys.exit(2)", tmp_path), seconds=30)


def test_a_step_that_takes_too_long_is_ended(supervisor: Supervisor, tmp_path: Path) -> None:
    with supervisor, pytest.raises(WhydownError, match="migrate did not end in time"):
        supervisor.run(python("migrate", SLEEP, tmp_path), seconds=0.2)
    assert mentioning(str(tmp_path)) == []


NOISY = """
import time
for number in range(7):
    print(str(number) * 2**20, flush=True)
time.sleep(600)
"""


def test_a_log_is_bounded(supervisor: Supervisor, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "noisy.log"
    with supervisor:
        supervisor.start(python("noisy", NOISY, tmp_path))

        def bounded() -> bool:
            supervisor.pause(0.05)
            return log.with_suffix(".log.1").exists() and log.stat().st_size < 5 * 2**20

        assert eventually(bounded)
