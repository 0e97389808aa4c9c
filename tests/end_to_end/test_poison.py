"""Work that kills its worker is set aside with the reason, others go on; work whose worker was killed is done."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.landscape import Landscape, diagnosing, hanging
from tests.end_to_end.stranding import fall_due, sweep
from tests.end_to_end.test_contract import opened
from tests.installation import Installation, until

# Loaded by every Python that finds it on its path: the process that sends this word to anybody dies at once, as it
# would of a defect in a library. https://docs.python.org/3/library/site.html#module-sitecustomize
DEADLY = """
import os, signal, socket

def deadly(send):
    def kill(self, data, *rest):
        if b"PoisonPill" in bytes(data):
            os.kill(os.getpid(), signal.SIGKILL)
        return send(self, data, *rest)
    return kill

socket.socket.send, socket.socket.sendall = deadly(socket.socket.send), deadly(socket.socket.sendall)
"""


@pytest.fixture
def mortal(world: Landscape, tmp_path: Path) -> Iterator[Installation]:
    """Without worker and beat: the test says who lives when."""
    with Installation(tmp_path / "whydown", world.settings()) as installation:
        installation.start_queue()
        installation.migrate()
        installation.start_web()
        yield installation


def test_poison_is_set_aside_and_its_neighbours_are_done(
    mortal: Installation, world: Landscape, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(DEADLY)
    mortal.environment["PYTHONPATH"] += f":{tmp_path}"
    world.model.respond = hanging(world.model)
    neighbour = opened(mortal, asking("A neighbour", "notification-service"), "/webhook/alert")
    mortal.start_worker()
    until(lambda: world.model.asked, "the neighbour is in hand", mortal.logs)
    poison = opened(mortal, asking("PoisonPill", "invoice-api"), "/webhook/alert")
    died(mortal)
    world.model.respond = diagnosing
    mortal.start_worker()
    fall_due(mortal)
    sweep(mortal)
    died(mortal)
    mortal.start_worker()
    fall_due(mortal)

    def ended() -> dict[str, Any] | None:
        time.sleep(0.5)
        fall_due(mortal, ("pending",))
        sweep(mortal)
        document: dict[str, Any] = mortal.get(f"/incidents/{poison}").json()
        return document if document["finishedAt"] else None

    document = until(ended, "the poison is set aside", mortal.logs)
    assert document["status"] == "failed"
    assert "died of SIGKILL, with nothing else in it than this diagnose, 3 times" in document["detail"]
    assert mortal.finished(neighbour)["status"] == "done"
    assert mortal.processes["worker"].poll() is None, "its third death was nobody else's"
    after = opened(mortal, asking("Afterwards", "notification-service"), "/webhook/alert")
    assert mortal.finished(after)["status"] == "done"


def test_no_number_of_killed_workers_fails_an_innocent(mortal: Installation, world: Landscape) -> None:
    world.model.respond = hanging(world.model)
    incident_id = opened(mortal, asking("Unlucky", "invoice-api"), "/webhook/alert")
    for deaths in range(1, 4):
        mortal.start_worker()
        fall_due(mortal)
        sweep(mortal)
        until(lambda deaths=deaths: len(world.model.asked) >= deaths, "the model is asked", mortal.logs)  # type: ignore[misc]
        mortal.kill("worker")
    world.model.respond = diagnosing
    mortal.start_worker()
    fall_due(mortal)
    sweep(mortal)
    document = mortal.finished(incident_id)
    assert document["status"] == "done"
    assert [attempt["outcome"] for attempt in document["attempts"]] == ["done"]


def asking(title: str, service: str) -> dict[str, Any]:
    """A plain body."""
    return {"serviceName": service, "alertTitle": title}


def died(installation: Installation) -> None:
    """Waits until the worker is dead."""
    until(lambda: installation.processes["worker"].poll() is not None, "the worker dies", installation.logs)
    installation.kill("worker")
