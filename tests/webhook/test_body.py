"""What a body may be, and what comes out of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.redaction.redactor import Redactor
from webhook.body import MAX_BYTES, MAX_DEPTH, MAX_KEY, MAX_STRING, MAX_VALUES, BodyRejected, one_line, parse, text

REDACTOR = Redactor()

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def read(raw: bytes) -> Any:
    """`raw` as a well-behaved sender sends it."""
    return parse(raw, "application/json", None, REDACTOR.value)


def rejected(raw: bytes, content_type: str | None = "application/json", encoding: str | None = None) -> BodyRejected:
    """The refusal of `raw`."""
    with pytest.raises(BodyRejected) as refusal:
        parse(raw, content_type, encoding, REDACTOR.value)
    return refusal.value


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON; charset=UTF-8",
        'application/json; charset="utf-8"',
        "application/cloudevents+json",
        "application/vnd.acme.alert+v2+json ; charset=utf8; x=y",
    ],
)
def test_json_types_are_read(content_type: str) -> None:
    assert parse(b'{"a": [1, 2.5, "x", null, true]}', content_type, "identity", REDACTOR.value) == {
        "a": [1, 2.5, "x", None, True]
    }


@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "application/x-www-form-urlencoded", "application/json5", "application/+json", "json"],
)
def test_other_types_are_refused_with_the_fix(content_type: str | None) -> None:
    refusal = rejected(b"{}", content_type)
    assert (refusal.status, refusal.field) == (415, "Content-Type")
    assert "`Content-Type: application/json`" in refusal.detail


@pytest.mark.parametrize("charset", ["utf-7", "latin-1", "utf-16", ""])
def test_other_charsets_are_refused(charset: str) -> None:
    assert rejected(b"{}", f"application/json; charset={charset}").status == 415


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, identity"])
def test_compressed_bodies_are_refused(encoding: str) -> None:
    refusal = rejected(b"{}", encoding=encoding)
    assert (refusal.status, refusal.field) == (415, "Content-Encoding")


def test_bytes_are_bounded() -> None:
    whole = b'"' + b" " * (MAX_BYTES - 2) + b'"'
    assert len(read(whole)) == MAX_STRING
    assert rejected(whole + b" ").status == 413


def test_depth_is_bounded() -> None:
    assert read(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    half = MAX_DEPTH // 2
    for deep in (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), b'[{"":' * half + b"[]" + b"}]" * half):
        refusal = rejected(deep)
        assert (refusal.status, str(MAX_DEPTH) in refusal.detail) == (400, True)


def test_brackets_inside_strings_are_no_depth() -> None:
    tricky = {"a": '\\"[[[' + "[" * MAX_DEPTH, "b\\": '"{' * MAX_DEPTH}
    assert read(json.dumps(tricky).encode()) == tricky


def test_values_are_bounded() -> None:
    assert len(read(b"[" + b"1," * (MAX_VALUES - 2) + b"1]")) == MAX_VALUES - 1
    assert rejected(b"[" + b"1," * (MAX_VALUES - 1) + b"1]").status == 413
    assert rejected(b'["' + b'"",' * (2 * MAX_VALUES) + b'"]').status == 413


def test_commas_inside_strings_are_no_values() -> None:
    assert read(b'["' + b"," * (MAX_VALUES + 1) + b'"]') == ["," * (MAX_VALUES + 1)]


def test_keys_are_bounded() -> None:
    longest = "k" * MAX_KEY
    assert read(json.dumps({longest: 1}).encode()) == {longest: 1}
    refusal = rejected(json.dumps({"a": [{longest + "k": 1}]}).encode())
    assert (refusal.status, refusal.field) == (413, "k" * 39 + "…")


def test_a_long_string_is_cut_and_shows_it() -> None:
    longest = "x" * MAX_STRING
    whole, one, other = read(json.dumps([longest, longest + "y", longest + "z"]).encode())
    assert whole == longest
    assert len(one) == len(other) == MAX_STRING
    assert one[:-30].strip("x") == other[:-30].strip("x") == "" and "…" in one
    assert one != other, "it may be what tells two alerts apart"


@pytest.mark.parametrize("after", [b"", b" " * MAX_KEY], ids=["short", "long"])
def test_what_no_database_holds_is_replaced(after: bytes) -> None:
    assert read(rb'{"a\u0000b": ["\ud800", "\udc00x", "\ud83d\ude00", "\u0007"]}' + after) == {
        "a\ufffdb": ["\ufffd", "\ufffdx", "😀", "\x07"]
    }


@pytest.mark.parametrize("constant", [b"NaN", b"Infinity", b"-Infinity"])
def test_constants_that_are_no_json_are_refused(constant: bytes) -> None:
    refusal = rejected(b'{"value": ' + constant + b"}")
    assert (refusal.status, constant.decode() in refusal.detail) == (400, True)


@pytest.mark.parametrize(
    ("number", "value"),
    [
        (b"9223372036854775807", 2**63 - 1),
        (b"-9223372036854775808", -(2**63)),
        (b"9223372036854775808", "9223372036854775808"),
        (b"-9223372036854775809", "-9223372036854775809"),
        (b"9" * 5000, "9" * 5000),
        (b"1e400", "1e400"),
        (b"-1E1000000000", "-1E1000000000"),
        (b"1e-400", 0.0),
        (b"-0", 0),
        (b"0.1", 0.1),
    ],
)
def test_numbers_that_nothing_holds_stay_text(number: bytes, value: object) -> None:
    assert read(b"[" + number + b"]") == [value]


def test_the_last_of_equal_keys_counts() -> None:
    assert read(b'{"a": 1, "a": 2}') == {"a": 2}


def test_a_byte_order_mark_is_skipped() -> None:
    assert read(b"\xef\xbb\xbf{}") == {}


@pytest.mark.parametrize(
    "raw",
    [b"", b" \n", b"{", b"{}{}", b"[1,]", b"{'a': 1}", b"\xff", b'"\xc0\xaf"', b'"\xed\xa0\x80"', b'"a\nb"', b"]"],
)
def test_what_is_no_json_is_refused(raw: bytes) -> None:
    refusal = rejected(raw)
    assert (refusal.status, bool(refusal.title), bool(refusal.detail)) == (400, True, True)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        read(raw)
    except BodyRejected as refusal:
        assert refusal.status in (400, 413)


@given(JSON_VALUES)
def test_any_json_comes_out_storable(value: object) -> None:
    try:
        out = read(json.dumps(value).encode())
    except BodyRejected as refusal:
        assert "JSON number" in refusal.detail
        return
    assert "\x00" not in json.dumps(out, ensure_ascii=False).encode().decode()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        ("plain", "plain"),
        ("a\r\nb\rc\td\n", "a\nb\nc\td\n"),
        ("\x1b[2J\x00\x7f\x9b", "\ufffd[2J\ufffd\ufffd\ufffd"),
        ("\ud800", "\ufffd"),
        (True, "true"),
        (5, "5"),
        (0.25, "0.25"),
        ({"a": ["ü", None]}, '{"a":["ü",null]}'),
    ],
)
def test_any_value_is_text(value: object, shown: str) -> None:
    assert text(value, 100) == shown


def test_text_is_cut_with_an_ellipsis() -> None:
    assert text("12345", 5) == "12345"
    assert text("123456", 5) == "1234…"


def test_one_line_folds_all_space() -> None:
    assert one_line("  a\r\n\t b \u2028 c ", 100) == "a b c"
    assert one_line(" " * 50 + "abcdef", 5) == "abcd…"


def test_a_body_is_redacted_before_it_is_cut() -> None:
    secret = "ghp_" + "a1B2c3D4" * 5
    long = "x" * (MAX_STRING - 10) + " " + secret
    assert secret[:9] not in read(json.dumps({"errors": long}).encode())["errors"]
