"""Apprise: what it sends over the wire, to its own JSON service on loopback."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from shared.errors import ConfigurationError
from shared.moment import Deadline
from tests.loopback import Asked, Reply, StandIn
from tests.worker.news import FORBIDDEN, PAGE, push
from worker.notifiers import PushFailure
from worker.notifiers.apprise_urls import AppriseUrls

# Apprise imports what Python is about to take away.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


def url(server: StandIn) -> str:
    return server.url.replace("http://", "json://") + "/hook"


def test_every_service_is_told_title_and_lines() -> None:
    with StandIn(lambda _: Reply("")) as one, StandIn(lambda _: Reply("")) as two:
        AppriseUrls(f"{url(one)} {url(two)}").push(push(), Deadline.after(15))
        (first,), (second,) = one.asked, two.asked
    assert first.json() == second.json()
    said: Any = first.json()
    assert said["title"].startswith("Diagnosis: invoice-api: Error rate above 5 %")
    assert "Probable cause (72%): The pool is exhausted" in said["message"]
    assert said["message"].endswith(PAGE)
    assert not [each for each in FORBIDDEN if each in str(said).replace(PAGE, "")]


def test_who_did_not_take_it_is_named_without_its_address() -> None:
    with StandIn(lambda _: Reply("", 500)) as server, pytest.raises(PushFailure, match="not taken by") as failure:
        AppriseUrls(f"{url(server)}?+token=s3cr3t").push(push(), Deadline.after(15))
    assert not failure.value.permanent
    assert "s3cr3t" not in failure.value.reason


def test_a_service_that_hangs_is_given_up_at_the_deadline() -> None:
    def hang(_: Asked) -> Reply:
        server.closing.wait(30)
        return Reply("")

    with StandIn(hang) as server, pytest.raises(PushFailure):
        AppriseUrls(url(server)).push(push(), Deadline.after(1.5))


def test_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert AppriseUrls.from_settings() is None
    monkeypatch.setenv("WHYDOWN_APPRISE_URLS", "json://localhost nonsense://s3cr3t")
    with pytest.raises(ConfigurationError, match="URL 2 is none of Apprise's") as failure:
        AppriseUrls.from_settings()
    assert "s3cr3t" not in str(failure.value)
    monkeypatch.setenv("WHYDOWN_APPRISE_URLS", "json://localhost")
    made = AppriseUrls.from_settings()
    assert made is not None
    assert "1 services" in made.probe(Deadline.after(1))


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ConfigurationError, match=r"whydown\[apprise\]"):
        AppriseUrls("json://localhost")
