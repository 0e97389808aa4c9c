"""Work in a process of its own: what kills that process kills nothing else, and was the work's own doing.

Why: docs/decisions/0010-poison.md.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from typing import Any, Final, TypeVar

from shared import log_output

AT_ONCE: Final = 4
"""Processes beside the worker's own: each takes the memory of one."""

_GRACE_SECONDS: Final = 2.0
"""How long a process that has answered may take to end."""

_SPAWN: Final = multiprocessing.get_context("spawn")  # a fork would copy locks that other threads hold
_room = threading.BoundedSemaphore(AT_ONCE)

T = TypeVar("T")
A = TypeVar("A")


class NoRoom(Exception):
    """As many processes as there may be are at work."""


class Died(Exception):
    """The process ended without an answer, or had to be ended. Its text says how."""


def run(act: Callable[[A], T], argument: A, seconds: float) -> T:
    """What `act(argument)` gives or raises, done by a process that does nothing else and ends with this one. Act,
    argument and answer are pickled. Raises NoRoom, and Died when there is no answer within `seconds`.
    """
    if not _room.acquire(blocking=False):
        raise NoRoom
    try:
        return _ask(act, argument, seconds)
    finally:
        _room.release()


def _ask(act: Callable[[A], T], argument: A, seconds: float) -> T:
    receiving, sending = _SPAWN.Pipe(duplex=False)
    child = _SPAWN.Process(target=_answer, args=(act, argument, sending), daemon=True)
    with receiving:
        _start(child)
        sending.close()
        try:
            if not receiving.poll(seconds):
                raise Died(f"its process took longer than {seconds:g} s")
            succeeded, answer = receiving.recv()
            child.join(_GRACE_SECONDS)
        except EOFError:
            child.join(_GRACE_SECONDS)
            raise Died(_how(child.exitcode)) from None
        finally:
            child.kill()
            child.join()
            child.close()
    if not succeeded:
        raise answer
    result: T = answer
    return result


def _start(child: Any) -> None:
    # A stop of the whole service signals every process of it. When to end is the worker's decision, so the child never
    # gets to see it: it inherits this thread's mask. The tracker comes first, for its start would undo the mask.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    try:
        child.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _answer(act: Callable[[Any], Any], argument: Any, sending: Connection[Any, Any]) -> None:
    """The child's whole life."""
    threading.Thread(target=_end_with_the_worker, daemon=True).start()
    log_output.configure()
    answer: tuple[bool, Any]
    try:
        answer = True, act(argument)
    except Exception as failure:  # noqa: BLE001  it is raised again on the other side
        # Tracebacks do not travel; notes do.
        failure.add_note("in a process of its own:\n" + "".join(traceback.format_tb(failure.__traceback__)))
        answer = False, failure
    sending.send(answer)


def _end_with_the_worker() -> None:
    worker = multiprocessing.parent_process()
    if worker is not None:
        worker.join()
        os._exit(1)


def _how(status: int | None) -> str:
    if status is not None and status < 0:
        return f"its process died of {signal.Signals(-status).name}"
    return f"its process ended by itself with status {status}"
