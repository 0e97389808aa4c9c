"""The card in a real Backstage, backend and frontend, with its catalog, in a real browser, on a running Whydown."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, Page, expect, sync_playwright

from shared.moment import now
from tests.installation import Installation, free_port, until
from tests.postgres import PostgresServer
from whydown.demo_incident import Scene, lay_out

HERE = Path(__file__).parent
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ERROR = "Npgsql.NpgsqlException: Failed to connect to 10.0.1.5:5432"
PATIENCE_MS = 60_000


@dataclass(frozen=True)
class Site:
    """Backstage and Whydown, which know each other."""

    backstage: str
    whydown: Installation
    scene: Scene
    log: Path

    def in_catalog(self, name: str) -> bool:
        """Whether Backstage's catalog has taken the component in."""
        try:
            answer = requests.get(
                f"{self.backstage}/api/catalog/entities/by-name/component/default/{name}",
                headers={"Authorization": f"Bearer {self.whydown.environment['WHYDOWN_BACKSTAGE_TOKEN']}"},
                timeout=10,
            )
        except requests.ConnectionError:
            return False
        return answer.ok


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """The demonstration's company: Whydown asks Backstage's catalog, Backstage asks Whydown."""
    # A socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="wd") as name, PostgresServer(Path(name) / "pg") as postgres:
        folder = Path(name)
        scene = lay_out(folder / "scene", now().replace(microsecond=0))
        catalog = scene.settings["WHYDOWN_CATALOG"]
        url = f"http://127.0.0.1:{free_port()}"
        settings = {key: value for key, value in scene.settings.items() if key != "WHYDOWN_CATALOG"} | {
            "WHYDOWN_BACKSTAGE_URL": url,
            "WHYDOWN_BACKSTAGE_TOKEN": secrets.token_hex(16),
            "WHYDOWN_API_TOKEN": secrets.token_hex(16),
            "WHYDOWN_WEBHOOK_TOKEN": secrets.token_hex(16),
        }
        with Installation(folder / "whydown", settings) as whydown, backstage(url, catalog, whydown, postgres) as log:
            site = Site(url, whydown.start(), scene, log)
            until(lambda: site.in_catalog("invoice-api"), "the catalog has the component", lambda: told(log))
            yield site


def told(log: Path) -> str:
    """The backend's log without the requests, for a failure's message."""
    return "\n".join(line for line in log.read_text().splitlines() if "incomingRequest" not in line)


@contextmanager
def backstage(url: str, catalog: str, whydown: Installation, postgres: PostgresServer) -> Iterator[Path]:
    """The backend, with the app that it serves; gives its log."""
    log = whydown.folder / "backstage.log"
    environment = os.environ | {
        "BACKSTAGE_PORT": url.rpartition(":")[2],
        "CATALOG_FILES": f"{catalog}/catalog-info.yaml",
        "CATALOG_TOKEN": whydown.environment["WHYDOWN_BACKSTAGE_TOKEN"],
        "POSTGRES_SOCKET": str(postgres.folder),
        "WHYDOWN_URL": whydown.url,
        "WHYDOWN_API_TOKEN": whydown.environment["WHYDOWN_API_TOKEN"],
        "WHYDOWN_WEBHOOK_TOKEN": whydown.environment["WHYDOWN_WEBHOOK_TOKEN"],
    }
    with log.open("w") as output:
        process = subprocess.Popen(
            ["node", "backend.mjs", "--config", "app-config.yaml"],
            cwd=HERE,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield log
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser without a window."""
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=quiet)
        yield browser
        browser.close()


def entity_page(browser: Browser, site: Site, width: int, height: int) -> Page:
    """The page of invoice-api, for a guest who signed in."""
    page = browser.new_page(viewport={"width": width, "height": height})
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{site.backstage}/catalog/default/component/invoice-api")
    page.get_by_role("button", name="Enter").click()
    expect(page.get_by_text("Incident analysis")).to_be_visible(timeout=PATIENCE_MS)
    return page


def test_a_guest_asks_why_it_is_down_and_reads_the_diagnosis(browser: Browser, site: Site) -> None:
    for deployment in site.scene.deployments:
        site.whydown.post("/deployments", deployment, headers=bearer(site, "WHYDOWN_API_TOKEN"))
    page = entity_page(browser, site, 1280, 1600)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    expect(page.get_by_text("None of invoice-api so far.")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_label("Error messages or log excerpts").fill(ERROR)
    page.get_by_role("button", name="Analyze incident").click()
    analysis = page.get_by_role("region", name="Analysis")
    expect(analysis.get_by_role("status")).to_have_text("Done", timeout=PATIENCE_MS)
    expect(analysis).to_contain_text(site.scene.guilty_commit[:7])
    expect(analysis).to_contain_text("✓ verified in F")
    expect(analysis).to_contain_text("notification-service")
    recent = page.get_by_role("region", name="Recent incidents")
    expect(recent).to_contain_text("Manual analysis (done)", timeout=PATIENCE_MS)

    address = analysis.get_by_role("link", name="Open the incident in Whydown").get_attribute("href")
    assert address is not None
    incident = re.fullmatch(rf"{re.escape(site.whydown.url)}/incidents/([a-z0-9]+)", address)
    assert incident is not None
    document = site.whydown.get(f"/incidents/{incident[1]}", headers=bearer(site, "WHYDOWN_API_TOKEN")).json()
    assert (document["entityRef"], document["status"]) == ("component:default/invoice-api", "done")
    # The browser never asks Whydown itself, and the token is nowhere in what it got.
    assert [url for url in asked if not url.startswith(site.backstage)] == []
    assert site.whydown.environment["WHYDOWN_API_TOKEN"] not in page.content()
    if os.environ.get("PICTURE"):
        box = page.locator(".MuiCard-root", has=analysis).bounding_box()
        assert box is not None
        page.screenshot(path=os.environ["PICTURE"], full_page=True, clip={**box, "height": min(box["height"], 1130)})
    page.close()


def test_an_alert_that_came_through_backstage_is_among_the_recent_incidents(browser: Browser, site: Site) -> None:
    alert = {"serviceName": "invoice-api", "alertTitle": "Error rate above 5 %", "severity": "critical"}
    address = f"{site.backstage}/api/whydown/webhook/alert"
    assert requests.post(address, json=alert, timeout=30).status_code == 401
    accepted = requests.post(address, json=alert, timeout=30, headers=bearer(site, "WHYDOWN_WEBHOOK_TOKEN"))
    assert accepted.status_code == 202, accepted.text

    page = entity_page(browser, site, 390, 844)
    recent = page.get_by_role("region", name="Recent incidents")
    recent.get_by_text("Error rate above 5 %").click(timeout=PATIENCE_MS)
    status = page.get_by_role("region", name="Analysis").get_by_role("status")
    expect(status).to_have_text("Done", timeout=PATIENCE_MS)
    page.close()


@pytest.mark.parametrize("path", ["/incidents?entityRef=invoice-api", "/incidents/abc"])
def test_nobody_reads_without_signing_in(site: Site, path: str) -> None:
    assert requests.get(f"{site.backstage}/api/whydown{path}", timeout=30).status_code == 401


def bearer(site: Site, token: str) -> dict[str, str]:
    """The header with that token."""
    return {"Authorization": f"Bearer {site.whydown.environment[token]}"}
