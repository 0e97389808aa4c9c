"""What the rules of the task graph say of every piece of work, told without a database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from shared.store import work
from shared.store.work import Claim

LEASE: Final = work.LEASE.total_seconds()
OPEN: Final = ("waiting", "pending", "running")


class ExpectedWork:
    """The state of all work, on a clock of its own."""

    def __init__(self) -> None:
        self.clock = 0.0
        """Seconds."""
        self.state: dict[str, str] = {}
        """By id: what its row must say."""
        self.holder: dict[str, str] = {}
        """By id: the owner of the claim in force."""
        self.lease: dict[str, float] = {}
        """By id: when that claim lapses."""
        self.deadline: dict[str, float] = {}
        """By id of a source's work: when nobody waits for it any longer."""
        self.tries: Counter[str] = Counter()
        """By id: how often it was tried, without the times that were not its fault."""
        self.lapses: Counter[str] = Counter()
        """By id: how often its lease ran out."""
        self.ended: set[tuple[str, int]] = set()
        """Attempts (incident, number) that are over."""
        self.told: dict[tuple[str, int], str] = {}
        """By attempt: the diagnosis that was stored."""

    def opened(self, work_ids: Iterable[str], state: str) -> None:
        """Work is made, or may begin."""
        self.state |= dict.fromkeys(work_ids, state)

    def claimed(self, claim: Claim, within: float | None = None) -> None:
        """Somebody takes it up, and others wait for the result no longer than `within` seconds."""
        self.swept(claim.work_id)
        self.tries[claim.work_id] += 1
        self.held(claim)
        if within is not None:
            self.deadline[claim.work_id] = self.clock + within

    def held(self, claim: Claim) -> None:
        """Somebody has it in hand."""
        self.state[claim.work_id] = "running"
        self.holder[claim.work_id] = claim.owner
        self.renewed(claim)

    def renewed(self, claim: Claim) -> None:
        """Its lease begins anew."""
        self.lease[claim.work_id] = self.clock + LEASE

    def swept(self, work_id: str) -> None:
        """It may be taken up again; a lease that ran out is no try."""
        lapsed = self.state[work_id] == "running"
        self.lapses[work_id] += lapsed
        self.tries[work_id] -= lapsed
        self.released(work_id)

    def released(self, work_id: str) -> None:
        """Nobody has it in hand any more."""
        self.state[work_id] = "pending"
        self.holder.pop(work_id, None)
        self.lease.pop(work_id, None)

    def closed(self, work_id: str, state: str = "done") -> None:
        """It is over."""
        self.released(work_id)
        self.state[work_id] = state
        self.deadline.pop(work_id, None)

    def in_force(self, claim: Claim) -> bool:
        """Whether nobody has taken its work over."""
        return self.holder.get(claim.work_id) == claim.owner

    def lapsed(self, work_id: str) -> bool:
        """Whether its holder has not been heard of for a lease."""
        return self.lease.get(work_id, self.clock) < self.clock

    def claimable(self, work_id: str) -> bool:
        """Whether somebody may take it up."""
        return self.state[work_id] == "pending" or self.lapsed(work_id)

    def overdue(self) -> set[str]:
        """What nobody waits for any longer."""
        return {work_id for work_id, until in self.deadline.items() if until < self.clock}

    def open(self) -> set[str]:
        """What somebody must do yet."""
        return {work_id for work_id, state in self.state.items() if state in OPEN}

    def last_in(self, claim: Claim) -> bool:
        """Whether all other sources of the attempt are in."""
        sources = f"{claim.incident_id}.{claim.attempt}.gather"
        return not any(each.startswith(sources) and each != claim.work_id for each in self.open())
