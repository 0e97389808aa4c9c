from __future__ import annotations

from datetime import timedelta

import pytest

from shared.deploy import Deploy
from shared.incident import Fact
from tests.worker.inquiries import ALERT
from worker.repositories.changes import (
    MAX_DIFF_BYTES,
    ChangedFile,
    Commit,
    commit_fact,
    compare_fact,
    deploy_fact,
    nothing_new,
    trimmed_diff,
)

SHA = "3f2a9c1" + "0" * 33
PATCH = "@@ -1,3 +1,3 @@\n a\n-Host=db\n+Server=db\n z"


def commit(message: str = "refactor config", *files: ChangedFile) -> Commit:
    return Commit(SHA, ALERT - timedelta(minutes=4), "invoice team", message, files)


def fact(made: Commit) -> Fact:
    return commit_fact("changes.git", made, service="invoice-api", repository="acme/invoice-api", url=None)


def large(path: str, lines: int) -> ChangedFile:
    body = "".join(f" context {number}\n+added {number}\n" for number in range(lines))
    return ChangedFile(path, lines, 0, f"@@ -1,{lines} +1,{lines * 2} @@\n{body}")


def test_a_commit_reads_as_a_human_reads_it() -> None:
    made = fact(
        commit("refactor config", ChangedFile("src/config.cs", 1, 1, PATCH), ChangedFile("logo.png", None, None))
    )
    assert made.text == (
        "commit 3f2a9c1 at 2026-11-23T03:08:00Z by invoice team: refactor config\n"
        "files: src/config.cs (+1 -1), logo.png (binary)\n"
        f"--- a/src/config.cs\n+++ b/src/config.cs\n{PATCH}"
    )
    assert made.data == {
        "sha": SHA,
        "shortSha": "3f2a9c1",
        "message": "refactor config",
        "author": "invoice team",
        "files": [
            {"path": "src/config.cs", "added": 1, "removed": 1},
            {"path": "logo.png", "added": None, "removed": None},
        ],
        "diff": f"--- a/src/config.cs\n+++ b/src/config.cs\n{PATCH}",
        "repository": "acme/invoice-api",
        "beforeWindow": False,
    }


def test_a_long_message_is_cut_in_lines_and_bytes_with_the_number() -> None:
    assert fact(commit("line\n" * 100)).data["message"].endswith("line\n[60 more lines]")
    assert len(fact(commit("é" * 5000)).data["message"].encode()) <= 2048


def test_more_files_than_30_are_counted() -> None:
    made = fact(commit("many", *(ChangedFile(f"f{number}", 1, 0) for number in range(42))))
    assert "f29 (+1 -0), and 12 more files" in made.text
    assert len(made.data["files"]) == 30


def test_hostile_names_cannot_break_the_line() -> None:
    made = fact(commit("x", ChangedFile("a\nfiles: b\x00", 1, 0)))
    assert "files: a files: b\ufffd (+1 -0)" in made.text
    assert "\x00" not in made.text


@pytest.mark.parametrize("limit", [200, 1000, MAX_DIFF_BYTES])
def test_a_diff_keeps_to_its_bytes(limit: int) -> None:
    diff = trimmed_diff([large(f"file{number}.py", 300) for number in range(7)], limit)
    assert 0 < len(diff.encode()) <= limit


def test_small_files_are_whole_beside_a_large_one() -> None:
    diff = trimmed_diff([large("lock.json", 5000), ChangedFile("config.cs", 1, 1, PATCH)])
    assert PATCH in diff


def test_a_large_file_loses_its_context_first_then_its_end_with_the_number() -> None:
    diff = trimmed_diff([large("big.py", 1000)])
    kept = sum(line.startswith("+added") for line in diff.split("\n"))
    assert kept > 300
    assert " context" not in diff
    assert diff.endswith(f"[{1000 - kept} more changed lines]")


def test_files_that_get_no_room_are_counted() -> None:
    assert trimmed_diff([large(f"{number}.py", 50) for number in range(30)], 300).endswith("more files]")


def test_a_line_without_end_is_cut_with_the_number() -> None:
    diff = trimmed_diff([ChangedFile("min.js", 1, 0, "@@ -0,0 +1 @@\n+" + "x" * 3000)])
    assert diff.endswith("x [2601 more characters]")


def test_a_deploy_reads_as_a_human_reads_it() -> None:
    deploy = Deploy("invoice-api", ALERT, "v1.42", SHA, "production", "https://ci.example/7", "ci-bot")
    made = deploy_fact("changes.deployments", deploy, status="success")
    assert (
        made.text
        == "deploy of invoice-api v1.42 (commit 3f2a9c1) to production at 2026-11-23T03:12:00Z by ci-bot: success"
    )
    assert (made.kind, made.at, made.url) == ("deploy", ALERT, "https://ci.example/7")
    assert made.data["commit"] == SHA


def test_a_rollback_is_told_as_one() -> None:
    made = deploy_fact("changes.deployments", Deploy("invoice-api", ALERT, action="rolledback"))
    assert made.text == "deploy of invoice-api at 2026-11-23T03:12:00Z: rolledback"


def test_a_comparison_lists_what_went_out() -> None:
    deploy = Deploy("invoice-api", ALERT, commit=SHA)
    made = compare_fact(
        "changes.github", deploy, "b" * 40, [commit("one\nbody")] * 60, 70, repository="acme/x", url=None
    )
    lines = made.text.split("\n")
    assert lines[0] == "the deploy of invoice-api at 2026-11-23T03:12:00Z brought out 70 commits (bbbbbbb..3f2a9c1):"
    assert lines[1] == "- 3f2a9c1 at 2026-11-23T03:08:00Z by invoice team: one"
    assert lines[-1] == "[20 more commits]"
    assert made.kind == "compare"


def test_silence_is_told_with_the_last_change_before() -> None:
    since = ALERT - timedelta(hours=48)
    assert nothing_new(since, [commit()]).endswith("the newest before is of 2026-11-23T03:08:00Z")
    assert nothing_new(since, []).endswith("none is known before")
