"""What only some installations have: packages of an extra of pyproject.toml, imported where something configured needs
them and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import ConfigurationError


@contextmanager
def of_extra(extra: str) -> Iterator[None]:
    """Imports inside the block are of packages that `extra` brings. Raises ConfigurationError when one is not there.

    It is a connector's `from_settings` that imports them, once its settings say that it is wanted: a module that did so
    when it is loaded would stop every worker that has no use for it.
    """
    try:
        yield
    except ModuleNotFoundError as missing:
        raise ConfigurationError(
            f"{missing.name} is not installed: install whydown[{extra}] (docs/install.md, Extras)"
        ) from None
