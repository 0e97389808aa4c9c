"""Workers keep the catalog's names for the pages: as often as is needed, and whatever the catalog does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update
from structlog.testing import capture_logs

from shared.database import Database
from shared.moment import now
from shared.settings import Investigation
from shared.store import catalog_names
from shared.tables import CatalogNameRow
from worker import offered_names
from worker.catalogs import catalog_files
from worker.catalogs.catalog_files import CatalogFiles
from worker.offered_names import OfferedNames
from worker.parts import Parts

_ENTITY = "apiVersion: backstage.io/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}, namespace: {namespace}}}\n"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., None]:
    """Writes an entity into the catalog's folder."""

    def entity(kind: str, name: str, namespace: str = "default") -> None:
        text = _ENTITY.format(kind=kind, name=name, namespace=namespace)
        (tmp_path / f"{kind}-{name}.yaml").write_text(text)

    return entity


@pytest.fixture
def parts(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Parts:
    """A worker with that folder as its catalog, which it looks at each time."""
    monkeypatch.setattr(catalog_files, "LOOK_SECONDS", 0.0)
    return Parts(database, Investigation(), {}, catalog=CatalogFiles(tmp_path))


def test_names_are_kept_as_a_manual_analysis_takes_them(parts: Parts, write: Callable[..., None]) -> None:
    for kind, name, namespace in (
        ("Component", "invoice-api", "default"),
        ("Resource", "invoice-db", "default"),
        ("Component", "ledger", "finance"),
        ("Group", "billing", "default"),
    ):
        write(kind, name, namespace)
    OfferedNames().refresh(parts)
    assert catalog_names.named(parts.database, "", 9) == ("component:finance/ledger", "invoice-api", "invoice-db")


def test_they_are_read_again_when_they_are_old_and_by_one_worker(parts: Parts, write: Callable[..., None]) -> None:
    write("Component", "invoice-api")
    OfferedNames().refresh(parts)
    write("Component", "search")
    OfferedNames().refresh(parts)
    assert catalog_names.named(parts.database, "", 9) == ("invoice-api",)
    old = now() - offered_names.AFTER - timedelta(seconds=1)
    with parts.database.writing() as session:
        session.execute(update(CatalogNameRow).values(read_at=old))
    OfferedNames().refresh(parts)
    assert catalog_names.named(parts.database, "", 9) == ("invoice-api", "search")


def test_a_catalog_that_fails_costs_nothing_but_a_line_in_the_log(parts: Parts, write: Callable[..., None]) -> None:
    catalog_names.keep(parts.database, ["known-before"])
    with parts.database.writing() as session:
        session.execute(update(CatalogNameRow).values(read_at=now() - timedelta(days=1)))
    names = OfferedNames()
    with capture_logs() as logged:
        names.refresh(parts)  # its folder is empty
        names.refresh(parts)
    assert [line["event"] for line in logged] == ["catalog_names_not_read"]
    assert catalog_names.named(parts.database, "", 9) == ("known-before",)
    OfferedNames().refresh(replace(parts, catalog=None))
