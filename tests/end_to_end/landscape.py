"""A small company on loopback: its catalog, code, logs, metrics and model, real HTTP servers that a test can break."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from shared.moment import now, rfc3339
from tests.loopback import Asked, Reply, StandIn
from tests.repositories import GitRepository

SERVICE = "invoice-api"
ERROR_LINE = "Npgsql.NpgsqlException (0x80004005): Failed to connect to 10.0.1.5:5432"
GUILTY_MESSAGE = "refactor config to use Server= syntax for Npgsql"
HEURISTIC = "Npgsql wants Host=, not Server=, in the connection string"

CALLBACK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

ENTITIES: tuple[dict[str, Any], ...] = (
    {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {
            "name": SERVICE,
            "namespace": "default",
            "description": "Creates and serves invoices",
            "tags": ["dotnet"],
            "annotations": {"github.com/project-slug": "acme/invoice-api"},
            "links": [{"url": "https://runbooks.example.test/invoice-api", "title": "Runbook"}],
        },
        "spec": {"type": "service", "lifecycle": "production", "owner": "group:default/team-billing"},
        "relations": [
            {"type": "dependsOn", "targetRef": "resource:default/invoice-db"},
            {"type": "dependencyOf", "targetRef": "component:default/notification-service"},
        ],
    },
    {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": "notification-service", "namespace": "default", "description": "Sends mail"},
        "spec": {"type": "service", "lifecycle": "production", "owner": "group:default/team-billing"},
        "relations": [{"type": "dependsOn", "targetRef": f"component:default/{SERVICE}"}],
    },
    {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Resource",
        "metadata": {"name": "invoice-db", "namespace": "default", "description": "PostgreSQL primary"},
        "spec": {"type": "database", "owner": "group:default/team-billing"},
        "relations": [{"type": "dependencyOf", "targetRef": f"component:default/{SERVICE}"}],
    },
)


@dataclass
class Landscape:
    """Everything that Whydown looks at, and the model it asks."""

    started: datetime
    guilty: str
    """The sha of the commit that broke it."""
    repositories: Path
    backstage: StandIn
    github: StandIn
    loki: StandIn
    prometheus: StandIn
    model: StandIn
    pager: StandIn
    """Where a caller wants results pushed."""

    def settings(self) -> dict[str, str]:
        """What Whydown is told of it."""
        return {
            "WHYDOWN_BACKSTAGE_URL": self.backstage.url,
            "WHYDOWN_BACKSTAGE_TOKEN": "backstage-token",
            "WHYDOWN_REPOSITORIES": str(self.repositories),
            "GITHUB_TOKEN": "github-token",
            "WHYDOWN_GITHUB_URL": self.github.url,
            "LOKI_URL": self.loki.url,
            "WHYDOWN_LOKI_TENANT": "acme",
            "WHYDOWN_LOKI_TOKEN": "loki-token",
            "PROMETHEUS_URL": self.prometheus.url,
            "WHYDOWN_PROMETHEUS_TOKEN": "prometheus-token",
            "WHYDOWN_AI_ENDPOINT": f"{self.model.url}/v1",
            "WHYDOWN_AI_KEY": "model-key",
            "WHYDOWN_AI_CHAT_MODEL": "stand-in",
            "WHYDOWN_AI_TIMEOUT_SECONDS": "12",
            "WHYDOWN_SOURCE_TIMEOUT_SECONDS": "3",
            "WHYDOWN_CALLBACK_ALLOW": self.pager.url.removeprefix("http://"),
            "WHYDOWN_CALLBACK_SECRET": CALLBACK_SECRET,
        }

    def mend(self) -> None:
        """Everything answers again as it should, and forgets what it was asked."""
        for stand_in, respond in (
            (self.backstage, _backstage),
            (self.github, _github),
            (self.loki, _loki(self.started)),
            (self.prometheus, _prometheus(self.started)),
            (self.model, diagnosing),
            (self.pager, _taking),
        ):
            stand_in.respond = respond
            stand_in.asked.clear()

    def alert(self, name: str, service: str = SERVICE, *, firing: bool = True) -> dict[str, Any]:
        """A body as Alertmanager sends it."""
        labels = {"alertname": name, "service": service, "severity": "critical"}
        alert = {
            "status": "firing" if firing else "resolved",
            "labels": labels,
            "annotations": {"summary": f"{service}: error rate above 5 %"},
            "startsAt": rfc3339(self.started),
            "endsAt": "0001-01-01T00:00:00Z" if firing else rfc3339(now()),
            "generatorURL": "http://prometheus.example.test/graph",
            "fingerprint": f"{name}-{service}",
        }
        return {
            "version": "4",
            "groupKey": f'{{}}:{{alertname="{name}"}}',
            "truncatedAlerts": 0,
            "status": alert["status"],
            "receiver": "whydown",
            "groupLabels": {"alertname": name},
            "commonLabels": labels,
            "commonAnnotations": alert["annotations"],
            "externalURL": "http://alertmanager.example.test",
            "alerts": [alert],
        }

    def prompt(self) -> str:
        """All that the model was last sent."""
        asked = [each for each in self.model.asked if each.path.endswith("/chat/completions")]
        return "\n".join(message["content"] for message in asked[-1].json()["messages"])


@contextmanager
def landscape(folder: Path) -> Iterator[Landscape]:
    """The company, five minutes into its incident."""
    started = now() - timedelta(minutes=5)
    repositories = folder / "repositories"
    guilty = _history(repositories / "acme" / "invoice-api", started)
    with (
        StandIn(_backstage) as backstage,
        StandIn(_github) as github,
        StandIn(_loki(started)) as loki,
        StandIn(_prometheus(started)) as prometheus,
        StandIn(diagnosing) as model,
        StandIn(_taking) as pager,
    ):
        yield Landscape(started, guilty, repositories, backstage, github, loki, prometheus, model, pager)


def diagnosing(asked: Asked) -> Reply:
    """A model that reads the facts in its prompt: it names the commit, and quotes commit, error and heuristic."""
    prompt = "\n".join(message["content"] for message in asked.json()["messages"])
    sha = re.search(rf"commit ([0-9a-f]{{7,40}})[^\n]*{re.escape(GUILTY_MESSAGE)}", prompt)
    evidence = [
        {
            "statement": "It cannot reach the database",
            "fact": _fact(prompt, "Failed to connect"),
            "quote": "Failed to connect",
        },
        {"statement": "The commit changed the key", "fact": _fact(prompt, GUILTY_MESSAGE), "quote": GUILTY_MESSAGE},
        {"statement": "A known rule", "fact": _fact(prompt, HEURISTIC), "quote": HEURISTIC},
        {"statement": "An invention", "fact": "F1", "quote": "the moon is full tonight"},
    ]
    return completion(
        {
            "evidence": evidence,
            "probableCause": {
                "statement": "The connection string uses Server=, which Npgsql refuses",
                "confidence": 0.9,
                "citations": [{"fact": each["fact"], "quote": each["quote"]} for each in evidence[:2]],
            },
            "suggestedActions": [{"kind": "immediate", "text": "Revert the commit", "command": "git revert HEAD"}],
            "relatedServices": [],
            "suspectChange": sha.group(1) if sha else None,
            "enoughInformation": True,
            "missingData": [],
        }
    )


def completion(reply: object) -> Reply:
    """A chat completion that says `reply`."""
    content = reply if isinstance(reply, str) else json.dumps(reply)
    return Reply(
        {
            "id": "c1",
            "object": "chat.completion",
            "created": 1,
            "model": "stand-in",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}],
            "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
        }
    )


def hanging(stand_in: StandIn) -> Callable[[Asked], Reply]:
    """A server that takes every question and answers none until the test is over."""

    def respond(_: Asked) -> Reply:
        stand_in.closing.wait(120)
        return Reply({}, status=500)

    return respond


def _taking(_: Asked) -> Reply:
    return Reply(status=204)


def _fact(prompt: str, words: str) -> str:
    """The id of the fact that holds `words`: the last id that stands before them."""
    where = prompt.find(words)
    ids = re.findall(r"\bF\d+\b", prompt[: where if where >= 0 else None])
    return ids[-1] if ids else "F1"


def _history(path: Path, started: datetime) -> str:
    repository = GitRepository.create(path)
    repository.commit(
        "first version",
        started - timedelta(days=20),
        {
            "src/Db.cs": '"Host=10.0.1.5;Port=5432"\n',
            "GOTCHA.md": f"# Gotcha\n\n## HEURISTICS\n\n- {HEURISTIC}\n- Cents, never floats\n",
        },
    )
    guilty = repository.commit(
        GUILTY_MESSAGE, started - timedelta(minutes=20), {"src/Db.cs": '"Server=10.0.1.5;Port=5432"\n'}
    )
    repository.commit("reword the readme", started - timedelta(minutes=9), {"README.md": "Invoices.\n"})
    return guilty


def _backstage(asked: Asked) -> Reply:
    if asked.headers.get("authorization") != "Bearer backstage-token":
        return Reply({"error": {"name": "AuthenticationError", "message": "Missing credentials"}}, status=401)
    if asked.path.endswith("/entities/by-refs"):
        wanted = asked.json()["entityRefs"]
        return Reply({"items": [next((entity for entity in ENTITIES if _ref(entity) == ref), None) for ref in wanted]})
    if asked.path.endswith("/entities/by-query"):
        filters = [value for name, value in asked.query if name == "filter"]
        items = [entity for entity in ENTITIES if not filters or any(_fits(entity, each) for each in filters)]
        return Reply({"items": items, "totalItems": len(items), "pageInfo": {}})
    return Reply({"error": {"name": "NotFoundError", "message": "no such route"}}, status=404)


def _ref(entity: dict[str, Any]) -> str:
    return f"{entity['kind']}:{entity['metadata']['namespace']}/{entity['metadata']['name']}".lower()


def _fits(entity: dict[str, Any], conditions: str) -> bool:
    for condition in conditions.split(","):
        key, _, value = condition.partition("=")
        found: Any = entity
        for part in key.split(".", 2):
            found = found.get(part, {}) if isinstance(found, dict) else {}
        if str(found).lower() != value.lower():
            return False
    return True


def _github(asked: Asked) -> Reply:
    if asked.headers.get("authorization") not in ("token github-token", "Bearer github-token"):
        return Reply({"message": "Bad credentials"}, status=401)
    if asked.path.endswith(("/commits", "/deployments", "/contents/", "/contents")):
        return Reply([])
    return Reply({"message": "Not Found"}, status=404)


def _loki(started: datetime) -> Callable[[Asked], Reply]:
    def respond(asked: Asked) -> Reply:
        if asked.headers.get("authorization") != "Bearer loki-token" or asked.headers.get("x-scope-orgid") != "acme":
            return Reply("no org id", status=401)
        if asked.path.endswith("/labels"):
            return Reply({"status": "success", "data": ["app", "level", "service_name"]})
        query = dict(asked.query)
        first, last = (int(query[name]) / 1e9 for name in ("start", "end"))
        moments = [started.timestamp() + seconds for seconds in (10, 20, 30, 70)]
        values = [[str(int(at * 1e9)), f"{ERROR_LINE} try {n}"] for n, at in enumerate(moments) if first <= at < last]
        wanted = f'service_name="{SERVICE}"' in query["query"] and 'detected_level=~"error' in query["query"]
        streams = (
            [{"stream": {"service_name": SERVICE, "detected_level": "error"}, "values": values}]
            if wanted and values
            else []
        )
        return Reply({"status": "success", "data": {"resultType": "streams", "result": streams, "stats": {}}})

    return respond


def _prometheus(started: datetime) -> Callable[[Asked], Reply]:
    def respond(asked: Asked) -> Reply:
        if asked.headers.get("authorization") != "Bearer prometheus-token":
            return Reply("Unauthorized", status=401)
        if asked.path.endswith("/labels"):
            return Reply({"status": "success", "data": ["__name__", "instance", "job"]})
        query = dict(parse_qsl(asked.body.decode()))
        moments = range(int(query["start"]), int(query["end"]) + 1, int(query["step"]))
        values = [[at, "0" if at < started.timestamp() else "4.5"] for at in moments]
        wanted = 'status=~"5.."' in query["query"]
        result = [{"metric": {"job": SERVICE}, "values": values}] if wanted else []
        return Reply({"status": "success", "data": {"resultType": "matrix", "result": result}})

    return respond
