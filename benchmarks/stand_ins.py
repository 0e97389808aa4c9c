"""What Whydown looks at, asks and tells in a benchmark: a catalog of files, and a Loki, a model and a receiver of
callbacks that can be broken.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Self

from shared.moment import now
from tests.loopback import Asked, Reply, StandIn
from tests.model_server import said, sensible

Mood = Literal["well", "hangs", "fails", "raves"]

CALLBACK_SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MODEL_SECONDS: Final = 4.0
SOURCE_SECONDS: Final = 2.0

_HANGS_SECONDS: Final = 20.0
"""Longer than any deadline that it meets."""
_CHAIN: Final = 4
"""Each service depends on the next, in chains of this length."""


class Breakable:
    """Answers as `well` does, while its mood lasts."""

    def __init__(self, server: StandIn) -> None:
        """`server` answers as it should when it is well."""
        self._well = server.respond
        self._mood: Mood = "well"
        self._changed = threading.Event()
        self.server = server
        server.respond = self._respond

    def turn(self, mood: Mood) -> None:
        """Whoever hangs lets go."""
        self._mood = mood
        self._changed.set()
        self._changed = threading.Event()

    def _respond(self, asked: Asked) -> Reply:
        if self._mood == "hangs":
            self._changed.wait(_HANGS_SECONDS)
            return Reply({}, status=503)
        if self._mood == "fails":
            return Reply({"error": {"message": "internal error"}}, status=500)
        if self._mood == "raves":
            return said("}{ the moon is full tonight")
        return self._well(asked)


@dataclass(frozen=True, slots=True)
class Push:
    """One push that was taken with a 2xx."""

    webhook_id: str
    diagnosis: str
    """The diagnosis in it, as JSON text in a fixed order."""


@dataclass(frozen=True)
class Surroundings:
    """Everything around Whydown."""

    folder: Path
    loki: StandIn
    model: Breakable
    callback: Breakable
    pushes: list[Push]

    @property
    def callback_url(self) -> str:
        """Where alerts ask to be called back."""
        return f"{self.callback.server.url}/hook"

    @property
    def model_calls(self) -> int:
        """How often the model was asked, answered or not."""
        return sum(asked.path.endswith("/chat/completions") for asked in list(self.model.server.asked))

    def settings(self) -> dict[str, str]:
        """What Whydown is told of it."""
        return {
            "WHYDOWN_CATALOG": str(self.folder),
            "LOKI_URL": self.loki.url,
            "WHYDOWN_AI_ENDPOINT": f"{self.model.server.url}/v1",
            "WHYDOWN_AI_KEY": "model-key",
            "WHYDOWN_AI_CHAT_MODEL": "stand-in",
            "WHYDOWN_AI_TIMEOUT_SECONDS": f"{MODEL_SECONDS:g}",
            "WHYDOWN_SOURCE_TIMEOUT_SECONDS": f"{SOURCE_SECONDS:g}",
            "WHYDOWN_CALLBACK_ALLOW": self.callback.server.url.removeprefix("http://"),
            "WHYDOWN_CALLBACK_SECRET": CALLBACK_SECRET,
        }

    @classmethod
    def made(cls, folder: Path, services: int, thinks: float, around: ExitStack) -> Self:
        """Everything started; `around` ends it."""
        _write_catalog(folder, services)
        pushes: list[Push] = []

        def take(asked: Asked) -> Reply:
            diagnosis = json.dumps(asked.json()["data"]["diagnosis"], sort_keys=True)
            pushes.append(Push(asked.headers["webhook-id"], diagnosis))
            return Reply(status=204)

        def think(asked: Asked) -> Reply:
            time.sleep(thinks)
            return sensible(asked)

        loki, model, callback = (around.enter_context(StandIn(respond)) for respond in (_loki, think, take))
        return cls(folder, loki, Breakable(model), Breakable(callback), pushes)


@contextmanager
def surroundings(folder: Path, services: int, thinks: float = 0.0) -> Iterator[Surroundings]:
    """Everything around a Whydown that looks after so many services, laid out in `folder`. The model `thinks` for so
    many seconds.
    """
    with ExitStack() as around:
        yield Surroundings.made(folder, services, thinks, around)


def service_name(number: int) -> str:
    """The name of a service in the catalog."""
    return f"service-{number:03d}"


def _write_catalog(folder: Path, services: int) -> None:
    folder.mkdir(parents=True)
    for number in range(services):
        last = number % _CHAIN == _CHAIN - 1 or number == services - 1
        depends = [] if last else [f"component:default/{service_name(number + 1)}"]
        entity = {
            "apiVersion": "backstage.io/v1alpha1",
            "kind": "Component",
            "metadata": {"name": service_name(number), "description": "One of many"},
            "spec": {"type": "service", "lifecycle": "production", "owner": "team-many", "dependsOn": depends},
        }
        # JSON is YAML.
        (folder / f"{service_name(number)}.yaml").write_text(json.dumps(entity), encoding="utf-8")


def _loki(asked: Asked) -> Reply:
    if asked.path.endswith("/labels"):
        return Reply({"status": "success", "data": ["level", "service_name"]})
    query = dict(asked.query)
    service = re.search(r'service_name="([^"]+)"', query["query"])
    at = int(now().timestamp()) - 60
    wanted = service and "error" in query["query"] and int(query["start"]) <= at * 10**9 < int(query["end"])
    result = (
        [
            {
                "stream": {"service_name": service[1]},
                "values": [[str(at * 10**9), "ERROR connection refused by 10.0.1.5"]],
            }
        ]
        if service and wanted
        else []
    )
    return Reply({"status": "success", "data": {"resultType": "streams", "result": result, "stats": {}}})
