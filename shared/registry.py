"""The loader behind every registry: a name stands for `module:Class`, imported on first use.

Built-in connectors are lines of a dict; third parties add theirs by an entry point in the registry's group
(https://packaging.python.org/en/latest/specifications/entry-points/).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Generic, TypeVar

T = TypeVar("T")


class UnknownName(LookupError):
    """No connector of that name; the message lists the known ones."""


class Registry(Generic[T]):
    """Connectors of one kind, by name."""

    def __init__(self, kind: str, group: str, built_in: dict[str, str]) -> None:
        """`kind` is the word used in messages, `group` the entry point group for third parties."""
        self.kind = kind
        self.group = group
        self._built_in = built_in

    def targets(self) -> dict[str, str]:
        """Every name with its `module:Class`. A built-in name cannot be taken over."""
        return _third_party(self.group) | self._built_in

    def names(self) -> list[str]:
        """Every known name, sorted."""
        return sorted(self.targets())

    def load(self, name: str) -> type[T]:
        """The class registered under `name`. Raises UnknownName."""
        target = self._built_in.get(name) or _third_party(self.group).get(name)
        if target is None:
            close = difflib.get_close_matches(name, self.names(), n=1)
            hint = f"; did you mean {close[0]}?" if close else "."
            raise UnknownName(f"unknown {self.kind} '{name[:64]}'{hint} Known: {', '.join(self.names())}.")
        return load_target(target)

    def __iter__(self) -> Iterator[tuple[str, type[T]]]:
        """Every name with its loaded class, in the registry's own order."""
        for name in self.targets():
            yield name, self.load(name)


@cache
def load_target(target: str) -> type:
    """The class that `module:Class` names."""
    module, _, attribute = target.partition(":")
    loaded: type = getattr(import_module(module), attribute)
    return loaded


@cache
def _third_party(group: str) -> dict[str, str]:
    from importlib.metadata import entry_points  # noqa: PLC0415 - the command line shows its help without it

    return {point.name: point.value for point in entry_points(group=group)}
