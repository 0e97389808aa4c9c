"""Parts go away and come back under one running Whydown on PostgreSQL: nothing is half written, nothing is lost, and
nothing is done twice.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from redis import Redis
from sqlalchemy import func, insert, select, text, true
from sqlalchemy.exc import InternalError

from shared.database import Database
from shared.tables import AlertRow, IncidentRow, WorkRow
from shared.task_queue import QUEUE
from tests.end_to_end.landscape import SERVICE, Landscape, diagnosing, hanging
from tests.end_to_end.stranding import fall_due, sweep
from tests.end_to_end.test_contract import opened
from tests.installation import Installation, until
from tests.loopback import Asked, Reply
from tests.postgres import PostgresServer

FILE_LIMIT = 16 * 1024 * 1024
"""Bytes that a file of the full PostgreSQL may have: its log's segments are as large, and it cannot do without them."""


@dataclass
class Site:
    """The installation and its database's server."""

    parts: Installation
    postgres: PostgresServer

    def count(self, *conditions: Any) -> int:
        """Incidents."""
        with self.database() as database, database.reading() as session:
            return session.scalar(select(func.count()).select_from(IncidentRow).where(*conditions)) or 0

    def lapses(self, incident_id: str) -> int:
        """How many leases of an incident's work ran out."""
        with self.database() as database, database.reading() as session:
            return session.scalar(select(func.sum(WorkRow.lapses)).where(WorkRow.incident_id == incident_id)) or 0

    @contextmanager
    def database(self) -> Iterator[Database]:
        """The test's own look into it."""
        database = Database(self.postgres.url())
        try:
            yield database
        finally:
            database.close()

    def done_once(self, incident_id: str) -> dict[str, Any]:
        """The document of an incident that has ended in one diagnosis of its one attempt."""
        document = self.parts.finished(incident_id)
        assert document["status"] == "done", self.parts.logs()
        assert [attempt["outcome"] for attempt in document["attempts"]] == ["done"]
        return document


@pytest.fixture(scope="module")
def site(standing: Landscape) -> Iterator[Site]:
    """Receiver, worker, beat and queue, on a PostgreSQL of their own."""
    with (
        tempfile.TemporaryDirectory(prefix="whydown-", ignore_cleanup_errors=True) as folder,
        PostgresServer(Path(folder) / "postgres") as postgres,
        Installation(Path(folder) / "whydown", standing.settings() | {"WHYDOWN_DATABASE_URL": postgres.url()}) as parts,
    ):
        parts.start()
        parts.start_beat()
        yield Site(parts, postgres)


def test_without_the_database_nothing_is_accepted_and_what_was_in_hand_goes_on(site: Site, world: Landscape) -> None:
    release = hold(world)
    in_hand = opened(site.parts, world.alert("InHand"))
    until(lambda: world.model.asked, "the model is asked", site.parts.logs)
    before = site.count()
    site.postgres.crash()
    try:
        for path, body in (("/webhook/alertmanager", world.alert("Away")), ("/analyze", {"entityRef": SERVICE})):
            refused(site.parts.post(path, body))
        release()
        log = site.parts.folder / "worker.log"
        until(lambda: "owed_to_the_database" in log.read_text(), "the worker cannot store it", site.parts.logs)
    finally:
        site.postgres.start()
    assert site.count() == before, "what was refused was not stored"
    answer = site.parts.post("/webhook/alertmanager", world.alert("Away"))
    (accepted,) = answer.json()["incidents"]
    assert (answer.status_code, accepted["new"]) == (202, True), "nor half stored"
    site.done_once(accepted["id"])
    site.done_once(in_hand)
    assert site.lapses(in_hand) == 0, "it waited for no lease"
    assert len(world.model.asked) == 2, "and nobody paid twice for what could not be stored at once"


def test_a_worker_that_starts_without_its_database_waits_for_it(site: Site, world: Landscape) -> None:
    site.parts.kill("worker")
    incident_id = opened(site.parts, world.alert("Early"))
    site.postgres.crash()
    try:
        site.parts.start_worker("early")
        log = site.parts.folder / "early.log"
        until(lambda: "database_unreachable" in log.read_text(), "the worker looks in vain", site.parts.logs)
    finally:
        site.postgres.start()
    site.done_once(incident_id)
    assert site.parts.processes["early"].poll() is None
    site.parts.kill("early")
    site.parts.start_worker()


def test_with_a_stalled_queue_alerts_are_taken_in_and_worked_on_later(site: Site, world: Landscape) -> None:
    queue = site.parts.processes["queue"].pid
    os.killpg(queue, signal.SIGSTOP)
    try:
        accepted = [opened(site.parts, world.alert(f"Stalled{number}")) for number in range(3)]
        assert world.backstage.asked == [], "nobody can know of them yet"
    finally:
        os.killpg(queue, signal.SIGCONT)
    for incident_id in accepted:
        site.done_once(incident_id)


def test_a_queue_that_is_flushed_loses_nothing(site: Site, world: Landscape) -> None:
    """Nothing else is under way whose end would look for work that waits: only the reconciler does."""
    worker = site.parts.processes["worker"].pid
    os.killpg(worker, signal.SIGSTOP)
    try:
        accepted = [opened(site.parts, world.alert(f"Flushed{number}")) for number in range(3)]
        with Redis(unix_socket_path=str(site.parts.storage.embedded_socket())) as queue:
            until(lambda: queue.llen(QUEUE) >= len(accepted), "the work is published", site.parts.logs)
            queue.flushall()
    finally:
        os.killpg(worker, signal.SIGCONT)
    fall_due(site.parts, ("waiting", "pending"))
    for incident_id in accepted:
        site.done_once(incident_id)


def test_a_worker_killed_in_every_stage_does_nothing_again_that_was_stored(site: Site, world: Landscape) -> None:
    world.pager.respond = hanging(world.pager)
    body = {"serviceName": SERVICE, "alertTitle": "Delivering", "callbackUrl": f"{world.pager.url}/hook"}
    delivering = opened(site.parts, body, "/webhook/alert")
    until(lambda: world.pager.asked, "the result is pushed", site.parts.logs)
    (first_push,) = world.pager.asked
    for_one = len(log_queries(world))

    world.model.respond = hanging(world.model)
    diagnosing_one = opened(site.parts, world.alert("Diagnosing"))
    until(lambda: len(world.model.asked) == 2, "the model is asked", site.parts.logs)

    world.loki.respond = hanging(world.loki)
    gathering = opened(site.parts, world.alert("Gathering"))
    until(lambda: "changes.git" in covered(site, gathering), "one source has answered", site.parts.logs)

    asked = len(world.backstage.asked)
    world.backstage.respond = hanging(world.backstage)
    investigating = opened(site.parts, world.alert("Investigating"))
    until(lambda: len(world.backstage.asked) > asked, "the catalog is asked", site.parts.logs)

    site.parts.kill("worker")
    world.mend()
    fall_due(site.parts)
    site.parts.start_worker()
    sweep(site.parts)
    for incident_id in (delivering, diagnosing_one, investigating):
        site.done_once(incident_id)
    coverage = {line["source"]: line["status"] for line in site.done_once(gathering)["coverage"]}
    assert coverage["logs.loki"] == "timeout", "its deadline closed it"
    assert coverage["changes.git"] == "ok", "what was stored is kept"
    until(lambda: world.pager.asked, "the result is pushed again", site.parts.logs)
    (second_push,) = world.pager.asked
    assert second_push.headers["webhook-id"] == first_push.headers["webhook-id"]
    assert len(world.model.asked) == 3, "nobody paid again for the diagnosis that was stored"
    assert len(log_queries(world)) == for_one, "only the one that had not gathered yet asked the sources"


def test_a_full_disk_refuses_whole_alerts_and_then_goes_on(site: Site, world: Landscape) -> None:
    """The table of alerts cannot grow: by then the transaction has written the incident."""
    site.done_once(opened(site.parts, world.alert("Pattern")))
    with site.database() as database:
        fill(database, 8_000)
    with small_files():
        site.postgres.crash()
        site.postgres.start()
    try:
        with site.database() as database, pytest.raises(InternalError, match="could not extend file"):
            for _ in range(1_000):
                fill(database, 1)
        before = site.count()
        answers = [site.parts.post("/webhook/alertmanager", long_alert(world, number)) for number in range(20)]
        stored = [answer for answer in answers if answer.status_code == 202]  # there was room in the last page
        assert len(stored) < len(answers)
        refused(answers[-1])
        assert site.count() == before + len(stored)
    finally:
        site.postgres.crash()
        site.postgres.start()
    for answer in stored:
        site.done_once(answer.json()["incidents"][0]["id"])
    site.done_once(opened(site.parts, long_alert(world, 19)))


def test_a_rolling_deploy_loses_no_work_in_flight(site: Site, world: Landscape) -> None:
    """The next version's migration comes while this version works; then its workers come, and the old ones are told to
    end.
    """
    world.model.respond = hanging(world.model)
    stop_soon(site.parts)
    in_hand = opened(site.parts, world.alert("InFlight"))
    until(lambda: world.model.asked, "the model is asked", site.parts.logs)
    with site.database() as database, database.writing() as session:
        session.execute(text("ALTER TABLE work ADD COLUMN of_the_next_version INTEGER NOT NULL DEFAULT 0"))
        session.execute(text("ALTER TABLE attempts ADD COLUMN of_the_next_version TEXT"))
        session.execute(text("CREATE TABLE of_the_next_version (id INTEGER PRIMARY KEY)"))
        session.execute(text("UPDATE alembic_version SET version_num = 'next'"))
    while_both_run = opened(site.parts, world.alert("WhileBothRun"))
    site.parts.start_worker("new")
    until(lambda: len(world.model.asked) == 2, "the model is asked for both", site.parts.logs)
    world.model.respond = diagnosing
    old = site.parts.processes["worker"]
    old.send_signal(signal.SIGTERM)
    assert old.wait(timeout=60) == 0
    site.done_once(in_hand)
    assert site.lapses(in_hand) == 0, "it was handed back"
    for incident_id in (while_both_run, opened(site.parts, world.alert("Afterwards"))):
        site.done_once(incident_id)


def hold(world: Landscape) -> Callable[[], None]:
    """Makes the model wait with its answer; calling what is given lets it answer."""
    free = threading.Event()

    def respond(asked: Asked) -> Reply:
        free.wait(5)  # below the deadline of the model's stage
        return diagnosing(asked)

    world.model.respond = respond
    return free.set


def refused(answer: requests.Response) -> None:
    """Says that nothing was stored, and when to come again."""
    assert (answer.status_code, answer.headers["Content-Type"]) == (503, "application/problem+json"), answer.text
    assert int(answer.headers["Retry-After"]) > 0
    assert "NOT stored" in answer.json()["detail"]


def log_queries(world: Landscape) -> list[Asked]:
    """What the log store was asked, but for its labels: a worker asks for those once."""
    return [asked for asked in world.loki.asked if not asked.path.endswith("/labels")]


def covered(site: Site, incident_id: str) -> list[str]:
    """Sources that have answered."""
    return [line["source"] for line in site.parts.get(f"/incidents/{incident_id}").json()["coverage"]]


def fill(database: Database, count: int) -> None:
    """So many alerts more, of an incident that there is, each of nearly 2 kB."""
    columns = [column for column in AlertRow.__table__.columns if column.name not in ("identity", "errors")]
    one = select(AlertRow.__table__).limit(1).subquery()
    many = select(
        func.md5(func.concat(func.random())),
        func.repeat("x", 1_500),
        *(one.c[column.name] for column in columns),
    ).select_from(one.join(func.generate_series(1, count).alias("n"), true()))
    with database.writing() as session:
        session.execute(insert(AlertRow).from_select(["identity", "errors", *(c.name for c in columns)], many))


def long_alert(world: Landscape, number: int) -> dict[str, Any]:
    """One that needs as much room as those that `fill` makes."""
    body = world.alert(f"Full{number}")
    body["alerts"][0]["annotations"] = {"description": "x" * 1_500}
    return body


@contextmanager
def small_files() -> Iterator[None]:
    """What is started in this block can make no file larger: to it, the disk is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_LIMIT, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def stop_soon(installation: Installation) -> None:
    """Puts a worker in the place of the one that runs that hands back at once what it cannot finish."""
    installation.kill("worker")
    impatient = "from whydown import processes; processes._FINISH_SECONDS = 0.2; processes.run_worker()"
    installation._spawn("worker", sys.executable, "-c", impatient)
