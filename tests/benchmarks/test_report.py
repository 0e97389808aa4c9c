"""What the report makes of a benchmark's last line."""

from __future__ import annotations

import pytest

from benchmarks.report import DOCUMENT, NAMES, Result, written

_RESULT = Result(
    "storm",
    ("--fast",),
    1,
    "1,000 incidents",
    {"totalRatio": 1.23, "sizes": [{}], "goals": {"totalRatio": "at most 1.5"}},
)


def test_every_number_of_the_last_line_has_a_row_with_its_goal() -> None:
    section = _RESULT.section()
    assert "| `totalRatio` | 1.23 | at most 1.5 |" in section
    assert "sizes" not in section
    assert section.startswith("### `python -m benchmarks.storm --fast`: a goal was missed")
    assert "```text\n1,000 incidents\n```" in section


def test_a_section_takes_the_place_of_what_was_written_before() -> None:
    before = "a\n<!-- benchmark storm -->\nold\n<!-- /benchmark storm -->\nb"
    once = written(before, _RESULT)
    assert written(once, _RESULT) == once
    assert "old" not in once
    assert once.startswith("a\n")
    assert once.endswith("\nb")
    with pytest.raises(ValueError, match="needs one place"):
        written("nowhere", _RESULT)


def test_the_document_has_a_place_for_each() -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    for name in NAMES:
        assert "every goal was met" in written(document, Result(name, (), 0, "", {}))
