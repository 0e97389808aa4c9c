"""The README's tables are those of the registries and settings, and each connector is written about where they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from whydown.connector_listing import KINDS
from whydown.readme_tables import TABLES, written

REPOSITORY = Path(__file__).parents[2]
README = (REPOSITORY / "README.md").read_text()
CONNECTORS = [
    pytest.param(kind.page_of(name), id=f"{title} {name}")
    for title, kind in KINDS.items()
    for name in kind.registry.names()
]
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)(?:#([^)\s]*))?\)")


def test_the_readme_has_the_tables_as_they_are() -> None:
    assert written(README) == README, "run `make tables`"


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_is_missing_or_stale_is_noticed(name: str) -> None:
    stale = README.replace(f"<!-- {name} -->\n", f"<!-- {name} -->\n| something | else |\n")
    assert written(stale) == README
    with pytest.raises(ValueError, match=name):
        written(README.replace(f"<!-- /{name} -->", ""))


def _anchors(page: Path) -> set[str]:
    """Headings as GitHub links to them."""
    headings = re.findall(r"(?m)^#+ (.+)$", page.read_text())
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", CONNECTORS)
def test_every_connector_has_a_page(page: str) -> None:
    path, _, heading = page.partition("#")
    assert (REPOSITORY / path).is_file()
    assert not heading or heading in _anchors(REPOSITORY / path)


@pytest.mark.parametrize(
    "page", [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))], ids=lambda page: page.name
)
def test_no_link_between_pages_is_dead(page: Path) -> None:
    for path, heading in LINK.findall(page.read_text()):
        target = (page.parent / path).resolve()
        assert target.exists(), path
        assert not heading or target.suffix != ".md" or heading in _anchors(target), f"{path}#{heading}"
