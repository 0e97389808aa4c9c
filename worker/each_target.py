"""Asking one question of every target at the same time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from shared.incident import Fact
from shared.moment import DeadlineExceeded
from worker.inquiry import Gathered, SourceFailure, Target
from worker.printable import printable
from worker.threads import side_by_side

MAX_TARGETS: Final = 16
_AT_ONCE: Final = 6
_MAX_DETAIL: Final = 2000


def _repository(target: Target) -> str:
    return target.repository or target.service


def each_target(
    targets: Sequence[Target], look: Callable[[Target], Gathered], same: Callable[[Target], str] = _repository
) -> Gathered:
    """What `look` finds for each repository, in the order of the targets, with the failures told in the detail.

    Targets that share a repository, or what else `same` gives of them, are looked at once, as the first of them.
    `look` keeps to the deadline itself.
    Raises its first failure when nothing was found and something could not be asked: silence would be no evidence then.
    """
    distinct = list({same(target): target for target in reversed(targets)}.values())[::-1]
    asked = distinct[:MAX_TARGETS]

    def outcome(target: Target) -> Gathered | SourceFailure | DeadlineExceeded:
        try:
            return look(target)
        except (SourceFailure, DeadlineExceeded) as failure:
            return failure

    details: list[str] = []
    failures: list[SourceFailure | DeadlineExceeded] = []
    facts: list[Fact] = []
    for target, gathered in zip(asked, side_by_side(outcome, asked, _AT_ONCE), strict=True):
        if isinstance(gathered, Gathered):
            facts += gathered.facts
            detail = gathered.detail
        else:
            failures.append(gathered)
            detail = str(gathered)
        if detail:
            details.append(f"{target.service}: {detail}")
    if len(distinct) > len(asked):
        details.append(f"{len(distinct) - len(asked)} more dependencies were not looked at")
    if failures and not facts:
        raise failures[0]
    return Gathered(facts=tuple(facts), detail=printable("; ".join(details))[:_MAX_DETAIL] or None)
