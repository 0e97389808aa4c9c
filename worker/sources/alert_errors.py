"""Error lines that the alert itself brought along."""

from __future__ import annotations

from typing import ClassVar, Final, Self

from shared.moment import Deadline
from worker.inquiry import Gathered, Inquiry, LogLine
from worker.printable import printable

MOST_LINES: Final = 1_000
LONGEST: Final = 2_000


class AlertErrors:
    """Turns the alert's own error text into log lines of the alerted service."""

    configure: ClassVar[str] = ""

    @classmethod
    def from_settings(cls) -> Self | None:
        """Always there: it needs no setting."""
        return cls()

    def gather(self, inquiry: Inquiry, deadline: Deadline) -> Gathered:
        """The lines, as of the moment of the alert."""
        stripped = (line.rstrip() for text in inquiry.errors for line in printable(text).split("\n"))
        lines = [line for line in stripped if line]
        # Whole seconds: these are not the lines' own times, so that equal ones are not one and the same.
        service, moment = inquiry.alerted.service, inquiry.scope.window.alert_at.replace(microsecond=0)
        kept = tuple(LogLine(service, line[:LONGEST], at=moment, level="error") for line in lines[:MOST_LINES])
        left_out = len(lines) - len(kept)
        return Gathered(
            lines=kept, detail=f"{left_out} lines after the first {MOST_LINES} left out" if left_out else None
        )

    def probe(self, deadline: Deadline) -> str:
        """There is nothing to reach."""
        return "takes what alerts bring along"
