"""The case: all that is known of one incident when the model is asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.incident import Brief, Coverage, CoverageStatus, Fact
from worker.inquiry import Scope


@dataclass(frozen=True, slots=True)
class Case:
    """What the model is told, and what its answer is checked against."""

    service: str
    entity_ref: str | None
    title: str
    severity: str
    started_at: datetime
    scope: Scope | None
    facts: tuple[Fact, ...]
    """Numbered F1, F2, ..."""
    coverage: tuple[Coverage, ...]
    brief: Brief

    def gaps(self) -> tuple[str, ...]:
        """One line for each category of facts that could not be looked at, or only in part."""
        categories: dict[str, list[Coverage]] = {}
        for line in self.coverage:
            categories.setdefault(line.source.partition(".")[0], []).append(line)
        return tuple(gap for category, lines in categories.items() if (gap := _gap(category, lines)))


def _gap(category: str, lines: list[Coverage]) -> str | None:
    unanswered = [line for line in lines if not line.status.answered]
    if not unanswered:
        return None
    if any(line.status is CoverageStatus.OK for line in lines):
        return f"{category}: in part only ({'; '.join(f'{line.source} {_why(line)}' for line in unanswered)})"
    # An empty answer beside a failed one does not fill the gap: what is missing may be just what the other knows.
    return f"{category}: not available ({'; '.join(dict.fromkeys(map(_why, unanswered)))})"


def _why(line: Coverage) -> str:
    """The status in words. Never the source's own words: an error page is no evidence."""
    if line.status is CoverageStatus.TIMEOUT:
        return "timed out" if line.millis is None else f"timed out after {round(line.millis / 1000, 1):g} s"
    return {
        CoverageStatus.DENIED: "access denied",
        CoverageStatus.NOT_CONFIGURED: "not configured",
    }.get(line.status, "failed")
