"""Names of repositories as catalogs give them: hostile until they have passed the allow-list."""

from __future__ import annotations

import re
from typing import Final

_SEGMENT: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")


def segments(name: str) -> tuple[str, ...] | None:
    """The parts of `owner/repo` or `repo`, safe as segments of a path or URL; None when the name is neither."""
    parts = tuple(name.split("/"))
    safe = all(_SEGMENT.fullmatch(part) and part != "." and ".." not in part for part in parts)
    return parts if len(parts) <= 2 and safe else None
