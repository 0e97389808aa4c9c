"""A failed analysis retried by a click in the real Flower dashboard, with a real browser."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from playwright.sync_api import sync_playwright
from sqlalchemy import update

from shared.database import Database
from shared.incident import Status
from shared.store import reading
from shared.tables import IncidentRow
from tests.installation import Installation, free_port, until

LOGIN = "operator:secret-of-the-operator"

pytestmark = pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")


def _status(database: Database, incident_id: str) -> Status:
    document = reading.incident(database, incident_id)
    assert document is not None
    return document.status


def test_a_failed_analysis_is_retried_by_a_click(tmp_path: Path) -> None:
    port = free_port()
    with Installation(tmp_path / "data", {"WHYDOWN_FLOWER_AUTH": LOGIN}) as whydown:
        whydown.start_queue()
        whydown.migrate()
        whydown.start_flower(port)
        flower = f"http://127.0.0.1:{port}"
        until(lambda: _answers(flower), "Flower answers", whydown.logs)
        whydown.start_web()
        made = whydown.post("/analyze", {"entityRef": "invoice-api", "errors": "ERROR disk full"}).json()
        incident_id = made["incidents"][0]["id"]
        database = Database(f"sqlite:///{tmp_path / 'data' / 'whydown.db'}")
        _break(database, incident_id, {"dependencies": 5})  # no worker can read that
        whydown.start_worker()
        whydown.start_beat()
        until(lambda: _status(database, incident_id) is Status.FAILED, "it failed", whydown.logs)
        _break(database, incident_id, None)

        page_url = f"{flower}/task/{quote(f'{incident_id}.1.investigate')}"
        assert requests.post(f"{flower}/whydown/retry/{incident_id}.1.investigate", timeout=30).status_code in (
            401,
            403,
        )
        user, _, password = LOGIN.partition(":")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            context = browser.new_context(http_credentials={"username": user, "password": password})
            page = context.new_page()
            page.goto(page_url)
            assert page.get_by_text("FAILURE").first.is_visible()
            page.get_by_role("button", name="Retry this analysis").click()
            page.wait_for_url(f"{flower}/tasks")
            browser.close()
        until(lambda: _status(database, incident_id) is Status.DONE, "it is done", whydown.logs)
        document = reading.incident(database, incident_id)
        assert document is not None
        assert [attempt.outcome for attempt in document.attempts] == ["failed", "done"]
        database.close()


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthcheck", timeout=5).ok
    except requests.ConnectionError:
        return False


def _break(database: Database, incident_id: str, brought: dict[str, object] | None) -> None:
    with database.writing() as session:
        assert json.dumps(brought)
        session.execute(update(IncidentRow).where(IncidentRow.id == incident_id).values(brought=brought))
