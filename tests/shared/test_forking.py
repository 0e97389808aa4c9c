"""What is there before a fork stays shared after it."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

FORKING = """
import gc, os, psutil
from shared import forking
made = [[number] for number in range(300_000)]
forking.share_what_is_there()
if (child := os.fork()) == 0:
    before = psutil.Process().memory_full_info().uss
    gc.collect()
    print((psutil.Process().memory_full_info().uss - before) / 1e6, flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""


@pytest.mark.skipif(not psutil.LINUX, reason="needs Linux's account of shared memory")
def test_collecting_garbage_makes_no_copy_of_it() -> None:
    told = subprocess.run([sys.executable, "-c", FORKING], check=True, capture_output=True, text=True)
    assert float(told.stdout) < 5, "the lists are some 30 MB"
