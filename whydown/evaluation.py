"""`whydown eval`: how well incidents of the past are answered by the code that answers alerts."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from shared.errors import ConfigurationError
from shared.moment import rfc3339
from shared.settings import Investigation
from worker import llm
from worker.evaluation.answers import Answer, Score, answer, folders, score
from worker.evaluation.case_folder import BadCase


def run(path: Path, as_json: bool, show: str | None, brief_only: bool) -> int:
    """Answers every case at or below `path`, and only then opens their truths. The exit status: 2 when there is no such
    case or one cannot be read, else 0.
    """
    try:
        found = [each for each in folders(path) if show in (None, each.name)]
        if not found:
            raise BadCase(f"{path}: no case is named '{show}'")
        answers = _answers(found, brief_only, quiet=as_json)
        scores = [score(each) for each in answers]
    except (BadCase, ConfigurationError) as failure:
        print(f"whydown eval: {failure}", file=sys.stderr)
        return 2
    if as_json:
        print(json.dumps(_document(scores)))
        return 0
    for each in scores:
        print(_line(each))
    if show:
        print(f"\n{_reasoning(scores[0].answer)}")
    passed, decoys = sum(each.passed for each in scores), sum(each.decoy for each in scores)
    print(f"{passed} of {len(scores)} passed, {decoys} decoys named")
    return 0


def _answers(found: list[Path], brief_only: bool, quiet: bool) -> list[Answer]:
    settings = Investigation.read()
    model = llm.Config.read()
    provider = None if brief_only else llm.configured_provider(model)
    answers = []
    for number, each in enumerate(found, start=1):
        if not quiet and sys.stderr.isatty():
            print(f"\r{number} of {len(found)}: {each.name[:60]:60}", end="", file=sys.stderr)
        answers.append(answer(each, settings, provider, model.timeout_seconds))
    if not quiet and sys.stderr.isatty():
        print(f"\r{'':80}\r", end="", file=sys.stderr)
    return answers


def _document(scores: list[Score]) -> dict[str, object]:
    cases = [
        {
            "id": each.answer.id,
            "suspectChange": each.answer.suspect,
            "verdict": each.answer.case.brief.verdict,
            "pass": each.passed,
            "decoy": each.decoy,
            "stage": each.answer.diagnosis.produced_by.stage,
            "seconds": round(each.answer.seconds, 3),
            "inputTokens": each.answer.usage.input_tokens,
            "outputTokens": each.answer.usage.output_tokens,
        }
        for each in scores
    ]
    return {
        "cases": cases,
        "passed": sum(each.passed for each in scores),
        "decoys": sum(each.decoy for each in scores),
        "total": len(scores),
    }


def _line(each: Score) -> str:
    told = "pass " if each.passed else "DECOY" if each.decoy else "fail "
    suspect = (each.answer.suspect or f"none ({each.answer.case.brief.verdict})")[:24]
    tokens = each.answer.usage.input_tokens + each.answer.usage.output_tokens
    spent = f"{tokens} tokens" if tokens else each.answer.diagnosis.produced_by.stage
    return f"{told}  {each.answer.id[:40]:40}  {suspect:24}  {each.answer.seconds:6.2f} s  {spent}"


def _reasoning(answered: Answer) -> str:
    """One case in full: onset, explanations, suspects with their reasons, and what was set aside."""
    made = answered.case.brief
    lines = [
        answered.case.title,
        made.summary,
        f"onset {rfc3339(made.onset)}: {made.onset_reason}",
        *(f"explanation {each.strength:.2f} {each.statement} ({', '.join(each.facts)})" for each in made.explanations),
    ]
    for suspect in made.suspects:
        lines.append(f"suspect {suspect.score:.2f} {suspect.kind} {suspect.id[:12]} {suspect.title}")
        lines += [f"    {reason}" for reason in suspect.reasons]
        lines.append(f"    facts {', '.join(suspect.facts)}")
    lines += [f"set aside {each.id[:12]} {each.title}: {each.reason}" for each in made.set_aside]
    lines.append("facts")
    facts = (_first_line(fact.text) for fact in answered.case.facts)
    lines += [f"    {fact.id} {text}" for fact, text in zip(answered.case.facts, facts, strict=True)]
    return "\n".join(lines)


def _first_line(text: str) -> str:
    """The first line of a text, with a mark where there are more."""
    first, _, more = text.partition("\n")
    return f"{first[:200]} …" if more or len(first) > 200 else first
