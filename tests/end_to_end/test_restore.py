"""A restored database carries on."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tests.end_to_end.landscape import Landscape
from tests.end_to_end.test_contract import opened
from tests.installation import Installation


def test_what_was_unfinished_in_the_backup_is_finished_after_the_restore(world: Landscape, tmp_path: Path) -> None:
    with Installation(tmp_path / "first", world.settings()) as first:
        first.start_queue()
        first.migrate()
        first.start_web()
        incident_id = opened(first, world.alert("Restored"))
        (tmp_path / "second").mkdir()
        with sqlite3.connect(first.folder / "whydown.db") as database:
            database.execute("VACUUM INTO ?", [str(tmp_path / "second" / "whydown.db")])
        database.close()
    with Installation(tmp_path / "second", world.settings()) as second:
        second.start()
        second.start_beat()
        assert second.finished(incident_id)["status"] == "done"
