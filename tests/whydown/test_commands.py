"""The command line as its users meet it: as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from whydown.commands import Checked, cli

COMMANDS = (
    "up",
    "demo",
    "web",
    "worker",
    "beat",
    "flower",
    "migrate",
    "analyze",
    "eval",
    "doctor",
    "replay",
    "retry",
    "settings",
)


def whydown(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("WHYDOWN_")}
    return subprocess.run(
        [sys.executable, "-m", "whydown", *arguments],
        cwd=folder,
        env={**plain, "PYTHONPATH": str(Path(__file__).parents[2]), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_help_names_every_command(tmp_path: Path) -> None:
    told = whydown("--help", folder=tmp_path)
    assert told.returncode == 0
    listed = [line.split()[0] for line in told.stdout.partition("Commands:")[2].splitlines() if line.strip()]
    assert listed == sorted(COMMANDS)


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, whydown.commands; print([name for name in sys.argv[1:] if name in sys.modules])"
    heavy = ["celery", "sqlalchemy", "flask", "pydantic", "redis", "requests", "openai", "github"]
    told = subprocess.run([sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


@pytest.mark.parametrize("command", ["up", "web", "worker"])
def test_an_unknown_setting_stops_a_command_before_it_begins(command: str, tmp_path: Path) -> None:
    told = whydown(command, folder=tmp_path, WHYDOWN_DATABSE_URL="sqlite:///x.db")
    assert told.returncode == 2
    assert told.stderr.startswith("whydown: unknown setting WHYDOWN_DATABSE_URL: did you mean WHYDOWN_DATABASE_URL?")
    assert len(told.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_every_command_checks_the_names_of_the_settings() -> None:
    assert [name for name, command in cli.commands.items() if not isinstance(command, Checked)] == []


def test_an_unknown_setting_does_not_keep_anybody_from_reading_the_help(tmp_path: Path) -> None:
    assert whydown("worker", "--help", folder=tmp_path, WHYDOWN_NONSENSE="1").returncode == 0


def test_a_malformed_setting_is_named_without_its_value(tmp_path: Path) -> None:
    told = whydown("worker", folder=tmp_path, WHYDOWN_WORKER_CONCURRENCY="many")
    assert told.returncode == 2
    assert told.stderr.startswith("whydown: WHYDOWN_WORKER_CONCURRENCY: ")
    assert "many" not in told.stderr
    assert len(told.stderr.splitlines()) == 1


@pytest.mark.parametrize("login", ["only-a-name", "me:two,me:logins", "me:pässword"])
def test_a_flower_login_that_flower_would_misread_is_refused(login: str, tmp_path: Path) -> None:
    told = whydown("flower", folder=tmp_path, WHYDOWN_FLOWER_AUTH=login)
    assert told.returncode == 2
    advice = "write it as user:password, in ASCII and without a comma"
    assert told.stderr == f"whydown: WHYDOWN_FLOWER_AUTH: {advice}\n"


def test_migrate_goes_up_and_down(tmp_path: Path) -> None:
    up = whydown("migrate", folder=tmp_path)
    assert up.returncode == 0, up.stderr
    assert up.stdout.startswith("the database is at schema ")
    assert (tmp_path / ".whydown" / "whydown.db").exists()
    down = whydown("migrate", "--down-to", "base", folder=tmp_path)
    assert (down.returncode, down.stdout) == (0, "the database is back at schema base\n")


def test_migrate_says_in_one_line_that_the_database_cannot_be_reached(tmp_path: Path) -> None:
    told = whydown("migrate", folder=tmp_path, WHYDOWN_DATABASE_URL="postgresql://me:hunter2@127.0.0.1:1/nowhere")
    assert told.returncode == 2
    assert told.stderr.startswith("whydown: the database could not be migrated: ")
    assert "hunter2" not in told.stderr
    assert len(told.stderr.splitlines()) == 1


def test_analyze_says_that_nobody_answers(tmp_path: Path) -> None:
    told = whydown("analyze", "invoice-api", "--url", "http://127.0.0.1:1", folder=tmp_path)
    assert told.returncode == 2
    assert told.stderr.startswith("whydown: no Whydown answers at http://127.0.0.1:1 (ConnectionError): ")
