"""What a client that waits costs."""

from __future__ import annotations

import threading
from typing import Any, cast

from sqlalchemy import QueuePool, event

from shared.database import Database
from shared.store import intake
from shared.store.intake import ManualRequest
from tests.webhook.receivers import receiver_on
from webhook.recent_documents import MOST, RecentDocuments


def _asked(database: Database) -> list[str]:
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith("BEGIN"):
            sent.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    return sent


def test_a_poll_for_what_is_known_is_one_indexed_query(database: Database) -> None:
    incident = intake.open_manual(database, ManualRequest("invoice-api", "down")).incidents[0].id
    client = receiver_on(database).test_client()
    known = client.get(f"/incidents/{incident}")
    sent = _asked(database)
    answer = client.get(f"/incidents/{incident}", headers={"If-None-Match": known.headers["ETag"]})
    assert answer.status_code == 304
    (statement,) = sent
    assert "WHERE incidents.id = " in statement


def test_who_waits_holds_no_connection(database: Database) -> None:
    incident = intake.open_manual(database, ManualRequest("invoice-api", "down")).incidents[0].id
    app = receiver_on(database)
    asked = threading.Event()
    event.listen(database.engine, "checkin", lambda *_: asked.set())
    waiting = threading.Thread(
        target=lambda: app.test_client().get(f"/incidents/{incident}", headers={"Prefer": "wait=2"})
    )
    waiting.start()
    assert asked.wait(60), "it has looked once and goes on waiting"
    assert waiting.is_alive()
    pool = cast("QueuePool", database.engine.pool)
    assert any(pool.checkedout() == 0 for _ in range(1_000_000)), "between two looks nothing is out"
    waiting.join()


def test_who_finds_every_place_taken_is_sent_away_for_longer(sqlite: Database) -> None:
    incident = intake.open_manual(sqlite, ManualRequest("invoice-api", "down")).incidents[0].id
    app = receiver_on(sqlite, waiting=1)
    with app.extensions["whydown"].waiting:
        answer = app.test_client().get(f"/incidents/{incident}", headers={"Prefer": "wait=60"})
    assert (answer.status_code, "Preference-Applied" in answer.headers) == (200, False)
    assert 8 <= int(answer.headers["Retry-After"]) < 16
    assert app.test_client().get(f"/incidents/{incident}").headers["Retry-After"] == "2"


def test_a_document_is_made_once_for_many_until_the_incident_changes() -> None:
    documents = RecentDocuments()
    made = iter(("first", "second", "third"))
    assert [documents.get("a", revision, lambda: next(made)) for revision in (1, 1, 2)] == ["first", "first", "second"]
    for number in range(MOST):
        documents.get(f"other{number}", 1, lambda: "")
    assert documents.get("a", 2, lambda: next(made)) == "third", "no more are kept than so many"
