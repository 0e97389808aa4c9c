"""What a stage of an investigation gives."""

from __future__ import annotations

from collections.abc import Callable

Store = Callable[[], tuple[str, ...]]
"""Stores a result, and gives the ids of the work that may begin then. Raises Fenced. It may be called again when it met
a database that was away: nothing is to be looked for twice for that.
"""


def nothing_yet() -> tuple[()]:
    """The work was given back or closed already."""
    return ()
