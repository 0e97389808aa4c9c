"""Catalogs: who owns what, and what depends on what. Adding one is one file, one line below, one test."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, Self

from shared.moment import Deadline
from shared.registry import Registry
from worker.inquiry import AlertSubject, CatalogMatch


class Catalog(Protocol):
    """A software catalog in Backstage's model."""

    configure: ClassVar[str]
    """What to set for this catalog to be asked, in words."""

    @classmethod
    def from_settings(cls) -> Self | None:
        """The catalog as the settings say, or None when it is not configured. Raises ConfigurationError."""
        ...

    def match(self, subject: AlertSubject, deadline: Deadline) -> CatalogMatch:
        """The alert's component and its neighbours; a match without a component means: the catalog answered, and
        does not know it. Raises SourceFailure when the catalog did not answer: then nothing is known.
        """
        ...

    def refs(self, deadline: Deadline) -> tuple[str, ...]:
        """The refs of all that an alert may be about, lower case. Raises SourceFailure."""
        ...

    def probe(self, deadline: Deadline) -> str:
        """A real query for `whydown doctor`: what was reached, in words. Raises SourceFailure."""
        ...


CATALOGS: Registry[Catalog] = Registry[Any](
    "catalog",
    "whydown.catalogs",
    {
        # The first that is configured is asked.
        "backstage": "worker.catalogs.backstage_catalog:BackstageCatalog",
        "files": "worker.catalogs.catalog_files:CatalogFiles",
    },
)
