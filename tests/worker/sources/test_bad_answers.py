"""Every source that is asked over a network, against every way in which a server can fail it: each becomes the right
line of the coverage, and none becomes a fact.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pytest

from shared.incident import CoverageStatus
from shared.moment import Deadline
from shared.redaction.redactor import Redactor
from tests.loopback import Asked, Reply, StandIn
from tests.worker.inquiries import INVOICE, WINDOW
from tests.worker.sources.configured import LOCAL, SETTINGS, TOKEN, source_at
from worker.gathering import ask
from worker.inquiry import Component, Inquiry, Scope, SourceFailure
from worker.sources import SOURCES

COMPONENT: Final = Component(
    ref="component:default/invoice-api",
    name="invoice-api",
    kind="component",
    annotations={"github.com/project-slug": "acme/invoice-api", "gitlab.com/project-slug": "acme/invoice-api"},
)
INQUIRY: Final = Inquiry(
    scope=Scope(targets=(INVOICE.model_copy(update={"ref": COMPONENT.ref}),), window=WINDOW, component=COMPONENT),
    title="invoice-api answers 500",
)

HUGE: Final = b'{"data": "' + b"x" * 50_000_000
BOMB: Final = gzip.compress(HUGE)


def hang(server: StandIn) -> Reply:
    server.closing.wait(60)
    return Reply()


@dataclass(frozen=True)
class Failure:
    """One way to fail."""

    name: str
    answer: Callable[[StandIn], Reply]
    becomes: tuple[CoverageStatus, ...]
    says: str = ""
    seconds: float = 20


FAILURES: Final = (
    Failure("401", lambda _: Reply(f"no: Bearer {TOKEN}", 401), (CoverageStatus.DENIED,), "401"),
    Failure("403", lambda _: Reply(f"no: {TOKEN}", 403), (CoverageStatus.DENIED,), "403"),
    Failure("404", lambda _: Reply("no such page", 404), (CoverageStatus.ERROR, CoverageStatus.DENIED), "not|404"),
    Failure("429", lambda _: Reply("slow", 429, {"Retry-After": "17"}), (CoverageStatus.ERROR,), "retry after 17 s"),
    Failure("500", lambda _: Reply(f"oops: {TOKEN}", 500), (CoverageStatus.ERROR,), "500"),
    Failure("a hang", hang, (CoverageStatus.TIMEOUT,), "no answer within", seconds=0.5),
    Failure(
        "a truncated body",
        lambda _: Reply('{"data": [', 200, {"Content-Length": "999", "Connection": "close"}),
        (CoverageStatus.ERROR,),
    ),
    Failure("half a document", lambda _: Reply('{"data": ['), (CoverageStatus.ERROR,), "not JSON|form"),
    Failure("a proxy's page", lambda _: Reply("<html>Sign in</html>"), (CoverageStatus.ERROR,), "not JSON|form"),
    Failure("50 MB", lambda _: Reply(HUGE), (CoverageStatus.ERROR,), "larger than 8192 KiB"),
    Failure(
        "50 MB in 50 KB", lambda _: Reply(BOMB, 200, {"Content-Encoding": "gzip"}), (CoverageStatus.ERROR,), "larger"
    ),
    Failure("a redirect", lambda _: Reply("", 302, {"Location": "http://127.0.0.1:1/"}), (CoverageStatus.ERROR,)),
)


def test_every_source_has_its_line_here() -> None:
    assert sorted({**LOCAL, **SETTINGS}) == SOURCES.names()


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.name)
@pytest.mark.parametrize("name", SETTINGS)
def test_a_failure_is_a_gap_and_no_fact(name: str, failure: Failure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.gathering.PAUSE_SECONDS", 0.01)
    server = StandIn(lambda asked: failure.answer(server))
    with server:
        built = source_at(name, server.url, monkeypatch)
        facts, line = ask(name, built, INQUIRY, failure.seconds, Redactor())
    assert server.asked or line.status is CoverageStatus.TIMEOUT, "the source asked somebody else"
    assert facts == ()
    assert line.status in failure.becomes
    assert line.detail
    assert any(word in line.detail for word in failure.says.split("|"))
    assert TOKEN not in line.detail


@pytest.mark.parametrize("name", SETTINGS)
def test_the_probe_tells_of_a_refusal_without_the_token(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(asked: Asked) -> Reply:
        return Reply(f"no: {asked.headers}", 500)

    with StandIn(refuse) as server, pytest.raises(SourceFailure) as refused:
        source_at(name, server.url, monkeypatch).probe(Deadline.after(10))
    assert TOKEN not in refused.value.detail
