"""A diagnosis as Markdown, under the four headings that the seed's callers know."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from shared.incident import Citation, Diagnosis, RelatedService, SimilarIncident, SuggestedAction
from worker.investigation.inert import inert
from worker.investigation.recurrence import history

_LONGEST: Final = 2_000

_KIND: Final = {"immediate": "Immediate", "verify": "Verify", "afterFix": "After fix"}

# What would begin a heading, a list, a quotation, a rule, a table or a fence where a block may begin.
_BLOCK_START: Final = re.compile(r"^(?=[#>\-+*=~|_])|^(\d+)(?=[.)])")


def render(diagnosis: Diagnosis, similar: Sequence[SimilarIncident] = ()) -> str:
    """The diagnosis under exactly `## PROBABLE CAUSE`, `## EVIDENCE`, `## SUGGESTED ACTIONS`, `## RELATED SERVICES`,
    with the earlier incidents that were `similar` among the evidence.

    Every text takes one line and is inert: it can neither open a heading or a fence nor hold a link.
    """
    return "\n".join(
        (
            "## PROBABLE CAUSE",
            *_cause(diagnosis),
            "## EVIDENCE",
            *(_evidence(diagnosis, similar) or ["- None was found."]),
            "## SUGGESTED ACTIONS",
            *(_actions(diagnosis.suggested_actions) or ["1. **Verify**: Collect what is missing and analyze again."]),
            "## RELATED SERVICES",
            *([_related(service) for service in diagnosis.related_services] or ["- None is known."]),
        )
    )


def _cause(diagnosis: Diagnosis) -> Iterable[str]:
    cause = diagnosis.probable_cause
    yield _start(cause.statement)
    if diagnosis.produced_by.stage == "brief":
        yield ""
        yield f"From the brief, without a model: {line(diagnosis.produced_by.reason or 'no reason was given')}"
    yield ""
    suspect = f" Suspect change: {code(diagnosis.suspect_change)}." if diagnosis.suspect_change else ""
    yield f"Confidence: {cause.confidence:.0%}.{suspect}"


def _evidence(diagnosis: Diagnosis, similar: Sequence[SimilarIncident]) -> list[str]:
    seen = {(item.fact, item.quote) for item in diagnosis.evidence}
    rest = [each for each in diagnosis.probable_cause.citations if (each.fact, each.quote) not in seen]
    cited = {each.fact for each in (*diagnosis.evidence, *rest)}
    return [
        *(_cited(item.statement, item) for item in diagnosis.evidence),
        *(_cited("The cause rests on", citation) for citation in rest),
        *(f"- {_start(history(each))} ({line(each.fact)})" for each in similar if each.fact not in cited),
        *(f"- Missing: {line(item)}" for item in diagnosis.missing_data),
    ]


def _cited(statement: str, citation: Citation) -> str:
    mark = "" if citation.verified else " (unverified)"
    return f"- {_start(statement)}: {code(citation.quote)} ({line(citation.fact)}){mark}"


def _actions(actions: Iterable[SuggestedAction]) -> list[str]:
    return [f"{number}. **{_KIND[action.kind]}**: {_action(action)}" for number, action in enumerate(actions, 1)]


def _action(action: SuggestedAction) -> str:
    return f"{line(action.text)}: {code(action.command)}" if action.command else line(action.text)


def _related(related: RelatedService) -> str:
    mark = "" if related.in_catalog else " (not in the catalog)"
    return f"- {_start(related.service)}{mark}: {line(related.reason)}"


def line(text: str) -> str:
    """`text` inside a line: no tags, and code spans only where their backticks pair up."""
    passed = re.sub(r"`{2,}", "`", inert(text, _LONGEST))
    parts = _without_headings(passed).split("`")
    # An odd number of parts is an even number of backticks: they pair up, and every second part is code.
    mark = "`" if len(parts) % 2 else "'"
    return mark.join(
        part if mark == "`" and place % 2 else re.sub(r"<(?=[A-Za-z])", r"\\<", part)
        for place, part in enumerate(parts)
    )


def _start(text: str) -> str:
    """`text` where a block may begin."""
    return _BLOCK_START.sub(lambda found: f"{found[1] or ''}\\", line(text))


def code(text: str) -> str:
    """`text` as a code span, which shows it as it is: https://spec.commonmark.org/0.31.2/#code-spans."""
    passed = _without_headings(inert(text, _LONGEST))
    fence = "`" * (max(map(len, re.findall("`+", passed)), default=0) + 1)
    padding = " " if passed.startswith("`") or passed.endswith("`") or not passed else ""
    return f"{fence}{padding}{passed}{padding}{fence}"


def _without_headings(text: str) -> str:
    """A heading's marks stand nowhere but before our four headings, for callers that search instead of parsing."""
    return re.sub("#{2,}", "#", text)
