"""Changes and rules on GitLab, by a stand-in that answers as its REST API does (https://docs.gitlab.com/api/rest/)."""

from __future__ import annotations

from base64 import b64encode
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from shared.errors import ConfigurationError
from shared.incident import CoverageStatus
from shared.moment import Deadline, rfc3339
from tests.loopback import Asked, Reply, StandIn
from tests.worker.inquiries import ALERT, WINDOW
from worker.inquiry import Component, Gathered, Inquiry, Scope, SourceFailure, Target
from worker.repositories.gitlab_api import Config
from worker.sources.gitlab_changes import GitlabChanges
from worker.sources.gitlab_heuristics import GitlabHeuristics

TOKEN = "glpat-canary-7e1f"
PROJECT = "/api/v4/projects/acme%2Fshop%2Finvoice-api"
RECENT = ALERT - timedelta(minutes=4)
PATCH = "@@ -1,2 +1,2 @@\n Database:\n-  Connection: Host=db\n+  Connection: Server=db\n"
RULES = b"## HEURISTICS\n- Npgsql wants Host=\n"
NOT_FOUND = Reply({"message": "404 Project Not Found"}, 404)


def sha(number: int) -> str:
    return f"{number:040x}"


def commit(number: int, at: datetime, message: str = "change") -> dict[str, Any]:
    return {
        "id": sha(number),
        "short_id": sha(number)[:8],
        "title": message,
        "message": f"{message}\n",
        "author_name": "Invoice Team",
        "committed_date": rfc3339(at),
        "web_url": "https://gitlab.example.com/elsewhere",
    }


def deployment(number: int, at: datetime, head: str, status: str = "success") -> dict[str, Any]:
    return {
        "id": number,
        "iid": number,
        "ref": "v1.42.0",
        "sha": head,
        "created_at": rfc3339(at),
        "status": status,
        "environment": {"id": 9, "name": "production"},
        "user": {"username": "deployer"},
    }


def diff(path: str, patch: str) -> dict[str, Any]:
    return {"old_path": path, "new_path": path, "new_file": False, "renamed_file": False, "diff": patch}


def gitlab(answers: dict[str, Reply]) -> StandIn:
    """GitLab with these answers by what follows the project; everything else is not found."""

    def respond(asked: Asked) -> Reply:
        return answers.get(asked.path.removeprefix(PROJECT), NOT_FOUND)

    return StandIn(respond)


def inquiry(annotations: dict[str, str] | None = None) -> Inquiry:
    component = Component(
        ref="component:default/invoice-api",
        name="invoice-api",
        kind="component",
        annotations={"gitlab.com/project-slug": "acme/shop/invoice-api"} if annotations is None else annotations,
    )
    target = Target(service="invoice-api", role="alerted", ref=component.ref)
    return Inquiry(scope=Scope(targets=(target,), window=WINDOW, component=component), title="x")


def config(server: StandIn) -> Config:
    return Config(url=server.url, token=SecretStr(TOKEN))


def changes(server: StandIn, annotations: dict[str, str] | None = None) -> Gathered:
    return GitlabChanges(config(server)).gather(inquiry(annotations), Deadline.after(20))


def test_a_commit_in_the_window_with_its_diff() -> None:
    answers = {
        "/repository/commits": Reply([commit(1, RECENT, "refactor config")]),
        f"/repository/commits/{sha(1)}/diff": Reply(
            [diff("src/config.yaml", PATCH), diff("logo.png", "Binary files a/logo.png and b/logo.png differ\n")]
        ),
        "/deployments": Reply([]),
    }
    with gitlab(answers) as server:
        found = changes(server)
    (fact,) = found.facts
    assert fact.text == (
        "commit 0000000 at 2026-11-23T03:08:00Z by Invoice Team: refactor config\n"
        "files: src/config.yaml (+1 -1), logo.png (binary)\n"
        f"--- a/src/config.yaml\n+++ b/src/config.yaml\n{PATCH.rstrip()}"
    )
    assert (fact.source, fact.kind, fact.service, fact.at) == ("changes.gitlab", "commit", "invoice-api", RECENT)
    assert fact.url == f"{server.url}/acme/shop/invoice-api/-/commit/{sha(1)}"
    assert found.detail is None
    (listed,) = (asked for asked in server.asked if asked.path.endswith("/commits"))
    assert dict(listed.query) == {"since": "2026-11-21T03:12:00Z", "until": "2026-11-23T03:22:00Z", "per_page": "100"}
    assert {asked.headers["private-token"] for asked in server.asked} == {TOKEN}


def test_deployments_with_their_outcome_and_what_the_last_one_brought_out() -> None:
    last, before = deployment(2, RECENT, sha(3), "failed"), deployment(1, ALERT - timedelta(days=9), sha(1))
    brought = [commit(2, RECENT - timedelta(hours=2)), commit(3, RECENT - timedelta(hours=1))]
    answers = {
        "/repository/commits": Reply([]),
        "/deployments": Reply([last, before, deployment(3, ALERT - timedelta(days=10), sha(4))]),
        "/repository/compare": Reply({"commits": brought, "diffs": []}),
    }
    with gitlab(answers) as server:
        found = changes(server)
    texts = [fact.text.partition("\n")[0] for fact in found.facts]
    assert texts == [
        "deploy of invoice-api v1.42.0 (commit 0000000) to production at 2026-11-23T03:08:00Z by deployer: failed",
        "the deploy of invoice-api at 2026-11-23T03:08:00Z brought out 2 commits (0000000..0000000):",
    ]
    assert found.facts[1].data["commits"] == [sha(3), sha(2)]
    assert found.facts[1].url == f"{server.url}/acme/shop/invoice-api/-/compare/{sha(1)}...{sha(3)}"


@pytest.mark.parametrize(
    ("annotations", "path"),
    [
        ({"gitlab.com/project-slug": "/acme/shop/invoice-api/"}, PROJECT),
        ({"backstage.io/source-location": "url:{url}/acme/shop/invoice-api/-/tree/main/"}, PROJECT),
        ({"backstage.io/source-location": "url:https://github.com/acme/invoice-api"}, None),
        ({"backstage.io/source-location": "url:{url}/only"}, None),
        ({"gitlab.com/project-slug": "acme/../../users"}, None),
        ({"gitlab.com/project-slug": "acme/invoice?private_token=x"}, None),
        ({"gitlab.com/project-slug": "acme/a%2Fb"}, None),
        ({"gitlab.com/project-slug": "acme"}, None),
        ({}, None),
    ],
)
def test_the_project_is_the_one_that_the_catalog_names(annotations: dict[str, str], path: str | None) -> None:
    with gitlab({"/repository/commits": Reply([]), "/deployments": Reply([])}) as server:
        found = changes(server, {name: value.format(url=server.url) for name, value in annotations.items()})
    asked = {each.path.partition("/repository")[0].partition("/deployments")[0] for each in server.asked}
    assert asked == ({path} if path else set())
    if path is None:
        assert found.detail == "invoice-api: no project is known (annotation gitlab.com/project-slug)"


def test_a_project_that_cannot_be_seen_is_a_failure() -> None:
    with gitlab({}) as server, pytest.raises(SourceFailure, match="not found or not visible") as failure:
        changes(server)
    assert failure.value.status is CoverageStatus.DENIED


@pytest.mark.parametrize(
    "body",
    [
        {},
        "x",
        [7],
        [{"id": "../../x", "committed_date": "2026-11-23T03:00:00Z"}],
        [{"id": sha(1)}],
        [commit(1, RECENT) | {"id": 7}],
    ],
)
def test_nonsense_answers_are_a_failure(body: Any) -> None:
    with gitlab({"/repository/commits": Reply(body), "/deployments": Reply({})}) as server:
        with pytest.raises(SourceFailure, match=r"GitLab's form|not JSON"):
            changes(server)
        assert not any("/diff" in asked.path for asked in server.asked)


def test_the_rules_of_gotcha_md() -> None:
    answers = {"/repository/files/GOTCHA.md": Reply({"encoding": "base64", "content": b64encode(RULES).decode()})}
    with gitlab(answers) as server:
        found = GitlabHeuristics(config(server)).gather(inquiry(), Deadline.after(20))
    (fact,) = found.facts
    assert (fact.text, fact.kind, fact.source) == ("Npgsql wants Host=", "heuristic", "heuristics.gitlab")
    assert fact.url == f"{server.url}/acme/shop/invoice-api/-/blob/HEAD/GOTCHA.md"


def test_a_project_without_the_file_is_an_answer() -> None:
    with gitlab({"/repository/tree": Reply([{"name": "README.md"}])}) as server:
        found = GitlabHeuristics(config(server)).gather(inquiry(), Deadline.after(20))
    assert found == Gathered(detail="invoice-api: no GOTCHA.md at the root of acme/shop/invoice-api")


def test_the_probe_says_who_asks() -> None:
    def respond(asked: Asked) -> Reply:
        return Reply({"/api/v4/user": {"username": "whydown"}, "/api/v4/version": {"version": "18.6.1-ee"}}[asked.path])

    with StandIn(respond) as server:
        assert GitlabChanges(config(server)).probe(Deadline.after(5)) == "GitLab 18.6.1-ee as whydown"


def test_it_is_configured_by_its_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert GitlabChanges.from_settings() is None
    monkeypatch.setenv("GITLAB_TOKEN", TOKEN)
    assert GitlabChanges.from_settings() is not None
    monkeypatch.setenv("WHYDOWN_GITLAB_URL", "gitlab.example.com")
    with pytest.raises(ConfigurationError, match="WHYDOWN_GITLAB_URL"):
        GitlabHeuristics.from_settings()
