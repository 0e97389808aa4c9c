"""Names that others rely on, and that are other ones now."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import Final

from worker.investigation.suspects import weights
from worker.investigation.suspects.edit import Edit, short
from worker.investigation.suspects.quantities import VERSION
from worker.investigation.suspects.values import MOST_PAIRED, SETTING, SIMILAR

MOST_NAMES: Final = 12

_LITERAL: Final = re.compile(
    r"\"((?:\\.|[^\"\\]){1,80})\"|'((?:\\.|[^'\\]){1,80})'|`([^`]{1,80})`|\b([A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+)\b"
)
_PARAMETER: Final = re.compile(r"(?:^|[;&?,])\s*([A-Za-z][\w -]{1,30})=")
"""The names in connection strings and queries."""
_NAME: Final = re.compile(r"^[\w.:/@-]{2,60}$")
_OF_NAMES: Final = frozenset(("parse", "missing", "crash", "connection", "permission", "lag", "wrong"))


def renamed(removed: Sequence[str], added: Sequence[str], path: str) -> Iterator[Edit]:
    """Names that others rely on: in quotes, in capitals, or as keys of a configuration."""
    before, after = set(_names(removed, path)), set(_names(added, path))
    gone, fresh = before - after, after - before
    if not gone or not fresh:
        if gone and weights.CONFIGURATION.search(path):
            said = f"removed the setting {short(min(gone))}"
            yield Edit(said, weights.OTHER_VALUE, _OF_NAMES, frozenset(gone), path=path)
        return
    one_for_one = len(gone) == len(fresh) == 1
    for was in sorted(gone)[:MOST_NAMES]:
        now = max(
            sorted(fresh)[:MOST_PAIRED], key=lambda name: SequenceMatcher(None, was.lower(), name.lower()).ratio()
        )
        alike = SequenceMatcher(None, was.lower(), now.lower()).ratio()
        if (alike >= SIMILAR or one_for_one) and not VERSION.fullmatch(was):
            yield Edit(
                f"renamed “{was}” to “{now}”",
                weights.RENAMED,
                _OF_NAMES,
                frozenset((was, now)),
                path=path,
                felt_by_name=True,
            )


def _names(lines: Iterable[str], path: str) -> Iterator[str]:
    for line in lines:
        for groups in _LITERAL.findall(line):
            # The key alone of a tag: `json:"meta,omitempty"`.
            text = next(filter(None, groups)).strip("\"'")
            tag = re.findall(r"\w+:\\?\"([\w.-]+)", text) or _PARAMETER.findall(text)
            # What a setting of the same name holds is its value.
            plain = [] if weights.CONFIGURATION.search(path) and SETTING.match(line) else [text.partition(",")[0]]
            yield from (name for name in (tag or plain) if _NAME.match(name) and re.search("[A-Za-z]", name))
        if weights.CONFIGURATION.search(path) and (setting := SETTING.match(line)):
            yield setting[1].strip()
