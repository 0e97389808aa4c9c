from __future__ import annotations

import pytest

from worker.printable import clipped, printable


@pytest.mark.parametrize(
    "character", ["\x00", "\x1b", "\r", "\x7f", "\x9b", "\u202a", "\u202e", "\u2066", "\ud800", "\udfff"]
)
def test_what_cannot_be_stored_or_fools_a_reader_is_replaced(character: str) -> None:
    assert printable(f"a{character}b") == "a\ufffdb"


def test_other_text_is_kept() -> None:
    assert printable("tab\tline\r\nünïcödé 🔥") == "tab\tline\nünïcödé 🔥"


@pytest.mark.parametrize(("limit", "kept"), [(0, ""), (1, "a"), (2, "a"), (3, "aé"), (9, "aéb")])
def test_text_is_cut_between_characters(limit: int, kept: str) -> None:
    assert clipped("aéb", limit) == kept
