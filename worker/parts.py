"""What a worker process is made of: the connectors that the settings name, each built once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from shared.database import Database
from shared.incident import Coverage
from shared.redaction.installed import redactor
from shared.redaction.redactor import Redactor
from shared.settings import Address, Investigation, Storage
from shared.store.installation import redaction_key
from shared.store.spending import Budget
from worker import llm
from worker.breaker import Breaker
from worker.catalogs import CATALOGS, Catalog
from worker.discreet import Discreet
from worker.gathering import gaps
from worker.metering import Meter
from worker.prices import Prices
from worker.recipients import Recipients
from worker.sources import SOURCES, Source


@dataclass(frozen=True)
class Parts:
    """Everything that the stages of an investigation use. Safe to share between threads."""

    database: Database
    settings: Investigation
    sources: Mapping[str, Source]
    catalog: Catalog | None = None
    provider: llm.Provider | None = None
    meter: Meter | None = None
    """Counts the provider's calls; None where nobody wants to know, as in an evaluation."""
    model_seconds: float = 60.0
    recipients: Recipients = field(default_factory=Recipients)
    gaps: tuple[Coverage, ...] = ()
    """A coverage line for each category that is not configured."""
    public_url: str = ""
    redactor: Redactor = field(default_factory=Redactor)
    """Nothing that is gathered, and nothing that the model says, gets past it."""


# What a stage could not store is stored later, and what failed for the database is tried again.
_TRUSTED_SECONDS: Final = 2.0


@cache
def parts() -> Parts:
    """This process's parts, as the settings say. Raises ConfigurationError or UnknownName."""
    model = llm.Config.read()
    sources = {name: source for name, kind in SOURCES if (source := kind.from_settings()) is not None}
    catalog = next((catalog for _, kind in CATALOGS if (catalog := kind.from_settings()) is not None), None)
    provider = llm.configured_provider(model)
    database = Database(Storage.read().resolved_database_url(), trusted_seconds=_TRUSTED_SECONDS, planned_once=True)
    discreet = redactor(redaction_key(database))
    return Parts(
        database=database,
        settings=Investigation.read(),
        sources=sources,
        catalog=catalog,
        provider=Discreet(Breaker(provider), discreet) if provider else None,
        meter=Meter(
            database, Prices.from_config(model).cost, Budget(model.daily_budget_usd, model.daily_budget_tokens)
        ),
        model_seconds=model.timeout_seconds,
        recipients=Recipients.configured(),
        gaps=gaps(["catalog"] * (catalog is not None) + list(sources), _offered()),
        public_url=(Address.read().public_url or "").rstrip("/"),
        redactor=discreet,
    )


def _offered() -> dict[str, list[str]]:
    """For each category, what could be set to have it."""
    offered = {"catalog": [kind.configure for _, kind in CATALOGS]}
    for name, kind in SOURCES:
        if kind.configure:
            offered.setdefault(name.partition(".")[0], []).append(kind.configure)
    return offered
