"""The documentation's pictures: all there, all shown, and small."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "docs" / "screenshots"


PAGES = ("README.md", "docs/tour.md", "backstage/README.md")


@pytest.mark.parametrize("page", PAGES)
def test_every_picture_that_is_shown_is_there_and_is_told_in_words(page: str) -> None:
    shown = re.findall(r"<img [^>]*>", (ROOT / page).read_text())
    assert shown
    for picture in shown:
        told = dict(re.findall(r'(\w+)="([^"]*)"', picture))
        assert (ROOT / page).parent.joinpath(told["src"]).read_bytes().startswith(b"\x89PNG"), picture
        assert len(told["alt"]) > 15


def test_pictures_are_shown_and_small() -> None:
    shown = "".join((ROOT / page).read_text() for page in PAGES)
    pictures = sorted(FOLDER.iterdir())
    assert [picture.name for picture in pictures if f"screenshots/{picture.name}" not in shown] == []
    assert sum(picture.stat().st_size for picture in pictures) < 500_000
