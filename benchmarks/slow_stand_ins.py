"""A GitHub, a Loki, a Prometheus and a model that answer each request after a fixed time, and note for whom they were
busy and when.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from benchmarks.stand_ins import service_name
from shared.moment import now
from tests.loopback import Asked, Reply, StandIn
from tests.model_server import sensible
from tests.worker.github_stand_in import NOT_FOUND, commit_item, content_item, file_item

SECONDS: Final = {"github": 0.05, "prometheus": 0.3, "loki": 0.8, "model": 2.0}
"""How long each takes for a request."""

SOURCES: Final = ("github", "prometheus", "loki")
OWNER: Final = "acme"

_SERVICE: Final = re.compile(r"service-\d+")
_SHA: Final = "a3f7c2d9e1b04c5f8a6d7e2b3c4d5e6f7a8b9c0d"


@dataclass
class Diary:
    """When each stand-in was busy with each service, in seconds of the monotonic clock."""

    spans: dict[tuple[str, str], list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, who: str, service: str, begin: float, end: float) -> None:
        """`who` was busy with `service`."""
        with self._lock:
            self.spans[who, service].append((begin, end))

    def busy(self, who: str, service: str) -> float:
        """Seconds in which it had at least one request to answer."""
        total, until = 0.0, float("-inf")
        for begin, end in sorted(self.spans.get((who, service), ())):
            total += max(0.0, end - max(begin, until))
            until = max(until, end)
        return total

    def first(self, who: str, service: str) -> float:
        """When it was first asked. Raises ValueError when it was not."""
        return min(begin for begin, _ in self.spans.get((who, service), ()))

    def last(self, who: str, service: str) -> float:
        """When it last answered. Raises ValueError when it did not."""
        return max(end for _, end in self.spans.get((who, service), ()))


@contextmanager
def slow_surroundings(folder: Path, services: int) -> Iterator[tuple[Diary, dict[str, str]]]:
    """The stand-ins and a catalog in `folder`, and the settings that lead to them."""
    diary = Diary()
    write_catalog(folder, services)
    with ExitStack() as around:
        github, prometheus, loki, model = (
            around.enter_context(StandIn(_slowly(name, respond, diary)))
            for name, respond in (
                ("github", _github),
                ("prometheus", _prometheus),
                ("loki", _loki),
                ("model", sensible),
            )
        )
        yield (
            diary,
            {
                "WHYDOWN_CATALOG": str(folder),
                "WHYDOWN_GITHUB_URL": github.url,
                "GITHUB_TOKEN": "github-token",
                "PROMETHEUS_URL": prometheus.url,
                "WHYDOWN_PROMETHEUS_LABEL": "service",
                "LOKI_URL": loki.url,
                "WHYDOWN_LOKI_LABEL": "service_name",
                "WHYDOWN_AI_ENDPOINT": f"{model.url}/v1",
                "WHYDOWN_AI_KEY": "model-key",
                "WHYDOWN_AI_CHAT_MODEL": "stand-in",
            },
        )


def _slowly(who: str, respond: Callable[[Asked], Reply], diary: Diary) -> Callable[[Asked], Reply]:
    def answer(asked: Asked) -> Reply:
        begin = time.monotonic()
        said = asked.path + json.dumps(asked.query) + asked.body.decode("utf-8", "replace")
        about = _SERVICE.search(said)
        reply = respond(asked)
        time.sleep(max(0.0, begin + SECONDS[who] - time.monotonic()))
        if about:
            diary.note(who, about.group(), begin, time.monotonic())
        return reply

    return answer


def _github(asked: Asked) -> Reply:
    commit = commit_item(_SHA, now() - timedelta(minutes=10), "lower the pool to 5")
    answers: Mapping[str, object] = {
        "commits": [commit],
        f"commits/{_SHA}": {**commit, "files": [file_item("pool.yaml", "-size: 50\n+size: 5", 1, 1)]},
        "deployments": [],
        "contents/GOTCHA.md": content_item("GOTCHA.md", b"## HEURISTICS\n- The pool must be larger than 20\n"),
    }
    found = answers.get("/".join(asked.path.split("/")[4:]))
    return NOT_FOUND if found is None else Reply(found)


def _prometheus(asked: Asked) -> Reply:
    return Reply({"status": "success", "data": {"resultType": "matrix", "result": []}})


def _loki(asked: Asked) -> Reply:
    query = dict(asked.query)
    service = _SERVICE.search(query.get("query", ""))
    values = [
        [str((int(query["start"]) // 10**9 + second) * 10**9), f"ERROR pool exhausted after {second} ms"]
        for second in range(1, 30)
    ]
    stream = {"stream": {"service_name": service.group() if service else ""}, "values": values}
    return Reply({"status": "success", "data": {"resultType": "streams", "result": [stream], "stats": {}}})


def write_catalog(folder: Path, services: int) -> None:
    """A catalog in `folder` of so many services that do not depend on each other, each with a repository."""
    folder.mkdir(parents=True)
    for number in range(services):
        name = service_name(number)
        entity = {
            "apiVersion": "backstage.io/v1alpha1",
            "kind": "Component",
            "metadata": {"name": name, "annotations": {"github.com/project-slug": f"{OWNER}/{name}"}},
            "spec": {"type": "service", "lifecycle": "production", "owner": "team-many"},
        }
        # JSON is YAML.
        (folder / f"{name}.yaml").write_text(json.dumps(entity), encoding="utf-8")
