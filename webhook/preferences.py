"""What a client asks for in its headers: a page or JSON, and how long it would wait."""

from __future__ import annotations

import re
from typing import Final

from flask import request

LONGEST_WAIT: Final = 60
"""Seconds: proxies in front give up at about this time."""

_WAIT: Final = re.compile(r'(?:^|[,;\s])wait\s*=\s*"?(\d{1,9})"?\s*(?:$|[,;])', re.IGNORECASE)


def prefers_page() -> bool:
    """Whether the client would rather have HTML than JSON. Without an opinion it gets JSON."""
    accepted = request.accept_mimetypes
    return accepted["text/html"] > accepted["application/json"]


def wait_seconds() -> int | None:
    """The N of `Prefer: wait=N` (RFC 7240, section 4.3), at most 60; None when it is not asked for."""
    asked = _WAIT.search(request.headers.get("Prefer", ""))
    return min(int(asked[1]), LONGEST_WAIT) if asked else None
