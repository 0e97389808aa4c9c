"""From the bytes of a request to JSON values that any database can hold. Every bound on a body stands here."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any, Final, NoReturn

MAX_BYTES: Final = 5 * 1024 * 1024
"""A larger body is refused; the receiver can tell by Content-Length, before it reads."""

MAX_DEPTH: Final = 50
"""Arrays and objects inside each other."""

MAX_VALUES: Final = 100_000
"""Values in the whole body, containers included."""

MAX_KEY: Final = 4_096
"""Characters of an object's key."""

MAX_STRING: Final = 256 * 1024
"""Characters of a string. A longer one is cut, for no alert is to be lost for a long log excerpt, and ends in an
ellipsis and a hash of the whole: it may be an identity, and two must not become one.
"""


class BodyRejected(Exception):
    """A body that cannot be read. Status, title, detail and field are what the RFC 9457 answer says."""

    def __init__(self, status: int, title: str, detail: str, field: str | None = None) -> None:
        """`status` is 400, 413 or 415; `field` the header or the key that is wrong."""
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail
        self.field = field


def parse(raw: bytes, content_type: str | None, content_encoding: str | None, redacted: Callable[[Any], Any]) -> Any:
    """The JSON (RFC 8259) that a request carries, within the bounds above and `redacted` before anything is cut. Raises
    BodyRejected.

    Strings come out without what PostgreSQL and SQLite cannot hold: NUL and lone surrogates become U+FFFD. A number
    that no 64-bit integer or float can hold comes out as its own text. Of equal keys the last one counts.
    """
    _check_encoding(content_encoding)
    _check_type(content_type)
    if len(raw) > MAX_BYTES:
        raise _too_large(f"the body has {len(raw)} bytes; at most {MAX_BYTES} are read")
    try:
        # A leading byte order mark is tolerated, as RFC 8259, section 8.1, allows.
        source = raw.decode("utf-8-sig")
    except UnicodeDecodeError as invalid:
        raise _not_json(f"byte {invalid.start} is not UTF-8; send the body as UTF-8") from None
    if not source.strip():
        raise _not_json("the body is empty; send a JSON object")
    plain = _check_outline(raw)
    try:
        value = _decode(source)
    except json.JSONDecodeError as invalid:
        raise _not_json(
            f"the body is no JSON: {invalid.msg} at line {invalid.lineno}, column {invalid.colno}"
        ) from None
    value = redacted(value)
    return value if plain else _storable(value)


def text(value: object, limit: int) -> str:
    """Any JSON value as a string of at most `limit` characters that can be stored and shown; a longer one ends in `…`.

    Strings stay as they are but for control characters: of those only newline and tab are kept, line ends become
    newlines, the rest U+FFFD. Null is the empty string; other values are written as JSON.
    """
    if type(value) is str and len(value) <= limit and value.isprintable():
        return value  # as nearly all are: nothing to replace
    if value is None:
        return ""
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _cut(_CONTROL.sub("\ufffd", shown.replace("\r\n", "\n").replace("\r", "\n")), limit)


def one_line(value: object, limit: int) -> str:
    """Any JSON value as one line of at most `limit` characters, without surrounding space."""
    return _cut(" ".join(text(value, MAX_STRING).split()), limit)


_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_JSON_TYPE: Final = re.compile(r"application/(json|[^\s/+;]+(\+[^\s/+;]+)*\+json)")
_BRACKET: Final = re.compile(rb"[\[{\]}]")
_INTEGERS: Final = range(-(2**63), 2**63)


def _check_encoding(content_encoding: str | None) -> None:
    if (content_encoding or "identity").strip().lower() != "identity":
        raise BodyRejected(
            415,
            "Unsupported content encoding",
            "Content-Encoding must be identity or absent: send the body uncompressed",
            "Content-Encoding",
        )


def _check_type(content_type: str | None) -> None:
    media_type, *parameters = (content_type or "").split(";")
    if not _JSON_TYPE.fullmatch(media_type.strip().lower()):
        raise _wrong_type("send the header `Content-Type: application/json`, and a JSON body")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in ("utf-8", "utf8"):
            raise _wrong_type("the charset in Content-Type must be utf-8: send the body as UTF-8")


def _check_outline(raw: bytes) -> bool:
    """Counts and measures before anything is built: a few bytes of JSON can stand for many bytes of memory. True when
    every string of it can be stored as it is: none is long, and none has a character that is written by its number.
    """
    if len(raw) < MAX_KEY and raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return rb"\u" not in raw  # as most are: too short for a long string or many values, and nothing deep inside
    unescaped = raw.replace(rb"\\", b"").replace(rb"\"", b"")
    # A value has at most a key and a text, so at most four quotes.
    if unescaped.count(b'"') > 4 * MAX_VALUES:
        raise _too_many_values()
    parts = unescaped.split(b'"')
    outline = b"".join(parts[::2])
    if 1 + sum(map(outline.count, b",[{")) > MAX_VALUES:
        raise _too_many_values()
    depth = 0
    # So many in all would have to be inside each other.
    deep = sum(map(outline.count, (b"[", b"{"))) > MAX_DEPTH
    for bracket in _BRACKET.finditer(outline) if deep else ():
        depth += 1 if bracket[0] in b"[{" else -1
        if depth < 0:
            return False  # no JSON: the parser says where
        if depth > MAX_DEPTH:
            raise _not_json(f"arrays and objects are nested more than {MAX_DEPTH} deep; send a flatter body")
    return rb"\u" not in raw and max(map(len, parts)) < MAX_KEY


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", _cut_apart(value))
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {_storable_key(key): _storable(item) for key, item in value.items()}
    return value


def _storable_key(key: str) -> str:
    if len(key) > MAX_KEY:
        start = text(key, 40)
        raise _too_large(
            f"the key that begins with {start!r} has {len(key)} characters; at most {MAX_KEY} are read", start
        )
    return _UNSTORABLE.sub("\ufffd", key)


def _integer(digits: str) -> int | str:
    # 19 digits and a sign: what is longer fits no 64-bit integer, and converting it takes quadratic time.
    number = int(digits) if len(digits) <= 20 else None
    return number if number is not None and number in _INTEGERS else digits


def _float(digits: str) -> float | str:
    number = float(digits)
    return digits if number in (float("inf"), float("-inf")) else number


def _refuse_constant(name: str) -> NoReturn:
    raise _not_json(f"{name} is no JSON number; send null or a string instead")


_decode: Final = json.JSONDecoder(parse_int=_integer, parse_float=_float, parse_constant=_refuse_constant).decode


def _cut_apart(value: str) -> str:
    if len(value) <= MAX_STRING:
        return value
    mark = f"… (sha256 {hashlib.sha256(value.encode('utf-8', 'surrogatepass')).hexdigest()[:16]})"
    return value[: MAX_STRING - len(mark)] + mark


def _cut(value: str, limit: int) -> str:
    return value if len(value) <= limit else value[: limit - 1] + "…"


def _not_json(detail: str) -> BodyRejected:
    return BodyRejected(400, "The body is not readable JSON", detail)


def _wrong_type(detail: str) -> BodyRejected:
    return BodyRejected(415, "Unsupported media type", detail, "Content-Type")


def _too_large(detail: str, field: str | None = None) -> BodyRejected:
    return BodyRejected(413, "The body is too large", detail, field)


def _too_many_values() -> BodyRejected:
    return _too_large(f"the body holds more than {MAX_VALUES} values; send fewer alerts at once")
