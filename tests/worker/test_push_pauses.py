"""How long a push waits for its next try."""

from __future__ import annotations

import pytest

from shared.store.work import Claim
from worker import tasks
from worker.doors import Doors


def _claim(tries: int) -> Claim:
    return Claim("i.1.deliver.slack", "i", 1, "deliver", "slack", "owner", tries, 0)


@pytest.fixture(autouse=True)
def doors(monkeypatch: pytest.MonkeyPatch) -> Doors:
    """Doors of the test's own."""
    made = Doors(96)
    monkeypatch.setattr(tasks, "_doors", made)
    return made


def test_they_are_spaced_as_svix_spaces_them(doors: Doors) -> None:
    assert [tasks._pause(_claim(tries), None) for tries in range(1, 8)] == [5, 300, 1800, 7200, 18000, 36000, 36000]
    assert doors.enter("i.1.deliver.slack")


@pytest.mark.parametrize(("tries", "asked", "pause"), [(1, 30, 30), (3, 1, 1), (4, 1, 7200), (1, 900, 900)])
def test_what_the_recipient_asks_for_counts_but_not_for_ever(
    doors: Doors, tries: int, asked: float, pause: float
) -> None:
    assert tasks._pause(_claim(tries), asked) == pause
    assert not doors.enter("another.1.deliver.slack"), "others need not find that out"
    assert doors.enter("i.1.deliver.teams")
