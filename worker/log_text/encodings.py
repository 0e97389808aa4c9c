"""The bytes of a log as text, whatever they were written in."""

from __future__ import annotations

import io
import os
from typing import BinaryIO, Final

_SNIFFED: Final = 2_048
_NULS: Final = 0.3
"""The share of NUL bytes at every second place that text in UTF-16 has: nearly all of it where it is English."""


def as_utf8(file: BinaryIO, most: int) -> tuple[BinaryIO, int | None]:
    """The file itself and None; or, where it is UTF-16, as Windows programs write, the last `most` bytes of it in UTF-8
    and how many bytes before them were left out.
    """
    encoding = _utf16(file.read(_SNIFFED))
    file.seek(0)
    if encoding is None:
        return file, None
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - most) // 2 * 2
    file.seek(start)
    text = file.read(most).decode(encoding, "replace").lstrip("\ufeff")
    return io.BytesIO(text.encode("utf-8", "replace")), start


def decoded(line: bytes) -> tuple[str, bool]:
    """A line as text, and whether it had to be taken for Windows-1252 because it is no UTF-8."""
    try:
        return line.decode().lstrip("\ufeff"), False
    except UnicodeDecodeError:
        text = line.decode("utf-8", "replace")
    # A stray byte among proper UTF-8 is damage; without any, the line was written in another encoding.
    if any(char > "\x7f" and char != "\ufffd" for char in text):
        return text, False
    return line.decode("cp1252", "replace"), True


def _utf16(head: bytes) -> str | None:
    if head.startswith(b"\xff\xfe"):
        return "utf-16-le"
    if head.startswith(b"\xfe\xff"):
        return "utf-16-be"
    half = max(len(head) // 2, 1)
    low, high = head[1::2].count(0) / half, head[::2].count(0) / half
    if max(low, high) < _NULS or min(low, high) > _NULS / 3:
        return None
    return "utf-16-le" if low > high else "utf-16-be"
