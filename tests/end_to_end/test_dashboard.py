"""The real Flower dashboard: who may see it, what it tells of an analysis, and a failed one retried by a click, with a
real browser.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
import requests
from flower import urls
from playwright.sync_api import Page, expect, sync_playwright
from sqlalchemy import update

from shared.database import Database
from shared.incident import Incident, Status
from shared.store import reading
from shared.tables import IncidentRow
from tests.installation import Installation, free_port, until
from whydown.dashboard import OPEN

LOGIN = ("operator", "secret-of-the-operator")
SERVICE = "invoice-api"
UNREADABLE: dict[str, object] = {"dependencies": 5}
"""A context that was brought along which no worker can read."""


@dataclass
class Site:
    """An installation with Flower, and one analysis that failed."""

    whydown: Installation
    flower: str
    database: Database
    failed: str
    """The incident."""

    @property
    def failed_task(self) -> str:
        return f"{self.failed}.1.investigate"

    def incident(self) -> Incident:
        document = reading.incident(self.database, self.failed)
        assert document is not None
        return document

    def ends(self, status: Status) -> Incident:
        until(lambda: self.incident().status is status, f"the incident is {status}", self.whydown.logs)
        return self.incident()

    def mend(self) -> None:
        self.bring(None)

    def bring(self, context: dict[str, object] | None) -> None:
        with self.database.writing() as session:
            session.execute(update(IncidentRow).where(IncidentRow.id == self.failed).values(brought=context))

    def fail_again(self) -> None:
        """The incident's analysis fails once more, whatever became of it."""
        self.bring(UNREADABLE)
        self.whydown.post(f"/incidents/{self.failed}/retry", None)
        self.ends(Status.FAILED)
        self.mend()
        self.told(f"{self.failed}.{len(self.incident().attempts)}.investigate")

    def told(self, task: str, state: str = "FAILURE") -> None:
        """Flower has heard how the task ended."""

        def heard() -> bool:
            told = self.get(f"/api/task/info/{task}", auth=LOGIN)
            return told.ok and told.json()["state"] == state

        until(heard, f"Flower has heard of {task}", self.whydown.logs)

    def get(self, path: str, **options: Any) -> requests.Response:
        return requests.get(self.flower + path, timeout=30, **options)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Everything, on SQLite."""
    folder = tmp_path_factory.mktemp("dashboard") / "data"
    port, web = free_port(), "https://whydown.example.com"
    with Installation(folder, {"WHYDOWN_FLOWER_AUTH": ":".join(LOGIN), "WHYDOWN_PUBLIC_URL": web}) as whydown:
        whydown.start_queue()
        whydown.migrate()
        whydown.start_flower(port)
        flower = f"http://127.0.0.1:{port}"
        until(lambda: _answers(flower), "Flower answers", whydown.logs)
        whydown.start_web()
        made = whydown.post("/analyze", {"entityRef": SERVICE, "errors": "ERROR disk full"}).json()
        database = Database(f"sqlite:///{folder / 'whydown.db'}")
        site = Site(whydown, flower, database, made["incidents"][0]["id"])
        site.bring(UNREADABLE)
        whydown.start_worker()
        whydown.start_beat()
        site.ends(Status.FAILED)
        site.mend()
        site.told(site.failed_task)
        yield site
        database.close()


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthcheck", timeout=5).ok
    except requests.ConnectionError:
        return False


@contextmanager
def _browser(width: int = 1280) -> Iterator[Page]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        login = {"username": LOGIN[0], "password": LOGIN[1]}
        context = browser.new_context(http_credentials=login, viewport={"width": width, "height": 900})  # type: ignore[arg-type]
        page = context.new_page()
        page.set_default_timeout(60_000)
        yield page
        browser.close()


PATHS = sorted(
    {
        pattern.rstrip("$").replace("/?", "").replace("(.+)", "any").replace("(.*)", "any").replace(".*", "/nowhere")
        for pattern in (rule.regex.pattern if hasattr(rule, "regex") else rule[0] for rule in urls.handlers)
    }
    | {
        "/static/js/flower.js",
        "/static/css/flower.css",
        "/whydown/retry/any",
        "/tasks/",
        "//tasks",
        "/api",
        "/metrics/",
    }
)


@pytest.mark.parametrize("auth", [None, ("operator", "wrong"), ("opérateur", "wrong")], ids=["none", "wrong", "odd"])
def test_nobody_sees_anything_without_the_login(site: Site, auth: tuple[str, str] | None) -> None:
    headers = {} if auth is None else {"Authorization": requests.auth._basic_auth_str(*(x.encode() for x in auth))}
    assert len(PATHS) > 30
    for path in PATHS:
        for method in ("GET", "POST", "OPTIONS", "HEAD", "DELETE"):
            answer = requests.request(method, site.flower + path, headers=headers, timeout=30)
            if path in OPEN:
                assert answer.text in {"OK", ""} or answer.status_code == 405, (method, path)
            else:
                assert answer.status_code == 401, (method, path)
                assert answer.text in {"", "Access denied"}, (method, path)


def test_a_task_says_whose_analysis_it_is_and_why_it_failed(site: Site) -> None:
    told = site.get(f"/api/task/info/{site.failed_task}", auth=LOGIN).json()
    assert told["args"] == f"{SERVICE}: investigate, attempt 1"
    assert told["name"] == "whydown.investigate"
    assert "StageFailure" in told["exception"]
    assert "dependencies" in told["exception"], "what was wrong is told"
    found = site.get(f"/api/tasks?search=args:{SERVICE}", auth=LOGIN).json()
    assert site.failed_task in found, "an operator finds a service's analyses"
    shown = site.get(f"/task/{quote(site.failed_task)}", auth=LOGIN).text
    assert "StageFailure" in shown
    assert f"{SERVICE}: investigate, attempt 1" in shown


def test_a_click_on_a_tasks_page_retries_it(site: Site) -> None:
    before = len(site.incident().attempts)
    assert site.incident().status is Status.FAILED
    with _browser() as page:
        page.goto(f"{site.flower}/task/{quote(site.failed_task)}")
        expect(page.get_by_text("FAILURE").first).to_be_visible()
        expect(page.get_by_role("link", name="Failed incidents")).to_have_attribute(
            "href", "https://whydown.example.com/incidents?status=failed"
        )
        page.get_by_role("button", name="Retry this analysis").click()
        page.wait_for_url(f"{site.flower}/tasks?name=whydown.investigate")
    done = site.ends(Status.DONE)
    assert [attempt.outcome for attempt in done.attempts[before - 1 :]] == ["failed", "done"]
    told = until(lambda: site.get(f"/api/tasks?search=args:{SERVICE}", auth=LOGIN).json(), "tasks are there")
    assert f"{SERVICE}: investigate, attempt {before + 1}" in {task["args"] for task in told.values()}


@pytest.mark.parametrize("width", [390, 1280])
def test_a_click_in_the_list_retries_it(site: Site, width: int) -> None:
    site.fail_again()
    before = len(site.incident().attempts)
    failed = f"{site.failed}.{before}.investigate"
    with _browser(width) as page:
        page.goto(f"{site.flower}/tasks?state=FAILURE")
        row = page.locator(f"tr[id='{failed}']")
        expect(row).to_contain_text(f"{SERVICE}: investigate, attempt {before}")
        expect(row).to_contain_text("StageFailure")
        row.get_by_role("button", name=f"Retry {failed}").click()
        page.wait_for_url(f"{site.flower}/tasks?name=whydown.investigate")
        site.told(f"{site.failed}.{before + 1}.investigate", "SUCCESS")
        page.reload()
        again = page.locator(f"tr[id='{site.failed}.{before + 1}.investigate']")
        expect(again).to_contain_text("SUCCESS")
        expect(again.get_by_role("button")).to_have_count(0)
    done = site.ends(Status.DONE)
    assert [attempt.outcome for attempt in done.attempts[before - 1 :]] == ["failed", "done"]


def _apply(site: Site, task: str, *args: object) -> None:
    """Sends a task by hand, and waits until a worker has done with it."""
    url = f"{site.flower}/api/task/async-apply/{task}"
    sent = requests.post(url, json={"args": args}, auth=LOGIN, timeout=30)
    assert sent.ok, sent.text
    info = f"/api/task/info/{sent.json()['task-id']}"

    def over() -> bool:
        told = site.get(info, auth=LOGIN)
        return told.ok and told.json()["state"] in {"SUCCESS", "FAILURE"}

    until(over, "the worker has done with it", lambda: site.get(info, auth=LOGIN).text)


def test_a_failed_task_sent_again_by_hand_is_a_retry(site: Site) -> None:
    site.fail_again()
    before = len(site.incident().attempts)
    _apply(site, "whydown.investigate", f"{site.failed}.{before}.investigate")
    done = site.ends(Status.DONE)
    assert [attempt.outcome for attempt in done.attempts[before - 1 :]] == ["failed", "done"]


@pytest.mark.parametrize(
    ("task", "args"),
    [
        ("whydown.investigate", ["{id}.1.investigate"]),
        ("whydown.gather", ["{id}.1.gather.logs.alert", "{id}.2.gather.logs.alert"]),
        ("whydown.diagnose", ["{id}.2.diagnose"]),
        ("whydown.deliver", ["{id}.2.deliver.callback"]),
        ("whydown.diagnose", ["nothing-of-ours"]),
        ("whydown.diagnose", [{"id": 5}]),
    ],
)
def test_tasks_sent_by_hand_change_nothing_that_is_done(site: Site, task: str, args: list[Any]) -> None:
    if site.incident().status is not Status.DONE:
        site.whydown.post(f"/incidents/{site.failed}/retry", None)
    before = site.ends(Status.DONE)
    _apply(site, task, *(arg.format(id=site.failed) if isinstance(arg, str) else arg for arg in args))
    after = site.incident()
    assert after.status is Status.DONE
    assert after.attempts == before.attempts
    assert after.diagnosis == before.diagnosis
