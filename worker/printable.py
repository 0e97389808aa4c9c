"""Text from outside, made fit to be stored, shown and quoted."""

from __future__ import annotations

import re
from typing import Final

_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """`text` with U+FFFD for what a database refuses (NUL, lone surrogates) or a reader is fooled by (control
    characters but newline and tab, and the bidirectional overrides of https://trojansource.codes). CRLF becomes LF.
    """
    return _UNPRINTABLE.sub("\ufffd", text.replace("\r\n", "\n"))


def clipped(text: str, max_bytes: int) -> str:
    """The start of `text` within that many bytes of UTF-8, on a character's boundary."""
    return text.encode()[:max_bytes].decode(errors="ignore") if len(text) * 4 > max_bytes else text
