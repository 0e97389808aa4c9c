"""What processes share that one process forks."""

from __future__ import annotations

import gc


def share_what_is_there() -> None:
    """Call it right before a fork: what has been imported and made until now stays shared, as far as nobody changes it.
    The collector would change all of it, for it keeps its notes in the objects that it looks through
    (https://docs.python.org/3/library/gc.html#gc.freeze).
    """
    gc.collect()
    gc.freeze()
