"""Answering cases with production's own code, and comparing the answers with the truth afterwards."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.incident import Coverage, Diagnosis, Fact, Usage
from shared.moment import Deadline, now
from shared.redaction.redactor import Redactor
from shared.settings import Investigation
from worker import gathering
from worker.conclusion import conclude
from worker.evaluation.case_folder import BadCase, CaseFolder
from worker.inquiry import AlertSubject, Inquiry, Scope
from worker.investigation import brief, scope
from worker.investigation.case import Case
from worker.llm import Provider
from worker.threads import side_by_side


@dataclass(frozen=True, slots=True)
class Answer:
    """What Whydown makes of a case."""

    id: str
    path: Path
    case: Case
    diagnosis: Diagnosis
    seconds: float
    usage: Usage

    @property
    def suspect(self) -> str | None:
        """The guilty change, or None where none is."""
        return self.diagnosis.suspect_change


@dataclass(frozen=True, slots=True)
class Score:
    """An answer compared with the truth."""

    answer: Answer
    passed: bool
    """The suspect is the guilty commit, or none where none is guilty."""
    decoy: bool
    """The suspect is an innocent change that was placed where a reflex looks."""


def folders(path: Path) -> list[Path]:
    """The case folders at or below a path, by name. Raises BadCase when there are none."""
    found = [path] if (path / "case.json").is_file() else sorted(file.parent for file in path.glob("**/case.json"))
    if not found:
        raise BadCase(f"{path}: no case folder here (a folder with case.json, catalog.json, ...)")
    return found


def answer(path: Path, settings: Investigation, provider: Provider | None, model_seconds: float) -> Answer:
    """The answer to the case in a folder, whose truth is not looked at. Raises BadCase."""
    folder = CaseFolder.read(path)
    started = time.monotonic()
    spans = scope.window(folder.starts_at, settings, now())
    redactor = Redactor()
    match = redactor.model(folder.catalog().match(AlertSubject(folder.service, folder.title), Deadline.after(60)))
    whom = scope.make(folder.service, match, spans)
    found, coverage = _gather(
        folder, Inquiry(scope=whom, title=folder.title), settings.source_timeout_seconds, redactor
    )
    gathered = (*scope.catalog_facts(match), *found)
    facts = tuple(fact.model_copy(update={"id": f"F{number}"}) for number, fact in enumerate(gathered, start=1))
    case = _case(folder, whom, facts, coverage)
    conclusion = conclude(provider, model_seconds, case, whom)
    return Answer(folder.id, path, case, conclusion.diagnosis, time.monotonic() - started, conclusion.usage)


def score(answered: Answer) -> Score:
    """The answer beside the truth. Raises BadCase when the folder has none."""
    file = answered.path / "truth.json"
    try:
        truth = json.loads(file.read_text(encoding="utf-8"))
        guilty, decoys = truth["commit"], truth.get("decoy_commits", [])
    except (OSError, ValueError, KeyError) as failure:
        raise BadCase(f"{file}: {failure!r}") from failure
    suspect = answered.suspect
    return Score(answered, passed=suspect == guilty, decoy=suspect in decoys)


def _gather(
    folder: CaseFolder, inquiry: Inquiry, seconds: float, redactor: Redactor
) -> tuple[list[Fact], tuple[Coverage, ...]]:
    sources = list(folder.sources().items())
    answers = side_by_side(lambda named: gathering.ask(*named, inquiry, seconds, redactor), sources, len(sources))
    return [fact for facts, _ in answers for fact in facts], tuple(line for _, line in answers)


def _case(folder: CaseFolder, whom: Scope, facts: Sequence[Fact], coverage: tuple[Coverage, ...]) -> Case:
    return Case(
        service=whom.targets[0].service,
        entity_ref=whom.component.ref if whom.component else None,
        title=folder.title,
        severity=folder.severity,
        started_at=folder.starts_at,
        scope=whom,
        facts=tuple(facts),
        coverage=coverage,
        brief=brief.make(whom, facts, coverage, complete=True, title=folder.title),
    )
