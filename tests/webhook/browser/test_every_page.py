"""Every page in every state, on a phone and on a desk, in the light and in the dark: it fits, it can be used with a
thumb, a keyboard and a screen reader (axe-core), it loads nothing from elsewhere, and its policy refuses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Browser, Page

from shared.incident import (
    Delivery,
    Fact,
    Feedback,
    Incident,
    QueuePlace,
    RelatedIncident,
    SimilarIncident,
    Status,
    SuggestedAction,
)
from shared.store import reading
from shared.store.admission import Backlog
from tests.webhook.browser.conftest import Serve, watched
from tests.webhook.example_incidents import BRIEF, DIAGNOSIS, FACTS, NOW, at, incident, summary
from tests.webhook.hostile_incidents import hostile
from webhook import pages
from webhook.problem import ProblemDocument

LEADER: Final = RelatedIncident(
    id="abc", service="invoice-db", title="Disk full", status=Status.DONE, relation="dependency"
)


def _rates(number: int, level: str, service: str = "invoice-api") -> Fact:
    counts = {f"2026-11-23T03:{minute:02}Z": minute for minute in range(8, 20)}
    data = {
        "level": level,
        "perMinute": counts,
        "example": "2026-11-23T03:10:12Z ERROR pool exhausted",
        "change": "new",
    }
    return Fact(id=f"F{number}", source="logs.loki", kind="signature", service=service, text="x", count=90, data=data)


def _full() -> Incident:
    """Everything that a page can show."""
    around = (
        Fact(id="F7", source="catalog", kind="dependency", service="invoice-db", text="invoice-api needs it"),
        Fact(
            id="F8", source="catalog", kind="dependent", service="notification-service-for-customers", text="needs it"
        ),
    )
    earlier = SimilarIncident(
        id="old1", at=at("01:00:00") - timedelta(days=7), service="invoice-api", title="Error rate", count=3,
        since=at("01:00:00") - timedelta(days=30), score=0.75, cause="The pool", verdict="partly",
        actual_cause="the month-end run", fixed_by="Max Pool Size=50", signatures=("F4",), fact="F6",
    )  # fmt: skip
    return incident(
        facts=(*FACTS, *around, _rates(9, "error"), _rates(10, "warning", "customer-api")),
        brief=BRIEF.model_copy(update={"similar": (earlier,)}),
        related=(LEADER,),
        covers=(LEADER.model_copy(update={"relation": "dependent"}),),
        feedback=Feedback(verdict="partly", actual_cause="the month-end run", at=at("03:30:00"), attempt=1),
        deliveries=(Delivery(id="d1", to="callback", attempt=1, state="dead", tries=8, reason="it answered 410"),),
    )


LONG: Final = incident(
    service="a" * 128,
    title="no-space-" * 50,
    labels={"k" * 100: "v" * 400},
    diagnosis=DIAGNOSIS.model_copy(
        update={"suggested_actions": (SuggestedAction(kind="immediate", text="x" * 300, command="y" * 300),)}
    ),
)

INCIDENTS: Final[Mapping[str, Incident]] = {
    "queued": incident(Status.QUEUED, queue=QueuePlace(position=12, estimate_seconds=240)),
    "stalled": incident(Status.QUEUED),
    "gathering": incident(Status.GATHERING),
    "brief only": incident(Status.DIAGNOSING),
    "waiting for another": incident(Status.DIAGNOSING, covered_by=LEADER),
    "done": _full(),
    "resolved": incident(resolved_at=at("03:29:00")),
    "covered": incident(covered_by=LEADER),
    "failed": incident(Status.FAILED, detail="the work died three times"),
    "skipped": incident(Status.SKIPPED, detail="not in the catalog", closest=("invoice-api", "invoice-web")),
    "cancelled": incident(Status.CANCELLED, detail="resolved before the investigation began"),
    "long": LONG,
    "hostile": hostile("<script>alert(1)</script> " * 40),
}

LISTED: Final = (
    summary(2, id="i1", status=Status.QUEUED, cause=None, queue=QueuePlace(position=3), severity="high"),
    summary(9, id="i2", status=Status.FAILED, cause=None, detail="the work died three times"),
    summary(64, id="i3", service="b" * 128, title="no-space-" * 40, resolved_at=NOW, severity="info"),
    summary(90, id="i4", sender="analyze", severity="unknown", fire_count=1),
)


def _list(found: tuple[Any, ...], query: Mapping[str, Any], needs_token: bool) -> str:
    first = pages.FirstAlert("https://whydown.example.com", needs_token)
    backlog = Backlog(3, NOW - timedelta(minutes=4)) if found else Backlog()
    return pages.incident_list(reading.Page(found, "next" if found else None, backlog), query, NOW, first)


PROBLEM: Final = ProblemDocument(
    title="Unprocessable Content", status=422, detail="`entityRef` is no entity reference", field="entityRef"
)


@pytest.fixture
def site(app: Flask) -> Flask:
    """A receiver that shows each state under its name."""

    def show(name: str, page: Any) -> None:
        app.add_url_rule(f"/{name}", name, page)

    for name, document in INCIDENTS.items():
        show(name, lambda document=document: pages.incident(document, NOW))
    show("list", lambda: _list(LISTED, {}, needs_token=False))
    show("list filtered", lambda: _list(LISTED[:1], {"q": "invoice", "resolved": False}, needs_token=False))
    show("list without a match", lambda: _list((), {"q": "x"}, needs_token=False))
    show("list empty", lambda: _list((), {}, needs_token=False))
    show("list empty with tokens", lambda: _list((), {}, needs_token=True))
    given = {"entityRef": "in voice", "errors": "ERROR " + "x" * 300}
    show("analyze refused", lambda: pages.analysis(given, ("invoice-api", "search"), PROBLEM))
    show("sign-in refused", lambda: pages.sign_in("/incidents", refused=True))
    return app


AXE: Final = Axe()

OWN: Final = ("incidents", "analyze", "docs", "sign-in", "no-such-page")
"""Pages under their own addresses."""

_SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")

# A target of a thumb is 44 pixels high, https://www.w3.org/WAI/WCAG22/Understanding/target-size-enhanced.
_SMALL: Final = """
[...document.querySelectorAll('button, select, textarea, input:not([type=hidden], [type=checkbox])')]
    .concat(...document.querySelectorAll('.tick, .bar a, summary'))
    .filter(element => element.getBoundingClientRect().height < 44).map(element => element.outerHTML)
"""


@pytest.mark.parametrize("width", [360, 1280])
def test_every_page(browser: Browser, serve: Serve, site: Flask, width: int) -> None:
    base_url = serve(site)
    context = browser.new_context(viewport={"width": width, "height": 844}, extra_http_headers={"Accept": "text/html"})
    page = context.new_page()
    noted = watched(page, base_url)
    states = [endpoint for endpoint in site.view_functions if "." not in endpoint and endpoint != "static"]
    assert len(states) > len(INCIDENTS)
    for name in (*states, *OWN):
        page.goto(f"{base_url}/{name}")
        page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert page.evaluate(_SMALL) == [], name
        if name != "no-such-page":
            assert noted == [], name
        for scheme in _SCHEMES:
            page.emulate_media(color_scheme=scheme)
            assert _violations(page) == [], (name, scheme)
    context.close()


def _violations(page: Page) -> list[str]:
    found = AXE.run(page).response["violations"]
    return [f"{one['id']}: {node['html']} {node['failureSummary']}" for one in found for node in one["nodes"]]
