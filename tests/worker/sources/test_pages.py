"""The page of each source: its lines for `.env` configure the source, and what else it shows can be read."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
import yaml
from dotenv import dotenv_values

from shared.settings import check_names
from whydown.connector_listing import KINDS
from worker.sources import SOURCES

REPOSITORY = Path(__file__).parents[3]
CONFIGURED = [(name, page) for name in SOURCES.names() if (page := KINDS["sources"].page_of(name))]
PAGES = sorted({page for _, page in CONFIGURED})


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", (REPOSITORY / page).read_text())


@pytest.mark.parametrize(("name", "page"), CONFIGURED)
def test_the_lines_of_its_page_configure_a_source(
    name: str, page: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    kind = SOURCES.load(name)
    if not kind.configure:
        assert blocks(page, "dotenv") == []
        return
    assert kind.from_settings() is None
    (lines,) = blocks(page, "dotenv")
    for setting, value in dotenv_values(stream=io.StringIO(lines)).items():
        monkeypatch.setenv(setting, value or "")
    check_names()
    assert kind.from_settings() is not None


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_shows_can_be_read(page: str) -> None:
    for text in blocks(page, "json"):
        json.loads(text)
    for text in blocks(page, "yaml"):
        assert list(yaml.safe_load_all(text))
