"""Names of repositories as catalogs give them: hostile until they have passed the allow-list."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

_SEGMENT: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")


def segments(name: str, most: int = 2) -> tuple[str, ...] | None:
    """The parts of `owner/repo` or `repo`, safe as segments of a path or URL; None when the name is neither. Groups
    within groups have `most` parts.
    """
    parts = tuple(name.split("/"))
    safe = all(_SEGMENT.fullmatch(part) and part != "." and ".." not in part for part in parts)
    return parts if len(parts) <= most and safe else None


def source_host(annotations: Mapping[str, str]) -> str | None:
    """The host, with its port, of backstage.io/source-location; None when that is no http(s) URL."""
    location = urlsplit(annotations.get("backstage.io/source-location", "").removeprefix("url:"))
    return location.netloc or None if location.scheme in ("https", "http") else None
