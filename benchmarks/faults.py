"""The seeded schedule of what breaks, and when."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class FaultKind(StrEnum):
    """What can break."""

    KILL_WEB = "kill -9 of a receiver"
    KILL_WORKER = "kill -9 of a worker"
    KILL_BEAT = "kill -9 of beat"
    KILL_REDIS = "kill -9 of Redis"
    FLUSH_REDIS = "FLUSHALL"
    STALL_REDIS = "Redis stalled"
    STOP_POSTGRES = "PostgreSQL stopped -m immediate"
    MODEL_HANGS = "model hangs"
    MODEL_FAILS = "model answers 500"
    MODEL_RAVES = "model answers garbage"
    CALLBACK_FAILS = "callback answers 500"
    CALLBACK_HANGS = "callback hangs"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that breaks."""

    kind: FaultKind
    at: float
    """Seconds after the first alert."""
    seconds: float
    """How long until it is started again or mended; 0 for what is over at once."""
    target: int = 0
    """Which of several processes of the kind."""

    @property
    def until(self) -> float:
        """When it is over, in seconds after the first alert."""
        return self.at + self.seconds


PROCESSES: Final = 2
"""Receivers, and workers: a fault names one of them."""

# What was in hand when a worker died or the database went away waits for its lease to run out. In a short run that must
# not begin at the very end: it would measure nothing but the lease.
_COST_A_LEASE: Final = (FaultKind.KILL_WORKER, FaultKind.STOP_POSTGRES)
_EARLY: Final = 0.3
"""The part of a short run in which these come."""


def schedule(seed: int, seconds: float, quick: bool = False) -> tuple[Fault, ...]:
    """What breaks within `seconds`, in order of time: the same for the same arguments. Every kind is there, several
    times in a long run.
    """
    chance = random.Random(seed)
    kinds = [kind for _ in range(1 if quick else 3) for kind in chance.sample(list(FaultKind), len(FaultKind))]
    share = seconds / len(kinds)
    faults = []
    for place, kind in enumerate(kinds):
        at = (place + chance.uniform(0, 0.8)) * share
        if quick and kind in _COST_A_LEASE:
            at = chance.uniform(0.05, _EARLY) * seconds
        faults.append(_fault(chance, kind, at, quick))
    return tuple(sorted(faults, key=lambda fault: fault.at))


def _fault(chance: random.Random, kind: FaultKind, at: float, quick: bool) -> Fault:
    if kind == FaultKind.FLUSH_REDIS:
        seconds = 0.0
    elif kind == FaultKind.STALL_REDIS:
        seconds = 4.0 if quick else 10.0
    elif kind.name.startswith(("MODEL", "CALLBACK")):
        seconds = chance.uniform(2, 4) if quick else chance.uniform(4, 12)
    else:
        seconds = chance.uniform(0.5, 2)
    return Fault(kind, round(at, 2), round(seconds, 2), chance.randrange(PROCESSES))
