"""Whatever a service, its repository or its annotations are called: no source asks another question for it."""

from __future__ import annotations

from typing import Final

import pytest

from shared.redaction.redactor import Redactor
from tests.loopback import Reply, StandIn
from tests.worker.inquiries import WINDOW
from tests.worker.sources.configured import SETTINGS, source_at
from worker.gathering import ask
from worker.inquiry import Component, Inquiry, Scope, Target

EMPTY: Final = Reply(
    {
        "status": "success",
        "data": ["service_name"],
        "items": [],
        "hits": {"hits": []},
        "events": [],
        "tables": [{"name": "PrimaryResult", "columns": [], "rows": []}],
    }
)
"""An empty answer in the form of each."""

HOSTILE: Final = [
    "../../admin",
    "..",
    "a/../../b",
    "a%2F..%2Fadmin",
    "x?private_token=1#",
    'x"} or {a="b',
    'x") | drop table',
    "x\\",
    "x*",
    "x,y",
    "x y",
    "x\r\nX-Injected: 1",
    "$(id)",
    "{service}",
    "é",
    "",
    "x" * 300,
]


def component(name: str) -> Component:
    """One whose every name is `name`."""
    names = ("github.com/project-slug", "gitlab.com/project-slug", "backstage.io/kubernetes-id", "argocd/app-name")
    told = f"acme/{name}" if name == "invoice-api" else name
    annotations = {**dict.fromkeys(names, told), "backstage.io/source-location": f"url:https://example.com/{name}"}
    return Component(ref=f"component:default/{name}", name=name, kind="component", annotations=annotations)


def questions(name: str, monkeypatch: pytest.MonkeyPatch, *services: str) -> set[tuple[str, str]]:
    """What a source asks about these services: paths, and the names of headers."""
    known = tuple(component(service) for service in services)
    targets = tuple(
        Target(
            service=each.name,
            role="dependency" if place else "alerted",
            ref=each.ref,
            repository=each.name if place else "acme/invoice-api",
            log_names=(each.name,),
        )
        for place, each in enumerate(known)
    )
    scope = Scope(targets=targets, window=WINDOW, component=known[0], neighbours=known[1:])
    with StandIn(lambda asked: EMPTY) as server:
        source = source_at(name, server.url, monkeypatch)
        ask(name, source, Inquiry(scope=scope, title="x"), 20, Redactor())
    asked = {(each.path, ",".join(sorted(each.headers))) for each in server.asked}
    told = [f"{each.query} {each.body.decode()}" for each in server.asked]
    inside = [name for name in services[1:] if len(name) > 2 and any(name in text for text in told)]
    assert inside == [], "they stand in a question"
    return asked


@pytest.mark.parametrize("name", SETTINGS)
def test_a_hostile_name_asks_nothing_that_is_not_asked_without_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without = questions(name, monkeypatch, "invoice-api")
    assert without
    assert questions(name, monkeypatch, "invoice-api", *HOSTILE) == without
