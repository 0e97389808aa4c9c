from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from shared.moment import Deadline
from tests.repositories import GitRepository
from tests.worker.inquiries import ALERT, INVOICE, LEDGER, inquiry
from worker.inquiry import Gathered, SourceFailure, Target
from worker.sources.git_heuristics import GitHeuristics

RULES = "## HEURISTICS\n- Npgsql wants Host=\n"
BEFORE = ALERT - timedelta(days=30)


@pytest.fixture
def invoice(tmp_path: Path) -> GitRepository:
    return GitRepository.create(tmp_path / "acme" / "invoice-api")


def gather(folder: Path, *targets: Target) -> Gathered:
    return GitHeuristics(folder).gather(inquiry(*targets), Deadline.after(20))


def test_the_rules_of_the_service_and_of_its_dependencies(tmp_path: Path, invoice: GitRepository) -> None:
    invoice.commit("rules", BEFORE, {"GOTCHA.md": RULES})
    GitRepository.create(tmp_path / "ledger").commit("rules", BEFORE, {"gotcha.md": "- one book, one writer"})
    found = gather(tmp_path, INVOICE, LEDGER)
    assert [(fact.service, fact.text, fact.url) for fact in found.facts] == [
        ("invoice-api", "Npgsql wants Host=", "https://github.com/acme/invoice-api/blob/HEAD/GOTCHA.md"),
        ("ledger", "one book, one writer", "https://github.com/acme/ledger/blob/HEAD/gotcha.md"),
    ]
    assert found.detail is None


def test_the_committed_file_counts_and_not_the_working_tree(tmp_path: Path, invoice: GitRepository) -> None:
    invoice.commit("rules", BEFORE, {"GOTCHA.md": RULES})
    (invoice.path / "GOTCHA.md").write_text("- edited, not committed")
    assert [fact.text for fact in gather(tmp_path).facts] == ["Npgsql wants Host="]


def test_a_link_to_outside_is_not_followed(tmp_path: Path, invoice: GitRepository) -> None:
    (tmp_path / "secret").write_text("- secret")
    (invoice.path / "GOTCHA.md").symlink_to(tmp_path / "secret")
    invoice.commit("link", BEFORE)
    assert gather(tmp_path) == Gathered(detail="invoice-api: no GOTCHA.md at the root of acme/invoice-api")


def test_the_file_of_that_very_name_is_preferred(tmp_path: Path, invoice: GitRepository) -> None:
    invoice.commit("both", BEFORE, {"gotcha.md": "- lower", "GOTCHA.md": "- upper", "docs/GOTCHA.md": "- deep"})
    assert [fact.text for fact in gather(tmp_path).facts] == ["upper"]


@pytest.mark.parametrize("empty", [True, False])
def test_no_file_is_an_answer(tmp_path: Path, invoice: GitRepository, empty: bool) -> None:
    if not empty:
        invoice.commit("code", BEFORE, {"main.py": ""})
    assert gather(tmp_path).detail == "invoice-api: no GOTCHA.md at the root of acme/invoice-api"


def test_a_missing_checkout_is_named(tmp_path: Path) -> None:
    assert gather(tmp_path) == Gathered(detail="invoice-api: no checkout WHYDOWN_REPOSITORIES/acme/invoice-api")


def test_a_missing_folder_is_a_failure_that_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(SourceFailure, match="WHYDOWN_REPOSITORIES"):
        gather(tmp_path / "gone")


def test_a_file_of_5_mb_is_read(tmp_path: Path, invoice: GitRepository) -> None:
    invoice.commit("large", BEFORE, {"GOTCHA.md": "filler\n" * 750_000 + RULES})
    assert [fact.text for fact in gather(tmp_path).facts] == ["Npgsql wants Host="]


def test_the_probe_counts_checkouts(tmp_path: Path, invoice: GitRepository) -> None:
    GitRepository.create(tmp_path / "ledger").git("clone", "--quiet", "--bare", ".", str(tmp_path / "bare.git"))
    (tmp_path / "acme" / "nothing").mkdir()
    assert GitHeuristics(tmp_path).probe(Deadline.after(5)) == "3 checkouts"


def test_configured_by_the_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WHYDOWN_REPOSITORIES", raising=False)
    assert GitHeuristics.from_settings() is None
    monkeypatch.setenv("WHYDOWN_REPOSITORIES", str(tmp_path))
    assert GitHeuristics.from_settings() is not None
