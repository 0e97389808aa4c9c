"""YAML from outside, read without trust: documents of mappings, lists and strings, and nothing that can blow up.

PyYAML's own loaders recurse in C, where a file of 100,000 brackets ends the process, and expand merge keys without a
bound. So the values are put together here, from libyaml's flat stream of events.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

DEEPEST: Final = 50
MOST_ALIASES: Final = 100

_MARKER: Final = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class MalformedDocument(ValueError):
    """A document that is no YAML, or more than is read; the message says why, in words that hold none of it."""


def split(text: str) -> list[str]:
    """The documents of a stream, each by itself, so that a broken one cannot take the rest with it.

    `---` at the start of a line is a document marker wherever it stands (YAML 1.2.2, 9.1.2).
    """
    return [part for part in _MARKER.split(text.removeprefix("\ufeff")) if not _is_empty(part)]


def read(text: str) -> Any:
    """One document. Every scalar is a string, and an empty or null one is None. Raises MalformedDocument."""
    try:
        return _compose(yaml.parse(text, Loader=_Loader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise MalformedDocument(f"{where}{getattr(error, 'problem', None) or 'not YAML'}") from None


def _is_empty(part: str) -> bool:
    return all(not line.strip() or line.lstrip()[0] in "%#" or line.strip() == "..." for line in part.splitlines())


def _compose(events: Iterator[Any]) -> Any:
    root: list[Any] = []
    open_: list[tuple[Any, list[Any]]] = [(None, root)]
    anchors: dict[str, Any] = {}
    aliases = 0
    for event in events:
        if isinstance(event, yaml.ScalarEvent):
            _place(open_, anchors, event, _scalar(event))
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            value: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
            _place(open_, anchors, event, value)
            open_.append((value, []))
            if len(open_) > DEEPEST:
                raise MalformedDocument(f"nested deeper than {DEEPEST} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            _close(*open_.pop())
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
            if aliases > MOST_ALIASES or event.anchor not in anchors:
                raise MalformedDocument(f"more than {MOST_ALIASES} aliases, or one to an unknown anchor")
            open_[-1][1].append(anchors[event.anchor])
    return root[0] if root else None


def _place(open_: list[tuple[Any, list[Any]]], anchors: dict[str, Any], event: Any, value: Any) -> None:
    open_[-1][1].append(value)
    if event.anchor:
        anchors[event.anchor] = value


def _close(value: Any, children: list[Any]) -> None:
    if isinstance(value, list):
        value.extend(children)
    else:
        value.update(
            (key, item) for key, item in zip(children[::2], children[1::2], strict=True) if isinstance(key, str)
        )


def _scalar(event: yaml.ScalarEvent) -> str | None:
    return None if event.implicit[0] and event.value in ("", "~", "null") else str(event.value)
