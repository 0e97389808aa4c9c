"""Lists, forms and the way in, in a browser."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
import yaml
from flask import Flask
from playwright.sync_api import Browser, Page, expect

from shared.database import Database
from shared.incident import Status
from shared.store import admission, beginnings, catalog_names, endings, reading, work
from tests.webhook.browser.conftest import DESK, PHONE, Serve, watched
from tests.webhook.investigations import alert, conclude
from tests.webhook.receivers import ALERT, API_TOKEN, WEBHOOK, guarded_receiver_on


@pytest.fixture(params=[PHONE, DESK], ids=["phone", "desk"])
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page without a script, on a phone and on a desk."""
    context = browser.new_context(viewport=request.param, java_script_enabled=False)
    yield context.new_page()
    context.close()


def test_from_a_link_to_signing_in_to_asking_again(page: Page, serve: Serve, sqlite: Database) -> None:
    app = guarded_receiver_on(sqlite)
    made = app.test_client().post("/webhook/alert", json=ALERT, headers=WEBHOOK).get_json()["incidents"][0]["id"]
    app.test_client().post("/webhook/alert", json={**ALERT, "status": "resolved"}, headers=WEBHOOK)
    base_url = serve(app)
    page.goto(f"{base_url}/incidents/{made}")
    page.get_by_label("API token").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("API token").fill(API_TOKEN)
    page.get_by_role("button", name="Sign in").click()
    assert page.url == f"{base_url}/incidents/{made}"
    expect(page.get_by_text("Over before it was investigated")).to_be_visible()
    page.get_by_role("button", name="Investigate again").click()
    page.wait_for_url(f"{base_url}/incidents/{made}")
    expect(page.get_by_role("heading", name="Investigating")).to_be_visible()


def test_an_analysis_is_asked_for(page: Page, serve: Serve, sqlite: Database) -> None:
    catalog_names.keep(sqlite, ["invoice-api", "search"])
    page.goto(f"{serve(guarded_receiver_on(sqlite))}/")
    page.get_by_label("API token").fill(API_TOKEN)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Analyze", exact=True).click()
    assert page.locator("datalist option").evaluate_all("all => all.map(one => one.value)") == ["invoice-api", "search"]
    page.get_by_label("Service").fill("in voice")
    page.get_by_label("Errors").fill("ERROR pool exhausted\n\tat Pool.cs:12")
    page.get_by_label("It began").select_option("half an hour ago")
    page.get_by_role("button", name="Analyze").click()
    expect(page.get_by_role("alert")).to_contain_text("`entityRef` is no entity reference")
    expect(page.get_by_label("It began")).to_have_value("30m")
    page.get_by_label("Service").fill("invoice-api")
    page.get_by_label("What is wrong").fill("Invoices are late")
    page.get_by_role("button", name="Analyze").click()
    expect(page.get_by_role("heading", name="invoice-api")).to_be_visible()
    expect(page.get_by_text("Invoices are late").first).to_be_visible()
    expect(page.get_by_role("heading", name="Investigating")).to_be_visible()
    told = beginnings.reported(sqlite, page.url.rpartition("/")[2])
    assert told.errors == ("ERROR pool exhausted\n\tat Pool.cs:12",)


def test_names_that_do_not_fit_the_page_are_offered_as_one_types(
    browser: Browser, serve: Serve, app: Flask, sqlite: Database
) -> None:
    catalog_names.keep(sqlite, [f"service-{number}" for number in range(700)])
    base_url = serve(app)
    page = browser.new_page(viewport=PHONE)
    noted = watched(page, base_url)
    page.goto(f"{base_url}/analyze")
    expect(page.locator("datalist option[value=service-699]")).to_have_count(0)
    page.get_by_label("Service").press_sequentially("e-69")
    expect(page.locator("datalist option[value=service-699]")).to_have_count(1)
    expect(page.locator("datalist option")).to_have_count(11)
    assert noted == []
    page.close()


def test_an_unknown_service_leads_to_the_ones_meant(page: Page, serve: Serve, app: Flask, sqlite: Database) -> None:
    made = alert(app.test_client(), serviceName="invoice-apy")
    (first,) = admission.admit(sqlite, 1)
    claim = work.claim(sqlite, first)
    assert claim is not None
    endings.skip(sqlite, claim, "not in catalog: no component is named 'invoice-apy'", ("invoice-api",), ())
    page.goto(f"{serve(app)}/incidents/{made}")
    page.get_by_role("link", name="invoice-api").click()
    expect(page.get_by_label("Service")).to_have_value("invoice-api")
    expect(page.get_by_label("What is wrong")).to_have_value("High error rate")


def test_incidents_are_found_and_turned_over(page: Page, serve: Serve, app: Flask, sqlite: Database) -> None:
    client = app.test_client()
    made = [alert(client, serviceName=f"service-{number}") for number in range(51)]
    conclude(sqlite, made[0])
    page.goto(f"{serve(app)}/incidents")
    rows = page.get_by_role("main").get_by_role("listitem")
    expect(rows).to_have_count(50)
    page.get_by_role("link", name="Older incidents").click()
    expect(rows).to_have_count(1)
    page.get_by_role("link", name="Show all incidents").click()
    page.get_by_text("Find an incident").click()
    page.get_by_label("Status").select_option("diagnosed")
    page.get_by_label("Alert").select_option("not resolved")
    page.get_by_role("button", name="Find").click()
    expect(rows).to_have_count(1)
    page.get_by_label("Severity").select_option("info")
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    page.get_by_role("link", name="Show all incidents").last.click()
    page.get_by_role("link", name="service-50").click()
    assert page.url.endswith(f"/incidents/{made[50]}")


def test_failed_ones_are_investigated_again_together(page: Page, serve: Serve, app: Flask, sqlite: Database) -> None:
    made = [alert(app.test_client(), serviceName=name) for name in ("shop", "search")]
    for work_id in admission.admit(sqlite, 2):
        claim = work.claim(sqlite, work_id)
        assert claim is not None
        endings.fail(sqlite, claim, "the work died three times")
    page.goto(f"{serve(app)}/incidents")
    page.get_by_text("Investigate failed ones again").click()
    page.get_by_role("button", name="Investigate all of them again").click()
    expect(page.locator(".status-queued")).to_have_count(2)
    revisions = [reading.revision(sqlite, one) for one in made]
    assert [one and one.status for one in revisions] == [Status.QUEUED, Status.QUEUED]


def test_a_newcomers_commands_work_as_they_stand(page: Page, serve: Serve, sqlite: Database) -> None:
    base_url = serve(guarded_receiver_on(sqlite))
    page.goto(f"{base_url}/incidents")
    page.get_by_label("API token").fill(API_TOKEN)
    page.get_by_role("button", name="Sign in").click()
    command, snippet = page.locator(".empty pre code").all_text_contents()
    token = WEBHOOK["Authorization"].removeprefix("Bearer ")
    sent = subprocess.run(
        ["/bin/sh", "-c", command.replace("WHYDOWN_WEBHOOK_TOKEN=...", f"WHYDOWN_WEBHOOK_TOKEN={token}")],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert '"new":true' in sent.stdout
    hook = yaml.safe_load(snippet)["receivers"][0]["webhook_configs"][0]
    assert hook["url"] == f"{base_url}/webhook/alertmanager"
    assert "WHYDOWN_WEBHOOK_TOKEN" in hook["http_config"]["authorization"]["credentials"]
    page.reload()
    expect(page.get_by_role("link", name="invoice-api")).to_be_visible()
