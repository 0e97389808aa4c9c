"""Asking one source or catalog within its deadline, and making a coverage line of whatever comes of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Final, TypeVar

import structlog

from shared import tracing
from shared.incident import Coverage, CoverageStatus, Fact
from shared.moment import Deadline, DeadlineExceeded
from shared.redaction.redactor import Disclosure, Redactor, disclosed
from worker.inquiry import CatalogMatch, Gathered, Inquiry, LogLine, SourceFailure
from worker.investigation.naming import ServiceNames
from worker.investigation.signatures import compact
from worker.sources import Source

TRIES: Final = 3
PAUSE_SECONDS: Final = 0.3

MOST_FACTS: Final = 300
LONGEST_FACT: Final = 16_000
PROGRESS_LINES: Final = 50_000
"""Lines after which the log says how far the compaction is."""

_log = structlog.get_logger(__name__)
T = TypeVar("T")


def ask(
    name: str, source: Source, inquiry: Inquiry, seconds: float, redactor: Redactor
) -> tuple[tuple[Fact, ...], Coverage]:
    """What a source found, as facts without secrets, and its coverage line. Never raises for the source's troubles."""
    with tracing.span(f"ask {name}", kind="client") as span:
        facts, line = _asked(name, source, inquiry, seconds, redactor)
        note_coverage(span, line)
        return facts, line


def note_coverage(span: tracing.Span, line: Coverage) -> None:
    """Says in a trace what a coverage line says, without its words: servers are quoted there."""
    span.note(whydown__source=line.source, whydown__source__status=line.status.value, whydown__source__items=line.items)
    if line.status not in (CoverageStatus.OK, CoverageStatus.EMPTY):
        span.failed(line.status.value)


def _asked(
    name: str, source: Source, inquiry: Inquiry, seconds: float, redactor: Redactor
) -> tuple[tuple[Fact, ...], Coverage]:
    started = time.monotonic()
    deadline = Deadline.after(seconds)
    outcome = answered(name, lambda: source.gather(inquiry, deadline), deadline, seconds)
    if isinstance(outcome, Coverage):
        return (), redactor.model(outcome)
    facts, details = _facts(name, outcome, inquiry, redactor)
    line = Coverage(
        source=name,
        status=CoverageStatus.OK if facts else CoverageStatus.EMPTY,
        millis=_millis(started),
        items=len(facts),
        detail="; ".join(filter(None, details)) or None,
    )
    return facts, line


def answered(name: str, call: Callable[[], T], deadline: Deadline, seconds: float) -> T | Coverage:
    """What `call` gives, tried again while its failures are transient and time is left; else the coverage line of
    its failure.
    """
    started = time.monotonic()
    for trial in range(1, TRIES + 1):
        try:
            return call()
        except DeadlineExceeded:
            break
        except SourceFailure as failure:
            if not failure.transient or trial == TRIES or deadline.at - time.monotonic() <= PAUSE_SECONDS * trial:
                return Coverage(source=name, status=failure.status, millis=_millis(started), detail=failure.detail)
            time.sleep(PAUSE_SECONDS * trial)
        except Exception as bug:  # noqa: BLE001  a connector's defect is a gap in coverage, never a failed incident
            _log.exception("source_defect", source=name)
            detail = f"failed unexpectedly ({type(bug).__name__}); the worker's log has the details"
            return Coverage(source=name, status=CoverageStatus.ERROR, millis=_millis(started), detail=detail)
    return Coverage(
        source=name,
        status=CoverageStatus.TIMEOUT,
        millis=_millis(started),
        detail=f"no answer within {seconds:g} s (WHYDOWN_SOURCE_TIMEOUT_SECONDS)",
    )


def catalog_coverage(name: str, match: CatalogMatch, millis: int) -> Coverage:
    """The coverage line of a catalog that answered."""
    known = match.component is not None
    taken = disclosed([match.model_dump()])
    return Coverage(
        source=name,
        status=CoverageStatus.OK if known else CoverageStatus.EMPTY,
        millis=millis,
        items=1 + len(match.neighbours) if known else 0,
        detail="; ".join(filter(None, (match.how or "answered, and does not know the service", taken))),
    )


def gaps(configured: Sequence[str], offered: dict[str, list[str]]) -> tuple[Coverage, ...]:
    """A `notConfigured` line for each category that nobody can be asked about; `offered` says what could be set, with
    more about it in parentheses, for which the line has no room.
    """
    present = {name.partition(".")[0] for name in configured if name not in (*AT_HAND, *_IN_PART)}
    return tuple(
        Coverage(source=category, status=CoverageStatus.NOT_CONFIGURED, detail=f"set {_either(ways)}")
        for category, ways in offered.items()
        if category not in present
    )


AT_HAND: Final = ("changes.deployments", "logs.alert")
"""Sources of what Whydown was told itself: they ask nobody, need no setting, and do not fill the gap of their
category.
"""

_IN_PART: Final = ("logs.kubernetes",)
"""Sources that know too little to fill the gap of their category: of crashes, but not what is logged otherwise."""


def _either(ways: Sequence[str]) -> str:
    *others, last = dict.fromkeys(way.partition(" (")[0] for way in ways)
    return f"{', '.join(others)} or {last}" if others else last


def _facts(
    name: str, found: Gathered, inquiry: Inquiry, redactor: Redactor
) -> tuple[tuple[Fact, ...], list[str | None]]:
    """What a source found as facts, and the parts of its coverage line. Everything is redacted before anything of it is
    counted, cut or kept.
    """
    taken = Disclosure()
    details = [redactor.text(found.detail) if found.detail else None]
    taken.add(details)
    facts = []
    for fact in found.facts:
        clean = redactor.model(fact).model_copy(update={"data": redactor.value(fact.data)})
        taken.add(clean.model_dump())
        facts.append(_bounded(name, clean))
    if found.lines:
        lines = _progress(name, _without_secrets(found.lines, redactor, taken))
        compacted = compact(name, lines, inquiry.scope.window, ServiceNames.of(inquiry.scope), found.incomplete)
        facts += compacted.facts
        details += compacted.notes()
    details.append(taken.told())
    if len(facts) > MOST_FACTS:
        details.append(f"{len(facts) - MOST_FACTS} of {len(facts)} items left out")
    return tuple(facts[:MOST_FACTS]), details


def _without_secrets(lines: Iterable[LogLine], redactor: Redactor, taken: Disclosure) -> Iterator[LogLine]:
    """The lines of one service after the other: a secret may go over several lines, so that a log stays whole."""
    for _, some in groupby(lines, key=lambda line: line.service):
        entries = list(some)
        for line, text in zip(entries, redactor.lines([line.text for line in entries]), strict=True):
            if text:
                taken.add(text)
                yield replace(line, text=text)


def _progress(name: str, lines: Iterable[LogLine]) -> Iterator[LogLine]:
    for count, line in enumerate(lines, start=1):
        if count % PROGRESS_LINES == 0:
            _log.info("compacting", source=name, lines=count)
        yield line


def _bounded(name: str, fact: Fact) -> Fact:
    text = fact.text.replace("\x00", "\ufffd")
    if len(text) > LONGEST_FACT:
        text = f"{text[:LONGEST_FACT]}… ({len(text) - LONGEST_FACT} characters left out)"
    return fact.model_copy(update={"source": name, "text": text})


def _millis(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
