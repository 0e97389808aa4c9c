"""`whydown replay`: an investigation of the past run again on its frozen facts, beside what it came to then."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

from shared.errors import ConfigurationError, WhydownError
from shared.redaction.installed import redactor
from whydown.client import connected
from worker import llm
from worker.discreet import Discreet
from worker.evaluation.replay import BadBundle, Outcome, Replay, read, write_case
from worker.printable import printable

_COLUMN: Final = 37


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be done with a bundle."""

    model: str | None = None
    brief_only: bool = False
    as_json: bool = False
    case: Path | None = None
    """The folder to write a case to, instead of a replay."""
    guilty: str | None = None
    url: str | None = None


def run(what: str, wish: Wish) -> int:
    """Replays the bundle in a file, or of an incident of a running Whydown. The exit status: 2 when it cannot be done,
    else 0.
    """
    try:
        bundle = read(_fetched(what, wish.url))
        if wish.case is not None:
            write_case(bundle, wish.case, wish.guilty)
            print(f"wrote {wish.case}: whydown eval {wish.case}")
            return 0
        replay = Replay.of(bundle, *_model(wish.model, wish.brief_only))
    except (BadBundle, WhydownError, ConfigurationError, OSError) as failure:
        print(f"whydown replay: {failure}", file=sys.stderr)
        return 2
    print(json.dumps(_document(replay)) if wish.as_json else _side_by_side(replay))
    return 0


def _fetched(what: str, url: str | None) -> bytes:
    if Path(what).is_file():
        return Path(what).read_bytes()
    if not what.isalnum():
        raise BadBundle(f"{what}: there is no such file, and it is no incident's id either")
    return json.dumps(connected(url).call("GET", f"/incidents/{what}/bundle")).encode()


def _model(name: str | None, brief_only: bool) -> tuple[llm.Provider | None, float]:
    config = llm.Config.read()
    if name is not None:
        config = config.model_copy(update={"chat_model": name})
    provider = None if brief_only else llm.configured_provider(config)
    if provider is None and name is not None:
        raise BadBundle("--model needs a model's endpoint or key: set WHYDOWN_AI_ENDPOINT or WHYDOWN_AI_KEY")
    return Discreet(provider, redactor()) if provider else None, config.timeout_seconds


def _document(replay: Replay) -> dict[str, Any]:
    def told(outcome: Outcome) -> dict[str, Any]:
        return {
            "verdict": outcome.brief.verdict if outcome.brief else None,
            "diagnosis": outcome.diagnosis.wire() if outcome.diagnosis else None,
            "usage": outcome.usage.wire(),
            "promptVersion": outcome.prompt_version,
        }

    return {"incident": replay.bundle.alert.incident_id, "then": told(replay.then), "now": told(replay.now)}


def _side_by_side(replay: Replay) -> str:
    """Two columns in 80 characters, a row for each thing that may differ."""
    alert = replay.bundle.alert
    rows = zip(_rows(replay.then), _rows(replay.now), strict=True)
    lines = [f"{alert.service}: {alert.title}", "", *_row("THEN", "NOW"), *_row("-" * _COLUMN, "-" * _COLUMN)]
    for (name, then), (_, now) in rows:
        lines += ["", f"{name}{'' if then == now else '  (differs)'}", *_row(then, now)]
    return printable("\n".join(lines))


def _row(then: str, now: str) -> Iterator[str]:
    columns = (
        [each for line in text.split("\n") for each in textwrap.wrap(line, _COLUMN) or [""]] for text in (then, now)
    )
    for left, right in zip_longest(*columns, fillvalue=""):
        yield f"{left:<{_COLUMN}} | {right}".rstrip()


def _rows(outcome: Outcome) -> Iterator[tuple[str, str]]:
    diagnosis = outcome.diagnosis
    by = diagnosis.produced_by if diagnosis else None
    yield "verdict of the brief", outcome.brief.verdict if outcome.brief else "none"
    yield "written by", "nobody" if by is None else f"{by.model or by.stage}{f' ({by.reason})' if by.reason else ''}"
    yield "prompt", outcome.prompt_version or "none"
    cause = diagnosis.probable_cause if diagnosis else None
    yield "probable cause", f"{cause.statement}\n{cause.confidence:.0%} sure" if cause else "none"
    yield "suspect change", (diagnosis.suspect_change if diagnosis else None) or "none"
    cited = (*diagnosis.evidence, *diagnosis.probable_cause.citations) if diagnosis else ()
    listed = "\n".join(f"{'+' if each.verified else '?'} {each.fact} {each.quote[:100]}" for each in cited)
    yield "evidence (+ verified, ? not)", listed or "none"
    actions = diagnosis.suggested_actions if diagnosis else ()
    yield "suggested actions", "\n".join(f"{number}. {each.text}" for number, each in enumerate(actions, 1)) or "none"
    spent = outcome.usage
    yield "tokens", f"{spent.input_tokens} in, {spent.output_tokens} out, {spent.calls} calls"
