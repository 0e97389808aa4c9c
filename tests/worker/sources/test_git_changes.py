from __future__ import annotations

import os
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from shared.incident import CoverageStatus, Fact
from shared.moment import Deadline, DeadlineExceeded
from tests.repositories import GitRepository
from tests.worker.inquiries import ALERT, INVOICE, LEDGER, inquiry
from worker.inquiry import Gathered, SourceFailure, Target
from worker.sources.git_changes import GitChanges

OLD = ALERT - timedelta(days=12)
RECENT = ALERT - timedelta(minutes=4)
CONFIG = "Database:\n  Timeout: 5\n  Connection: Host=db\n  Pool: 10\n"


@pytest.fixture
def invoice(tmp_path: Path) -> GitRepository:
    return GitRepository.create(tmp_path / "acme" / "invoice-api")


def gather(folder: Path, *targets: Target) -> Gathered:
    return GitChanges(folder).gather(inquiry(*targets), Deadline.after(30))


def subjects(found: Gathered) -> list[str]:
    return [fact.data["message"] for fact in found.facts]


def only(found: Gathered) -> Fact:
    (fact,) = found.facts
    return fact


def test_a_commit_in_the_window_with_its_diff(tmp_path: Path, invoice: GitRepository) -> None:
    invoice.commit("first", OLD, {"src/config.yaml": CONFIG})
    sha = invoice.commit(
        "refactor config to use Server= syntax\n\nas the guide says\n",
        RECENT,
        {"src/config.yaml": CONFIG.replace("Host=", "Server=")},
    )
    found = gather(tmp_path)
    fact = only(found)
    assert (fact.source, fact.kind, fact.service, fact.at) == ("changes.git", "commit", "invoice-api", RECENT)
    assert fact.url == f"https://github.com/acme/invoice-api/commit/{sha}"
    assert fact.text.startswith(
        f"commit {sha[:7]} at 2026-11-23T03:08:00Z by invoice team: refactor config to use Server= syntax\n\n"
        "as the guide says\n"
        "files: src/config.yaml (+1 -1)\n--- a/src/config.yaml\n+++ b/src/config.yaml\n@@ -1,4 +1,4 @@"
    )
    assert "-  Connection: Host=db\n+  Connection: Server=db" in fact.data["diff"]
    assert fact.data["files"] == [{"path": "src/config.yaml", "added": 1, "removed": 1}]
    assert (fact.data["sha"], fact.data["repository"], fact.data["beforeWindow"]) == (sha, "acme/invoice-api", False)
    assert found.detail is None


def test_newest_first_with_what_came_after_the_alert(tmp_path: Path, invoice: GitRepository) -> None:
    for minutes in (-300, -20, 5, 30):
        invoice.commit(f"{minutes}", ALERT + timedelta(minutes=minutes))
    assert subjects(gather(tmp_path)) == ["5", "-20", "-300"]


def test_commits_after_the_alert_do_not_crowd_out_those_before(tmp_path: Path, invoice: GitRepository) -> None:
    for number in range(32):
        invoice.commit(f"before {number}", RECENT)
    for number in range(8):
        invoice.commit(f"after {number}", ALERT + timedelta(minutes=1))
    found = gather(tmp_path)
    assert [subject.split()[0] for subject in subjects(found)] == ["after"] * 5 + ["before"] * 25
    assert found.detail == "invoice-api: 10 more commits in the window left out"


def test_a_quiet_window_gives_the_last_five_commits_before_it(tmp_path: Path, invoice: GitRepository) -> None:
    for number in range(7):
        invoice.commit(f"{number}", OLD + timedelta(hours=number))
    found = gather(tmp_path)
    assert subjects(found) == ["6", "5", "4", "3", "2"]
    assert all(fact.data["beforeWindow"] for fact in found.facts)
    assert found.detail is not None
    assert (
        "no commit between 2026-11-21T03:12:00Z and the alert, the newest before is of 2026-11-11T09:12:00Z"
        in found.detail
    )


def test_a_merge_is_shown_as_what_it_brought(tmp_path: Path, invoice: GitRepository) -> None:
    invoice.commit("first", OLD, {"a": "1\n"})
    invoice.git("switch", "--quiet", "--create", "feature")
    invoice.commit("written long ago", OLD + timedelta(hours=1), {"b": "culprit\n"})
    invoice.git("switch", "--quiet", "main")
    invoice.commit("meanwhile", OLD + timedelta(hours=2), {"a": "2\n"})
    invoice.git("merge", "--quiet", "--no-ff", "-m", "Merge feature", "feature", at=RECENT)
    fact = only(gather(tmp_path))
    assert fact.data["message"] == "Merge feature"
    assert fact.data["files"] == [{"path": "b", "added": 1, "removed": 0}]


def test_renames_binaries_and_odd_names(tmp_path: Path, invoice: GitRepository) -> None:
    invoice.commit("first", OLD, {"old name.py": "one\ntwo\nthree\n"})
    invoice.commit(
        "move",
        RECENT,
        {"old name.py": None, "sub/new.py": "one\ntwo\nthree\nfour\n", 'é"\t.txt': "x\n", "a.bin": b"\0\1"},
    )
    fact = only(gather(tmp_path))
    assert {file["path"]: (file["added"], file["removed"]) for file in fact.data["files"]} == {
        "a.bin": (None, None),
        "sub/new.py": (1, 0),
        'é"\t.txt': (1, 0),
    }
    assert "--- a/sub/new.py\n+++ b/sub/new.py\n@@ -1,3 +1,4 @@" in fact.data["diff"]
    assert "a.bin (binary)" in fact.text


def test_a_first_commit_shows_what_it_added(tmp_path: Path, invoice: GitRepository) -> None:
    invoice.commit("first", RECENT, {"a": "1\n"})
    assert only(gather(tmp_path)).data["diff"] == "--- a/a\n+++ b/a\n@@ -0,0 +1 @@\n+1"


def test_a_giant_commit_is_bounded_and_counted(tmp_path: Path, invoice: GitRepository) -> None:
    invoice.commit("vendored\n" * 900, RECENT, {f"vendor/{number}.c": "int x;\n" * 2000 for number in range(400)})
    fact = only(gather(tmp_path))
    assert "and 370 more files" in fact.text
    assert len(fact.data["diff"].encode()) <= 8 * 1024
    assert len(fact.text.encode()) <= 16 * 1024


def test_bytes_that_are_no_text_do_no_harm(tmp_path: Path, invoice: GitRepository) -> None:
    invoice.commit("red \x1b[31m", RECENT, {"latin.txt": b"caf\xe9\n"}, author="a\u202eb")
    fact = only(gather(tmp_path))
    assert fact.data["message"] == "red \ufffd[31m"
    assert fact.data["author"] == "a\ufffdb"
    assert "+caf\ufffd" in fact.data["diff"]


def test_origins_default_branch_counts_too(tmp_path: Path, invoice: GitRepository) -> None:
    invoice.commit("first", OLD)
    invoice.git("clone", "--quiet", ".", str(tmp_path / "clones" / "acme" / "invoice-api"))
    invoice.commit("pushed later", RECENT)
    GitRepository(tmp_path / "clones" / "acme" / "invoice-api").git("fetch", "--quiet")
    assert subjects(gather(tmp_path / "clones")) == ["pushed later"]


@pytest.mark.parametrize("place", ["acme/invoice-api", "acme/invoice-api.git", "invoice-api", "invoice-api.git"])
def test_checkouts_are_found_by_slug_and_by_name_bare_or_not(tmp_path: Path, place: str) -> None:
    origin = GitRepository.create(tmp_path / "elsewhere")
    origin.commit("change", RECENT)
    bare = ["--bare"] if place.endswith(".git") else []
    origin.git("clone", "--quiet", *bare, ".", str(tmp_path / "folder" / place))
    assert subjects(gather(tmp_path / "folder")) == ["change"]


def test_without_a_repository_the_services_name_is_tried(tmp_path: Path) -> None:
    GitRepository.create(tmp_path / "invoice-api").commit("change", RECENT)
    fact = only(gather(tmp_path, Target(service="invoice-api", role="alerted")))
    assert (fact.url, fact.data["repository"]) == (None, "invoice-api")


def test_submodules_are_found(tmp_path: Path, invoice: GitRepository) -> None:
    invoice.commit("change", RECENT, {"a": "1\n"})
    everything = GitRepository.create(tmp_path / "everything")
    everything.git("submodule", "--quiet", "add", str(invoice.path), "invoice-api")
    assert subjects(gather(tmp_path / "everything")) == ["change"]


@pytest.mark.parametrize(
    "name", ["../outside", "acme/..", "..", ".", "/etc", "acme/a/b", "acme/x y", "", "a\x00b", "-h/x;id"]
)
def test_hostile_names_find_nothing(tmp_path: Path, name: str) -> None:
    GitRepository.create(tmp_path / "outside").commit("secret", RECENT)
    (tmp_path / "folder" / "acme").mkdir(parents=True)
    assert gather(tmp_path / "folder", Target(service=name, role="alerted", repository=name)).facts == ()


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    GitRepository.create(tmp_path / "outside").commit("secret", RECENT)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "invoice-api").symlink_to(tmp_path / "outside")
    assert gather(tmp_path / "folder").facts == ()
    (tmp_path / "folder" / "ledger").mkdir()
    (tmp_path / "folder" / "ledger" / ".git").write_text(f"gitdir: {tmp_path / 'outside' / '.git'}\n")
    assert gather(tmp_path / "folder", LEDGER).facts == ()


def test_a_parent_folders_repository_is_not_taken(tmp_path: Path) -> None:
    GitRepository.create(tmp_path / "parent").commit("parent's", RECENT)
    (tmp_path / "parent" / "folder" / "invoice-api").mkdir(parents=True)
    assert gather(tmp_path / "parent" / "folder").facts == ()


def test_missing_checkouts_are_named_beside_what_was_found(tmp_path: Path, invoice: GitRepository) -> None:
    invoice.commit("change", RECENT)
    found = gather(tmp_path, INVOICE, LEDGER)
    assert subjects(found) == ["change"]
    assert found.detail == "ledger: no checkout WHYDOWN_REPOSITORIES/acme/ledger"


def test_services_of_one_repository_are_looked_at_once(tmp_path: Path, invoice: GitRepository) -> None:
    invoice.commit("change", RECENT)
    worker = Target(service="invoice-worker", role="dependency", repository="acme/invoice-api")
    assert only(gather(tmp_path, INVOICE, worker)).service == "invoice-api"


def test_an_empty_repository_is_empty(tmp_path: Path, invoice: GitRepository) -> None:
    found = gather(tmp_path)
    assert found.facts == ()
    assert found.detail is not None
    assert found.detail.endswith("none is known before")


def test_a_shallow_clone_does_not_pass_off_its_end_as_a_change(tmp_path: Path) -> None:
    origin = GitRepository.create(tmp_path / "origin")
    origin.commit("first", OLD, {"a": "1\n"})
    origin.commit("second", RECENT, {"b": "1\n"})
    origin.git("clone", "--quiet", "--depth=1", f"file://{origin.path}", str(tmp_path / "folder" / "invoice-api"))
    found = gather(tmp_path / "folder")
    assert "[no diff: the shallow clone ends here]" in only(found).text
    assert found.detail == "invoice-api: a shallow clone: older commits are not here"


def test_a_broken_repository_is_a_failure_and_not_silence(tmp_path: Path, invoice: GitRepository) -> None:
    sha = invoice.commit("change", RECENT)
    (invoice.path / ".git" / "objects" / sha[:2] / sha[2:]).unlink()
    with pytest.raises(SourceFailure, match="git rev-list failed in acme/invoice-api") as failure:
        gather(tmp_path)
    assert failure.value.status is CoverageStatus.ERROR


def test_without_git_the_fix_is_told(tmp_path: Path, invoice: GitRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    invoice.commit("change", RECENT)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceFailure, match="is git installed"):
        gather(tmp_path)


def test_a_passed_deadline_stops_it(tmp_path: Path, invoice: GitRepository) -> None:
    invoice.commit("change", RECENT)
    with pytest.raises(DeadlineExceeded):
        GitChanges(tmp_path).gather(inquiry(), Deadline.after(-1))


def test_the_probe_names_git(tmp_path: Path, invoice: GitRepository) -> None:
    assert GitChanges(tmp_path).probe(Deadline.after(5)).startswith("1 checkouts, git version 2")


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A program that leaves a trace when it is run."""
    program = tmp_path / "trap"
    program.write_text(f'#!/bin/sh\necho run >> {tmp_path / "sprung"}\n[ -f "$1" ] && cat "$1"\n')
    program.chmod(0o755)
    return program


def arm(repository: GitRepository, trap: Path) -> None:
    """Everything in a checkout that git may run a program for."""
    for key in (
        "core.fsmonitor",
        "core.sshCommand",
        "core.pager",
        "core.editor",
        "core.gitProxy",
        "core.askPass",
        "core.alternateRefsCommand",
        "diff.external",
        "diff.evil.textconv",
        "diff.evil.command",
        "filter.evil.clean",
        "filter.evil.smudge",
        "filter.evil.process",
        "gpg.program",
        "gpg.ssh.program",
        "credential.helper",
        "interactive.diffFilter",
        "pager.rev-list",
        "pager.diff-tree",
        "remote.origin.uploadpack",
        "uploadpack.packObjectsHook",
    ):
        repository.git("config", key, str(trap))
    repository.git("config", "alias.rev-list", f"!{trap}")
    repository.git("config", "alias.diff-tree", f"!{trap}")
    repository.git("config", "log.showSignature", "true")
    repository.git("config", "color.ui", "always")
    repository.git("config", "diff.noprefix", "true")
    repository.git("config", "protocol.ext.allow", "always")
    (repository.path / ".git" / "info" / "attributes").write_text("* diff=evil filter=evil\n")
    hooks = repository.path / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for hook in ("post-index-change", "post-checkout", "fsmonitor-watchman", "reference-transaction"):
        (hooks / hook).symlink_to(trap)


def test_nothing_of_a_hostile_checkout_is_run(tmp_path: Path, invoice: GitRepository, trap: Path) -> None:
    invoice.commit("first", OLD, {"a.txt": "1\n", ".gitattributes": "* diff=evil filter=evil\n"})
    invoice.commit("change", RECENT, {"a.txt": "2\n"})
    arm(invoice, trap)
    assert "-1\n+2" in only(gather(tmp_path)).data["diff"]
    assert not (tmp_path / "sprung").exists()
    # The trap is a real one: git's porcelain does run it.
    subprocess.run(["git", "log", "-p"], cwd=invoice.path, check=False, capture_output=True)
    assert (tmp_path / "sprung").exists()


def test_nothing_is_fetched_for_a_partial_clone(tmp_path: Path, invoice: GitRepository, trap: Path) -> None:
    invoice.commit("first", OLD, {"a.txt": "1\n"})
    invoice.commit("change", RECENT, {"a.txt": "2\n"})
    blob = invoice.git("rev-parse", "HEAD:a.txt").strip()
    (invoice.path / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    for key, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.url": f"ext::{trap}",
        "protocol.ext.allow": "always",
    }.items():
        invoice.git("config", key, value)
    assert "[no diff: git could not read its files here]" in only(gather(tmp_path)).text
    assert not (tmp_path / "sprung").exists()
    subprocess.run(["git", "log", "-p"], cwd=invoice.path, check=False, capture_output=True)
    assert (tmp_path / "sprung").exists()


def test_our_environment_is_not_handed_to_git(
    tmp_path: Path, invoice: GitRepository, trap: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice.commit("first", OLD, {"a.txt": "1\n"})
    invoice.commit("change", RECENT, {"a.txt": "2\n"})
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", str(trap))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(tmp_path / "nowhere"))
    assert subjects(gather(tmp_path)) == ["change"]
    assert not (tmp_path / "sprung").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_checkout_of_another_user_is_read(tmp_path: Path, invoice: GitRepository) -> None:
    invoice.commit("change", RECENT)
    for path in (invoice.path, *invoice.path.rglob("*")):
        os.chown(path, 12345, 12345)
    refused = subprocess.run(["git", "log"], cwd=invoice.path, check=False, capture_output=True)
    assert b"dubious ownership" in refused.stderr
    assert subjects(gather(tmp_path)) == ["change"]
