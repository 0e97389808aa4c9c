"""Which Whydown this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def own_version() -> str:
    """The installed version; `0` for a checkout that is not installed."""
    try:
        return version("whydown")
    except PackageNotFoundError:
        return "0"
