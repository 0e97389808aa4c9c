"""The part of a log file that an investigation asks for, found by a binary search over the times in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import BinaryIO, Final

from shared.moment import Deadline, rfc3339
from worker.inquiry import Window
from worker.log_text.clocks import ahead, told
from worker.log_text.encodings import as_utf8, decoded
from worker.log_text.lines import Entry, entries, parse
from worker.log_text.times import tells_zone

LONGEST_LINE: Final = 1024 * 1024
TAIL_BYTES: Final = 256 * 1024

_BLOCK: Final = 64 * 1024
_SEARCHED: Final = 256 * 1024


def clip(start: int, incident: int, alert: int, end: int, most: int) -> tuple[int, int]:
    """At most that many of the places from `start` to `end`: the incident's window whole and of the baseline what is
    nearest to it; when even the former is too long, what leads up to the alert and follows it.
    """
    if end - incident <= most:
        return max(start, end - most), end
    first = max(incident, min(alert - most * 3 // 4, end - most))
    return first, first + most


class FilePart:
    """The part of one file that the window asks for."""

    def __init__(self, file: BinaryIO, name: str, window: Window, deadline: Deadline) -> None:
        """`file` is open for reading bytes; `name` is what notes call it."""
        self._file = file
        self._name = name
        self._window = window
        self._deadline = deadline
        self._written = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
        self._size = 0
        self._ahead = timedelta(0)
        self._cut = 0
        self._other_encoding = 0
        self.newest: datetime | None = None
        """The last time that the file tells, as it stands there."""
        self.whole = True
        """Whether nothing of the windows was left out."""
        self.bytes = 0
        """How many bytes were read."""
        self.notes: list[str] = []

    def read(self, most: int) -> list[Entry]:
        """The events inside the window, out of at most that many bytes. Raises DeadlineExceeded and OSError."""
        self._file, left_out = as_utf8(self._file, most)
        if left_out is not None:
            self._note("read as UTF-16" + (f", but for its first {_megabytes(left_out)}" if left_out else ""))
            self.whole = not left_out
            # In UTF-8 it is at most half as long again.
            most *= 2
        self._size = self._file.seek(0, os.SEEK_END)
        if self._size and not self._has_times():
            return self._tail(min(most, TAIL_BYTES))
        inside = self._timed(most)
        if self._cut:
            self._note(f"{self._cut} lines cut at {_megabytes(LONGEST_LINE)}")
        if self._other_encoding:
            self._note(f"{self._other_encoding} lines that are no UTF-8 read as Windows-1252")
        return inside

    def _timed(self, most: int) -> list[Entry]:
        window = self._window
        zoned = self._find_newest()
        if self.newest and not zoned and (off := ahead(self.newest, self._written, window)):
            self._note(f"its clock, which tells no zone, is {told(off)} of UTC, so its times were moved")
            self._ahead = off
        start, incident, alert = (
            self._offset(moment) for moment in (window.baseline_since, window.logs_since, window.alert_at)
        )
        end = self._offset(window.until, after=True)
        first, last = clip(start, incident, alert, end, most)
        if last - first < end - start:
            self._note(f"{_megabytes(end - start - last + first)} of the window not read")
            self.whole = False
        return list(self._within(entries(self._lines(first, last), window.alert_at), from_start=first == 0))

    def _find_newest(self) -> bool:
        """Finds the last time told, and whether it tells its zone."""
        zoned = False
        for line in self._lines(max(self._size - _BLOCK, 0), self._size, counted=False):
            if moment := parse(line, self._window.alert_at).at:
                self.newest, zoned = moment, tells_zone(line)
        return zoned

    def _note(self, said: str) -> None:
        self.notes.append(f"{self._name}: {said}")

    def _within(self, found: Iterator[Entry], from_start: bool) -> Iterator[Entry]:
        untimed: list[Entry] = []
        for entry in found:
            if entry.at is None:
                untimed.append(entry)
            elif self._window.baseline_since <= (at := entry.at - self._ahead) <= self._window.until:
                # What stands before the first time of a file was written just before it.
                yield from (Entry(early.text, at, early.level) for early in untimed if from_start)
                yield Entry(entry.text, at, entry.level)
                untimed.clear()

    def _tail(self, most: int) -> list[Entry]:
        """The end of a file that tells no times, unless nothing was written to it since the window began."""
        if self._written < self._window.baseline_since:
            self._note(f"tells no times and was last written {rfc3339(self._written)}")
            return []
        self._note("tells no times, so its end was read")
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
                return moment - self._ahead
        return None

    def _lines(self, first: int, last: int, counted: bool = True) -> Iterator[str]:
        """Whole lines that begin between two places."""
        place = max(first - 1, 0)
        self._file.seek(place)
        if first > 0:
            place += self._skip_line()
        while place < last and (raw := self._file.readline(LONGEST_LINE)):
            place += len(raw)
            cut = not raw.endswith(b"\n") and len(raw) == LONGEST_LINE
            if cut:
                place += self._skip_line()
                self._cut += counted
            if counted:
                self._deadline.remaining()
                self.bytes += len(raw)
            # A cut may go through a character.
            text, other = (raw.decode("utf-8", "replace"), False) if cut else decoded(raw)
            self._other_encoding += other and counted
            yield text

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
