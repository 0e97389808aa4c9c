"""What an installation keeps for itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from shared.database import Database
from shared.store.installation import redaction_key


def test_all_who_ask_for_the_key_at_once_get_the_same(database: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(redaction_key, [database] * 8))
    assert len(keys) == 1
    assert keys == {redaction_key(database)}
    assert len(keys.pop()) == 32
