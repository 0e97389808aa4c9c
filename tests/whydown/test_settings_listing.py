"""The list of settings is complete, and says no secret."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from dotenv import dotenv_values

from shared.settings import LISTED, check_names, declared_names, every_setting, sections
from whydown.settings_listing import as_markdown, as_text

REPOSITORY = Path(__file__).parents[2]
CODE = [
    path for part in ("shared", "webhook", "worker", "whydown") for path in sorted((REPOSITORY / part).rglob("*.py"))
]
NAME = re.compile(r"\b(?:WHYDOWN|LOKI|GITHUB|OPENAI)_[A-Z0-9_]*[A-Z0-9]\b")
BEGINNINGS = {"WHYDOWN_WEBHOOK_SECRET", "WHYDOWN_AI"}
"""What names are put together from."""


def known() -> set[str]:
    return {name for line in every_setting({}) for name in (line.name, *line.also)}


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_name_in_the_code_is_a_declared_setting(path: Path) -> None:
    written = set(NAME.findall(path.read_text()))
    assert written - known() - BEGINNINGS == set()


def test_every_setting_says_what_it_means() -> None:
    assert [
        line.name for line in every_setting({}) if len(line.meaning.split()) < 3 or not line.meaning.endswith(".")
    ] == []


def test_the_readme_shows_the_same_table() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    table = readme.partition("<!-- settings -->\n")[2].partition("\n<!-- /settings -->")[0]
    assert table == as_markdown(), "run `make tables`"


def test_what_is_started_finds_the_same_names_listed() -> None:
    assert LISTED.read_text().split() == declared_names(), "run `make tables`"


def test_secrets_are_masked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WHYDOWN_API_TOKEN", "hunter2")
    monkeypatch.setenv("WHYDOWN_REDIS_URL", "redis://:hunter3@queue.example.test:6379/0")
    text = as_text()
    assert "WHYDOWN_API_TOKEN\n    = ********   [environment]" in text
    assert "redis://********@queue.example.test:6379/0   [environment]" in text
    assert "hunter" not in text


def test_the_example_file_names_only_what_exists_and_can_be_read_as_it_stands(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    example = re.sub(r"(?m)^# (?=[A-Z_]+=)", "", (REPOSITORY / ".env.example").read_text())
    (tmp_path / ".env").write_text(example)
    monkeypatch.chdir(tmp_path)
    values = dotenv_values(".env")
    assert len(values) > 15
    assert set(values) <= known()
    check_names([])
    for section in sections():
        section.read()
