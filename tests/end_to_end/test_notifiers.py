"""From an alert to the people: the brief at once, the diagnosis in the same message, whoever else hangs or fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from shared.database import Database
from shared.tables import WorkRow
from tests.end_to_end.landscape import Landscape, diagnosing, hanging
from tests.end_to_end.stranding import fall_due, sweep
from tests.end_to_end.test_contract import opened
from tests.installation import Installation, until
from tests.loopback import Asked, Reply, StandIn
from tests.slack_workspace import Workspace, texts

ROUTES = """
recipients:
  broken: {teams: $BROKEN_URL}
routes:
  - service: invoice-*
    to: [slack, teams, broken]
"""


@dataclass
class Office:
    """Whoever is told: Slack, a Teams that hangs, and one that fails."""

    slack: StandIn
    hangs: StandIn
    fails: StandIn
    workspace: Workspace = field(default_factory=Workspace)

    def message(self) -> str:
        """What the incident's message shows; empty before it is there."""
        return texts(next((each["blocks"] for each in self.workspace.messages.values()), []))


@pytest.fixture
def office() -> Iterator[Office]:
    """On loopback."""
    with ExitStack() as servers:
        slack, hangs, fails = (servers.enter_context(StandIn(lambda _: Reply("", 500))) for _ in range(3))
        made = Office(slack, hangs, fails)
        slack.respond, hangs.respond = made.workspace.respond, hanging(hangs)
        yield made


@pytest.fixture(params=["sqlite", "postgresql"])
def telling(request: pytest.FixtureRequest, world: Landscape, office: Office, tmp_path: Path) -> Iterator[Installation]:
    """A Whydown without workers that tells the office."""
    (tmp_path / "routes.yaml").write_text(ROUTES)
    settings = world.settings() | {
        "WHYDOWN_NOTIFY": str(tmp_path / "routes.yaml"),
        "WHYDOWN_SLACK_TOKEN": "xoxb-1",
        "WHYDOWN_SLACK_CHANNEL": "#incidents",
        "WHYDOWN_SLACK_API_URL": f"{office.slack.url}/api",
        "WHYDOWN_TEAMS_WEBHOOK_URL": f"{office.hangs.url}/workflow",
        "BROKEN_URL": f"{office.fails.url}/workflow",
        "WHYDOWN_PUBLIC_URL": "https://whydown.example.test",
    }
    if request.param == "postgresql":
        settings["WHYDOWN_DATABASE_URL"] = request.getfixturevalue("postgres_url")
    with Installation(tmp_path / "whydown", settings) as installation:
        installation.start_queue()
        installation.migrate()
        installation.start_web()
        yield installation


def deliveries(whydown: Installation, incident_id: str) -> dict[tuple[str | int, ...], dict[str, Any]]:
    """By recipient, stage and attempt."""
    told = whydown.get(f"/incidents/{incident_id}").json()["deliveries"]
    return {(each["to"], each["stage"], each["attempt"]): each for each in told}


def states(whydown: Installation, pattern: str) -> set[str]:
    """Of the work whose ids are like that."""
    database = Database(whydown.storage.resolved_database_url())
    with database.reading() as session:
        found = session.scalars(select(WorkRow.state).where(WorkRow.id.like(pattern))).all()
    database.close()
    return set(found)


def reaches(whydown: Installation, incident_id: str, state: str, *key: str | int) -> None:
    """Waits until the push to a recipient, of a stage and an attempt, is in that state."""
    until(
        lambda: deliveries(whydown, incident_id).get(key, {}).get("state") == state, f"{key} is {state}", whydown.logs
    )


def test_the_same_message_tells_the_brief_the_diagnosis_and_the_end_whoever_hangs_or_fails(
    telling: Installation, world: Landscape, office: Office
) -> None:
    briefed = threading.Event()

    def patient(asked: Asked) -> Reply:
        briefed.wait(5)  # the model takes as long as the brief's push
        return diagnosing(asked)

    world.model.respond = patient
    telling.start_worker()
    incident_id = opened(telling, world.alert("Told"))
    until(lambda: "First look" in office.message(), "the brief is posted", telling.logs)
    assert telling.get(f"/incidents/{incident_id}").json()["status"] == "diagnosing"
    briefed.set()
    document = telling.finished(incident_id)
    assert (document["status"], document["diagnosis"]["producedBy"]["stage"]) == ("done", "model")
    until(lambda: "Probable cause (" in office.message(), "the message is changed", telling.logs)
    reaches(telling, incident_id, "delivered", "slack", "result", 1)
    message, reply = office.workspace.messages.values()
    assert "https://whydown.example.test/incidents/" + incident_id in str(message["blocks"])
    assert reply["thread_ts"] == "1.000100"

    told = deliveries(telling, incident_id)
    assert told["slack", "brief", 1]["state"] == "delivered"
    assert told["teams", "brief", 1]["state"] == "waiting", "it still hangs, and the incident is finished"
    reaches(telling, incident_id, "waiting", "broken", "result", 1)
    until(lambda: deliveries(telling, incident_id)["broken", "result", 1]["reason"], "the failure is told")
    told = deliveries(telling, incident_id)
    assert "answered 500" in told["broken", "result", 1]["reason"]

    telling.post("/webhook/alertmanager", world.alert("Told", firing=False))
    until(lambda: "Resolved at" in office.message(), "that it is over is shown", telling.logs)
    assert "Probable cause (" in office.message()

    assert telling.post(f"/incidents/{incident_id}/retry", {}).status_code == 202
    reaches(telling, incident_id, "delivered", "slack", "result", 2)
    threads = [each for each in office.workspace.messages.values() if "thread_ts" in each]
    assert len(office.workspace.messages) - len(threads) == 1, "all of it is one message"
    assert [each["thread_ts"] for each in threads] == ["1.000100"] * 2


def test_another_worker_changes_the_message_of_one_that_was_killed(
    telling: Installation, world: Landscape, office: Office
) -> None:
    world.model.respond = hanging(world.model)
    telling.start_worker("first")
    incident_id = opened(telling, world.alert("Killed"))
    reaches(telling, incident_id, "delivered", "slack", "brief", 1)
    telling.kill("first")
    world.model.respond = diagnosing
    telling.start_worker("second")
    fall_due(telling)
    sweep(telling)
    telling.finished(incident_id)
    reaches(telling, incident_id, "delivered", "slack", "result", 1)
    assert "Probable cause (" in office.message()
    assert len([each for each in office.workspace.messages.values() if "thread_ts" not in each]) == 1


def test_a_brief_that_could_not_be_told_in_time_is_not_told_after_the_diagnosis(
    telling: Installation, world: Landscape, office: Office
) -> None:
    tried = threading.Event()

    def refusing(_: Asked) -> Reply:
        tried.set()
        return Reply("", 500)

    def patient(asked: Asked) -> Reply:
        tried.wait(5)
        return diagnosing(asked)

    office.slack.respond, world.model.respond = refusing, patient
    telling.start_worker()
    incident_id = opened(telling, world.alert("Late"))
    telling.finished(incident_id)
    office.slack.respond = office.workspace.respond

    def settled() -> bool:
        fall_due(telling, ("pending",))
        sweep(telling)
        return states(telling, f"{incident_id}.1.deliver.slack%") == {"cancelled", "done"}

    until(settled, "the diagnosis is told, and the brief is let go", telling.logs)
    assert deliveries(telling, incident_id)["slack", "result", 1]["state"] == "delivered"
    assert len([each for each in office.slack.asked if b"First look" in each.body]) == 1
