"""A storm is deferred, never dropped: a bound on what runs at once, the worst first, every alert answered."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.landscape import SERVICE, Landscape, diagnosing
from tests.installation import Installation
from tests.loopback import Asked, Reply

BOUND = 3
ALERTS = 24


class Counting:
    """A model that notes how many it is asked by at once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.begin = threading.Event()
        """Set when the storm is over: until then nobody gets an answer, and nobody makes room."""
        self.now = self.most = 0

    def __call__(self, asked: Asked) -> Reply:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.begin.wait(5)
        threading.Event().wait(0.1)  # long enough for others to come in, were they let
        with self.lock:
            self.now -= 1
        return diagnosing(asked)


@pytest.fixture
def bounded(world: Landscape, tmp_path: Path) -> Iterator[Installation]:
    """An installation that investigates few at once, with two workers that must keep the bound between them."""
    settings = world.settings() | {"WHYDOWN_CONCURRENT_INVESTIGATIONS": str(BOUND)}
    with Installation(tmp_path / "whydown", settings) as installation:
        installation.start()
        installation.start_worker("second")
        yield installation


def test_a_storm_ends_with_every_alert_answered_within_the_bound(bounded: Installation, world: Landscape) -> None:
    model = world.model.respond = Counting()
    opened = []
    for number in range(ALERTS):
        severity = "critical" if number == ALERTS - 1 else "info"
        body = {"serviceName": SERVICE, "alertTitle": f"Storm {number}", "severity": severity}
        answer = bounded.post("/webhook/alert", body)
        assert answer.status_code == 202
        opened.append(answer.json()["incidents"][0]["id"])
    waiting = bounded.get(f"/incidents/{opened[-2]}").json()["queue"]
    model.begin.set()
    documents = [bounded.finished(incident_id) for incident_id in opened]
    assert [document["status"] for document in documents] == ["done"] * ALERTS
    assert model.most <= BOUND
    assert waiting is not None
    assert waiting["position"] >= 1
    worst, before = documents[-1], documents[-2]
    assert worst["finishedAt"] < before["finishedAt"], "the worst went ahead of what came before it"
