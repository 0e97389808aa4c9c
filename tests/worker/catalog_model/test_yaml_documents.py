"""YAML without trust."""

from __future__ import annotations

import pytest

from worker.catalog_model.yaml_documents import MalformedDocument, read, split


def test_documents_are_split_where_yaml_says() -> None:
    text = "%YAML 1.2\n---\na: 1\n---   # comment\nb: |\n  ---\n  text\n---\n\n...\n--- {c: 2}\n"
    assert [read(part) for part in split(text)] == [{"a": "1"}, {"b": "---\ntext\n"}, {"c": "2"}]


def test_scalars_are_strings_and_null_is_none() -> None:
    assert read("a: 1\nb: yes\nc: ~\nd:\ne: 'null'\nf: 2026-99-99\ng: [x, 1.0]\n") == {
        "a": "1",
        "b": "yes",
        "c": None,
        "d": None,
        "e": "null",
        "f": "2026-99-99",
        "g": ["x", "1.0"],
    }


def test_aliases_are_followed_within_bounds() -> None:
    assert read("a: &x [1]\nb: *x\n") == {"a": ["1"], "b": ["1"]}
    levels = ["l0: &l0 [x]"] + [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 20)]
    with pytest.raises(MalformedDocument, match="aliases"):
        read("\n".join(levels))


@pytest.mark.parametrize("text", ["[" * 100_000, "a: " + "{b: " * 50_000, "- " * 60_000 + "x"])
def test_depth_is_bounded(text: str) -> None:
    with pytest.raises(MalformedDocument, match="nested deeper"):
        read(text)


@pytest.mark.parametrize("text", ["a: [", "a: b: c", "\t- x", "*unknown", "&a !!python/object:os.system x: ]"])
def test_what_is_no_yaml_is_refused(text: str) -> None:
    with pytest.raises(MalformedDocument):
        read(text)


def test_tags_are_inert() -> None:
    assert read("a: !!python/object/apply:os.system ['exit 1']") == {"a": ["exit 1"]}
