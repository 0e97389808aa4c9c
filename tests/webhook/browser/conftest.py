"""One browser for all tests of pages, and servers to show it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Final

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, ViewportSize
from werkzeug.serving import make_server

from shared.database import Database
from tests.chromium import CHROMIUM, chromium
from tests.webhook.receivers import receiver_on

PHONE: Final = ViewportSize(width=390, height=844)
DESK: Final = ViewportSize(width=1280, height=900)

Serve = Callable[[Flask], str]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """A browser without a window."""
    if CHROMIUM is None:
        pytest.skip("no chromium, chromium-browser or google-chrome is installed")
    with chromium() as browser:
        yield browser


@pytest.fixture
def app(sqlite: Database) -> Flask:
    """A receiver without tokens."""
    return receiver_on(sqlite)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves an application on loopback; gives its address."""
    servers = []

    def start(app: Flask) -> str:
        server = make_server("127.0.0.1", 0, app, threaded=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def watched(page: Page, base_url: str = "") -> list[str]:
    """What must not happen, as it happens: dialogs, errors, refusals by the content security policy, and requests to
    anywhere but `base_url`.
    """
    noted: list[str] = []
    page.on("dialog", lambda dialog: noted.append(f"dialog {dialog.message}"))
    page.on("pageerror", lambda error: noted.append(f"error {error}"))
    page.on("console", lambda message: noted.append(message.text) if message.type == "error" else None)
    if base_url:
        page.on("request", lambda asked: None if asked.url.startswith(base_url) else noted.append(asked.url))
    return noted
