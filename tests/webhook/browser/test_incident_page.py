"""What can be done on an incident's page, done in a browser; and what it does by itself."""

from __future__ import annotations

import pytest
from flask import Flask
from playwright.sync_api import Browser, ViewportSize, expect

from shared.database import Database
from shared.incident import Coverage, CoverageStatus, Diagnosis, ProbableCause, ProducedBy, Status
from shared.store import admission, beginnings, endings, findings, reading, work
from shared.store.endings import Conclusion
from shared.store.findings import Resolution
from shared.store.work import Claim
from tests.webhook.browser.conftest import DESK, PHONE, Serve, watched
from tests.webhook.example_incidents import BRIEF, NOW, incident
from tests.webhook.hostile_incidents import HOSTILE, hostile
from tests.webhook.investigations import alert, conclude
from webhook import pages


def _claimed(database: Database, work_id: str) -> Claim:
    claim = work.claim(database, work_id)
    assert claim is not None
    return claim


def test_it_fills_in_stage_by_stage_without_a_reload(
    browser: Browser, serve: Serve, app: Flask, sqlite: Database
) -> None:
    made = alert(app.test_client())
    base_url = serve(app)
    page = browser.new_page(viewport=PHONE)
    noted = watched(page, base_url)
    page.goto(f"{base_url}/incidents/{made}")
    expect(page.get_by_text("Number 1 in the queue")).to_be_visible()
    page.evaluate("window.kept = true")
    page.locator("summary", has_text="The alert").click()

    (first,) = admission.admit(sqlite, 1)
    resolution = Resolution({}, "invoice-api", None, sources=("logs.loki", "changes.git"))
    investigating = _claimed(sqlite, first)
    beginnings.begin(sqlite, investigating)
    sources = findings.resolve(sqlite, investigating, resolution)
    expect(page.locator("[aria-current=step]")).to_have_text("Gathering")
    answered = page.get_by_label("Sources that have answered").get_by_role("listitem")
    opened: tuple[str, ...] = ()
    for number, work_id in enumerate(sources, 1):
        claim = _claimed(sqlite, work_id)
        line = Coverage(source=claim.subject, status=CoverageStatus.TIMEOUT)
        opened = findings.gathered(sqlite, claim, (), line)
        expect(answered).to_have_count(number)
        expect(answered.filter(has_text=claim.subject)).to_contain_text("timeout")

    diagnosing = _claimed(sqlite, opened[0])
    findings.briefed(sqlite, diagnosing, BRIEF, ())
    expect(page.get_by_role("heading", name="What the facts say")).to_be_visible()
    expect(page.get_by_text(BRIEF.summary, exact=True)).to_be_visible()
    cause = ProbableCause(statement="The pool is too small.", confidence=0.8)
    diagnosis = Diagnosis(probable_cause=cause, produced_by=ProducedBy(stage="model"))
    endings.conclude(sqlite, diagnosing, Conclusion(diagnosis, "## Probable cause"))
    expect(page.get_by_role("heading", name="Probable cause")).to_be_visible()

    assert page.evaluate("window.kept"), "it was not loaded again"
    assert page.locator("details", has_text="The alert").get_attribute("open") is not None
    expect(page.locator("#live")).to_have_text("Diagnosed: The pool is too small.")
    assert page.locator("[data-live]").count() == 0
    assert noted == []
    page.close()


def test_without_a_script_it_is_loaded_again_until_it_is_done(
    browser: Browser, serve: Serve, app: Flask, sqlite: Database
) -> None:
    made = alert(app.test_client())
    context = browser.new_context(viewport=PHONE, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{serve(app)}/incidents/{made}")
    expect(page.get_by_role("heading", name="Investigating")).to_be_visible()
    conclude(sqlite, made)
    expect(page.get_by_role("heading", name="Probable cause")).to_be_visible(timeout=20_000)
    expect(page.get_by_role("button", name="Copy as Markdown")).to_have_count(0)
    context.close()


def test_a_quote_leads_to_its_fact(browser: Browser, serve: Serve, app: Flask) -> None:
    app.add_url_rule("/example", "example", lambda: pages.incident(incident(), NOW))
    page = browser.new_page(viewport=PHONE)
    page.goto(f"{serve(app)}/example")
    fact = page.locator("li#F5 pre")
    expect(fact).to_be_hidden()
    page.locator(".evidence a[href='#F5']").click()
    expect(fact).to_be_in_viewport()
    page.close()


def test_the_first_screen_of_a_phone_says_what_to_do(browser: Browser, serve: Serve, app: Flask) -> None:
    app.add_url_rule("/example", "example", lambda: pages.incident(incident(), NOW))
    page = browser.new_page(viewport=PHONE)
    page.goto(f"{serve(app)}/example")
    for words in (
        "invoice-api",
        "High error rate on POST /invoices",
        "Since 03:12 UTC",
        "86 % sure",
        "Roll invoice-api",
    ):
        expect(page.get_by_text(words).first).to_be_in_viewport(ratio=1)
    expect(page.locator("pre.command").first).to_be_in_viewport(ratio=1)
    page.close()


@pytest.mark.parametrize(("zone", "told"), [("Asia/Kolkata", "03:12 UTC (08:42"), ("UTC", "03:12 UTC")])
def test_the_time_of_the_place_stands_beside_utc(
    browser: Browser, serve: Serve, app: Flask, zone: str, told: str
) -> None:
    app.add_url_rule("/example", "example", lambda: pages.incident(incident(), NOW))
    context = browser.new_context(viewport=PHONE, timezone_id=zone)
    page = context.new_page()
    page.goto(f"{serve(app)}/example")
    shown = page.locator(".hero time").text_content()
    assert shown is not None
    assert shown.startswith(told)
    assert ("here" in shown) is (zone != "UTC")
    context.close()


def test_a_keyboard_reaches_the_content_and_the_copy_button(browser: Browser, serve: Serve, app: Flask) -> None:
    app.add_url_rule("/example", "example", lambda: pages.incident(incident(), NOW))
    page = browser.new_page(viewport=DESK)
    page.goto(f"{serve(app)}/example")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    focused: list[str] = []
    while "Copy" not in focused and len(focused) < 10:
        page.keyboard.press("Tab")
        focused.append(str(page.evaluate("document.activeElement.textContent")))
    assert "Copy" in focused, focused
    page.close()


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_commands_and_markdown_are_copied_and_steps_ticked_off(
    browser: Browser, serve: Serve, app: Flask, viewport: ViewportSize
) -> None:
    document = incident()
    app.add_url_rule("/done", "done", lambda: pages.incident(document, NOW))
    context = browser.new_context(viewport=viewport, permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{serve(app)}/done")
    page.get_by_role("button", name="Copy", exact=True).first.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("pre.command code").first.text_content()
    page.locator("summary", has_text="As Markdown").click()
    page.get_by_role("button", name="Copy as Markdown").click()
    page.wait_for_function("async (text) => (await navigator.clipboard.readText()) === text", arg=document.analysis)
    page.get_by_role("checkbox").first.check()
    page.reload()
    expect(page.get_by_role("checkbox").first).to_be_checked()
    expect(page.get_by_role("checkbox").nth(1)).not_to_be_checked()
    context.close()


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_feedback_is_given_and_changed(
    browser: Browser, serve: Serve, app: Flask, sqlite: Database, viewport: ViewportSize
) -> None:
    made = alert(app.test_client())
    conclude(sqlite, made)
    context = browser.new_context(viewport=viewport, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{serve(app)}/incidents/{made}")
    for verdict in ("Right", "Wrong", "Partly"):
        page.get_by_label("What it really was").fill(f"{verdict}\nsecond line")
        page.get_by_label("What fixed it").fill("Max Pool Size back to 50")
        page.get_by_role("button", name=verdict).click()
        assert page.url.endswith(f"/incidents/{made}#feedback")
        expect(page.get_by_text(f"Judged {verdict.lower()}")).to_be_visible()
        expect(page.get_by_label("What it really was")).to_have_value(f"{verdict}\nsecond line")
    document = reading.incident(sqlite, made)
    assert document is not None
    assert document.feedback is not None
    assert (document.feedback.verdict, document.feedback.fixed_by) == ("partly", "Max Pool Size back to 50")
    context.close()


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_an_incident_is_investigated_again(
    browser: Browser, serve: Serve, app: Flask, sqlite: Database, viewport: ViewportSize
) -> None:
    made = alert(app.test_client())
    conclude(sqlite, made)
    page = browser.new_page(viewport=viewport)
    page.goto(f"{serve(app)}/incidents/{made}")
    page.get_by_role("button", name="Investigate again").click()
    expect(page.get_by_role("heading", name="Investigating")).to_be_visible()
    revision = reading.revision(sqlite, made)
    assert revision is not None
    assert revision.status is Status.QUEUED
    page.close()


@pytest.mark.parametrize("text", HOSTILE[:5])
def test_hostile_text_does_nothing(browser: Browser, serve: Serve, app: Flask, text: str) -> None:
    app.add_url_rule("/hostile", "hostile", lambda: pages.incident(hostile(text), NOW))
    base_url = serve(app)
    page = browser.new_page()
    noted = watched(page, base_url)
    page.goto(f"{base_url}/hostile")
    assert text[:128].strip() in (page.locator("h1").text_content() or "")
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    assert noted == []
    page.close()
