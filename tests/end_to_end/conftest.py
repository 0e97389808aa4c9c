"""One running Whydown for each database engine, and the landscape that it looks at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.landscape import Landscape, landscape
from tests.installation import Installation


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Landscape]:
    """The landscape of the whole run."""
    with landscape(tmp_path_factory.mktemp("landscape")) as made:
        yield made


@pytest.fixture
def world(standing: Landscape) -> Landscape:
    """The landscape, with everything answering."""
    standing.mend()
    return standing


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def whydown(
    request: pytest.FixtureRequest, standing: Landscape, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """Receiver, worker and queue as processes of their own, on SQLite and on PostgreSQL."""
    folder: Path = tmp_path_factory.mktemp("whydown")
    settings = standing.settings()
    if request.param == "postgresql":
        settings["WHYDOWN_DATABASE_URL"] = request.getfixturevalue("postgres_server").format(name="postgres")
    with Installation(folder, settings) as installation:
        yield installation.start()
