"""`whydown demo --once`, from an empty folder to the diagnosis."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.moment import now
from tests.installation import free_port
from tests.whydown.processes_seen import mentioning
from tests.whydown.test_commands import whydown
from whydown.demo import environment_of
from whydown.demo_incident import lay_out


@pytest.fixture
def folder() -> Iterator[Path]:
    # pytest's own folders are too deep for a socket's path on some machines.
    with tempfile.TemporaryDirectory(prefix="wd") as name:
        yield Path(name)


def demo(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return whydown("demo", "--once", "--port", str(free_port()), "--data", "demo", folder=folder, **environment)


def test_it_names_the_commit_the_error_and_the_rule_and_leaves_nothing_running(folder: Path) -> None:
    # Other systems of the user's must not be asked: nothing listens there.
    told = demo(folder, LOKI_URL="http://127.0.0.1:1", WHYDOWN_DATABASE_URL="postgresql://127.0.0.1:1/x")
    assert told.returncode == 0, told.stdout + told.stderr
    repository = folder / "demo" / "scene" / "repositories" / "acme" / "invoice-api"
    guilty = subprocess.run(
        ["git", "log", "--format=%H", "--grep=Server= syntax"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    cause = told.stdout.partition("## PROBABLE CAUSE")[2].partition("## EVIDENCE")[0]
    assert guilty[:7] in cause
    assert "refactor config to use Server= syntax" in cause
    assert "Failed to connect to 10.0.1.5:5432" in told.stdout
    assert "Npgsql wants `Host=` in its connection string." in told.stdout
    assert "notification-service" in told.stdout.partition("## RELATED SERVICES")[2]
    assert re.search(r"ok +changes\.git +\d+ ms", told.stdout)
    assert "logs.loki" not in told.stdout or "-        logs.loki" in told.stdout
    assert mentioning(str(folder)) == []


def test_its_processes_see_the_users_model_and_none_of_the_users_other_systems(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / ".env").write_text("WHYDOWN_AI_KEY=from-file\nWHYDOWN_CATALOG=/mine\nGITHUB_TOKEN=mine\n")
    for name in (
        "WHYDOWN_DATABASE_URL",
        "WHYDOWN_API_TOKEN",
        "WHYDOWN_WEBHOOK_SECRET_GRAFANA",
        "GITHUB_TOKEN",
        "LOKI_URL",
    ):
        monkeypatch.setenv(name, "mine")
    monkeypatch.setenv("WHYDOWN_AI_ENDPOINT", "http://127.0.0.1:11434/v1")
    seen = environment_of(lay_out(folder / "scene", now()))
    assert (seen["WHYDOWN_AI_KEY"], seen["WHYDOWN_AI_ENDPOINT"]) == ("from-file", "http://127.0.0.1:11434/v1")
    assert seen["WHYDOWN_CATALOG"] == str(folder / "scene" / "catalog")
    assert seen["PATH"]
    assert "mine" not in seen.values()


def test_a_folder_that_holds_something_else_is_left_alone(folder: Path) -> None:
    (folder / "demo").mkdir()
    (folder / "demo" / "thesis.txt").write_text("irreplaceable")
    told = demo(folder)
    assert told.returncode == 2
    assert "holds something else than a demonstration" in told.stderr
    assert (folder / "demo" / "thesis.txt").read_text() == "irreplaceable"
