"""A bundle run again by today's code, and kept as a case for `whydown eval`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from pydantic import ValidationError

from shared.bundle import Bundle, PromptMessage, prompt_version
from shared.incident import Brief, Diagnosis, Usage
from shared.moment import rfc3339
from worker.conclusion import conclude
from worker.inquiry import Scope
from worker.investigation import brief
from worker.investigation.case import Case
from worker.llm import Provider

LONGEST: Final = 64 * 1024 * 1024
"""Bytes of a bundle that are read."""

OF_THE_CATALOG: Final = ("service", "dependency", "dependent")
"""Kinds of facts that a case makes anew from its catalog."""


class BadBundle(Exception):
    """No bundle, or one that cannot be used as asked; says why in one line."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an investigation came to."""

    brief: Brief | None
    diagnosis: Diagnosis | None
    usage: Usage
    prompt_version: str | None


@dataclass(frozen=True, slots=True)
class Replay:
    """An investigation then, and the same facts now."""

    bundle: Bundle
    now: Outcome

    @classmethod
    def of(cls, bundle: Bundle, provider: Provider | None, seconds: float) -> Self:
        """Runs the frozen facts through production's own code. Raises BadBundle."""
        case, whom = case_of(bundle)
        conclusion = conclude(provider, seconds, case, whom)
        sent = [PromptMessage.model_validate(message) for message in conclusion.prompt or ()]
        return cls(bundle, Outcome(case.brief, conclusion.diagnosis, conclusion.usage, prompt_version(sent)))

    @property
    def then(self) -> Outcome:
        """What stands in the bundle."""
        frozen = self.bundle
        return Outcome(frozen.brief, frozen.diagnosis, frozen.usage, frozen.versions.prompt)


def read(text: bytes) -> Bundle:
    """The bundle in a file or an answer. Raises BadBundle."""
    if len(text) > LONGEST:
        raise BadBundle(f"the bundle is larger than {LONGEST >> 20} MiB")
    try:
        return Bundle.model_validate_json(text)
    except ValidationError as invalid:
        first = invalid.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise BadBundle(f"no bundle of GET /incidents/<id>/bundle: {place}: {first['msg']}") from None


def case_of(bundle: Bundle) -> tuple[Case, Scope]:
    """The case as it stood before the model was asked, with the brief that today's code makes, and whom it is about.
    Raises BadBundle.
    """
    if bundle.scope is None:
        raise BadBundle("nothing was gathered in this attempt (it was skipped, cancelled or failed early)")
    try:
        whom = Scope.model_validate(bundle.scope)
    except ValidationError as invalid:
        raise BadBundle(f"its scope cannot be read: {invalid.errors(include_input=False)[0]['msg']}") from None
    if not whom.targets:
        raise BadBundle("its scope names no service")
    title = bundle.alert.title
    case = Case(
        service=whom.targets[0].service,
        entity_ref=whom.component.ref if whom.component else bundle.alert.entity_ref,
        title=title,
        severity=bundle.alert.severity,
        started_at=bundle.alert.started_at,
        scope=whom,
        facts=bundle.facts,
        coverage=bundle.coverage,
        brief=brief.make(whom, bundle.facts, bundle.coverage, complete=True, title=title),
    )
    return case, whom


def write_case(bundle: Bundle, folder: Path, guilty: str | None) -> None:
    """A case folder of the bundle, with the truth that people told of it in their feedback; `guilty` names the change
    where they did not: its sha, version or flag, or `none`. Raises BadBundle, and OSError.
    """
    case, whom = case_of(bundle)
    truth = {"service": case.service, **_truth(bundle, guilty)}
    if folder.exists() and any(folder.iterdir()):
        raise BadBundle(f"{folder} is not empty")
    folder.mkdir(parents=True, exist_ok=True)
    alert = {"service": case.service, "title": case.title, "startsAt": rfc3339(case.started_at)}
    files: dict[str, Any] = {
        "case.json": {"id": bundle.alert.incident_id, "alert": {**alert, "raw": {"severity": case.severity}}},
        "catalog.json": _catalog(whom),
        "facts.json": {
            "coverage": [line.wire() for line in bundle.coverage if line.source != "catalog"],
            "facts": [fact.wire() for fact in bundle.facts if fact.kind not in OF_THE_CATALOG],
        },
        "truth.json": truth,
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=1), encoding="utf-8")


def _catalog(whom: Scope) -> dict[str, Any]:
    known = (*filter(None, (whom.component,)), *whom.neighbours)
    names = {each.ref: each.name for each in known}
    listed = [{"name": each.name, "dependsOn": [names.get(ref, ref) for ref in each.depends_on]} for each in known]
    return {"services": listed or [{"name": whom.targets[0].service, "dependsOn": []}]}


def _truth(bundle: Bundle, guilty: str | None) -> dict[str, Any]:
    said = bundle.feedback
    blamed = bundle.diagnosis.suspect_change if bundle.diagnosis else None
    if guilty is not None:
        commit = None if guilty == "none" else _gathered_change(bundle, guilty)
        if commit is None and guilty != "none":
            raise BadBundle(f"--guilty {guilty}: no change among the facts has this sha, version or flag")
    elif said is None:
        raise BadBundle(
            "nobody has said whether the diagnosis was right: give feedback on the incident's page, or name the "
            "guilty change with --guilty SHA (or --guilty none)"
        )
    elif said.verdict == "right":
        commit = blamed
    else:
        commit = _gathered_change(bundle, f"{said.actual_cause or ''} {said.fixed_by or ''}")
        if commit is None:
            raise BadBundle(
                f"the feedback is '{said.verdict}' and names no change that was gathered: name the guilty one with "
                "--guilty SHA, or --guilty none"
            )
    decoys = [blamed] if blamed is not None and blamed != commit else []
    remedy = said.fixed_by if said else None
    return {
        "commit": commit,
        "decoy_commits": decoys,
        "remediation": remedy,
        "actual_cause": said and said.actual_cause,
    }


def _gathered_change(bundle: Bundle, text: str) -> str | None:
    """The one gathered change that a text names, by at least seven digits of its sha, its version or its flag."""
    shas = {str(fact.data[key]) for fact in bundle.facts for key in ("sha", "commit") if fact.data.get(key)}
    named: set[str] = set()
    for fact in bundle.facts:
        for key in ("sha", "commit", "version", "flag"):
            value = str(fact.data.get(key) or "")
            short = value[:7] if re.fullmatch(r"[0-9a-f]{7,40}", value) else value
            if short and re.search(rf"(?<![\w.-]){re.escape(short)}[0-9a-f]*(?![\w-])", text):
                change = str(fact.data.get("commit") or value) if key == "version" else value
                named.add(max((sha for sha in shas if sha.startswith(change)), key=len, default=change))
    return named.pop() if len(named) == 1 else None
