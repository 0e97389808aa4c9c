from __future__ import annotations

import subprocess
import sys
import time
from datetime import timedelta
from typing import Any

import pytest

from shared.errors import ConfigurationError
from shared.incident import CoverageStatus
from shared.moment import Deadline, DeadlineExceeded
from tests.loopback import Asked, Reply, StandIn
from tests.worker.github_stand_in import TOKEN, Answer, commit_item, config, deployment_item, file_item, github
from tests.worker.inquiries import ALERT, INVOICE, LEDGER, WINDOW, inquiry
from worker.each_target import MAX_TARGETS
from worker.inquiry import Component, Gathered, Inquiry, Scope, SourceFailure, Target
from worker.repositories.github_access import Config
from worker.sources.github_changes import GithubChanges

REPO = "/repos/acme/invoice-api"
RECENT = ALERT - timedelta(minutes=4)
PATCH = "@@ -1,3 +1,3 @@\n Database:\n-  Connection: Host=db\n+  Connection: Server=db"


def sha(number: int) -> str:
    return f"{number:040x}"


def gather(server: StandIn, *targets: Target, token: str | None = TOKEN, seconds: float = 20) -> Gathered:
    return GithubChanges(config(server, token)).gather(inquiry(*targets), Deadline.after(seconds))


def detailed(item: dict[str, Any], *files: dict[str, Any]) -> Reply:
    return Reply({**item, "files": list(files), "stats": {"additions": 1}})


def repository(commits: list[dict[str, Any]], deployments: list[dict[str, Any]] | None = None) -> dict[str, Answer]:
    """A repository whose commits each changed one file, and whose deployments all succeeded."""
    changed = file_item("src/config.yaml", PATCH, 1, 1)
    return {
        f"{REPO}/commits": Reply(commits),
        f"{REPO}/deployments": Reply(deployments or []),
        **{f"{REPO}/commits/{item['sha']}": detailed(item, changed) for item in commits},
        **{
            f"{REPO}/deployments/{item['id']}/statuses": Reply([{"state": "inactive"}, {"state": "success"}])
            for item in deployments or []
        },
    }


def test_a_commit_in_the_window_with_its_diff() -> None:
    with github(repository([commit_item(sha(1), RECENT, "refactor config")])) as server:
        found = gather(server)
    (fact,) = found.facts
    assert fact.text == (
        "commit 0000000 at 2026-11-23T03:08:00Z by invoice team: refactor config\nfiles: src/config.yaml (+1 -1)\n"
        f"--- a/src/config.yaml\n+++ b/src/config.yaml\n{PATCH}"
    )
    assert (fact.source, fact.kind, fact.service, fact.at) == ("changes.github", "commit", "invoice-api", RECENT)
    assert fact.url == f"{server.url}/acme/invoice-api/commit/{sha(1)}"
    assert found.detail is None


@pytest.mark.parametrize(
    ("location", "asked"),
    [("https://gitlab.com/acme/invoice-api", False), ("https://github.com/acme/invoice-api/tree/main", True)],
)
def test_a_repository_on_another_host_is_not_looked_for_by_its_name_here(location: str, asked: bool) -> None:
    annotations = {"backstage.io/source-location": f"url:{location}"}
    component = Component(ref="component:default/x", name="x", kind="component", annotations=annotations)
    target = Target(service="x", role="alerted", ref=component.ref, repository=component.repository)
    scope = Scope(targets=(target,), window=WINDOW, component=component)
    with github(repository([commit_item(sha(1), RECENT)])) as server:
        found = GithubChanges(config(server)).gather(Inquiry(scope=scope, title="x"), Deadline.after(20))
    assert bool(server.asked) == bool(found.facts) == asked


def test_github_is_asked_for_the_window_only() -> None:
    with github(repository([commit_item(sha(1), RECENT)])) as server:
        gather(server)
    (listed,) = (asked for asked in server.asked if asked.path == f"{REPO}/commits")
    assert dict(listed.query) == {"since": "2026-11-21T03:12:00Z", "until": "2026-11-23T03:22:00Z", "per_page": "100"}
    assert {asked.method for asked in server.asked} == {"GET"}
    assert {asked.headers["authorization"] for asked in server.asked} == {f"Bearer {TOKEN}"}


def test_details_are_fetched_of_the_ten_newest_before_the_alert() -> None:
    after = [commit_item(sha(100 + number), ALERT + timedelta(minutes=1)) for number in range(7)]
    before = [commit_item(sha(number), RECENT - timedelta(minutes=number)) for number in range(40)]
    with github(repository([*after, *before])) as server:
        found = gather(server)
    shown = [int(fact.data["sha"], 16) for fact in found.facts]
    assert shown == [100, 101, 102, 103, 104, *range(25)]
    assert [bool(fact.data["diff"]) for fact in found.facts] == [False] * 5 + [True] * 10 + [False] * 15
    assert "[no diff: it came after the alert]" in found.facts[0].text
    assert "[no diff: only the newest 10 are fetched]" in found.facts[-1].text
    assert found.detail == "invoice-api: 17 more commits in the window left out"


def test_a_quiet_window_gives_the_last_commits_before_it() -> None:
    old = commit_item(sha(1), ALERT - timedelta(days=12))
    answers = repository([old])
    answers[f"{REPO}/commits"] = lambda asked: Reply([] if "since" in dict(asked.query) else [old])
    with github(answers) as server:
        found = gather(server)
    (fact,) = found.facts
    assert fact.data["beforeWindow"] is True
    assert fact.data["diff"]
    assert found.detail is not None
    assert found.detail.endswith("the newest before is of 2026-11-11T03:12:00Z")


def test_binary_files_renames_and_patches_that_github_leaves_out() -> None:
    item = commit_item(sha(1), RECENT)
    answers = repository([item])
    answers[f"{REPO}/commits/{sha(1)}"] = detailed(
        item,
        file_item("logo.png", None, 0, 0),
        file_item("moved.py", None, 0, 0, "renamed"),
        file_item("huge.json", None, 5000, 1),
        *(file_item(f"f{number}", PATCH, 1, 1) for number in range(40)),
    )
    with github(answers) as server:
        (fact,) = gather(server).facts
    assert "files: logo.png (binary), moved.py (+0 -0), huge.json (+5000 -1), f0 (+1 -1)" in fact.text
    assert "and 13 more files" in fact.text


def test_deployments_with_their_outcome_and_what_the_last_one_brought() -> None:
    deployments = [
        deployment_item(4, sha(4), ALERT + timedelta(minutes=5), "v1.43"),
        deployment_item(3, sha(3), RECENT, "v1.42"),
        deployment_item(2, sha(2), RECENT - timedelta(hours=1), "main", "staging"),
        deployment_item(1, sha(1), ALERT - timedelta(days=5), "v1.41"),
    ]
    answers = repository([commit_item(sha(3), RECENT)], deployments)
    went_out = [commit_item(sha(2), RECENT, "older"), commit_item(sha(3), RECENT, "newer")]
    answers[f"{REPO}/compare/{sha(1)}...{sha(3)}"] = Reply({"total_commits": 2, "commits": went_out, "files": []})
    with github(answers) as server:
        found = gather(server)
    texts = [fact.text for fact in found.facts if fact.kind == "deploy"]
    assert texts == [
        "deploy of invoice-api v1.43 (commit 0000000) to production at 2026-11-23T03:17:00Z by ci-bot: success",
        "deploy of invoice-api v1.42 (commit 0000000) to production at 2026-11-23T03:08:00Z by ci-bot: success",
        "deploy of invoice-api main (commit 0000000) to staging at 2026-11-23T02:08:00Z by ci-bot: success",
    ]
    (comparison,) = (fact for fact in found.facts if fact.kind == "compare")
    assert comparison.data["commits"] == [sha(3), sha(2)]
    assert comparison.data["base"] == sha(1)
    assert "brought out 2 commits" in comparison.text


def test_without_a_deployment_in_the_window_the_last_one_is_given() -> None:
    deployments = [deployment_item(number, sha(number), ALERT - timedelta(days=9 - number)) for number in (2, 1)]
    with github(repository([commit_item(sha(1), RECENT)], deployments)) as server:
        (deploy,) = (fact for fact in gather(server).facts if fact.kind == "deploy")
    assert (deploy.data["commit"], deploy.data["beforeWindow"]) == (sha(2), True)


def test_one_repository_that_cannot_be_seen_does_not_hide_the_other() -> None:
    with github(repository([commit_item(sha(1), RECENT)])) as server:
        found = gather(server, INVOICE, LEDGER)
    assert [fact.service for fact in found.facts] == ["invoice-api"]
    assert found.detail == "ledger: repository not found or not visible to the token"


def test_missing_permission_for_deployments_is_told_beside_the_commits() -> None:
    answers = repository([commit_item(sha(1), RECENT)])
    answers[f"{REPO}/deployments"] = Reply({"message": "Resource not accessible by personal access token"}, 403)
    with github(answers) as server:
        found = gather(server)
    assert len(found.facts) == 1
    assert found.detail is not None
    assert found.detail.startswith("invoice-api: deployments: answered 403: GITHUB_TOKEN lacks read access")


def test_a_diff_that_fails_costs_the_diff_only() -> None:
    answers = repository([commit_item(sha(1), RECENT), commit_item(sha(2), RECENT)])
    answers[f"{REPO}/commits/{sha(1)}"] = Reply("oops", 502)
    with github(answers) as server:
        found = gather(server)
    assert [bool(fact.data["diff"]) for fact in found.facts] == [False, True]
    assert "[no diff: it could not be fetched]" in found.facts[0].text
    assert found.detail == "invoice-api: diffs: answered 502: oops"


@pytest.mark.parametrize(
    ("reply", "status", "words"),
    [
        (Reply({"message": "Bad credentials"}, 401), CoverageStatus.DENIED, "bad credentials"),
        (Reply({"message": "Must have admin rights"}, 403), CoverageStatus.DENIED, "lacks read access"),
        (
            Reply(
                {"message": "API rate limit exceeded"},
                403,
                {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1795404000"},
            ),
            CoverageStatus.ERROR,
            "rate limited until 2026-11-23T03:20:00Z",
        ),
        (
            Reply({"message": "You have exceeded a secondary rate limit"}, 403, {"Retry-After": "60"}),
            CoverageStatus.ERROR,
            "rate limited, retry after 60 s",
        ),
        (
            Reply({}, 429, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "x"}),
            CoverageStatus.ERROR,
            "until an unknown time",
        ),
        (Reply({"message": "Not Found"}, 404), CoverageStatus.DENIED, "not found or not visible to the token"),
        (Reply("bad gateway", 502), CoverageStatus.ERROR, "answered 502: bad gateway"),
        (Reply("<html>"), CoverageStatus.ERROR, "not in GitHub's form"),
        (Reply({"no": "list"}), CoverageStatus.ERROR, "not in GitHub's form"),
        (Reply([{"sha": "../../x", "commit": {}}]), CoverageStatus.ERROR, "not in GitHub's form"),
        (Reply([{"sha": "abcdef0", "commit": {"message": 7}}]), CoverageStatus.ERROR, "not in GitHub's form"),
        (Reply("[" * 100_000), CoverageStatus.ERROR, "not in GitHub's form"),
        (Reply(b"[" + b" " * 9_000_000 + b"]"), CoverageStatus.ERROR, "larger than"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_goes_wrong_is_told_and_is_no_evidence(reply: Reply, status: CoverageStatus, words: str) -> None:
    with StandIn(lambda _: reply) as server, pytest.raises(SourceFailure) as failure:
        gather(server)
    assert failure.value.status is status
    assert words in failure.value.detail
    assert TOKEN not in failure.value.detail
    assert len(server.asked) == 2


def test_a_rate_limit_without_a_token_says_what_raises_it() -> None:
    reply = Reply({}, 403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1795404000"})
    with StandIn(lambda _: reply) as server, pytest.raises(SourceFailure, match="GITHUB_TOKEN raises the limit"):
        gather(server, token=None)
    assert "authorization" not in server.asked[0].headers


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_to_another_server_is_not_followed(status: int) -> None:
    with StandIn(lambda _: Reply([])) as elsewhere:
        redirect = Reply({}, status, {"Location": f"{elsewhere.url}{REPO}/commits"})
        with StandIn(lambda _: redirect) as server, pytest.raises(SourceFailure, match="another server"):
            gather(server)
    assert elsewhere.asked == []


def test_links_in_answers_are_not_followed() -> None:
    with StandIn(lambda _: Reply([])) as elsewhere:
        item = {**commit_item(sha(1), RECENT), "url": f"{elsewhere.url}/x", "comments_url": f"{elsewhere.url}/y"}
        item["commit"]["url"] = item["commit"]["tree"] = f"{elsewhere.url}/z"
        deployment = {"id": 1, "sha": sha(1), "created_at": "2026-11-23T03:08:00Z", "url": f"{elsewhere.url}/d"}
        answers = repository([item], [deployment])
        link = {"Link": f'<{elsewhere.url}/page2>; rel="next", <{elsewhere.url}/page9>; rel="last"'}
        answers[f"{REPO}/commits"] = Reply([item], headers=link)
        answers[f"{REPO}/commits/{sha(1)}"] = Reply({**item, "files": [file_item("a", PATCH, 1, 1)]}, headers=link)
        with github(answers) as server:
            found = gather(server)
    assert [fact.kind for fact in found.facts] == ["commit", "deploy"]
    assert elsewhere.asked == []


def test_a_renamed_repository_is_followed_on_the_same_server() -> None:
    answers = repository([commit_item(sha(1), RECENT)])

    def moved(asked: Asked) -> Reply:
        return Reply({}, 301, {"Location": f"http://{asked.headers['host']}{REPO}/{asked.path.split('/')[-1]}"})

    answers.update({f"/repos/acme/old/{name}": moved for name in ("commits", "deployments")})
    answers[f"/repos/acme/old/commits/{sha(1)}"] = answers[f"{REPO}/commits/{sha(1)}"]
    with github(answers) as server:
        found = gather(server, Target(service="invoice-api", role="alerted", repository="acme/old"))
    assert len(found.facts) == 1


def test_a_redirect_in_a_circle_ends() -> None:
    with StandIn(lambda asked: Reply({}, 301, {"Location": asked.path})) as server, pytest.raises(SourceFailure):
        gather(server)
    assert len(server.asked) == 4


def test_a_server_that_hangs_costs_the_deadline_and_no_more() -> None:
    def hang(_: Asked) -> Reply:
        server.closing.wait(30)
        return Reply([])

    with StandIn(hang) as server:
        started = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            gather(server, INVOICE, LEDGER, seconds=0.5)
        assert time.monotonic() - started < 5


def test_what_came_before_a_hang_is_kept() -> None:
    answers = repository([commit_item(sha(1), RECENT)])

    def hang(_: Asked) -> Reply:
        server.closing.wait(30)
        return Reply([])

    answers[f"{REPO}/deployments"] = hang
    with github(answers) as server:
        found = gather(server, seconds=2)
    assert len(found.facts) == 1
    assert found.detail is not None
    assert "deployments: no answer within" in found.detail


def test_an_unreachable_server_is_a_failure() -> None:
    with StandIn(lambda _: Reply([])) as server:
        pass
    with pytest.raises(SourceFailure, match="could not be reached"):
        gather(server)


def test_many_dependencies_are_bounded() -> None:
    targets = [Target(service=f"s{number}", role="dependency", repository=f"acme/s{number}") for number in range(20)]
    answers: dict[str, Answer] = {}
    for target in (INVOICE, *targets):
        answers |= {f"/repos/{target.repository}/{name}": Reply([]) for name in ("commits", "deployments")}
    with github(answers) as server:
        found = gather(server, INVOICE, *targets)
    assert len({asked.path.split("/")[3] for asked in server.asked}) == MAX_TARGETS
    assert found.detail is not None
    assert found.detail.endswith(f"{len(targets) + 1 - MAX_TARGETS} more dependencies were not looked at")


def test_the_probe_says_who_and_how_much_is_left() -> None:
    core = {"limit": 5000, "remaining": 4990, "reset": 1795404000, "used": 10}
    answers = {"/user": Reply({"login": "whydown-bot"}), "/rate_limit": Reply({"resources": {"core": core}})}
    with github(answers) as server:
        said = GithubChanges(config(server)).probe(Deadline.after(5))
        anonymous = GithubChanges(config(server, token=None)).probe(Deadline.after(5))
    assert said == "as whydown-bot, 4990 of 5000 requests left until 2026-11-23T03:20:00Z"
    assert anonymous.startswith("without a token, 4990 of 5000")


@pytest.mark.parametrize(
    ("url", "web"),
    [
        (None, "https://github.com"),
        ("https://api.github.com/", "https://github.com"),
        ("https://github.example.com/api/v3", "https://github.example.com"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    ],
)
def test_pages_are_where_the_api_is(url: str | None, web: str) -> None:
    assert Config(url=url).web_url == web


@pytest.mark.parametrize(
    "url", ["github.example.com", "ftp://github.example.com", "https://", "https://u:pw@host/api/v3"]
)
def test_a_malformed_url_stops_start_up_and_names_the_setting(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHYDOWN_GITHUB_URL", url)
    with pytest.raises(ConfigurationError, match=r"WHYDOWN_GITHUB_URL: .*must be an http"):
        GithubChanges.from_settings()


def test_the_token_is_not_shown() -> None:
    assert TOKEN not in repr(Config(token=TOKEN))


def test_pygithub_is_not_loaded_before_it_is_needed() -> None:
    code = (
        "import sys, worker.sources.github_changes, worker.sources.github_heuristics; sys.exit('github' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
