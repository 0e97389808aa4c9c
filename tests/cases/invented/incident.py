"""An invented incident and the case folder that is made of it."""

from __future__ import annotations

import csv
import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

BEGIN, END = -120.0, 12.0
"""Minutes from the alert within which things are logged and measured."""


@dataclass(frozen=True)
class Log:
    """Lines of one kind. `{n}`, `{ms}`, `{id}` and `{hex}` are different in each."""

    service: str
    level: str
    text: str
    every: float
    """Seconds between two of them."""
    since: float = BEGIN
    """Minutes from the alert."""
    until: float = END


@dataclass(frozen=True)
class Metric:
    """A value a minute: steady, or another one from `since` on; `ramp` is there only at the end."""

    service: str
    name: str
    before: float
    after: float | None = None
    since: float = 0.0
    ramp: bool = False


@dataclass(frozen=True)
class Change:
    """A commit, with the deploy that brought it."""

    at: float
    message: str
    diff: str | None
    """Hunks, each below `@@ path @@`."""
    service: str | None = None
    """Where it was deployed."""
    deployed: float | None = None
    part: Literal["guilty", "decoy", "other"] = "decoy"

    @property
    def sha(self) -> str:
        """A commit's name."""
        return hashlib.sha1(self.message.encode(), usedforsecurity=False).hexdigest()

    @property
    def files(self) -> list[str]:
        """The paths of its hunks."""
        return [line[3:-3] for line in (self.diff or "").splitlines() if line.startswith("@@ ")]


@dataclass(frozen=True)
class Flag:
    """A flag that was switched."""

    at: float
    service: str
    name: str
    change: str
    guilty: bool = False


@dataclass(frozen=True)
class Incident:
    """What happened. Times are minutes from the alert."""

    id: str
    story: str
    """What really happened, for the reader."""
    service: str
    """The alerted one."""
    title: str
    alert: str
    """When."""
    graph: dict[str, tuple[str, ...]]
    changes: tuple[Change, ...]
    logs: tuple[Log, ...]
    metrics: tuple[Metric, ...]
    flags: tuple[Flag, ...] = field(default=())

    @property
    def guilty(self) -> str | None:
        """The commit or flag that did it; None where no change did."""
        named = [each.sha for each in self.changes if each.part == "guilty"]
        named += [each.name for each in self.flags if each.guilty]
        return named[0] if named else None

    def write(self, parent: Path) -> Path:
        """Makes the case folder below `parent`."""
        folder = parent / self.id
        (folder / "logs").mkdir(parents=True)
        dice = random.Random(self.id)  # noqa: S311
        decoys = [each.sha for each in self.changes if each.part == "decoy"]
        decoys += [each.name for each in self.flags if not each.guilty]
        documents = {
            "case": {"id": self.id, "alert": {"service": self.service, "title": self.title, "startsAt": self._at(0)}},
            "catalog": {"services": [{"name": name, "dependsOn": needed} for name, needed in self.graph.items()]},
            "commits": [self._commit(each) for each in sorted(self.changes, key=lambda each: each.at)],
            "deployments": [self._deploy(each) for each in self.changes if each.deployed is not None],
            "flags": [
                {"timestamp": self._at(each.at), "flag": each.name, "service": each.service, "change": each.change}
                for each in self.flags
            ],
            "truth": {"commit": self.guilty, "decoy_commits": decoys, "story": self.story},
        }
        for name, document in documents.items():
            (folder / f"{name}.json").write_text(json.dumps(document, indent=1))
        for service in {each.service for each in self.logs}:
            lines = sorted(self._lines(service, dice))
            (folder / "logs" / f"{service}.jsonl").write_text(
                "".join(json.dumps({"ts": at, "level": level, "line": text}) + "\n" for at, level, text in lines)
            )
        with (folder / "metrics.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("timestamp", "service", "metric", "value"))
            for metric in self.metrics:
                writer.writerows(self._points(metric, dice))
        return folder

    def _at(self, minutes: float) -> str:
        moment = datetime.fromisoformat(self.alert) + timedelta(minutes=minutes)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"

    def _commit(self, change: Change) -> dict[str, Any]:
        author = ("ana", "bo", "chidi", "dora", "emre")[len(change.message) % 5]
        return {
            "sha": change.sha,
            "author": author,
            "timestamp": self._at(change.at),
            "message": change.message,
            "files_changed": change.files,
            "diff": change.diff,
        }

    def _deploy(self, change: Change) -> dict[str, Any]:
        assert change.deployed is not None
        version = f"r{abs(int(change.deployed * 7)) + 100}"
        return {
            "service": change.service,
            "version": version,
            "commit": change.sha,
            "startedAt": self._at(change.deployed),
            "message": change.message,
        }

    def _lines(self, service: str, dice: random.Random) -> Iterator[tuple[str, str, str]]:
        for log in self.logs:
            if log.service == service:
                at = log.since + dice.random() * log.every / 60
                while at < log.until:
                    filled = {
                        "{n}": str(dice.randrange(100, 99_999)),
                        "{ms}": str(dice.randrange(20, 900)),
                        "{id}": f"{dice.choice('abcdef')}{dice.randrange(10**9)}",
                        "{hex}": f"{dice.getrandbits(64):016x}",
                    }
                    text = log.text
                    for place, value in filled.items():
                        text = text.replace(place, value)
                    yield self._at(at), log.level, text
                    at += log.every / 60 * (0.7 + 0.6 * dice.random())

    def _points(self, metric: Metric, dice: random.Random) -> Iterator[tuple[str, str, str, str]]:
        for minute in range(int(BEGIN), int(END)):
            level = metric.before
            if metric.after is not None and minute >= metric.since:
                way = min(1.0, (minute - metric.since + 1) / (END - metric.since)) if metric.ramp else 1.0
                level += (metric.after - metric.before) * way
            value = level * (0.97 + 0.06 * dice.random())
            yield self._at(minute), metric.service, metric.name, f"{value:.4f}"
