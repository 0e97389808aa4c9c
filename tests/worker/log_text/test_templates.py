"""Shapes of lines grouped into templates, in bounded memory."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.log_text.templates import ENOUGH_ALIKE, Templates

Tally = Counter[str]


def grouped(lines: list[str], most: int = 2_000) -> Templates[str, Tally]:
    templates: Templates[str, Tally] = Templates(Counter, lambda into, other: into.update(other), most)
    for line in lines:
        templates.add("kind", tuple(line.split())).tally[line] += 1
    return templates


def shapes(lines: list[str]) -> dict[str, int]:
    return {str(template): template.lines for _, template in grouped(lines)}


def test_a_word_that_varies_is_found_out() -> None:
    users = ["alice", "bob", "carol", "dave", "erin", "frank"]
    assert shapes([f"login of {user} was forbidden" for user in users]) == {"login of <*> was forbidden": 6}


def test_what_was_counted_is_joined() -> None:
    (template,) = (template for _, template in grouped([f"login of {user} was forbidden" for user in "abcdef"]))
    assert template.tally.total() == 6


def test_what_was_dropped_may_come_again() -> None:
    lines = ["a failed", "b failed x", "c failed x y", "d failed x y z", "e failed x y z u", "a failed", "a failed"]
    templates = grouped(lines, most=4)
    assert {str(template): template.lines for _, template in templates}["a failed"] == 2
    assert templates.dropped_lines == 2


def test_several_words_that_vary_together() -> None:
    lines = [f"box {first} holds {second} apples today" for first, second in zip("abcdefgh", "stuvwxyz", strict=True)]
    assert shapes(lines) == {"box <*> holds <*> apples today": 8}


def test_the_first_word_may_vary_too() -> None:
    lines = [f"{chr(97 + n // 26)}{chr(97 + n % 26)}x was here yesterday" for n in range(300)]
    assert shapes(lines)["<*> was here yesterday"] > 200
    assert sum(shapes(lines).values()) == 300


@pytest.mark.parametrize(
    "lines",
    [
        ["dial redis now", "dial kafka now"],
        [
            f"cannot {verb} the configuration file"
            for verb in ("open", "read", "parse", "load", "write", "close", "send")
        ],
        [f"call failed error={why} again" for why in ("a", "b", "c", "d", "e", "f")],
        [f"job died of {kind}Exception here" for kind in ("Io", "Sql", "Parse", "Net", "Disk", "Auth")],
        [f"x {status} y z" for status in (500, 501, 502, 503, 504, 505)],
    ],
)
def test_what_tells_errors_apart_never_becomes_variable(lines: list[str]) -> None:
    assert len(shapes(lines)) == len(lines)


def test_lines_of_different_kinds_stay_apart() -> None:
    templates: Templates[str, Tally] = Templates(Counter, lambda into, other: into.update(other))
    for kind in ("api", "db"):
        templates.add(kind, ("boom",))
    assert len(templates) == 2


def test_beyond_the_bound_the_rarest_go_and_are_counted() -> None:
    often = ["the one that matters most"] * 50
    rare = [f"{'x' * (n % 40 + 1)} broke {'y ' * (n // 40)}" for n in range(1_000)]
    templates = grouped(often + rare, most=100)
    assert len(templates) <= 100
    assert any(str(template) == often[0] and template.lines == 50 for _, template in templates)
    kept = sum(template.lines for _, template in templates)
    assert kept + templates.dropped_lines == len(often) + len(rare)
    assert templates.dropped_templates > 0


words = st.sampled_from(["a", "b", "c", "d", "e", "f", "g", "failed", "to", "<number>"])


@given(st.lists(st.lists(words, min_size=0, max_size=6).map(" ".join), max_size=200), st.integers(8, 50))
def test_no_line_is_lost(lines: list[str], most: int) -> None:
    templates = grouped(lines, most)
    kept = list(templates)
    assert len(kept) == len(templates) <= most
    assert sum(template.lines for _, template in kept) + templates.dropped_lines == len(lines)
    assert sum(template.tally.total() for _, template in kept) + templates.dropped_lines == len(lines)


def test_few_alike_are_not_enough() -> None:
    assert len(shapes([f"login of {user} was forbidden" for user in "abcdef"[: ENOUGH_ALIKE - 1]])) == ENOUGH_ALIKE - 1
