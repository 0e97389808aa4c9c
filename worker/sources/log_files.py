"""Logs as files: `<service>.log` or `<service>.jsonl` in one folder.

Of a large file only the part that the window asks for is read: it is found by a binary search over the times in it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import BinaryIO, ClassVar, Final, Self

from shared.incident import CoverageStatus
from shared.moment import Deadline, rfc3339
from shared.settings import Section, setting
from worker.inquiry import Gathered, Inquiry, LogLine, SourceFailure, Target, Window
from worker.log_text.lines import Entry, entries, parse

MOST_TARGETS: Final = 25
LONGEST_LINE: Final = 1024 * 1024
TAIL_BYTES: Final = 256 * 1024

_BLOCK: Final = 64 * 1024
_SEARCHED: Final = 256 * 1024
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")
_SUFFIXES: Final = (".jsonl", ".log", ".jsonl.1", ".log.1")
"""A rotated file may hold the start of the window."""


class Config(Section):
    """Where the log files are."""

    folder: Path | None = setting(
        "WHYDOWN_LOG_FILES", default=None, description="Folder of log files, `<service>.log` or `<service>.jsonl`."
    )


@dataclass(frozen=True, slots=True)
class Budget:
    """How much is read of one service."""

    bytes: int
    lines: int


BUDGETS: Final[Mapping[str, Budget]] = {
    "alerted": Budget(20 * 1024 * 1024, 50_000),
    "others": Budget(4 * 1024 * 1024, 10_000),
}
"""For the alerted service, and for each of the others."""


class LogFiles:
    """Reads the files of the alerted service and of those around it."""

    configure: ClassVar[str] = "WHYDOWN_LOG_FILES (a folder of <service>.log or .jsonl files)"

    def __init__(self, root: Path, budgets: Mapping[str, Budget] = BUDGETS) -> None:
        """`root` is the folder."""
        self._root = root
        self._budgets = budgets

    @classmethod
    def from_settings(cls) -> Self | None:
        """The folder in WHYDOWN_LOG_FILES, or None when that is unset."""
        folder = Config.read().folder
        return cls(folder) if folder is not None else None

    def gather(self, inquiry: Inquiry, deadline: Deadline) -> Gathered:
        """The lines inside the window. Raises SourceFailure when the folder, or no file in it, can be read."""
        root = self._folder()
        lines: list[LogLine] = []
        notes: list[str] = []
        without: list[str] = []
        unreadable: list[str] = []
        for target in inquiry.scope.targets[:MOST_TARGETS]:
            paths = _files(root, target)
            if not paths:
                without.append(target.service)
                continue
            try:
                found, said = _read_target(
                    target,
                    paths,
                    inquiry.scope.window,
                    self._budgets["alerted" if target.role == "alerted" else "others"],
                    deadline,
                )
            except OSError as error:
                unreadable.append(f"{paths[0].name} ({error.strerror})")
                continue
            lines += found
            notes += said
        if unreadable and not lines:
            raise SourceFailure(CoverageStatus.DENIED, f"WHYDOWN_LOG_FILES: cannot read {', '.join(unreadable)}")
        if unreadable:
            notes.append(f"cannot read {', '.join(unreadable)}")
        if without:
            notes.append(f"no file for {', '.join(without)}")
        return Gathered(lines=tuple(lines), detail="; ".join(notes) or None)

    def probe(self, deadline: Deadline) -> str:
        """How many log files there are."""
        count = sum(1 for path in self._folder().iterdir() if path.name.endswith(_SUFFIXES))
        return f"{count} log files in {self._root}"

    def _folder(self) -> Path:
        try:
            root = self._root.resolve(strict=True)
            os.scandir(root).close()
        except OSError as error:
            raise SourceFailure(
                CoverageStatus.ERROR, f"WHYDOWN_LOG_FILES: {self._root} cannot be read ({error.strerror})"
            ) from None
        return root


def _files(root: Path, target: Target) -> list[Path]:
    """The files of the likeliest of the target's names that has any; nothing outside the folder."""
    for name in target.log_names or (target.service,):
        if _NAME.fullmatch(name):
            paths = [Path(os.path.realpath(root / f"{name}{suffix}")) for suffix in _SUFFIXES]
            found = [path for path in dict.fromkeys(paths) if path.is_file() and path.is_relative_to(root)]
            if found:
                return found
    return []


def _read_target(
    target: Target, paths: list[Path], window: Window, budget: Budget, deadline: Deadline
) -> tuple[list[LogLine], list[str]]:
    """The lines of one service, and what is to be said about them."""
    notes: list[str] = []
    found: list[Entry] = []
    bytes_left = budget.bytes
    for path in paths:
        with path.open("rb") as file:
            part = _Part(file, path.name, window, deadline)
            found += part.read(bytes_left)
        bytes_left = max(bytes_left - part.bytes, 0)
        notes += part.notes
    if not found and not notes:
        notes.append(f"{target.service}: nothing from {rfc3339(window.baseline_since)} to {rfc3339(window.until)}")
    found.sort(key=lambda entry: entry.at or window.alert_at)
    marks = [
        sum(1 for entry in found if (entry.at or window.alert_at) < at) for at in (window.logs_since, window.alert_at)
    ]
    first, last = _clip(0, marks[0], marks[1], len(found), budget.lines)
    if last - first < len(found):
        notes.append(f"{target.service}: {len(found) - (last - first)} of {len(found)} lines left out")
    return [LogLine(target.service, entry.text, entry.at, entry.level) for entry in found[first:last]], notes


def _clip(start: int, incident: int, alert: int, end: int, most: int) -> tuple[int, int]:
    """At most that many of the places from `start` to `end`: the incident's window whole and of the baseline what is
    nearest to it; when even the former is too long, what leads up to the alert and follows it.
    """
    if end - incident <= most:
        return max(start, end - most), end
    first = max(incident, min(alert - most * 3 // 4, end - most))
    return first, first + most


class _Part:
    """The part of one file that the window asks for."""

    def __init__(self, file: BinaryIO, name: str, window: Window, deadline: Deadline) -> None:
        self._file = file
        self._name = name
        self._window = window
        self._deadline = deadline
        self._size = os.fstat(file.fileno()).st_size
        self._cut = 0
        self.bytes = 0
        """How many bytes were read."""
        self.notes: list[str] = []

    def read(self, most: int) -> list[Entry]:
        """The events inside the window, out of at most that many bytes."""
        if self._size and not self._has_times():
            return self._tail(min(most, TAIL_BYTES))
        window = self._window
        start, incident, alert = (
            self._offset(moment) for moment in (window.baseline_since, window.logs_since, window.alert_at)
        )
        end = self._offset(window.until, after=True)
        first, last = _clip(start, incident, alert, end, most)
        if last - first < end - start:
            self.notes.append(f"{self._name}: {_megabytes(end - start - last + first)} of the window not read")
        inside = list(self._within(entries(self._lines(first, last), window.alert_at), from_start=first == 0))
        if self._cut:
            self.notes.append(f"{self._name}: {self._cut} lines cut at {_megabytes(LONGEST_LINE)}")
        return inside

    def _within(self, found: Iterator[Entry], from_start: bool) -> Iterator[Entry]:
        untimed: list[Entry] = []
        for entry in found:
            if entry.at is None:
                untimed.append(entry)
            elif self._window.baseline_since <= entry.at <= self._window.until:
                # What stands before the first time of a file was written just before it.
                yield from (Entry(early.text, entry.at, early.level) for early in untimed if from_start)
                yield entry
                untimed.clear()

    def _tail(self, most: int) -> list[Entry]:
        """The end of a file that tells no times, unless nothing was written to it since the window began."""
        written = datetime.fromtimestamp(os.fstat(self._file.fileno()).st_mtime, UTC)
        if written < self._window.baseline_since:
            self.notes.append(f"{self._name}: tells no times and was last written {rfc3339(written)}")
            return []
        self.notes.append(f"{self._name}: tells no times, so its end was read")
        return list(entries(self._lines(max(self._size - most, 0), self._size), self._window.alert_at))

    def _has_times(self) -> bool:
        return any(self._first_time(at) for at in (0, self._size // 2, max(self._size - _BLOCK, 0)))

    def _offset(self, moment: datetime, after: bool = False) -> int:
        """A place not after the first line of `moment` or later, and less than a block from it. With `after`, a place
        not before the last such line's end.
        """
        low, high = 0, self._size
        while high - low > _BLOCK:
            middle = (low + high) // 2
            found = self._first_time(middle)
            if found is None:
                low, high = (middle, high) if after else (low, middle)
            elif found < moment or (after and found == moment):
                low = middle
            else:
                high = middle
        return high if after else low

    def _first_time(self, at: int) -> datetime | None:
        """The first time told at or after a place, as far as the search goes."""
        self._deadline.remaining()
        for line in islice(self._lines(at, min(at + _SEARCHED, self._size), counted=False), 200):
            if moment := parse(line, self._window.alert_at).at:
                return moment
        return None

    def _lines(self, first: int, last: int, counted: bool = True) -> Iterator[str]:
        """Whole lines that begin between two places."""
        place = max(first - 1, 0)
        self._file.seek(place)
        if first > 0:
            place += self._skip_line()
        while place < last and (raw := self._file.readline(LONGEST_LINE)):
            place += len(raw)
            if not raw.endswith(b"\n") and len(raw) == LONGEST_LINE:
                place += self._skip_line()
                self._cut += counted
            if counted:
                self._deadline.remaining()
                self.bytes += len(raw)
            yield raw.decode("utf-8", "replace")

    def _skip_line(self) -> int:
        skipped = 0
        while raw := self._file.readline(LONGEST_LINE):
            skipped += len(raw)
            self._deadline.remaining()
            if raw.endswith(b"\n"):
                break
        return skipped


def _megabytes(count: int) -> str:
    return f"{count / 1024 / 1024:.1f} MB"
