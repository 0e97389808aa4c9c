"""Rollouts by Argo CD, by a stand-in that answers as its API server does."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from shared.errors import ConfigurationError
from shared.moment import Deadline, rfc3339
from shared.redaction.redactor import Redactor
from tests.loopback import Asked, Reply, StandIn
from tests.worker.inquiries import ALERT, INVOICE, LEDGER, WINDOW, inquiry
from worker.gathering import ask
from worker.inquiry import Component, Gathered, Inquiry, Scope, Target
from worker.sources.argocd_changes import ArgoCdChanges, Config

RECENT = ALERT - timedelta(minutes=4)
SHA = f"{7:040x}"
METADATA = {
    "author": "Invoice Team <team@example.com>",
    "date": rfc3339(RECENT),
    "message": "bump invoice-api to 1.42.0",
}


def rollout(at: datetime, revision: str = SHA, **more: Any) -> dict[str, Any]:
    started = {"deployStartedAt": rfc3339(at), "deployedAt": rfc3339(at + timedelta(seconds=30))}
    source = {"repoURL": "https://git:hunter2@git.example.com/acme/deploy.git", "path": "invoice"}
    return {"id": 1, "revision": revision, "source": source, "initiatedBy": {"username": "deployer"}} | started | more


def application(name: str = "invoice-api", *history: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "argocd", "labels": more.pop("labels", {})},
        "spec": {"destination": {"namespace": "shop"}, "source": {"repoURL": "git@git.example.com:acme/deploy.git"}},
        "status": {"history": history, "health": {"status": "Degraded"}, "sync": {"status": "Synced"}, **more},
    }


def argocd(*applications: dict[str, Any], metadata: Reply | None = None) -> StandIn:
    def respond(asked: Asked) -> Reply:
        if asked.path == "/api/v1/applications":
            return Reply({"metadata": {}, "items": applications or None})
        return metadata or Reply(METADATA)

    return StandIn(respond)


def gathered(server: StandIn, *targets: Target, **settings: Any) -> Gathered:
    source = ArgoCdChanges(Config(url=server.url, token=SecretStr("canary"), **settings))
    return source.gather(inquiry(*targets), Deadline.after(20))


def test_a_rollout_in_the_window_with_its_commit() -> None:
    with argocd(application("invoice-api", rollout(ALERT - timedelta(days=9)), rollout(RECENT))) as server:
        found = gathered(server)
    deploy, commit = found.facts
    assert deploy.text == (
        "deploy of invoice-api (commit 0000000) to shop at 2026-11-23T03:08:00Z by deployer: Degraded"
    )
    assert (deploy.kind, deploy.at, deploy.url) == ("deploy", RECENT, f"{server.url}/applications/invoice-api")
    assert commit.text.startswith("commit 0000000 at 2026-11-23T03:08:00Z by Invoice Team: bump invoice-api to 1.42.0")
    assert commit.data["repository"] == "acme/deploy"
    assert found.detail is None
    assert [asked.path for asked in server.asked] == [
        "/api/v1/applications",
        f"/api/v1/applications/invoice-api/revisions/{SHA}/metadata",
    ]
    assert {asked.headers["authorization"] for asked in server.asked} == {"Bearer canary"}


def test_the_last_rollout_before_the_window_is_told_when_there_is_none_in_it() -> None:
    old = [
        rollout(ALERT - timedelta(days=days), chart_revision) for days, chart_revision in ((9, "1.4.0"), (12, "1.3.0"))
    ]
    for entry in old:
        entry["source"] |= {"chart": "invoice"}
    with argocd(application("invoice-api", *old)) as server:
        (fact,) = gathered(server).facts
    assert fact.text.startswith("deploy of invoice-api invoice 1.4.0 to shop at 2026-11-14")
    assert fact.data["beforeWindow"] is True


def test_a_sync_that_failed_is_told_with_its_reason() -> None:
    state = {
        "phase": "Failed",
        "message": "one or more objects failed to apply",
        "startedAt": rfc3339(RECENT),
        "operation": {"initiatedBy": {"automated": True}},
        "syncResult": {"revision": SHA},
    }
    with argocd(application(operationState=state)) as server:
        (fact,) = gathered(server).facts
    assert fact.text.endswith("by automated sync: sync Failed: one or more objects failed to apply")


@pytest.mark.parametrize(
    ("annotations", "name", "labels", "is_found"),
    [
        ({}, "invoice-api", {}, True),
        ({}, "invoice-api-prod", {}, True),
        ({}, "production-invoice-api", {}, True),
        ({}, "invoice-api-staging", {}, False),
        ({}, "invoice-api-worker", {}, False),
        ({}, "x", {"app.kubernetes.io/name": "invoice-api"}, True),
        ({"argocd/app-name": "billing"}, "billing", {}, True),
        ({"argocd/app-name": "billing"}, "invoice-api", {}, False),
        ({"argocd/app-selector": "team=a,env=prod"}, "x", {"team": "a", "env": "prod"}, True),
        ({"argocd/app-selector": "team=a,env=prod"}, "x", {"team": "a"}, False),
        ({"argocd/app-selector": "nonsense"}, "invoice-api", {}, False),
    ],
)
def test_an_application_is_a_services_by_the_catalog_its_name_or_its_labels(
    annotations: dict[str, str], name: str, labels: dict[str, str], is_found: bool
) -> None:
    component = Component(ref="component:default/invoice-api", name="x", kind="component", annotations=annotations)
    target = Target(service="invoice-api", role="alerted", ref=component.ref)
    scope = Scope(targets=(target,), window=WINDOW, component=component)
    with argocd(application(name, rollout(RECENT), labels=labels)) as server:
        source = ArgoCdChanges(Config(url=server.url))
        found = source.gather(Inquiry(scope=scope, title="x"), Deadline.after(20))
    assert bool(found.facts) is is_found
    assert found.detail == (None if is_found else "no application of invoice-api (annotation argocd/app-name)")


def test_one_question_for_all_services() -> None:
    applications = (application("invoice-api", rollout(RECENT)), application("ledger", rollout(RECENT)))
    with argocd(*applications) as server:
        found = gathered(server, INVOICE, LEDGER, projects=("shop", "core"))
    assert {fact.service for fact in found.facts} == {"invoice-api", "ledger"}
    (listed,) = (asked for asked in server.asked if asked.path == "/api/v1/applications")
    assert [value for name, value in listed.query if name == "projects"] == ["shop", "core"]
    assert "items.status.history" in dict(listed.query)["fields"]


def test_a_commit_that_cannot_be_had_is_a_gap() -> None:
    with argocd(application("invoice-api", rollout(RECENT)), metadata=Reply("no", 403)) as server:
        found = gathered(server)
    assert [fact.kind for fact in found.facts] == ["deploy"]
    assert found.detail is not None and found.detail.startswith("invoice-api: commit 0000000: answered 403")


@pytest.mark.parametrize("name", ["../../x", "a/b", "x?y", ""])
def test_a_hostile_application_name_reaches_no_path(name: str) -> None:
    labels = {"app": "invoice-api"}
    with argocd(application(name, rollout(RECENT), labels=labels)) as server:
        assert gathered(server).facts == ()
    assert [asked.path for asked in server.asked] == ["/api/v1/applications"]


@pytest.mark.parametrize("revision", ["../../secrets", "HEAD", "x" * 50])
def test_a_revision_that_is_no_commit_reaches_no_path(revision: str) -> None:
    with argocd(application("invoice-api", rollout(RECENT, revision))) as server:
        assert [fact.kind for fact in gathered(server).facts] == ["deploy"]
    assert [asked.path for asked in server.asked] == ["/api/v1/applications"]


@pytest.mark.parametrize("items", [7, [7, {}, {"metadata": {"name": "invoice-api"}, "status": {"history": [7, {}]}}]])
def test_nonsense_answers_are_survived(items: Any) -> None:
    with StandIn(lambda asked: Reply({"items": items})) as server:
        source = ArgoCdChanges(Config(url=server.url))
        facts, line = ask("changes.argocd", source, inquiry(), 5, Redactor())
    assert facts == ()
    assert "unexpectedly" not in (line.detail or "")


def test_it_is_configured_by_its_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert ArgoCdChanges.from_settings() is None
    monkeypatch.setenv("WHYDOWN_ARGOCD_URL", "argocd.example.com")
    with pytest.raises(ConfigurationError, match="WHYDOWN_ARGOCD_URL"):
        ArgoCdChanges.from_settings()
    with argocd(application(), application("ledger")) as server:
        monkeypatch.setenv("WHYDOWN_ARGOCD_URL", server.url)
        source = ArgoCdChanges.from_settings()
        assert source is not None and source.probe(Deadline.after(5)) == "2 applications"
