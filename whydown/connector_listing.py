"""The connectors as a person reads them: what there is, what turns it on, and where more is written about it."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import Any, Final

from shared.registry import Registry
from webhook.senders import SENDERS
from worker.catalogs import CATALOGS
from worker.llm import PROVIDERS
from worker.notifiers import NOTIFIERS
from worker.sources import SOURCES


@dataclass(frozen=True, slots=True)
class Kind:
    """One registry in the README."""

    registry: Registry[Any]
    page: str
    """Where a connector is written about, from the repository's root: `{name}` is its name, `{vendor}` the last
    part of it.
    """

    def page_of(self, name: str) -> str:
        """The page of a connector, with the heading if it is one of several there."""
        return self.page.format(name=name, vendor=name.rpartition(".")[2])

    def as_markdown(self) -> str:
        """A row for each connector, in the registry's order."""
        rows = [f"| [{name}]({self.page_of(name)}) | {_what(kind)} | {_set(kind)} |" for name, kind in self.registry]
        return "\n".join([f"| {self.registry.kind} | what it is | what turns it on |", "|---|---|---|", *rows])


KINDS: Final = {
    "senders": Kind(SENDERS, "docs/senders/{name}.md"),
    "catalogs": Kind(CATALOGS, "docs/catalogs.md#{name}"),
    "sources": Kind(SOURCES, "docs/sources/{vendor}.md"),
    "models": Kind(PROVIDERS, "docs/models.md#{name}"),
    "notifiers": Kind(NOTIFIERS, "docs/notifications.md#{name}"),
}
"""By the name of their table in the README."""


def _what(kind: type) -> str:
    """The first sentence of the class's docstring."""
    paragraph = " ".join((inspect.getdoc(kind) or "").partition("\n\n")[0].split())
    return re.split(r"(?<=\.) (?=[A-Z])", paragraph)[0]


def _set(kind: Any) -> str:
    """The settings as code, the words around them as they are."""
    return _SETTING.sub(r"`\g<0>`", (kind.configure or "always there").replace("<", "&lt;"))


_SETTING: Final = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")
