"""Logs as files: `<service>.log` or `<service>.jsonl` in one folder.

Of a large file only the part that the window asks for is read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Final, Self

from shared.incident import CoverageStatus
from shared.moment import Deadline, rfc3339
from shared.settings import Section, setting
from worker.inquiry import Gathered, Inquiry, LogLine, SourceFailure, Target, Window
from worker.log_text.file_part import FilePart, clip
from worker.log_text.lines import Entry

MOST_TARGETS: Final = 25
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
    """Log files of the alerted service and of those around it, in one folder."""

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
        incomplete: set[str] = set()
        for target in inquiry.scope.targets[:MOST_TARGETS]:
            paths = _files(root, target)
            if not paths:
                without.append(target.service)
                continue
            try:
                found, said, whole = _read_target(
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
            if not whole:
                incomplete.add(target.service)
        if unreadable and not lines:
            raise SourceFailure(CoverageStatus.DENIED, f"WHYDOWN_LOG_FILES: cannot read {', '.join(unreadable)}")
        if unreadable:
            notes.append(f"cannot read {', '.join(unreadable)}")
        if without:
            notes.append(f"no file for {', '.join(without)}")
        return Gathered(lines=tuple(lines), incomplete=frozenset(incomplete), detail="; ".join(notes) or None)

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
) -> tuple[list[LogLine], list[str], bool]:
    """The lines of one service, what is to be said about them, and whether they are all that it has in the windows."""
    notes: list[str] = []
    whole = True
    newest: datetime | None = None
    found: list[Entry] = []
    bytes_left = budget.bytes
    for path in paths:
        with path.open("rb") as file:
            part = FilePart(file, path.name, window, deadline)
            found += part.read(bytes_left)
        bytes_left = max(bytes_left - part.bytes, 0)
        notes += part.notes
        whole = whole and part.whole
        newest = max(filter(None, (newest, part.newest)), default=None)
    if not found and not notes:
        span = f"from {rfc3339(window.baseline_since)} to {rfc3339(window.until)}"
        last_said = f"; its newest line is of {rfc3339(newest)}" if newest else ""
        notes.append(f"{target.service}: nothing {span}{last_said}")
    found.sort(key=lambda entry: entry.at or window.alert_at)
    marks = [
        sum(1 for entry in found if (entry.at or window.alert_at) < at) for at in (window.logs_since, window.alert_at)
    ]
    first, last = clip(0, marks[0], marks[1], len(found), budget.lines)
    if last - first < len(found):
        notes.append(f"{target.service}: {len(found) - (last - first)} of {len(found)} lines left out")
        whole = False
    return [LogLine(target.service, entry.text, entry.at, entry.level) for entry in found[first:last]], notes, whole
