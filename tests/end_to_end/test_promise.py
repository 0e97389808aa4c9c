"""A 202 is a promise: parts die in the middle, and the incident ends all the same, once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.landscape import SERVICE, Landscape, hanging
from tests.end_to_end.test_contract import opened
from tests.installation import Installation, until
from tests.loopback import Reply


@pytest.fixture
def fragile(world: Landscape, tmp_path: Path) -> Iterator[Installation]:
    """An installation of this test's own, with a reconciler."""
    with Installation(tmp_path / "whydown", world.settings()) as installation:
        installation.start()
        installation.start_beat()
        yield installation


def test_intake_goes_on_without_a_queue(fragile: Installation, world: Landscape) -> None:
    fragile.kill("queue")
    incident_id = opened(fragile, world.alert("NoQueue"))
    fragile.start_queue()
    assert fragile.finished(incident_id)["status"] == "done"


def test_a_worker_survives_a_restart_of_the_queue_with_a_task_in_hand(fragile: Installation, world: Landscape) -> None:
    """celery 5.7.0 exits here: docs/decisions/0003-celery-version.md."""
    world.model.respond = hanging(world.model)
    first = opened(fragile, world.alert("InHand"))
    until(lambda: world.model.asked, "the model is asked", fragile.logs)
    fragile.kill("queue")
    fragile.start_queue()
    assert fragile.finished(first)["status"] == "done"
    world.mend()
    assert fragile.finished(opened(fragile, world.alert("AfterRestart")))["status"] == "done"
    assert fragile.processes["worker"].poll() is None, fragile.logs()


def test_a_push_that_fails_is_pushed_again_under_the_same_id(fragile: Installation, world: Landscape) -> None:
    world.pager.respond = lambda _: Reply("busy", status=503)
    body = {"serviceName": SERVICE, "alertTitle": "Push", "callbackUrl": f"{world.pager.url}/hook"}
    incident_id = opened(fragile, body, "/webhook/alert")
    assert fragile.finished(incident_id)["status"] == "done", "a broken receiver fails no incident"
    until(lambda: world.pager.asked, "the result is pushed", fragile.logs)
    world.pager.respond = lambda _: Reply(status=204)
    until(lambda: len(world.pager.asked) == 2, "it is pushed again", fragile.logs)
    assert len({asked.headers["webhook-id"] for asked in world.pager.asked}) == 1
