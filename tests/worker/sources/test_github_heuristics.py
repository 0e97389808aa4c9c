from __future__ import annotations

import pytest

from shared.incident import CoverageStatus
from shared.moment import Deadline
from tests.loopback import Asked, Reply, StandIn
from tests.worker.github_stand_in import NOT_FOUND, TOKEN, config, content_item, github
from tests.worker.inquiries import INVOICE, LEDGER, inquiry
from worker.inquiry import Gathered, SourceFailure, Target
from worker.sources.github_heuristics import GithubHeuristics

RULES = b"## HEURISTICS\r\n- Npgsql wants Host=\r\n"
ROOT = "/repos/acme/invoice-api/contents/"


def gather(server: StandIn, *targets: Target) -> Gathered:
    return GithubHeuristics(config(server)).gather(inquiry(*targets), Deadline.after(20))


def test_the_rules_of_the_service_and_of_its_dependencies() -> None:
    answers = {
        f"{ROOT}GOTCHA.md": Reply(content_item("GOTCHA.md", RULES)),
        "/repos/acme/ledger/contents/GOTCHA.md": Reply(content_item("GOTCHA.md", b"- one book, one writer")),
    }
    with github(answers) as server:
        found = gather(server, INVOICE, LEDGER)
    assert [(fact.source, fact.service, fact.text) for fact in found.facts] == [
        ("heuristics.github", "invoice-api", "Npgsql wants Host="),
        ("heuristics.github", "ledger", "one book, one writer"),
    ]
    assert found.facts[0].url == f"{server.url}/acme/invoice-api/blob/HEAD/GOTCHA.md"
    assert {asked.headers["authorization"] for asked in server.asked} == {f"Bearer {TOKEN}"}


def test_a_name_written_otherwise_is_found_by_the_list() -> None:
    answers = {
        ROOT: Reply([{"name": "README.md"}, {"name": "Gotcha.md"}]),
        f"{ROOT}Gotcha.md": Reply(content_item("x", RULES)),
    }
    with github(answers) as server:
        assert [fact.text for fact in gather(server).facts] == ["Npgsql wants Host="]


def test_a_repository_without_the_file_is_an_answer() -> None:
    with github({ROOT: Reply([{"name": "README.md"}])}) as server:
        assert gather(server) == Gathered(detail="invoice-api: no GOTCHA.md at the root of acme/invoice-api")


def test_a_repository_that_cannot_be_seen_is_a_failure() -> None:
    with github({}) as server, pytest.raises(SourceFailure, match="not found or not visible") as failure:
        gather(server)
    assert failure.value.status is CoverageStatus.DENIED


def test_a_large_file_is_fetched_raw() -> None:
    def answer(asked: Asked) -> Reply:
        if "raw" in asked.headers["accept"]:
            return Reply(b"filler\n" * 750_000 + RULES, headers={"Content-Type": "application/vnd.github.raw+json"})
        return Reply({**content_item("GOTCHA.md", b""), "encoding": "none", "size": 5_000_000})

    with github({f"{ROOT}GOTCHA.md": answer}) as server:
        assert [fact.text for fact in gather(server).facts] == ["Npgsql wants Host="]


@pytest.mark.parametrize("body", [[], "[]", "no json", {"encoding": 7}, "null", b"\xff"])
def test_an_answer_in_another_form_is_a_failure(body: object) -> None:
    with github({f"{ROOT}GOTCHA.md": Reply(body), ROOT: NOT_FOUND}) as server, pytest.raises(SourceFailure) as failure:
        gather(server)
    assert failure.value.status is CoverageStatus.ERROR


@pytest.mark.parametrize("repository", [None, "invoice-api", "acme/../x", "acme/a b", "a/b/c", "acme/x?y=1", "acme/x#"])
def test_what_is_no_slug_is_not_asked_for(repository: str | None) -> None:
    with github({}) as server:
        found = gather(server, Target(service="invoice-api", role="alerted", repository=repository))
    assert server.asked == []
    assert found.detail == "invoice-api: no owner/repo is known (annotation github.com/project-slug)"


def test_configured_by_either_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    monkeypatch.delenv("WHYDOWN_GITHUB_URL", raising=False)
    assert GithubHeuristics.from_settings() is None
    monkeypatch.setenv("WHYDOWN_GITHUB_URL", "https://github.example.com/api/v3")
    assert GithubHeuristics.from_settings() is not None
