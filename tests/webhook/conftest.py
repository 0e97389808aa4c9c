"""A database for tests of what does not depend on the engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.database import Database
from shared.tables import Base


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    """A database with all tables."""
    database = Database(f"sqlite:///{tmp_path / 'test.db'}")
    Base.metadata.create_all(database.engine)
    yield database
    database.close()
