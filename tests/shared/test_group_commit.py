"""Group commit: what comes meanwhile is committed together, and nobody waits for nothing."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.group_commit import GroupCommit


class Slow:
    """Commits numbers, the first of them only when it is let go."""

    def __init__(self) -> None:
        self.together: list[list[int]] = []
        self.begun = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, items: Sequence[int]) -> Sequence[int]:
        self.together.append(list(items))
        self.begun.set()
        assert self.go_on.wait(60)
        if 13 in items:
            raise ValueError("not this one")
        return [item * 10 for item in items]


def test_what_comes_during_a_commit_is_committed_together_and_each_gets_its_own_result() -> None:
    slow = Slow()
    group: GroupCommit[int, int] = GroupCommit(slow)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(group.submit, 1)
        assert slow.begun.wait(60)
        others = [pool.submit(group.submit, number) for number in range(2, 8)]
        while len(group._waiting) < 6:
            pass
        slow.go_on.set()
        assert [each.result(60) for each in (first, *others)] == [10, 20, 30, 40, 50, 60, 70]
    assert slow.together[0] == [1]
    assert sorted(slow.together[1]) == [2, 3, 4, 5, 6, 7]
    assert group.submit(9) == 90, "and it goes on"


def test_what_the_commit_raises_each_of_them_is_told_and_the_next_one_is_tried() -> None:
    slow = Slow()
    slow.go_on.set()
    group: GroupCommit[int, int] = GroupCommit(slow)
    with pytest.raises(ValueError, match="not this one"):
        group.submit(13)
    assert group.submit(2) == 20


def test_under_contention_nothing_is_left_waiting() -> None:
    group: GroupCommit[int, int] = GroupCommit(lambda items: [item + 1 for item in items])
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(group.submit, range(2_000))) == list(range(1, 2_001))
