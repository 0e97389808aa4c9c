"""The README's tables and the list of the settings' names, from what they list: `make tables` writes them, and tests
hold them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from shared.settings import LISTED, declared_names
from whydown import settings_listing
from whydown.connector_listing import KINDS

TABLES: Final[dict[str, Callable[[], str]]] = {
    **{name: kind.as_markdown for name, kind in KINDS.items()},
    "settings": settings_listing.as_markdown,
}
"""By name, `<!-- name -->` to `<!-- /name -->` in the README."""


def written(readme: str) -> str:
    """The README with every table as it should be. Raises ValueError when one has no place in it."""
    for name, table in TABLES.items():
        before, start, rest = readme.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- /{name} -->")
        if not end:
            raise ValueError(f"the README has no place for the table `{name}`")
        readme = f"{before}{start}{table()}\n{end}{after}"
    return readme


if __name__ == "__main__":
    path = Path("README.md")
    path.write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")
    LISTED.write_text("".join(f"{name}\n" for name in declared_names()), encoding="utf-8")
