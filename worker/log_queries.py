"""Asking a store of logs about many services: whom, in which spans of time, and what becomes of the answers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, Literal

from shared.moment import Deadline, DeadlineExceeded
from worker.inquiry import Gathered, Inquiry, LogLine, SourceFailure, Target, Window
from worker.threads import side_by_side

MOST_TARGETS: Final = 25
MOST_LINES: Final = 1_000
"""Lines of one service in one span."""
MOST_WARNINGS: Final = 200
AROUND: Final = timedelta(minutes=10)
"""What lies so near before the alert is asked for by itself, so that older noise cannot use up its lines."""

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")

Severity = Literal["errors", "warnings", "lines"]
"""`lines` are all, whatever their severity."""


@dataclass(frozen=True, slots=True)
class LogQuery:
    """One question to a store: the oldest lines of that severity first, from `start` to before `end`."""

    targets: tuple[Target, ...]
    severity: Severity
    start: datetime
    end: datetime
    limit: int = MOST_LINES
    """Lines of each service."""

    @property
    def services(self) -> dict[str, str]:
        """The services by the names that they may have in the store; every name has passed the allow-list."""
        return {name: target.service for target in reversed(self.targets) for name in names_of(target)}


@dataclass(frozen=True, slots=True)
class Found:
    """What a store answered to one question."""

    lines: Sequence[LogLine]
    partly: str | None = None
    """Why lines are missing beyond those that the limit cut off."""
    note: str | None = None
    """What else is to be said."""


Ask = Callable[[LogQuery, Deadline], Found]
"""Puts one question. Raises SourceFailure or DeadlineExceeded."""

_Outcome = Found | SourceFailure | DeadlineExceeded


def names_of(target: Target) -> list[str]:
    """The names of a target that can stand in a question, likeliest first: letters, digits and ._- only."""
    return [name for name in target.log_names or (target.service,) if _NAME.fullmatch(name)]


def askable(targets: Sequence[Target]) -> tuple[list[Target], list[str]]:
    """The targets that can be asked about, and why the others cannot."""
    named = [target for target in targets if names_of(target)]
    notes = []
    if len(named) < len(targets):
        count = len(targets) - len(named)
        notes.append(
            f"{count} of {len(targets)} services not asked about: their names are not made of letters, digits and ._-"
        )
    if len(named) > MOST_TARGETS:
        notes.append(f"{len(named) - MOST_TARGETS} more dependencies not asked about")
    return named[:MOST_TARGETS], notes


def spans(target: Target, window: Window) -> Iterator[tuple[datetime, datetime]]:
    """The spans to ask for by themselves: the baseline, the incident's window, and what is near the alert. Their ends
    are exclusive.
    """
    edges = [window.baseline_since, window.logs_since, window.until + timedelta(microseconds=1)]
    if target.role == "alerted":
        edges.insert(2, max(window.logs_since, window.alert_at - AROUND))
    return ((start, end) for start, end in pairwise(edges) if start < end)


def before(deadline: Deadline) -> Deadline:
    """A little earlier: what has been answered by then has to be put together before the deadline."""
    return Deadline(deadline.at - min(0.25, deadline.remaining() / 10))


def ask_all(
    inquiry: Inquiry,
    deadline: Deadline,
    ask: Ask,
    *,
    hint: str,
    together: bool = False,
    warnings: bool = True,
    at_once: int = 8,
) -> Gathered:
    """The lines of the alerted service and of those around it. `together` asks for all others in one question;
    `warnings` asks for the alerted service's warnings too; `hint` is what to look at when there are no lines at all.

    Raises SourceFailure or DeadlineExceeded when the alerted service could not be asked about and nothing was found:
    silence is evidence only when everything about it was answered.
    """
    soon = before(deadline)
    targets, notes = askable(inquiry.scope.targets)
    queries = list(_queries(targets, inquiry.scope.window, together=together, warnings=warnings))

    def outcome(query: LogQuery) -> _Outcome:
        try:
            return ask(query, soon)
        except (SourceFailure, DeadlineExceeded) as failure:
            return failure

    outcomes = list(zip(queries, side_by_side(outcome, queries, at_once), strict=True))
    lines = [line for _, found in outcomes if isinstance(found, Found) for line in found.lines]
    if not lines:
        _raise_for_silence(inquiry.alerted, outcomes)
    notes += dict.fromkeys(note for query, found in outcomes for note in _notes(query, found))
    about = [found for query, found in outcomes if inquiry.alerted in query.targets]
    if about and not any(isinstance(found, Found) and (found.lines or found.partly) for found in about):
        window = inquiry.scope.window
        anything = outcome(LogQuery((inquiry.alerted,), "lines", window.baseline_since, window.until, 1))
        if isinstance(anything, Found):
            names = " or ".join(names_of(inquiry.alerted))
            silent = f"{inquiry.alerted.service} logged no errors" + (" or warnings" if warnings else "")
            notes.append(silent if anything.lines else f"no lines at all of {names}: {hint}")
    return Gathered(lines=tuple(lines), incomplete=_incomplete(outcomes), detail="; ".join(notes) or None)


def _queries(targets: Sequence[Target], window: Window, *, together: bool, warnings: bool) -> Iterator[LogQuery]:
    alerted = [target for target in targets if target.role == "alerted"]
    others = tuple(target for target in targets if target.role != "alerted")
    for target in alerted:
        yield from (LogQuery((target,), "errors", *span) for span in spans(target, window))
    groups = [others] * bool(others) if together else [(target,) for target in others]
    for group in groups:
        yield from (LogQuery(group, "errors", *span) for span in spans(group[0], window))
    for target in alerted if warnings else ():
        yield from (LogQuery((target,), "warnings", *span, MOST_WARNINGS) for span in spans(target, window))


def _raise_for_silence(alerted: Target, outcomes: Iterable[tuple[LogQuery, _Outcome]]) -> None:
    failures = [(alerted not in query.targets, found) for query, found in outcomes if not isinstance(found, Found)]
    answered = any(isinstance(found, Found) for _, found in outcomes)
    for elsewhere, failure in sorted(failures, key=lambda item: item[0]):
        if not (elsewhere and answered):
            raise failure


def _notes(query: LogQuery, found: _Outcome) -> Iterator[str]:
    about = ", ".join(target.service for target in query.targets)
    if isinstance(found, Found):
        yield from (f"{about}: {note}" for note in (found.partly, found.note) if note)
        for service in _cut(query, found):
            yield f"{service}: first {query.limit:,} {query.severity} of more from {query.start:%H:%M} UTC on"
    else:
        yield f"{about}: {found.detail if isinstance(found, SourceFailure) else 'no answer in time'}"


def _incomplete(outcomes: Iterable[tuple[LogQuery, _Outcome]]) -> frozenset[str]:
    """The services of which the store has more lines than it gave, or did not answer."""
    missing: set[str] = set()
    for query, found in outcomes:
        if not isinstance(found, Found) or found.partly:
            missing.update(target.service for target in query.targets)
        else:
            missing.update(_cut(query, found))
    return frozenset(missing)


def _cut(query: LogQuery, found: Found) -> list[str]:
    """The services of which the limit may have cut lines off."""
    counts = Counter(line.service for line in found.lines)
    return [service for service, count in counts.items() if count >= query.limit]
