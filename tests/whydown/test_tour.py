"""The documentation's pictures: all there, all shown, and small."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "docs" / "screenshots"


@pytest.mark.parametrize("page", ["README.md", "docs/tour.md"])
def test_every_picture_that_is_shown_is_there_and_is_told_in_words(page: str) -> None:
    shown = re.findall(r'<img src="([^"]+)" alt="([^"]+)"', (ROOT / page).read_text())
    assert shown
    assert (ROOT / page).read_text().count("<img") == len(shown)
    for source, told in shown:
        assert (ROOT / page).parent.joinpath(source).read_bytes().startswith(b"\x89PNG"), source
        assert len(told) > 15


def test_pictures_are_shown_and_small() -> None:
    tour = (ROOT / "docs" / "tour.md").read_text()
    pictures = sorted(FOLDER.iterdir())
    assert [picture.name for picture in pictures if picture.name not in tour] == []
    assert sum(picture.stat().st_size for picture in pictures) < 500_000
