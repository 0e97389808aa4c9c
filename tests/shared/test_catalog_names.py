"""The catalog's names in the database: what was read last counts, on both engines."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from shared.database import Database
from shared.moment import now
from shared.store import catalog_names


def test_names_are_found_by_what_they_hold(database: Database) -> None:
    catalog_names.keep(database, ["invoice-api", "payment-gateway", "invoice-db", "resource:billing/ledger_1"])
    assert catalog_names.named(database, "", 10) == (
        "invoice-api", "invoice-db", "payment-gateway", "resource:billing/ledger_1",
    )  # fmt: skip
    assert catalog_names.named(database, "INVOICE", 10) == ("invoice-api", "invoice-db")
    assert catalog_names.named(database, "a", 2) == ("invoice-api", "payment-gateway")
    assert catalog_names.named(database, "r_1", 10) == ("resource:billing/ledger_1",)
    assert catalog_names.named(database, "%", 10) == ()


def test_what_the_catalog_no_longer_knows_is_forgotten(database: Database) -> None:
    assert catalog_names.read_at(database) is None
    before = now()
    catalog_names.keep(database, ["invoice-api", "old-api"])
    catalog_names.keep(database, ["invoice-api", "new-api"])
    assert catalog_names.named(database, "", 10) == ("invoice-api", "new-api")
    read = catalog_names.read_at(database)
    assert read is not None
    assert before <= read <= now()


def test_two_workers_may_keep_them_at_once(database: Database) -> None:
    names = [f"service-{number}" for number in range(700)]
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(catalog_names.keep, database, names) for _ in range(4)]:
            done.result()
    assert set(catalog_names.named(database, "", 1_000)) == set(names)
