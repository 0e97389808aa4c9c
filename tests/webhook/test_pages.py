"""Pages: what they say in every state, and that hostile text stays text. What a browser makes of them: browser/."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask

from shared.database import Database
from shared.incident import (
    Coverage,
    CoverageStatus,
    Delivery,
    Fact,
    Feedback,
    Incident,
    Link,
    ProducedBy,
    QueuePlace,
    RelatedIncident,
    SimilarIncident,
    Status,
    SuggestedAction,
)
from shared.store import reading
from tests.webhook.example_incidents import BRIEF, DIAGNOSIS, FACTS, NOW, at, incident, summary
from tests.webhook.hostile_incidents import HOSTILE, hostile
from tests.webhook.receivers import API_TOKEN, guarded_receiver_on, receiver_on
from webhook import pages, wording

Show = Callable[[Incident], str]
FIRST = pages.FirstAlert("http://localhost", needs_token=False)


@pytest.fixture
def app(sqlite: Database) -> Flask:
    """A receiver without tokens."""
    return receiver_on(sqlite)


@pytest.fixture
def show(app: Flask) -> Iterator[Show]:
    """Renders an incident."""
    with app.test_request_context("/"):
        yield lambda document: pages.incident(document, NOW)


def words(page: str) -> str:
    """What a reader sees, on one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_what_a_tired_person_needs_comes_first(show: Show) -> None:
    page = show(incident())
    shown = words(page.partition("<main")[2])
    wanted = [
        "critical",
        "invoice-api",
        "High error rate on POST /invoices",
        "03:12 UTC · 19 min ago",
        "fired 3 times",
        "Release 2.14.0 cut the PostgreSQL connection pool",
        "86 % sure",
        "Written by mistral-small",
        "Roll invoice-api back to 2.13.2.",
        "kubectl rollout undo",
        "Evidence",
        "logcli query",
        "Timeline",
        "Who else is hurt",
        "Suspect changes",
        "What was looked at",
        "Was this right?",
        "All 6 facts",
    ]
    places = [shown.index(word) for word in wanted]
    assert places == sorted(places)
    assert page.count("<h1>") == 1
    assert "http-equiv" not in page


def test_quotes_lead_to_their_fact_and_say_whether_they_stand_there(show: Show) -> None:
    page = show(incident())
    for fact in FACTS:
        assert f'<li id="{fact.id}"' in page
    assert page.count("✓ verified") == 3
    assert page.count("✗ not verified") == 1
    evidence = DIAGNOSIS.evidence[0].model_copy(update={"fact": "F99"})
    lost = show(incident(diagnosis=DIAGNOSIS.model_copy(update={"evidence": (evidence,)})))
    assert 'href="#F99"' not in lost
    assert "no such fact" in lost


def test_a_brief_that_stands_in_says_why(show: Show) -> None:
    produced_by = ProducedBy(stage="brief", reason="the model did not answer within 60 s")
    shown = words(show(incident(diagnosis=DIAGNOSIS.model_copy(update={"produced_by": produced_by}))))
    assert "without a model: the model did not answer within 60 s." in shown
    assert "Written by" not in shown


def test_a_page_that_is_not_finished_fills_in(show: Show) -> None:
    page = show(incident(Status.DIAGNOSING))
    assert '<meta http-equiv="refresh" content="3">' in page
    assert '<li aria-current="step" class="now">Diagnosing</li>' in page
    assert BRIEF.summary in page
    assert "Investigate again" not in page


def test_a_queue_that_nobody_works_on_is_told(show: Show) -> None:
    fresh = show(incident(Status.QUEUED, received_at=NOW - timedelta(seconds=5)))
    stale = show(incident(Status.QUEUED, received_at=NOW - timedelta(minutes=5)))
    assert "whydown worker" not in fresh
    assert "No worker has taken this up for 5 min" in words(stale)


def test_incidents_of_neighbours_about_the_same_time_are_linked(show: Show) -> None:
    other = RelatedIncident(
        id="abc", service="invoice-db", title="Disk full", status=Status.DONE, relation="dependency"
    )
    page = show(incident(Status.DONE, related=(other,)))
    assert '<a href="/incidents/abc"><strong>invoice-db</strong>: Disk full</a>' in page
    assert "invoice-api depends on it" in words(page)


def test_who_is_covered_and_who_covers_say_so(show: Show) -> None:
    other = RelatedIncident(
        id="abc", service="invoice-db", title="Disk full", status=Status.DONE, relation="dependency"
    )
    link = '<a href="/incidents/abc"><strong>invoice-db</strong>: Disk full</a>'
    done = show(incident(Status.DONE, covered_by=other))
    assert f"Covered by the analysis of {link}" in done
    assert "investigate again: then this one is analysed by itself" in words(done)
    assert "Written by" not in words(done)
    assert f"Waits for the analysis of {link}" in show(incident(Status.DIAGNOSING, covered_by=other))
    covers = show(incident(Status.DONE, covers=(other.model_copy(update={"relation": "dependent"}),)))
    assert link in covers.partition("Covered by this analysis")[2]


def test_who_waits_for_others_is_told_its_place(show: Show) -> None:
    page = words(show(incident(Status.QUEUED, queue=QueuePlace(position=12, estimate_seconds=240))))
    assert "Number 12 in the queue , about 4 min to go" in page or "Number 12 in the queue, about 4 min to go" in page


@pytest.mark.parametrize(
    ("status", "detail", "wanted"),
    [
        (Status.SKIPPED, "invoice-apy is not in the catalog", ["invoice-api , invoice-web", "WHYDOWN_UNKNOWN_SERVICE"]),
        (Status.FAILED, "the work died three times", ["The investigation failed", "whydown doctor"]),
        (Status.CANCELLED, "resolved before the investigation began", ["Nothing needs doing"]),
    ],
)
def test_what_ended_without_a_diagnosis_says_why_and_what_to_do(
    show: Show, status: Status, detail: str, wanted: list[str]
) -> None:
    page = show(incident(status, detail=detail, closest=("invoice-api", "invoice-web")))
    for word in (detail, *wanted):
        assert word in words(page)
    assert page.count('action="/incidents/k7m2qz4fd3x5/retry"') == 1


def test_gaps_in_the_coverage_stand_out(show: Show) -> None:
    shown = words(show(incident()))
    assert "Not everything could be looked at: metrics.prometheus." in shown
    assert "not configured" in shown
    complete = (Coverage(source="logs.loki", status=CoverageStatus.EMPTY),)
    assert "Not everything" not in words(show(incident(coverage=complete)))


def test_the_timeline_is_in_order_and_bounded() -> None:
    events = pages.timeline(incident(resolved_at=at("03:29:00")))
    assert [event.kind for event in events] == [
        "commit",
        "deploy",
        "onset",
        "signature",
        "alert",
        "signature",
        "resolved",
    ]
    many = tuple(
        Fact(id=f"F{n}", source="s", kind="commit", at=at("03:00:00") - timedelta(minutes=n), text=f"commit {n}")
        for n in range(500)
    )
    kept = pages.timeline(incident(facts=many, brief=None))
    assert len(kept) == pages.MOST_EVENTS
    assert "commit 0" in {event.text for event in kept}


def test_spans_of_time_read_like_speech() -> None:
    moment = NOW
    said = [wording.ago(moment - timedelta(seconds=seconds), moment) for seconds in (5, 90, 600, 7300, 200_000, -600)]
    assert said == ["just now", "90 s ago", "10 min ago", "2 h ago", "2 d ago", "in 10 min"]
    assert [wording.lasted(millis) for millis in (None, 0, 340, 2130, 240_000)] == [
        "–",
        "0 ms",
        "340 ms",
        "2.1 s",
        "4 min",
    ]
    assert [wording.offset(moment + timedelta(seconds=s), moment) for s in (-840, 0, 40)] == ["−14 min", "0", "+40 s"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(show: Show, text: str) -> None:
    page = show(hostile(text))
    for tag in re.findall(r"<[^>]*>", page):
        own = tag.startswith('<script src="/static/page.js?v=') or tag in ("<noscript>", "</noscript>", "</script>")
        assert own or not re.search(r"script|onerror|evil", tag), tag
    assert "<img src=x" not in page
    assert "49" not in words(page)
    for address in re.findall(r'href="([^"]*)"', page):
        assert address.startswith(("/", "#")), address


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "//evil.example",
        "/incidents",
        "https://",
        "https://user:password@ci.example.com/",
        "https://ci.example.com/\u202egnp.exe",
        "https://ci.example.com/a b",
        "ftp://ci.example.com",
    ],
)
def test_only_web_addresses_become_links(show: Show, url: str) -> None:
    fact = FACTS[2].model_copy(update={"url": url})
    page = show(incident(facts=(fact,), links=(Link(title="Runbook", url=url),)))
    assert "nofollow" not in page


def test_links_of_others_tell_nothing_and_get_nothing(show: Show) -> None:
    page = show(incident())
    links = re.findall(r'<a href="(https?://[^"]*)" rel="([^"]*)"', page)
    assert len(links) == 3
    assert {rel for _, rel in links} == {"noreferrer noopener nofollow"}
    assert len(re.findall(r'href="https?:', page)) == 3


def test_a_command_is_what_it_looks_like(show: Show) -> None:
    action = SuggestedAction(kind="immediate", text="\u200bsee", command="rm \u202e-rf\u2066 x\x07")
    page = show(incident(diagnosis=DIAGNOSIS.model_copy(update={"suggested_actions": (action,)})))
    assert "<code>rm \ufffd-rf\ufffd x\ufffd</code>" in page
    assert "\ufffdsee" in page


def test_the_list(app: Flask) -> None:
    listed = (summary(2, status=Status.GATHERING, cause=None), summary(64, service="shop", severity="warning"))
    with app.test_request_context("/"):
        page = pages.incident_list(reading.Page(listed, "next"), {"q": '"x"'}, NOW, FIRST)
    shown = words(page)
    assert shown.index("invoice-api") < shown.index("shop")
    assert "64 min ago" in shown
    assert DIAGNOSIS.probable_cause.statement in shown
    assert 'value="&#34;x&#34;"' in page
    assert "q=%22x%22" in page
    assert "cursor=next" in page


def test_an_empty_list_says_how_to_send_a_first_alert(app: Flask, sqlite: Database) -> None:
    page = app.test_client().get("/incidents", headers={"Accept": "text/html"}).text
    assert "http://localhost/webhook/alert" in page
    assert "Authorization" not in page
    client = guarded_receiver_on(sqlite).test_client()
    client.post("/sign-in", data={"token": API_TOKEN})
    guarded = client.get("/incidents", headers={"Accept": "text/html"}).text
    assert "Bearer $WHYDOWN_WEBHOOK_TOKEN" in guarded
    assert "Nothing matches" in client.get("/incidents?q=nothing", headers={"Accept": "text/html"}).text


def test_earlier_incidents_and_rules_say_what_they_share_with_this_one(show: Show) -> None:
    earlier = SimilarIncident(
        id="earlier1",
        at=at("01:00:00") - timedelta(days=7),
        service="invoice-api",
        title="High <i>error</i> rate",
        count=3,
        since=at("01:00:00") - timedelta(days=21),
        score=0.75,
        cause="The pool is too small",
        verdict="partly",
        actual_cause="the month-end run",
        fixed_by="Max Pool Size=50",
        signatures=("F4",),
        fact="F6",
    )
    rule = BRIEF.heuristics[0].model_copy(update={"matches": ("F4", "F2")})
    page = show(incident(brief=BRIEF.model_copy(update={"similar": (earlier,), "heuristics": (rule,)})))
    shown = words(page)
    assert 'href="/incidents/earlier1"' in page
    assert "Mon 16 Nov 2026, 01:00 UTC · 3 times since Mon 02 Nov 2026" in shown
    assert "Fixed by Max Pool Size=50 It was the month-end run Diagnosed (partly): The pool is too small" in shown
    assert "Same errors: 75 % F4" in shown
    assert "<i>" not in page
    assert "Shares pool, connections with F4 F2" in shown


def test_a_finished_incident_can_be_judged_and_shows_what_was_said(show: Show) -> None:
    asked = show(incident())
    assert 'action="/incidents/k7m2qz4fd3x5/feedback"' in asked
    assert "Was this right?" in words(asked)
    assert "/feedback" not in show(incident(Status.GATHERING))
    said = Feedback(verdict="partly", actual_cause="a <b>full</b> disk", at=at("03:30:10"), attempt=1)
    judged = show(incident(feedback=said))
    assert "Judged partly , 70 s ago." in words(judged)
    assert "a &lt;b&gt;full&lt;/b&gt; disk</textarea>" in judged


def test_who_was_told_and_who_could_not_be(show: Show) -> None:
    dead = Delivery(id="d1", to="callback", attempt=1, state="dead", tries=8, reason="it answered <b>410</b>")
    waits = Delivery(
        id="d2", to="slack", attempt=1, stage="brief", state="waiting", tries=1, next_at=at("03:36:20"), reason="busy"
    )
    page = show(incident(deliveries=(dead, waits)))
    shown = words(page)
    assert "callback , the result given up 8 tries" in shown
    assert "410" in shown
    assert "slack, the brief waiting 1 try, again in 5 min busy" in " ".join(shown.split()).replace(" ,", ",")
    assert "<b>" not in page
    assert "Who was told" not in show(incident())


def test_the_sheet_asks_no_other_server() -> None:
    static = Path(pages.__file__).parent / "static"
    for path in static.iterdir():
        assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", path.read_text()), path.name
