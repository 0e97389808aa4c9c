"""Facts out of the context that the caller of /api/incident/analyze brought along."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from shared.incident import BroughtContext, Coverage, CoverageStatus, Fact
from shared.moment import parse_time
from shared.redaction.redactor import disclosed
from worker.inquiry import Component, LogLine, Scope, Target, Window
from worker.investigation.naming import ServiceNames
from worker.investigation.scope import name_of
from worker.investigation.signatures import compact

SOURCE: Final = "caller"
MOST_LINES: Final = 2_000
LONGEST: Final = 2_000

# As the seed writes them: "2026-11-23T03:08:00Z — refactor config (a3f7c2d)".
_SHA: Final = re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{7,40}\b")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?")
# What the seed's gatherer sends when it found nothing.
_NOTHING: Final = re.compile(
    r"^(no |log aggregator not configured|failed to query|connect to log aggregator)", re.IGNORECASE
)


def facts(service: str, brought: BroughtContext, window: Window) -> tuple[tuple[Fact, ...], tuple[Coverage, ...]]:
    """The caller's context as facts, and as one coverage line for each kind of it."""
    parts: dict[str, tuple[Fact, ...]] = {
        "catalog": tuple(_catalog(service, brought)),
        "changes": tuple(_change(service, line) for line in _lines(brought.recent_deployments)),
        "heuristics": tuple(
            Fact(source=SOURCE, kind="heuristic", service=service, text=line.lstrip("-*0123456789. "))
            for line in _lines(brought.gotcha_heuristics)
        ),
        "logs": compact(
            SOURCE,
            (LogLine(service, line, at=_time(line), level="error") for line in _lines(brought.recent_errors)),
            window,
            ServiceNames((name_of(each), name_of(each)) for each in brought.dependencies),
        ).facts,
    }
    coverage = tuple(
        Coverage(
            source=f"{category}.{SOURCE}",
            status=CoverageStatus.OK if found else CoverageStatus.EMPTY,
            items=len(found),
            detail=disclosed(fact.text for fact in found) if found else "the caller brought none",
        )
        for category, found in parts.items()
    )
    return tuple(fact for found in parts.values() for fact in found), coverage


def scope(service: str, brought: BroughtContext, window: Window) -> Scope:
    """The scope that the caller's context describes."""
    component = Component(
        ref=f"component:default/{service.lower()}",
        name=service,
        kind="Component",
        description=brought.service_description or None,
        tags=brought.tags,
        depends_on=brought.dependencies,
    )
    return Scope(targets=(Target(service=service, role="alerted"),), window=window, component=component)


def _catalog(service: str, brought: BroughtContext) -> Iterator[Fact]:
    if brought.service_description or brought.tags:
        tags = f"; tags: {', '.join(brought.tags)}" if brought.tags else ""
        text = f"{service}: {brought.service_description or 'no description'}{tags}"
        yield Fact(source=SOURCE, kind="service", service=service, text=text[:LONGEST])
    for dependency in brought.dependencies[:50]:
        yield Fact(
            source=SOURCE, kind="dependency", service=dependency[:128], text=f"{service} depends on {dependency[:256]}"
        )


def _change(service: str, line: str) -> Fact:
    sha = _SHA.search(line)
    data = {"sha": sha.group(), "message": _message(line)} if sha else {"version": line[:120]}
    return Fact(
        source=SOURCE, kind="commit" if sha else "deploy", service=service, at=_time(line), text=line, data=data
    )


def _message(line: str) -> str:
    """The line without its time and sha."""
    return _SHA.sub("", _TIME.sub("", line, count=1)).strip(" -–—():\t") or line


def _time(line: str) -> datetime | None:
    found = _TIME.search(line)
    return parse_time(found.group()) if found else None


def _lines(text: str) -> list[str]:
    lines = [line.strip()[:LONGEST] for line in text.splitlines()[:MOST_LINES]]
    return [line for line in lines if line and not _NOTHING.match(line)]
