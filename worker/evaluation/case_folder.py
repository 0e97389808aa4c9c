"""A case folder as a catalog and sources: an incident of the past with all that could have been known of it.

`case.json` (id, alert), `catalog.json`, `commits.json`, `deployments.json`, `flags.json`, `logs/<service>.jsonl`,
`metrics.csv`, `traces.json`, `patterns.json`; or `facts.json`, what was gathered of an incident of one's own
(`whydown replay --as-case`). `truth.json` lies beside them and is never opened here.
"""

from __future__ import annotations

import csv
import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final, Self

from shared.bundle import FrozenFact
from shared.deploy import Deploy
from shared.incident import Coverage, CoverageStatus, Fact
from shared.moment import Deadline, parse_time
from worker.catalog_model.matching import Directory, closest
from worker.catalog_model.reach import around
from worker.inquiry import AlertSubject, CatalogMatch, Component, Gathered, Inquiry, LogLine, SourceFailure
from worker.investigation.change_points import Series
from worker.investigation.metrics import metric_facts
from worker.investigation.suspects.diffs import hunks
from worker.log_text.lines import entries
from worker.repositories.changes import ChangedFile, Commit, commit_fact, deploy_fact, flag_fact

LONGEST_FILE: Final = 64 * 1024 * 1024


class BadCase(Exception):
    """The folder is no case: names the file and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class CaseFolder:
    """One case, without its truth."""

    path: Path
    id: str
    service: str
    title: str
    severity: str
    starts_at: datetime

    @classmethod
    def read(cls, path: Path) -> Self:
        """The case in a folder. Raises BadCase."""
        case = _json(path / "case.json")
        alert = case.get("alert") if isinstance(case, dict) else None
        if not isinstance(alert, dict):
            raise BadCase(f"{path / 'case.json'}: no object 'alert'")
        starts_at = parse_time(alert.get("startsAt"))
        if starts_at is None or not isinstance(alert.get("service"), str):
            raise BadCase(f"{path / 'case.json'}: alert.service and alert.startsAt (RFC 3339) are needed")
        raw = alert.get("raw")
        severity = str((raw.get("severity") if isinstance(raw, dict) else None) or "critical")
        title = str(alert.get("title", ""))
        return cls(path, str(case.get("id") or path.name), alert["service"], title, severity, starts_at)

    def catalog(self) -> CaseCatalog:
        """The services and what depends on what."""
        return CaseCatalog(self.path / "catalog.json")

    def sources(self) -> dict[str, CaseSource]:
        """What can be asked, by the name of the production source that it stands for."""
        files: dict[str, tuple[str, Callable[[Path, Inquiry], Gathered]]] = {
            "changes.git": ("commits.json", _commits),
            "changes.deployments": ("deployments.json", _deployments),
            "changes.flags": ("flags.json", _flags),
            "logs.files": ("logs", _logs),
            "logs.patterns": ("patterns.json", _patterns),
            "metrics.prometheus": ("metrics.csv", _metrics),
            "traces.spans": ("traces.json", _traces),
        }
        present = ((name, self.path / file, read) for name, (file, read) in files.items())
        found = {name: CaseSource(file, read) for name, file, read in present if file.exists()}
        frozen = self.path / "facts.json"
        return found | {name: CaseSource(frozen, partial(_frozen, name)) for name in _frozen_sources(frozen)}


class CaseCatalog:
    """catalog.json as a catalog: its services are taken to be of one system."""

    configure: ClassVar[str] = ""

    def __init__(self, file: Path) -> None:
        """`file` holds `services`, each with `name` and `dependsOn`."""
        self._file = file

    def match(self, subject: AlertSubject, deadline: Deadline) -> CatalogMatch:
        """The alert's service and what is around it."""
        listed = _json(self._file).get("services", [])
        needs = {str(each["name"]): [str(name) for name in each.get("dependsOn", [])] for each in listed}
        known = {
            _ref(name): Component(
                ref=_ref(name),
                name=name,
                kind="Component",
                system="case",
                depends_on=tuple(_ref(each) for each in needed),
                dependents=tuple(_ref(other) for other, theirs in needs.items() if name in theirs),
            )
            for name, needed in needs.items()
        }
        found = Directory(known.values()).choose(subject)
        if found is None:
            return CatalogMatch(how="not in the catalog", closest=closest(subject, list(needs)))
        component, how = found
        return CatalogMatch(component=component, how=how, neighbours=around(component, known))


class CaseSource:
    """One file of the folder, asked like any source."""

    configure: ClassVar[str] = ""

    def __init__(self, file: Path, read: Callable[[Path, Inquiry], Gathered]) -> None:
        """`read` makes of the file what a source gives."""
        self._file = file
        self._read = read

    @classmethod
    def from_settings(cls) -> Self | None:
        """Never: a case is named on the command line."""
        return None

    def probe(self, deadline: Deadline) -> str:
        """The file's name."""
        return self._file.name

    def gather(self, inquiry: Inquiry, deadline: Deadline) -> Gathered:
        """What the file says about the inquiry. Raises SourceFailure when it cannot be read."""
        try:
            return self._read(self._file, inquiry)
        except (BadCase, KeyError, TypeError, ValueError, OSError) as failure:
            raise SourceFailure(CoverageStatus.ERROR, f"{self._file.name}: {failure}") from failure


def _ref(name: str) -> str:
    return f"component:default/{name.lower()}"


def _json(file: Path) -> Any:
    try:
        if file.stat().st_size > LONGEST_FILE:
            raise BadCase(f"{file}: larger than {LONGEST_FILE >> 20} MiB")
        return json.loads(file.read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError, RecursionError) as failure:
        raise BadCase(f"{file}: {failure}") from failure


def _time(value: object) -> datetime:
    at = parse_time(value)
    if at is None:
        raise ValueError(f"{value!r} is no time")
    return at


def _commits(file: Path, inquiry: Inquiry) -> Gathered:
    window = inquiry.scope.window
    facts = []
    for each in _json(file):
        at = _time(each["timestamp"])
        if not window.changes_since <= at <= window.until:
            continue
        commit = Commit(
            str(each["sha"]),
            at,
            str(each.get("author", "")),
            str(each.get("message", "")),
            files=tuple(_files(each)),
            without_diff=None if each.get("diff") else "not recorded",
        )
        facts.append(commit_fact("changes.git", commit, service="", repository="", url=None))
    return Gathered(tuple(fact.model_copy(update={"service": None}) for fact in facts))


def _files(commit: dict[str, Any]) -> Iterator[ChangedFile]:
    paths = [str(path) for path in commit.get("files_changed", [])]
    found = hunks(str(commit.get("diff") or ""), paths)
    for path in paths:
        lines = [line for hunk in found if hunk.path == path for line in hunk.lines]
        patch = "\n".join(["@@", *(f"{line.sign}{line.text}" for line in lines)]) if lines else ""
        added, removed = (sum(line.sign == sign for line in lines) for sign in "+-")
        yield ChangedFile(path, added, removed, patch)


def _deployments(file: Path, inquiry: Inquiry) -> Gathered:
    window = inquiry.scope.window
    deploys = [
        Deploy(
            service=str(each["service"]),
            version=str(each["version"]) if each.get("version") else None,
            commit=str(each["commit"]) if each.get("commit") else None,
            started_at=_time(each["startedAt"]),
        )
        for each in _json(file)
    ]
    kept = [each for each in deploys if window.changes_since <= each.started_at <= window.until]
    return Gathered(tuple(deploy_fact("changes.deployments", each) for each in kept))


def _flags(file: Path, inquiry: Inquiry) -> Gathered:
    window = inquiry.scope.window
    facts = []
    for each in _json(file):
        at = _time(each["timestamp"])
        if window.changes_since <= at <= window.until:
            flag, change = str(each["flag"]), str(each.get("change") or "")
            switched = Deploy(str(each.get("service") or ""), at, flag=flag, change=change)
            facts.append(flag_fact("changes.flags", switched))
    return Gathered(tuple(facts))


def _logs(folder: Path, inquiry: Inquiry) -> Gathered:
    window = inquiry.scope.window
    lines: list[LogLine] = []
    for target in inquiry.scope.targets:
        file = folder / f"{target.service}.jsonl"
        if file.is_file():
            with file.open(encoding="utf-8", errors="replace") as raw:
                found = list(entries(raw, window.alert_at))
            lines += [
                LogLine(target.service, each.text, each.at, each.level)
                for each in found
                if each.at is None or window.baseline_since <= each.at <= window.until
            ]
    return Gathered(lines=tuple(lines))


def _frozen_sources(file: Path) -> list[str]:
    return [str(line["source"]) for line in _json(file)["coverage"]] if file.exists() else []


def _frozen(source: str, file: Path, inquiry: Inquiry) -> Gathered:
    """What one source found then, or how it failed."""
    content = _json(file)
    line = next(Coverage.model_validate(line) for line in content["coverage"] if line["source"] == source)
    if not line.status.answered:
        raise SourceFailure(line.status, line.detail or "failed then too")
    return Gathered(tuple(FrozenFact.model_validate(each) for each in content["facts"] if each["source"] == source))


def _patterns(file: Path, inquiry: Inquiry) -> Gathered:
    services = {target.service for target in inquiry.scope.targets}
    facts = []
    for each in _json(file):
        if each.get("service") not in services or each.get("sentiment") != "negative":
            continue
        count = int(each.get("count", 0))
        before = max(0, count - int(str(each.get("delta_vs_baseline", count)).replace("+", "")))
        text = f"{each['service']} x{count}, {before} in the window before: {each['signature']}"
        data = {"level": "warning", "baselineCount": before, "example": str(each["signature"])}
        facts.append(
            Fact(source="logs.patterns", kind="signature", service=each["service"], text=text, count=count, data=data)
        )
    return Gathered(tuple(facts))


def _metrics(file: Path, inquiry: Inquiry) -> Gathered:
    window = inquiry.scope.window
    services = {target.service for target in inquiry.scope.targets}
    points: dict[tuple[str, str], list[tuple[datetime, float]]] = defaultdict(list)
    with file.open(encoding="utf-8", newline="") as raw:
        for row in csv.DictReader(raw):
            at, value = _time(row["timestamp"]), float(row["value"] or math.nan)
            if row["service"] in services and window.baseline_since <= at <= window.until:
                points[row["service"], row["metric"]].append((at, value))
    series = [Series(service, metric, tuple(sorted(found))) for (service, metric), found in points.items()]
    return Gathered(metric_facts("metrics.prometheus", series, window))


def _traces(file: Path, inquiry: Inquiry) -> Gathered:
    facts = []
    for each in _json(file)[:40]:
        error = each.get("error") or each.get("status_message")
        at = parse_time(each.get("start"))
        text = f"span {each.get('name')} in {each.get('service')}: {each.get('duration_ms')} ms, {each.get('status')}"
        facts.append(
            Fact(
                source="traces.spans",
                kind="trace",
                service=each.get("service"),
                at=at.astimezone(UTC) if at else None,
                text=f"{text}: {error}" if error else text,
            )
        )
    return Gathered(tuple(facts))
