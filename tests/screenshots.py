"""Takes the pictures of docs/tour.md: the demonstration, run for real and looked at in a browser.

python -m tests.screenshots          # or make screenshots
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

from playwright.sync_api import Browser, Page, ViewportSize

from shared.errors import WhydownError
from shared.moment import now
from shared.settings import Storage
from tests.chromium import CHROMIUM, chromium
from tests.indexed_png import indexed
from tests.installation import free_port
from tests.loopback import Asked, Reply, StandIn
from whydown.client import Client
from whydown.demo import environment_of
from whydown.demo_incident import Scene, lay_out
from whydown.up import Installation, locked, running

FOLDER: Final = Path(__file__).parent.parent / "docs" / "screenshots"

_SECONDS: Final = 60.0

PHONE: Final = ViewportSize(width=390, height=844)
DESK: Final = ViewportSize(width=1200, height=900)
SHARP: Final = 1.5
"""Pixels of a phone's picture for each of the page's: readable, and still small."""


def main() -> None:
    """Takes them all. Raises WhydownError when something does not start."""
    if CHROMIUM is None:
        raise WhydownError("no chromium, chromium-browser or google-chrome is installed")
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="whydown-tour-") as folder, chromium() as browser:
        with _standing(Path(folder) / "finished", {}) as (url, scene):
            _take(browser, url, scene)
        asked, answering = threading.Event(), threading.Event()

        def thinking(_: Asked) -> Reply:
            asked.set()
            answering.wait(_SECONDS)
            return Reply({}, status=500)

        with StandIn(thinking) as model:
            settings = {"WHYDOWN_AI_ENDPOINT": f"{model.url}/v1", "WHYDOWN_AI_CHAT_MODEL": "stand-in"}
            with _standing(Path(folder) / "meanwhile", settings) as (url, scene):
                _take_meanwhile(browser, url, scene, asked)
                answering.set()


@contextmanager
def _standing(data: Path, settings: dict[str, str]) -> Iterator[tuple[str, Scene]]:
    """A demonstration that runs, with more `settings`: its URL and what it looks at."""
    port = free_port()
    with locked(data):
        scene = lay_out(data / "scene", now().replace(microsecond=0))
        environment = environment_of(scene) | settings
        environment |= {"WHYDOWN_DATA": str(data), "WHYDOWN_PUBLIC_URL": f"http://127.0.0.1:{port}"}
        storage = Storage(data=data, database_url=None, redis_url=None)
        installation = Installation(storage, port, environment, data)
        with running(installation):
            yield installation.url, scene


def _take(browser: Browser, url: str, scene: Scene) -> None:
    client = Client(url)
    camera = _Camera(browser, url)
    camera.shoot("first-alert", "/incidents", DESK, "light")
    for deployment in scene.deployments:
        client.call("POST", "/deployments", deployment)
    incident = _finished(client, client.call("POST", "/webhook/alertmanager", scene.alert))
    camera.shoot("incident-phone", incident, PHONE, "light")
    camera.shoot("incident-phone-dark", incident, PHONE, "dark")
    camera.shoot("timeline", incident, PHONE, "light", lambda page: page.locator("section:has(#timeline)"))
    camera.shoot("incident", incident, DESK, "light")
    for alert in _OTHERS:
        _finished(client, client.call("POST", "/webhook/alert", alert))
    client.call("POST", "/webhook/alert", _OTHERS[0] | {"status": "resolved"})
    asked = {"entityRef": "payment-gateway", "alertTitle": "Slow since noon"}
    _finished(client, client.call("POST", "/analyze", asked))
    camera.shoot("incidents", "/incidents", DESK, "dark")
    camera.shoot("analyze", "/analyze?service=invoice-api&title=Customers+miss+invoices", PHONE, "dark")


def _take_meanwhile(browser: Browser, url: str, scene: Scene, asked: threading.Event) -> None:
    """While the model, which says when it is `asked`, still thinks."""
    accepted = Client(url).call("POST", "/webhook/alertmanager", scene.alert)
    if not asked.wait(_SECONDS):
        raise WhydownError(f"the model was not asked within {_SECONDS:g} s")
    _Camera(browser, url).shoot("meanwhile", _path(accepted), PHONE, "light")


_OTHERS: Final = (
    {"serviceName": "payment-gateway", "alertTitle": "More than 2 % of the cards declined", "severity": "warning"},
    {"serviceName": "notification-service", "alertTitle": "No mail sent for 3 minutes", "severity": "high"},
    {"serviceName": "reporting", "alertTitle": "Queue of reports is growing", "severity": "info"},
)


def _finished(client: Client, accepted: Any) -> str:
    """The path of the one incident that was accepted, once it is finished."""
    path = _path(accepted)
    deadline = time.monotonic() + _SECONDS
    while not client.call("GET", path)["finishedAt"]:
        if time.monotonic() > deadline:
            raise WhydownError(f"{path} was not finished within {_SECONDS:g} s")
        time.sleep(0.2)
    return path


def _path(accepted: Any) -> str:
    return f"/incidents/{accepted['incidents'][0]['id']}"


class _Camera:
    def __init__(self, browser: Browser, url: str) -> None:
        self._browser = browser
        self._url = url

    def shoot(
        self,
        name: str,
        path: str,
        viewport: ViewportSize,
        scheme: Literal["light", "dark"],
        part: Callable[[Page], Any] = lambda page: page,
    ) -> None:
        """One picture of the page at `path`, or of a `part` of it."""
        scale = SHARP if viewport is PHONE else 1
        context = self._browser.new_context(viewport=viewport, color_scheme=scheme, device_scale_factor=scale)
        page = context.new_page()
        page.goto(self._url + path)
        taken = part(page).screenshot()
        page.goto("about:blank")
        small = indexed(page, taken)
        context.close()
        (FOLDER / f"{name}.png").write_bytes(small)
        sys.stdout.write(f"{len(small) / 1000:6.0f} kB  {name}.png\n")


if __name__ == "__main__":
    main()
