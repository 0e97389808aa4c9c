"""Replacing secrets by placeholders that stay the same for the same secret, so that lines can still be compared."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from shared.redaction.rules import RuleSet, Span, built_in

WITHHELD: Final = "[withheld: it could not be searched for secrets]"
"""What stands for a text that the rules failed on."""

_PLACEHOLDER: Final = re.compile(rb"(\[secret:[a-z0-9-]{1,40}:[0-9a-f]{6}\])")
_SHOWN: Final = re.compile(r"\[secret:[a-z0-9-]{1,40}:[0-9a-f]{6}\]")
_PASSES: Final = 5

_REMEMBERED: Final = 20_000
"""Short texts, each with its field, that are known to hold no secret: labels are the same in alert after alert."""
_SHORT: Final = 256

Model = TypeVar("Model", bound=BaseModel)


class Unsettled(Exception):
    """A text that shows new secrets however often it is redacted."""


class Redactor:
    """Takes secrets out of texts and JSON values. Safe to share between threads; what was redacted stays as it is.

    A placeholder is `[secret:<kind>:<tag>]`. The tag is an HMAC of the secret under `key`: whoever does not know the
    key can neither try out passwords against it nor compare it with another installation's.
    """

    def __init__(self, rules: RuleSet | None = None, key: bytes | None = None) -> None:
        """`rules` are those of rules.toml unless given; without a `key` the tags hold for this object only."""
        self._rules = rules or built_in()
        self._over_lines = self._rules.over_lines()
        self._key = key or secrets.token_bytes(32)
        self._clean: set[tuple[str, str]] = set()

    def text(self, text: str) -> str:
        """`text` without its secrets. Never raises: WITHHELD when the rules fail on it."""
        try:
            raw = text.encode("utf-8", "surrogatepass")
            redacted = self._settled(raw)
            return text if redacted is raw else redacted.decode("utf-8", "surrogatepass")
        except Exception:  # noqa: BLE001  whatever fails here must not let the text pass, nor tell what it failed on
            return WITHHELD

    def lines(self, texts: Sequence[str]) -> list[str]:
        """Consecutive log entries without their secrets, those over several entries included: their first entry holds
        the placeholder, and the others what is left of them, maybe nothing.
        """
        try:
            joined = [text.encode("utf-8", "surrogatepass") for text in texts]
            if spans := self._over_lines.spans(b"\n".join(joined)):
                return [self.text(text) for text in self._cut_out(joined, spans)]
        except Exception:  # noqa: BLE001  as above
            return [WITHHELD] * len(texts)
        return [self.text(text) for text in texts]

    def value(self, value: Any, name: str = "") -> Any:
        """A JSON value without the secrets in its strings and keys. `name` is the field that holds it: what is named
        `password` is one, however plain it looks.
        """
        if isinstance(value, str):
            return value if (name, value) in self._clean else self._searched(name, value)
        if isinstance(value, dict | Mapping):
            return self._fields(value)
        if isinstance(value, list | tuple):
            # Texts in a row may be the lines of one.
            items = self.lines(value) if value and all(isinstance(item, str) for item in value) else value
            return type(value)(self.value(item, name) for item in items)
        return value

    def _fields(self, value: Mapping[Any, Any]) -> dict[Any, Any]:
        redacted, clean = {}, self._clean
        for key, item in value.items():
            name = key if ("", key) in clean else self.value(key)
            known = type(item) is str and (key, item) in clean
            redacted[name] = item if known else self.value(item, key if isinstance(key, str) else "")
        return redacted

    def model(self, model: Model) -> Model:
        """A value type without the secrets in its strings."""
        return type(model).model_validate(self.value(model.model_dump()))

    def _searched(self, name: str, value: str) -> str:
        """The text without its secrets, remembered when it has none."""
        if self._rules.silent(f'{name}="{value}"'.encode("utf-8", "surrogatepass")):
            redacted = value
        else:
            redacted = self._named(name, value) if name else self.text(value)
        if redacted is value and len(name) + len(value) <= _SHORT:
            if len(self._clean) >= _REMEMBERED:
                self._clean.clear()
            self._clean.add((name, value))
        return redacted

    def _named(self, name: str, value: str) -> str:
        redacted = self.text(value)
        if redacted == value and value and not _SHOWN.search(value):
            field, quiet = f"{name}=".encode("utf-8", "surrogatepass"), re.sub(r"[\"'\\]", "_", value)
            spans = self._rules.spans(field + b'"' + quiet.encode("utf-8", "surrogatepass") + b'"')
            if kind := next((span.kind for span in spans if span.start == len(field) + 1), None):
                return self._placeholder(kind, value.encode("utf-8", "surrogatepass")).decode()
        return redacted

    def _settled(self, text: bytes) -> bytes:
        """Redacted until nothing is found any more: taking one secret out may bring another to light."""
        for _ in range(_PASSES):
            pieces = _PLACEHOLDER.split(text) if b"[secret:" in text else [text]
            redacted = [piece if number % 2 else self._redacted(piece) for number, piece in enumerate(pieces)]
            if all(new is old for new, old in zip(redacted, pieces, strict=True)):
                return text
            text = b"".join(redacted)
        raise Unsettled

    def _redacted(self, text: bytes) -> bytes:
        spans = self._rules.spans(text)
        if not spans:
            return text
        kept, at = [], 0
        for span in spans:
            kept += [text[at : span.start], self._placeholder(span.kind, text[span.start : span.end])]
            at = span.end
        return b"".join([*kept, text[at:]])

    def _cut_out(self, lines: Sequence[bytes], spans: Sequence[Span]) -> list[str]:
        joined = b"\n".join(lines)
        left, start = [], 0
        for line in lines:
            end, at, kept = start + len(line), start, b""
            for span in spans:
                if span.start < end and span.end > start:
                    kept += joined[at : max(span.start, at)]
                    if span.start >= start:
                        kept += self._placeholder(span.kind, joined[span.start : span.end])
                    at = min(span.end, end)
            left.append((kept + joined[at:end]).decode("utf-8", "surrogatepass"))
            start = end + 1
        return left

    def _placeholder(self, kind: str, secret: bytes) -> bytes:
        tag = hmac.new(self._key, secret, hashlib.sha256).hexdigest()[:6]
        return f"[secret:{kind}:{tag}]".encode()


@dataclass(slots=True)
class Disclosure:
    """Counts what was taken out of values, for a coverage line."""

    replaced: int = 0
    withheld: int = 0

    def add(self, value: Any) -> None:
        """Counts the placeholders in a JSON value."""
        for text in _strings(value):
            if "[secret:" in text:
                self.replaced += len(_SHOWN.findall(text))
            self.withheld += text == WITHHELD

    def told(self) -> str | None:
        """In words: `3 secrets replaced`; None when nothing was taken out."""
        said = [_counted(self.replaced, "secret") + " replaced"] if self.replaced else []
        if self.withheld:
            said.append(_counted(self.withheld, "text") + " withheld that could not be searched for secrets")
        return ", ".join(said) or None


def disclosed(values: Iterable[Any]) -> str | None:
    """What was taken out of JSON values, in words for a coverage line: `3 secrets replaced`."""
    disclosure = Disclosure()
    for value in values:
        disclosure.add(value)
    return disclosure.told()


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"
