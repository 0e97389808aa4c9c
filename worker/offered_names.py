"""Keeps the catalog's names in the database, where the receiver finds them for its pages."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Final

import structlog

from shared.incident import Coverage
from shared.moment import Deadline, now
from shared.store import catalog_names
from worker.gathering import answered
from worker.parts import Parts

AFTER: Final = timedelta(minutes=5)
"""The catalog is read again when its names are older."""

_log = structlog.get_logger(__name__)


class OfferedNames:
    """One worker's share of it: whoever finds the names old reads them anew."""

    def __init__(self) -> None:
        """Nothing was read yet."""
        self._next_look = 0.0

    def refresh(self, parts: Parts) -> None:
        """Reads the catalog, when that is due. Its troubles are a line in the log."""
        if parts.catalog is None or time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + AFTER.total_seconds()
        read = catalog_names.read_at(parts.database)
        if read is not None and now() - read < AFTER:
            return
        catalog, seconds = parts.catalog, parts.settings.source_timeout_seconds
        deadline = Deadline.after(seconds)
        refs = answered("catalog", lambda: catalog.refs(deadline), deadline, seconds)
        if isinstance(refs, Coverage):
            _log.warning("catalog_names_not_read", reason=refs.detail)
            return
        names = {_name(ref) for ref in refs}
        catalog_names.keep(parts.database, [name for name in names if parts.redactor.text(name) == name])


def _name(ref: str) -> str:
    """How people write the ref: the bare name where the namespace is the default one."""
    return ref.partition("/")[2] if ref.partition(":")[2].startswith("default/") else ref
