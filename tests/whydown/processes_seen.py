"""What tests see of the machine's processes."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil


def mentioning(text: str) -> list[psutil.Process]:
    """Every living process whose command line or environment holds `text`, this one and its parents apart."""
    own = {psutil.Process().pid, *(parent.pid for parent in psutil.Process().parents())}
    return [process for process in psutil.process_iter() if process.pid not in own and text in _said(process)]


def eventually(true: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Whether `true` became so within a bound that no working machine needs."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _said(process: psutil.Process) -> str:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return ""
        return " ".join([*process.cmdline(), *process.environ().values()])
    except psutil.Error:
        return ""
