"""GitHub: one comment that grows, in which nobody is mentioned and nothing is referred to."""

from __future__ import annotations

import re

import pytest

from shared.errors import ConfigurationError
from shared.incident import Status
from shared.moment import Deadline
from tests.loopback import Asked, Reply, StandIn
from tests.worker.news import FORBIDDEN, PAGE, Memory, incident, push
from worker.inquiry import Component
from worker.notifiers import Occasion, PushFailure
from worker.notifiers.github_issue import GithubIssue, body
from worker.repositories.github_access import Config

SOON = 10


class Repository:
    """acme/ops on GitHub, with its issue 12."""

    def __init__(self) -> None:
        self.comments: dict[int, str] = {}

    def respond(self, asked: Asked) -> Reply:
        """As https://docs.github.com/en/rest/issues/comments describes it."""
        if asked.headers.get("authorization") not in ("Bearer github-token", "token github-token"):
            return Reply({"message": "Bad credentials"}, 401)
        if (asked.method, asked.path) == ("GET", "/repos/acme/ops/issues/12"):
            return Reply({"number": 12, "title": "What happened", "state": "open"})
        if (asked.method, asked.path) == ("POST", "/repos/acme/ops/issues/12/comments"):
            number = 900 + len(self.comments)
            self.comments[number] = asked.json()["body"]
            return Reply({"id": number, "body": asked.json()["body"]}, 201)
        found = re.fullmatch(r"/repos/acme/ops/issues/comments/(\d+)", asked.path)
        if asked.method == "PATCH" and found and int(found[1]) in self.comments:
            self.comments[int(found[1])] = asked.json()["body"]
            return Reply({"id": int(found[1]), "body": asked.json()["body"]})
        return Reply({"message": "Not Found"}, 404)


def issue(server: StandIn, address: str = "acme/ops#12") -> GithubIssue:
    return GithubIssue(Config.model_validate({"token": "github-token", "url": server.url}), address)


def component(issue: str | None = None) -> Component:
    notes = {"github.com/project-slug": "acme/ops"} | ({"whydown/github-issue": issue} if issue is not None else {})
    return Component(ref="component:default/x", name="x", kind="component", annotations=notes)


def test_the_brief_becomes_the_diagnosis_in_the_same_comment() -> None:
    repository, memory = Repository(), Memory()
    with StandIn(repository.respond) as server:
        for status in (Status.DIAGNOSING, Status.DONE):
            issue(server).push(push(incident(status), memory), Deadline.after(SOON))
    assert memory.kept == {"comment": "900"}
    assert [asked.method for asked in server.asked] == ["POST", "PATCH"]
    (text,) = repository.comments.values()
    assert text.startswith("**Diagnosis** · invoice-api: Error rate above 5 %")
    assert "## PROBABLE CAUSE" in text
    assert text.endswith(f"[Open the incident]({PAGE})")


def test_a_comment_that_somebody_deleted_is_written_anew() -> None:
    repository, memory = Repository(), Memory({"comment": "1"})
    with StandIn(repository.respond) as server:
        issue(server).push(push(memory=memory), Deadline.after(SOON))
    assert memory.kept == {"comment": "900"}


@pytest.mark.parametrize("status", [Status.DIAGNOSING, Status.DONE, Status.FAILED])
def test_nobody_is_mentioned_and_nothing_is_referred_to(status: Status) -> None:
    text = body(push(incident(status))).replace(PAGE, "")
    assert not [each for each in FORBIDDEN if each in text]
    prose = re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", text)
    assert not re.search(r"@\w|#\d|GH-\d", prose)
    assert "acme/other#\u20607" in prose, "it can still be read"
    if status is Status.DONE:
        assert "`git revert 67e271c #42 dev`" in text, "a command is copied as it is"


@pytest.mark.parametrize(
    ("reply", "permanent", "said"),
    [
        (Reply({"message": "Bad credentials"}, 401), True, "GITHUB_TOKEN is wrong"),
        (Reply({"message": "Resource not accessible by personal access token"}, 403), True, "write access to issues"),
        (Reply({"message": "Not Found"}, 404), True, "not found"),
        (Reply({"message": "oops"}, 502), False, "502"),
        (Reply({"message": "slow down"}, 403, {"Retry-After": "60"}), False, "retry after 60 s"),
        (Reply("[]", 201), False, "not in GitHub's form"),
    ],
)
def test_what_its_answers_mean(reply: Reply, permanent: bool, said: str) -> None:
    with StandIn(lambda _: reply) as server, pytest.raises(PushFailure, match=said) as failure:
        issue(server).push(push(), Deadline.after(SOON))
    assert failure.value.permanent is permanent


def test_a_service_may_name_its_own_issue_in_the_catalog() -> None:
    repository = Repository()
    with StandIn(repository.respond) as server:
        own = issue(server, "catalog")
        named = component("12")
        assert own.wants(occasion(named))
        own.push(push(component=named), Deadline.after(SOON))
        assert len(repository.comments) == 1
        for unnamed in (
            None,
            component(),
            component("../12"),
            component(""),
        ):
            assert not own.wants(occasion(unnamed))
        with pytest.raises(PushFailure, match="names no issue any more"):
            own.push(push(), Deadline.after(SOON))


def occasion(about: Component | None) -> Occasion:
    return Occasion("diagnosis", "x", "critical", "alertmanager", component=about)


@pytest.mark.parametrize("address", ["ops#12", "acme/ops", "acme/ops#0", "acme/../x#1", "a/b/c#1", ""])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with StandIn(lambda _: Reply()) as server, pytest.raises(ConfigurationError, match="owner/repo#12"):
        issue(server, address)


def test_without_a_token_nothing_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    assert GithubIssue.from_settings() is None
    monkeypatch.setenv("WHYDOWN_GITHUB_ISSUE", "acme/ops#12")
    with pytest.raises(ConfigurationError, match="GITHUB_TOKEN: needed"):
        GithubIssue.from_settings()


def test_the_probe_reads_the_issue() -> None:
    with StandIn(Repository().respond) as server:
        assert issue(server).probe(Deadline.after(SOON)) == "acme/ops#12: What happened, open"
        with pytest.raises(PushFailure, match="not found"):
            issue(server, "acme/ops#13").probe(Deadline.after(SOON))
    assert all(asked.method == "GET" for asked in server.asked)


def test_a_repository_that_moved_is_written_to_where_it_is_now() -> None:
    repository = Repository()

    def moved(asked: Asked) -> Reply:
        if asked.path.startswith("/repos/acme/old"):
            return Reply("", 307, {"Location": asked.path.replace("acme/old", "acme/ops")})
        return repository.respond(asked)

    with StandIn(moved) as server:
        issue(server, "acme/old#12").push(push(), Deadline.after(SOON))
    assert len(repository.comments) == 1
