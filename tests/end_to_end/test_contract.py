"""The contract, walked from an alert's body to the finished incident, through real processes."""

from __future__ import annotations

from datetime import timedelta

import requests
from standardwebhooks import Webhook

from shared.moment import now, rfc3339
from tests.end_to_end.landscape import CALLBACK_SECRET, ERROR_LINE, HEURISTIC, SERVICE, Landscape, hanging
from tests.installation import Installation, until
from tests.loopback import Reply


def opened(whydown: Installation, body: object, route: str = "/webhook/alertmanager") -> str:
    """The id of the one incident that a body opens."""
    answer = whydown.post(route, body)
    assert answer.status_code == 202, answer.text
    (incident,) = answer.json()["incidents"]
    return str(incident["id"])


def coverage(document: dict) -> dict[str, str]:  # type: ignore[type-arg]
    """Status by source."""
    return {line["source"]: line["status"] for line in document["coverage"]}


def test_from_an_alertmanager_body_to_a_verified_diagnosis(whydown: Installation, world: Landscape) -> None:
    deployed = {
        "service": SERVICE,
        "version": "v42",
        "commit": world.guilty,
        "startedAt": rfc3339(world.started - timedelta(minutes=2)),
    }
    assert whydown.post("/deployments", deployed).json() == {"recorded": 1}

    answer = whydown.post("/webhook/alertmanager", world.alert("InvoiceErrors"))
    assert answer.status_code == 202
    (accepted,) = answer.json()["incidents"]
    assert set(accepted) == {"id", "status", "url", "new"}
    assert (accepted["status"], accepted["new"]) == ("queued", True)
    assert answer.headers["Location"].endswith(f"/incidents/{accepted['id']}")
    assert "Retry-After" in answer.headers

    document = whydown.finished(accepted["id"])
    assert document["status"] == "done", document["detail"]
    assert document["service"] == SERVICE
    assert document["entityRef"] == "component:default/invoice-api"
    told = coverage(document)
    assert told.pop("incidents.whydown") in ("ok", "empty"), "there may have been incidents before this one"
    assert told == {
        "catalog": "ok",
        "changes.deployments": "ok",
        "changes.git": "ok",
        "changes.github": "empty",
        "heuristics.git": "ok",
        "heuristics.github": "empty",
        "logs.alert": "empty",
        "logs.loki": "ok",
        "metrics.prometheus": "ok",
    }
    assert any("errors_per_second rose from 0 to 4.5" in fact["text"] for fact in document["facts"])

    brief = document["brief"]
    assert brief["verdict"] == "change"
    assert brief["suspects"][0]["id"] == world.guilty
    assert ERROR_LINE in brief["signatures"][0]["text"]
    assert brief["signatures"][0]["count"] == 4
    (matched,) = brief["heuristics"]
    assert (matched["text"], "npgsql" in matched["words"]) == (HEURISTIC, True)
    assert {brief["signatures"][0]["fact"], brief["suspects"][0]["facts"][0]} <= set(matched["matches"])

    diagnosis = document["diagnosis"]
    assert diagnosis["producedBy"] == {"stage": "model", "provider": "openai", "model": "stand-in", "reason": None}
    assert diagnosis["suspectChange"] == world.guilty
    assert all(citation["verified"] for citation in diagnosis["probableCause"]["citations"])
    verified = {each["quote"]: each["verified"] for each in diagnosis["evidence"]}
    assert verified["Failed to connect"]
    assert verified[HEURISTIC]
    assert not verified["the moon is full tonight"]
    facts = {fact["id"]: fact["text"] for fact in document["facts"]}
    assert all(each["quote"] in facts[each["fact"]] for each in diagnosis["evidence"] if each["verified"])
    assert {"service": "notification-service", "inCatalog": True}.items() <= diagnosis["relatedServices"][0].items()

    headings = [line for line in document["analysis"].splitlines() if line.startswith("## ")]
    assert headings == ["## PROBABLE CAUSE", "## EVIDENCE", "## SUGGESTED ACTIONS", "## RELATED SERVICES"]
    assert document["usage"]["inputTokens"] == 1000
    assert document["usage"]["calls"] == 1
    assert [attempt["outcome"] for attempt in document["attempts"]] == ["done"]
    assert document["timings"]["briefMs"] <= document["timings"]["totalMs"]

    resolved = whydown.post("/webhook/alertmanager", world.alert("InvoiceErrors", firing=False))
    assert resolved.status_code == 202
    assert whydown.get(f"/incidents/{accepted['id']}").json()["resolvedAt"] is not None
    assert len(world.model.asked) == 1


def test_a_repeated_delivery_joins_without_a_new_analysis(whydown: Installation, world: Landscape) -> None:
    first = opened(whydown, world.alert("Repeated"))
    whydown.finished(first)
    again = whydown.post("/webhook/alertmanager", world.alert("Repeated")).json()["incidents"]
    assert [(each["id"], each["new"]) for each in again] == [(first, False)]
    assert len(world.model.asked) == 1


def test_a_service_that_is_not_in_the_catalog_is_skipped_with_the_closest_names(
    whydown: Installation, world: Landscape
) -> None:
    document = whydown.finished(opened(whydown, world.alert("Unknown", service="invoice-apu")))
    assert document["status"] == "skipped"
    assert document["detail"].startswith("not in catalog")
    assert document["closest"][0] == SERVICE
    assert world.model.asked == []


def test_a_catalog_that_is_down_is_a_gap_and_never_not_in_the_catalog(whydown: Installation, world: Landscape) -> None:
    world.backstage.respond = lambda _: Reply({"error": {"message": "boom"}}, status=503)
    document = whydown.finished(opened(whydown, world.alert("CatalogDown")))
    assert document["status"] == "done"
    assert coverage(document)["catalog"] == "error"
    assert len(world.backstage.asked) >= 2, "it is asked again"
    assert coverage(document)["logs.loki"] == "ok", "the alert's own name is looked for all the same"
    assert "catalog: not available" in world.prompt()


def test_every_source_that_fails_is_a_gap_and_no_fact(whydown: Installation, world: Landscape) -> None:
    world.loki.respond = lambda _: Reply("AccessDenied: loki says no", status=403)
    world.github.respond = hanging(world.github)
    document = whydown.finished(opened(whydown, world.alert("SourcesDown")))
    assert document["status"] == "done"
    told = coverage(document)
    assert (told["logs.loki"], told["changes.github"], told["changes.git"]) == ("denied", "timeout", "ok")
    assert not any("AccessDenied" in fact["text"] for fact in document["facts"])
    assert "logs: not available" in world.prompt()
    assert "AccessDenied" not in world.prompt()


def test_an_early_brief_does_not_wait_for_a_hanging_source(whydown: Installation, world: Landscape) -> None:
    world.github.respond = hanging(world.github)
    incident_id = opened(whydown, world.alert("SlowSource"))

    def early() -> dict | None:  # type: ignore[type-arg]
        document = whydown.get(f"/incidents/{incident_id}").json()
        return document if document["brief"] else None

    document = until(early, "a brief is there", whydown.logs)
    assert document["status"] == "gathering"
    assert not document["brief"]["complete"]
    assert document["brief"]["suspects"][0]["id"] == world.guilty
    assert whydown.finished(incident_id)["brief"]["complete"]


def test_a_model_that_is_down_leaves_the_brief_as_the_answer(whydown: Installation, world: Landscape) -> None:
    world.model.respond = lambda _: Reply({"error": {"message": "overloaded"}}, status=503)
    document = whydown.finished(opened(whydown, world.alert("ModelDown")))
    assert document["status"] == "done"
    produced = document["diagnosis"]["producedBy"]
    assert (produced["stage"], produced["provider"]) == ("brief", "openai")
    assert "503" in produced["reason"]
    assert document["diagnosis"]["suspectChange"] == world.guilty
    assert document["analysis"].startswith("## PROBABLE CAUSE")


def test_a_model_that_refuses_the_key_is_said_so(whydown: Installation, world: Landscape) -> None:
    world.model.respond = lambda _: Reply({"error": {"message": "Incorrect API key provided"}}, status=401)
    document = whydown.finished(opened(whydown, world.alert("ModelDenied")))
    assert "401" in document["diagnosis"]["producedBy"]["reason"]
    assert "WHYDOWN_AI_KEY" in document["diagnosis"]["producedBy"]["reason"]
    assert len(world.model.asked) == 1, "a refused key is not tried again"
    (told,) = [line for line in whydown.logs().splitlines() if '"brief_stands"' in line and document["id"] in line]
    assert "401" in told, "the operator finds it in the worker's log"


def test_the_plain_body_brings_its_errors_along(whydown: Installation, world: Landscape) -> None:
    body = {
        "serviceName": SERVICE,
        "alertTitle": "Errors at the till",
        "severity": "critical",
        "startedAt": rfc3339(world.started),
        "errors": "System.TimeoutException: the till hangs",
    }
    document = whydown.finished(opened(whydown, body, "/webhook/alert"))
    assert coverage(document)["logs.alert"] == "ok"
    assert any("the till hangs" in fact["text"] for fact in document["facts"])


def test_the_result_is_pushed_and_signed(whydown: Installation, world: Landscape) -> None:
    body = {
        "serviceName": SERVICE,
        "alertTitle": "Push",
        "callbackUrl": f"{world.pager.url}/hook",
        "errors": ERROR_LINE,
    }
    incident_id = opened(whydown, body, "/webhook/alert")
    whydown.finished(incident_id)
    until(lambda: len(world.pager.asked) == 1, "the result is pushed", whydown.logs)
    first = world.pager.asked[0]
    assert Webhook(CALLBACK_SECRET).verify(first.body, first.headers)["data"]["id"] == incident_id
    assert first.headers["webhook-id"].startswith(incident_id)


def test_waiting_for_a_manual_analysis(whydown: Installation, world: Landscape) -> None:
    answer = whydown.post(
        "/analyze", {"entityRef": "component:default/invoice-api", "errors": ERROR_LINE}, headers={"Prefer": "wait=60"}
    )
    assert answer.status_code == 200
    assert answer.headers["Preference-Applied"] == "wait=60"
    assert answer.json()["analysis"].startswith("## PROBABLE CAUSE")


def test_the_seeds_own_endpoint_gathers_nothing(whydown: Installation, world: Landscape) -> None:
    context = {
        "serviceName": "till",
        "serviceDescription": "Takes money",
        "dependencies": ["PostgreSQL"],
        "tags": ["dotnet"],
        "recentDeployments": f"{rfc3339(world.started)} — tune the Npgsql pool (a3f7c2d)",
        "recentErrors": "Npgsql.NpgsqlException: pool exhausted",
        "gotchaHeuristics": "The Npgsql pool holds 20",
        "alertTitle": "Till down",
        "severity": "critical",
        "startedAt": rfc3339(now()),
    }
    answer = whydown.post("/api/incident/analyze", context, headers={"Prefer": "wait=60"})
    assert answer.status_code == 200
    assert answer.json()["brief"]["suspects"][0]["id"] == "a3f7c2d"
    assert [world.backstage.asked, world.loki.asked, world.github.asked] == [[], [], []]


def test_feedback_helps_the_next_time_the_same_errors_come(whydown: Installation, world: Landscape) -> None:
    body = {"serviceName": "notification-service", "startedAt": rfc3339(world.started)}
    first = opened(
        whydown,
        {**body, "alertTitle": "Mail is late", "errors": "MailboxError: box 17 on 10.0.0.7 is locked"},
        "/webhook/alert",
    )
    before = whydown.finished(first)["brief"]["similar"]
    assert "notification-service" not in [each["service"] for each in before]
    said = {"verdict": "wrong", "actualCause": "a lock nobody held", "fixedBy": "restarted the mail store"}
    judged = whydown.post(f"/incidents/{first}/feedback", said)
    assert judged.json()["feedback"].items() >= said.items()

    second = opened(
        whydown,
        {**body, "alertTitle": "No mail", "errors": "MailboxError: box 4711 on 10.0.3.9 is locked"},
        "/webhook/alert",
    )
    document = whydown.finished(second)
    similar = document["brief"]["similar"][0]
    assert (similar["id"], similar["count"], similar["fixedBy"]) == (first, 1, said["fixedBy"])
    assert (similar["verdict"], similar["actualCause"]) == ("wrong", said["actualCause"])
    assert coverage(document)["incidents.whydown"] == "ok"
    assert any("box 4711" in fact["text"] for fact in document["facts"] if fact["id"] in similar["signatures"])
    for place in (world.prompt(), document["analysis"], document["brief"]["summary"]):
        assert said["fixedBy"] in place
    page = requests.get(f"{whydown.url}/incidents/{second}", headers={"Accept": "text/html"}, timeout=30).text
    assert f'href="/incidents/{first}"' in page


def test_investigating_again_is_a_second_attempt(whydown: Installation, world: Landscape) -> None:
    incident_id = opened(whydown, world.alert("Again"))
    whydown.finished(incident_id)
    assert whydown.post(f"/incidents/{incident_id}/retry", None).status_code == 202

    def second() -> dict | None:  # type: ignore[type-arg]
        document = whydown.get(f"/incidents/{incident_id}").json()
        return document if len(document["attempts"]) == 2 and document["finishedAt"] else None

    document = until(second, "the second attempt ends", whydown.logs)
    assert [attempt["outcome"] for attempt in document["attempts"]] == ["done", "done"]
    assert len(world.model.asked) == 2


def test_no_secret_of_the_settings_reaches_model_log_or_page(whydown: Installation, world: Landscape) -> None:
    incident_id = opened(whydown, world.alert("Secrets"))
    whydown.finished(incident_id)
    page = requests.get(f"{whydown.url}/incidents/{incident_id}", headers={"Accept": "text/html"}, timeout=30)
    assert page.status_code == 200
    assert "invoice-api" in page.text
    for secret in ("backstage-token", "github-token", "loki-token", "prometheus-token", "model-key"):
        assert secret not in world.prompt()
        assert secret not in page.text
        assert secret not in whydown.logs()


def test_an_analysis_from_the_page_that_offers_the_catalogs_names(whydown: Installation, world: Landscape) -> None:
    page = f"{whydown.url}/analyze"
    whydown.start_beat()
    try:
        until(lambda: f'<option value="{SERVICE}">' in requests.get(page, timeout=30).text, "a worker read the catalog")
    finally:
        whydown.kill("beat")
    fields = {"entityRef": SERVICE, "errors": f"{ERROR_LINE}\r\n   at Pool.cs", "startedAt": "5m"}
    answer = requests.post(page, fields, timeout=30, allow_redirects=False)
    assert answer.status_code == 303, answer.text
    document = whydown.finished(answer.headers["Location"].rpartition("/")[2])
    assert (document["status"], document["service"], document["sender"]) == ("done", SERVICE, "analyze")
    assert coverage(document)["logs.alert"] == "ok"
