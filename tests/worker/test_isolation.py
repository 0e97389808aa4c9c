"""Work in a process of its own: its answer, its failures and its deaths, with real processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.installation import REPOSITORY
from tests.whydown.processes_seen import eventually, mentioning
from worker import isolation
from worker.isolation import Died, NoRoom

SOON = 60.0
"""Seconds: a bound for a broken run."""

WORKER = """
import sys
from tests.worker.test_isolation import endure
from worker import isolation
if __name__ == "__main__":
    isolation.run(endure, sys.argv[1], 600)
"""


def tell(word: str) -> tuple[str, int]:
    os.kill(os.getpid(), signal.SIGTERM)  # as a stop of the whole service would
    return word, os.getpid()


def fail(word: str) -> None:
    raise LookupError(word)


def die(how: signal.Signals) -> None:
    os.kill(os.getpid(), how)


def leave(status: int) -> None:
    os._exit(status)


def endure(mark: str) -> None:
    Path(mark).write_text(str(os.getpid()))
    time.sleep(600)


def test_the_answer_comes_from_another_process_which_no_stop_reaches() -> None:
    word, process = isolation.run(tell, "so", SOON)
    assert word == "so"
    assert process != os.getpid()


def test_a_failure_is_raised_and_tells_where() -> None:
    with pytest.raises(LookupError, match="so") as raised:
        isolation.run(fail, "so", SOON)
    assert "in fail" in raised.value.__notes__[0]


def test_a_death_is_told_and_leaves_this_process_alone() -> None:
    with pytest.raises(Died, match="died of SIGKILL"):
        isolation.run(die, signal.SIGKILL, SOON)
    with pytest.raises(Died, match="with status 7"):
        isolation.run(leave, 7, SOON)
    assert multiprocessing.active_children() == []


def test_what_takes_too_long_is_ended(tmp_path: Path) -> None:
    with pytest.raises(Died, match=r"longer than 0\.2 s"):
        isolation.run(endure, str(tmp_path / "pid"), 0.2)
    assert multiprocessing.active_children() == []


def test_there_is_room_for_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = [isolation._room.acquire(blocking=False) for _ in range(isolation.AT_ONCE)]
    assert all(taken)
    try:
        with pytest.raises(NoRoom):
            isolation.run(tell, "so", SOON)
    finally:
        for _ in taken:
            isolation._room.release()
    assert isolation.run(tell, "so", SOON)[0] == "so"


def test_it_ends_with_its_worker(tmp_path: Path) -> None:
    """Its worker may be killed: whoever takes the work up later must not do it beside a ghost."""
    script, mark = tmp_path / "employer.py", tmp_path / "pid"
    script.write_text(WORKER)
    worker = subprocess.Popen(
        [sys.executable, str(script), str(mark)], env={**os.environ, "PYTHONPATH": str(REPOSITORY)}
    )
    try:
        assert eventually(lambda: mark.exists() and bool(mark.read_text())), "the work has begun"
    finally:
        worker.kill()
        worker.wait()
    assert eventually(lambda: mentioning(str(mark)) == [])
    assert eventually(lambda: not Path(f"/proc/{mark.read_text()}").exists() or not Path("/proc").exists())
