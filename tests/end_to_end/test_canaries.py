"""A canary in every source: whatever is stored, queued, prompted, logged, shown or pushed holds none of them."""

from __future__ import annotations

import json
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from redis import Redis

from benchmarks.redaction import survives
from shared.moment import now, rfc3339
from shared.redaction.redactor import Redactor
from tests.corpora.secret_lines import ALNUM, HEX, Made
from tests.end_to_end.landscape import ENTITIES, ERROR_LINE, SERVICE, completion
from tests.end_to_end.test_contract import opened
from tests.installation import PATIENCE_SECONDS, Installation, free_port, until
from tests.loopback import Asked, Reply, StandIn
from tests.repositories import GitRepository
from tests.webhook.receivers import PAGE
from tests.worker.github_stand_in import commit_item, content_item, deployment_item, file_item

GITHUB_SHA = "c0ffee" + "0" * 34
CATALOG_TOKEN = "birds-of-the-catalog"
"""A secret of our own settings that no rule would know."""


@dataclass
class Canaries:
    """Secrets of several kinds, one for each place."""

    made: Made = field(default_factory=lambda: Made(7))
    secrets: dict[str, str] = field(default_factory=dict)

    def sing(self, place: str, template: str) -> str:
        """`template` with a new secret of its place for `@@`, after a mark that must get through."""
        kinds = {
            "@@": self.made.password(),
            "@github@": "ghp_" + self.made.of(ALNUM, 36),
            "@stripe@": "sk_live_" + self.made.of(ALNUM, 24),
            "@vault@": "hvs." + self.made.of(ALNUM, 60),
            "@hex@": self.made.of(HEX, 40),
            "@pem@": "\n".join(self.made.base64(48) for _ in range(4)),
            "@customer@": "CUSTOMER-" + self.made.of("0123456789", 9),
        }
        (kind,) = (kind for kind in kinds if kind in template)
        assert place not in self.secrets
        self.secrets[place] = kinds[kind]
        return f"{mark(place)} " + template.replace(kind, kinds[kind])

    def flown(self, text: str) -> list[str]:
        """The places whose secrets, or pieces of them, are in a text."""
        # A key over several lines is looked for line by line.
        return [
            place for place, secret in self.secrets.items() if any(survives(line, text) for line in secret.split("\n"))
        ]


def mark(place: str) -> str:
    """A word that is no secret, to see that what stands beside it was read at all."""
    return f"canary-of-{place}"


class World:
    """Everything that Whydown looks at, with a canary in each."""

    def __init__(self, folder: Path) -> None:
        self.canaries = Canaries()
        self.started = now() - timedelta(minutes=5)
        self.folder = folder
        self._commit()
        self._log_file()
        self._catalog = self._entities()
        self._github = self._github_answers()
        self._loki_line = ERROR_LINE + " " + self.canaries.sing("loki", "Authorization: Bearer @hex@")
        self._metric = self.canaries.sing("metric-label", "amqp://a:@@@mq/")
        self._warning = self.canaries.sing("metric-warning", "store refused token=@hex@")
        self._said = self.canaries.sing("model", "I remember password=@@ from elsewhere")
        self._refused = self.canaries.sing("model-error", "bad key @stripe@")
        self._answer = self.canaries.sing("callback-answer", "token=@hex@")
        self.backstage = StandIn(self._backstage)
        self.github = StandIn(lambda asked: Reply(self._github[asked.path]) if asked.path in self._github else NOWHERE)
        self.loki = StandIn(self._loki)
        self.prometheus = StandIn(self._prometheus)
        self.model = StandIn(self._model)
        self.pager = StandIn(lambda _: Reply(self._answer, 200, {"X-Api-Key": self._answer}))

    def settings(self) -> dict[str, str]:
        """What Whydown is told of it."""
        return {
            "WHYDOWN_BACKSTAGE_URL": self.backstage.url,
            "WHYDOWN_BACKSTAGE_TOKEN": CATALOG_TOKEN,
            "WHYDOWN_REPOSITORIES": str(self.folder / "repositories"),
            "WHYDOWN_LOG_FILES": str(self.folder / "logs"),
            "WHYDOWN_GITHUB_URL": self.github.url,
            "GITHUB_TOKEN": "github-token",
            "LOKI_URL": self.loki.url,
            "PROMETHEUS_URL": self.prometheus.url,
            "WHYDOWN_AI_ENDPOINT": f"{self.model.url}/v1",
            "WHYDOWN_AI_KEY": "model-key",
            "WHYDOWN_CALLBACK_ALLOW": self.pager.url.removeprefix("http://"),
            "WHYDOWN_REDACT_PATTERNS": "CUSTOMER-([0-9]{9})",
        }

    def alert(self) -> dict[str, Any]:
        """An Alertmanager body with canaries wherever texts stand."""
        sing = self.canaries.sing
        labels = {
            "alertname": sing("alert-name", "password=@@"),
            "service": SERVICE,
            "connection": sing("label", "postgres://app:@@@db:5432/app"),
            "api_key": sing("label-named", "@hex@").split()[1],
        }
        annotations = {
            "summary": sing("summary", "token @github@ was refused"),
            "description": sing("annotation", "of @customer@"),
            "runbook_url": "https://runbooks.example.test/a?sig=" + sing("link", "@hex@").split()[1],
        }
        return {
            "version": "4",
            "groupKey": sing("group-key", '{}:{secret="@hex@"}'),
            "status": "firing",
            "receiver": "whydown",
            "groupLabels": {},
            "commonLabels": labels,
            "commonAnnotations": annotations,
            "externalURL": "http://alertmanager.example.test",
            "alerts": [
                {
                    "status": "firing",
                    "labels": labels,
                    "annotations": annotations,
                    "startsAt": rfc3339(self.started),
                    "endsAt": "0001-01-01T00:00:00Z",
                    "generatorURL": sing("generator", "http://prometheus.test/g?token=@hex@").split()[1],
                    "fingerprint": sing("fingerprint", "pwd=@@"),
                }
            ],
        }

    def plain(self) -> dict[str, Any]:
        """A plain body with errors, and a callback."""
        return {
            "serviceName": SERVICE,
            "alertTitle": "Plain",
            "errors": [
                "System.Exception: " + self.canaries.sing("errors", "Server=db;Password=@@;"),
                "-----BEGIN RSA PRIVATE KEY-----",
                self.canaries.sing("errors-key", "\n@pem@").partition("\n")[2],
                "-----END RSA PRIVATE KEY-----",
            ],
            "callbackUrl": f"{self.pager.url}/hook?token={self.callback_token}",
        }

    @property
    def callback_token(self) -> str:
        """What the callback's address holds: it is kept to be called, and shown nowhere."""
        return "cb4d1e9f7a2c48b3a6f0"

    def context(self) -> dict[str, Any]:
        """A context that the caller brings."""
        sing = self.canaries.sing
        return {
            "serviceName": SERVICE,
            "serviceDescription": sing("brought-description", "vault @vault@"),
            "recentDeployments": sing("brought-deployments", "db_password: '@@'"),
            "recentErrors": sing("brought-errors", "redis://:@@@cache:6379/0 refused"),
            "gotchaHeuristics": sing("brought-heuristics", "use --token @hex@"),
            "alertTitle": sing("brought-title", "X-Api-Key: @hex@"),
        }

    def deployment(self) -> dict[str, Any]:
        """A deploy event."""
        return {
            "service": SERVICE,
            "version": self.canaries.sing("deploy-version", "token=@hex@"),
            "startedAt": rfc3339(self.started - timedelta(minutes=3)),
            "actor": self.canaries.sing("deploy-actor", "@github@"),
            "environment": self.canaries.sing("deploy-environment", "pw @stripe@"),
        }

    def _commit(self) -> None:
        sing, path = self.canaries.sing, self.folder / "repositories" / "acme" / SERVICE
        repository = GitRepository.create(path)
        gotcha = "# Gotcha\n\n## HEURISTICS\n\n- " + sing("gotcha", "Failed to connect? DB_PASSWORD=@@") + "\n"
        repository.commit("first", self.started - timedelta(days=9), {"GOTCHA.md": gotcha, "a.env": "X=1\n"})
        repository.commit(
            sing("commit-message", "rotate api_key=@hex@"),
            self.started - timedelta(minutes=20),
            {"a.env": "X=1\n" + sing("diff", "STRIPE_KEY=@stripe@") + "\n"},
            author=sing("commit-author", "bot @github@"),
        )

    def _log_file(self) -> None:
        (self.folder / "logs").mkdir()
        at = [rfc3339(self.started + timedelta(seconds=second)) for second in range(9)]
        key = self.canaries.sing("log-key", "\n@pem@").partition("\n")[2]
        lines = [
            f"{at[0]} ERROR {self.canaries.sing('log', 'could not connect to mysql://app:@@@db/app')}",
            json.dumps({"ts": at[1], "level": "error", "msg": self.canaries.sing("log-json", '{"passwd":"@@"}')}),
            f"{at[2]} ERROR bad key -----BEGIN PRIVATE KEY-----",
            *key.split("\n"),
            "-----END PRIVATE KEY-----",
            f"{at[3]} ERROR {self.canaries.sing('log-after-key', 'pass=@@')}",
        ]
        (self.folder / "logs" / f"{SERVICE}.log").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _entities(self) -> list[dict[str, Any]]:
        component = json.loads(json.dumps(ENTITIES[0]))
        component["metadata"]["description"] = self.canaries.sing("catalog-description", "login with pwd=@@")
        component["metadata"]["annotations"]["acme.test/dsn"] = self.canaries.sing(
            "catalog-annotation", "amqp://a:@@@mq/"
        )
        component["metadata"]["links"][0]["title"] = self.canaries.sing("catalog-link", "token: @hex@")
        return [component, *ENTITIES[1:]]

    def _github_answers(self) -> dict[str, Any]:
        sing, at, repository = self.canaries.sing, self.started - timedelta(minutes=10), f"/repos/acme/{SERVICE}"
        commit = commit_item(GITHUB_SHA, at, sing("github-message", "use password=@@"))
        patch = "@@ -1 +1 @@\n-a\n+" + sing("github-patch", "client_secret: '@hex@'")
        deployment = deployment_item(1, GITHUB_SHA, at, environment=sing("github-deployment", "?sv=1&sig=@hex@"))
        gotcha = f"# HEURISTICS\n\n- {sing('github-gotcha', 'connect with vault @vault@')}\n"
        return {
            f"{repository}/commits": [commit],
            f"{repository}/commits/{GITHUB_SHA}": {**commit, "files": [file_item("a.env", patch, 1, 1)]},
            f"{repository}/deployments": [deployment],
            f"{repository}/contents/GOTCHA.md": content_item("GOTCHA.md", gotcha.encode()),
        }

    def _backstage(self, asked: Asked) -> Reply:
        if asked.path.endswith("/entities/by-refs"):
            by_ref = {f"{each['kind']}:default/{each['metadata']['name']}".lower(): each for each in self._catalog}
            return Reply({"items": [by_ref.get(ref) for ref in asked.json()["entityRefs"]]})
        return Reply({"items": self._catalog, "totalItems": len(self._catalog), "pageInfo": {}})

    def _prometheus(self, asked: Asked) -> Reply:
        if asked.path.endswith("/labels"):
            return Reply({"status": "success", "data": ["job"]})
        values = [[self.started.timestamp() + 30 * place, "1"] for place in range(-60, 6)]
        series = {"metric": {"job": SERVICE, "broker": self._metric}, "values": values}
        data = {"resultType": "matrix", "result": [series]}
        return Reply({"status": "success", "data": data, "warnings": [self._warning]})

    def _loki(self, asked: Asked) -> Reply:
        if asked.path.endswith("/labels"):
            return Reply({"status": "success", "data": ["service_name"]})
        stream = {"stream": {"service_name": SERVICE}, "values": [[_nanoseconds(self.started), self._loki_line]]}
        return Reply({"status": "success", "data": {"resultType": "streams", "result": [stream], "stats": {}}})

    def _model(self, _: Asked) -> Reply:
        if len(self.model.asked) == 1:
            return Reply({"error": {"message": self._refused, "type": "error"}}, 500)
        said = f"{self._said}; the catalog's token is {CATALOG_TOKEN}"
        return completion(
            {
                "evidence": [{"statement": said, "fact": "F1", "quote": said}],
                "probableCause": {"statement": said, "confidence": 0.5, "citations": [{"fact": "F1", "quote": said}]},
                "suggestedActions": [{"kind": "immediate", "text": said, "command": said}],
                "relatedServices": [{"service": said, "reason": said}],
                "suspectChange": said,
                "enoughInformation": True,
                "missingData": [said],
            }
        )


NOWHERE = Reply({"message": "Not Found"}, 404)


def _nanoseconds(moment: datetime) -> str:
    return str(int(moment.timestamp() * 1e9))


class Overheard:
    """Every command that the broker was given, while the block runs."""

    def __init__(self, socket: Path) -> None:
        self._client = Redis(unix_socket_path=str(socket))
        self._lines: list[str] = []
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._over = False

    def __enter__(self) -> Overheard:
        self._thread.start()
        assert self._listening.wait(PATIENCE_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        with Redis(connection_pool=self._client.connection_pool) as other:
            other.ping()
        self._thread.join(PATIENCE_SECONDS)
        self._client.close()

    def text(self) -> str:
        """All of it."""
        return "\n".join(self._lines)

    def _listen(self) -> None:
        with self._client.monitor() as monitor:  # type: ignore[no-untyped-call]
            self._listening.set()
            for command in monitor.listen():
                self._lines.append(str(command["command"]))
                if self._over:
                    return


@pytest.fixture(scope="module")
def aviary() -> Iterator[Mapping[str, str]]:
    """After everything was sent and diagnosed: all that was stored, sent, shown or logged, by where it was."""
    with tempfile.TemporaryDirectory(prefix="wd") as name:
        folder = Path(name)
        (folder / "world").mkdir()
        world = World(folder / "world")
        with (
            world.backstage, world.github, world.loki, world.prometheus, world.model, world.pager,
            Installation(folder / "data", world.settings()) as whydown,
        ):  # fmt: skip
            whydown.start_queue()
            whydown.migrate()
            flower = _flower(whydown)
            with Overheard(whydown.storage.embedded_socket()) as overheard:
                whydown.start_web()
                whydown.start_worker()
                assert whydown.post("/deployments", world.deployment()).ok
                ids = [opened(whydown, world.alert())]
                ids.append(opened(whydown, world.plain(), "/webhook/alert"))
                ids.append(opened(whydown, world.context(), "/api/incident/analyze"))
                for incident_id in ids:
                    whydown.finished(incident_id)
                actual = {"verdict": "wrong", "actualCause": world.canaries.sing("feedback", "password=@@ expired")}
                assert whydown.post(f"/incidents/{ids[0]}/feedback", actual).ok
                until(lambda: world.pager.asked, "the result is pushed", whydown.logs)
                until(lambda: len(flower.tasks()) >= 3, "Flower knows the tasks", whydown.logs)
                places = {
                    **{f"page of {one}": whydown.get(f"/incidents/{one}", headers=PAGE).text for one in ids},
                    **{f"document of {one}": whydown.get(f"/incidents/{one}").text for one in ids},
                    "list": whydown.get("/incidents").text + whydown.get("/incidents", headers=PAGE).text,
                    "metrics": whydown.get("/metrics").text,
                    "flower": flower.everything(),
                    "model": "\n".join(asked.body.decode() for asked in world.model.asked),
                    "push": "\n".join(f"{asked.headers} {asked.body.decode()}" for asked in world.pager.asked),
                    "database": _dump(whydown.folder / "whydown.db"),
                }
            places["broker"] = overheard.text()
            places["logs"] = "\n".join(log.read_text(errors="replace") for log in whydown.folder.glob("*.log"))
            yield {**places, "secrets": json.dumps(world.canaries.secrets), "callback": world.callback_token}


@dataclass(frozen=True)
class Flower:
    """Flower, seen by somebody who is signed in."""

    url: str
    login: tuple[str, str]

    def get(self, path: str) -> requests.Response:
        """One page."""
        return requests.get(self.url + path, auth=self.login, timeout=PATIENCE_SECONDS)

    def tasks(self) -> dict[str, Any]:
        """What it knows of each task, by id."""
        tasks: dict[str, Any] = self.get("/api/tasks?limit=1000").json()
        return tasks

    def everything(self) -> str:
        """All of its pages."""
        pages = ["/", "/workers", "/tasks", "/broker", "/api/workers", "/api/tasks"]
        return "\n".join(self.get(path).text for path in [*pages, *(f"/task/{one}" for one in self.tasks())])


def _flower(whydown: Installation) -> Flower:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    whydown._spawn("flower", sys.executable, "-m", "whydown", "flower", "--port", str(port))

    def answers() -> bool:
        try:
            return requests.get(f"{url}/healthcheck", timeout=PATIENCE_SECONDS).ok
        except requests.ConnectionError:
            return False

    until(answers, "Flower answers", whydown.logs)
    user, _, password = (whydown.folder / "flower-login").read_text().partition(":")
    return Flower(url, (user, password))


def _dump(file: Path) -> str:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        return "\n".join(database.iterdump())


def test_no_canary_flies(aviary: Mapping[str, str]) -> None:
    canaries = Canaries(secrets=json.loads(aviary["secrets"]))
    assert len(canaries.secrets) > 30
    flown = {place: found for place, text in aviary.items() if place != "secrets" and (found := canaries.flown(text))}
    assert flown == {}


def test_every_canary_sat_where_it_was_read(aviary: Mapping[str, str]) -> None:
    """Otherwise the test above would tell nothing: what stood beside the secret got through, and a placeholder too."""
    unread = {
        place
        for place in json.loads(aviary["secrets"])
        if mark(place) not in aviary["database"] and place not in NEVER_KEPT
    }
    assert unread == set()
    assert aviary["database"].count("[secret:") > 30
    assert aviary["model"].count("[secret:") > 10


NEVER_KEPT = {
    "label-named", "link", "generator", "errors-key", "log-key",  # planted without the mark
    "group-key",  # only its hash is kept
    "model-error", "callback-answer",  # read, and thrown away
}  # fmt: skip


def test_own_secrets_are_nowhere(aviary: Mapping[str, str]) -> None:
    assert [place for place, text in aviary.items() if place != "secrets" and CATALOG_TOKEN in text] == []


def test_a_callback_address_is_kept_and_never_shown(aviary: Mapping[str, str]) -> None:
    token = aviary["callback"]
    assert {place for place, text in aviary.items() if token in text} == {"database", "callback"}
    assert aviary["database"].count(token) == 1


def test_the_coverage_says_how_much_was_taken_out(aviary: Mapping[str, str]) -> None:
    document = next(json.loads(text) for place, text in aviary.items() if place.startswith("document of"))
    details = {line["source"]: line["detail"] or "" for line in document["coverage"]}
    asked = (
        "catalog",
        "changes.git",
        "changes.github",
        "heuristics.git",
        "logs.files",
        "logs.loki",
        "metrics.prometheus",
    )
    silent = [source for source in asked if "replaced" not in details[source]]
    assert silent == [], details


def test_what_a_caller_brought_is_disclosed_too(aviary: Mapping[str, str]) -> None:
    documents = [json.loads(text) for place, text in aviary.items() if place.startswith("document of")]
    details = {line["source"]: line["detail"] for document in documents for line in document["coverage"]}
    assert [details[f"{kind}.caller"] for kind in ("changes", "heuristics", "logs")] == ["1 secret replaced"] * 3


def test_the_canaries_are_heard_without_redaction() -> None:
    """Each of them is one that only redaction silences."""
    canaries, redactor = Canaries(), Redactor()
    text = canaries.sing("here", "password=@@")
    assert canaries.flown(text) == ["here"]
    assert canaries.flown(redactor.text(text)) == []
