"""One analysis covers the incident of a service whose dependency failed first, until somebody splits it off."""

from __future__ import annotations

import threading
from typing import Any

from tests.end_to_end.landscape import SERVICE, Landscape, diagnosing
from tests.installation import Installation, until
from tests.loopback import Asked, Reply

FOLLOWER = "notification-service"


def test_one_analysis_covers_the_service_that_failed_after_its_dependency(
    whydown: Installation, world: Landscape
) -> None:
    answering = threading.Event()

    def slowly(asked: Asked) -> Reply:
        answering.wait(60)
        return diagnosing(asked)

    world.model.respond = slowly
    leader = _opened(whydown, world, "Database", SERVICE)
    until(lambda: world.model.asked, "the first is with the model", whydown.logs)
    follower = _opened(whydown, world, "Mails", FOLLOWER)

    def waiting() -> dict[str, Any] | None:
        document: dict[str, Any] = whydown.get(f"/incidents/{follower}").json()
        return document if document["coveredBy"] else None

    waits = until(waiting, "the second waits for it", whydown.logs)
    assert (waits["coveredBy"]["id"], waits["status"]) == (leader, "diagnosing")
    assert waits["brief"]["complete"]
    answering.set()
    done, first = whydown.finished(follower), whydown.finished(leader)
    assert len(world.model.asked) == 1
    assert [each["id"] for each in first["covers"]] == [follower]
    assert done["usage"]["calls"] == 0
    cause = done["diagnosis"]["probableCause"]
    assert first["diagnosis"]["probableCause"]["statement"] in cause["statement"]
    assert all(citation["verified"] for citation in cause["citations"])
    assert cause["citations"][0]["fact"] in {fact["id"] for fact in done["facts"]}

    assert whydown.post(f"/incidents/{follower}/retry", None).status_code == 202
    split = until(lambda: _second(whydown, follower), "it is analysed by itself", whydown.logs)
    assert split["coveredBy"] is None
    assert len(world.model.asked) == 2
    assert whydown.get(f"/incidents/{leader}").json()["covers"] == []


def _opened(whydown: Installation, world: Landscape, name: str, service: str) -> str:
    answer = whydown.post("/webhook/alertmanager", world.alert(name, service))
    assert answer.status_code == 202
    return str(answer.json()["incidents"][0]["id"])


def _second(whydown: Installation, incident_id: str) -> dict[str, Any] | None:
    document: dict[str, Any] = whydown.get(f"/incidents/{incident_id}").json()
    return document if len(document["attempts"]) == 2 and document["finishedAt"] else None
