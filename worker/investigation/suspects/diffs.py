"""Diffs read as what they took away and what they put in its place, file by file.

Unified diffs in any of their dialects: with `---`/`+++` headers, with a path in the hunk's header, or bare hunks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

MOST_LINES: Final = 2_000
"""Lines of one diff that are looked at: what a person would read of it at most."""

_LONGEST_LINE: Final = 400

_OLD: Final = re.compile(r"^--- (?:a/)?(?P<path>[^\t\n]+)")
_NEW: Final = re.compile(r"^\+\+\+ (?:b/)?(?P<path>[^\t\n]+)")
_HUNK_PATH: Final = re.compile(r"^@@ (?P<path>[\w./@+-]+\.\w+|[\w./@+-]*/[\w./@+-]+)")
_LINE_COMMENT: Final = re.compile(r"(?:^|\s)(?://|#(?!\{)|--\s|;;|<!--|/\*|\"\"\").*$|^\s*\*\s.*$")
_FULL_COMMENT: Final = re.compile(r"^\s*(?://|#(?![\w!]*\[)|--\s|;|/?\*|<!--|\"\"\"|''')")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a hunk."""

    sign: str
    """`+`, `-` or a space."""
    text: str


@dataclass(frozen=True, slots=True)
class Hunk:
    """Consecutive lines of one file."""

    path: str
    lines: tuple[Line, ...]

    @property
    def removed(self) -> list[str]:
        """The lines that were taken away, comments left out."""
        return [line.text for line in self.lines if line.sign == "-" and not is_comment(line.text)]

    @property
    def added(self) -> list[str]:
        """The lines that were put in, comments left out."""
        return [line.text for line in self.lines if line.sign == "+" and not is_comment(line.text)]


def hunks(diff: str, files: Sequence[str] = ()) -> list[Hunk]:
    """The hunks of a diff. `files` names the changed files, for hunks that do not say where they stand."""
    return [hunk for hunk in _hunks(diff, files) if hunk.lines]


def without_moves(found: Sequence[Hunk]) -> list[Hunk]:
    """The hunks without the lines that only went from one file to another."""
    taken = {(hunk.path, line.text.strip()) for hunk in found for line in hunk.lines if line.sign == "-"}
    put = {(hunk.path, line.text.strip()) for hunk in found for line in hunk.lines if line.sign == "+"}

    def elsewhere(path: str, line: Line) -> bool:
        text = line.text.strip()
        there = {"+": taken, "-": put}.get(line.sign, set())
        return (path, text) not in there and any(other == text for _, other in there)

    lines = [(hunk.path, tuple(line for line in hunk.lines if not elsewhere(hunk.path, line))) for hunk in found]
    return [Hunk(path, kept) for path, kept in lines if any(line.sign != " " for line in kept)]


def is_comment(text: str) -> bool:
    """Whether a line of code is empty or says something to people only."""
    return not text.strip() or _FULL_COMMENT.match(text) is not None


def without_comment(text: str) -> str:
    """A line without the comment at its end."""
    return _LINE_COMMENT.sub("", text)


def _hunks(diff: str, files: Sequence[str]) -> Iterator[Hunk]:
    path = files[0] if files else ""
    lines: list[Line] = []
    in_header = False
    for raw in diff.split("\n")[:MOST_LINES]:
        text = raw[:_LONGEST_LINE]
        header = _header(text, in_header)
        if header is None and not text.startswith("@@"):
            if text[:1] in ("+", "-", " "):
                lines.append(Line(text[0], text[1:]))
            in_header = False
            continue
        in_header = _OLD.match(text) is not None
        yield Hunk(path, tuple(lines))
        lines = []
        path = _path(header, files) or path if header else path
    yield Hunk(path, tuple(lines))


def _header(text: str, in_header: bool) -> str | None:
    """The path that a header line names; None for a line of the diff's body."""
    if in_header and (found := _NEW.match(text)):
        return found["path"]
    for pattern in (_OLD, _HUNK_PATH):
        # A removed SQL comment looks like a header: a real one names something that has a path's form.
        if (found := pattern.match(text)) and (" " not in found["path"].strip()):
            return found["path"]
    return None


def _path(named: str, files: Sequence[str]) -> str:
    if named == "/dev/null":
        return ""
    known = next((path for path in files if path == named or path.endswith(f"/{named}")), None)
    return known or named.rstrip(":")
