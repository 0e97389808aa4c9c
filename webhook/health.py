"""Whether the process lives, and whether it can do its work. Open to all, so it tells nothing else."""

from __future__ import annotations

from typing import Final, Literal

from flask import Blueprint, Response
from pydantic import Field
from redis import RedisError

from shared import schema
from shared.errors import WhydownError
from shared.wire import Wire
from webhook.access import Gate
from webhook.answers import json_answer
from webhook.openapi import Answer, Operation, describes
from webhook.receiver import Receiver, receiver

routes = Blueprint("health", __name__)

PING_SECONDS: Final = 1.0


class Health(Wire):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(Wire):
    """Whether alerts can be stored and investigated."""

    status: Literal["ok", "unavailable"]
    checks: dict[str, str] = Field(description="`ok` or what is wrong, for `database`, `migrations` and `broker`.")


@routes.get("/healthz")
@describes(Operation(summary="Liveness", gate=Gate.OPEN, answers={200: Answer("The process answers.", Health)}))
def live() -> Response:
    """Nothing but the process itself is looked at: restarting it would mend nothing else."""
    return json_answer(Health())


@routes.get("/readyz")
@describes(
    Operation(
        summary="Readiness: database, migrations, broker",
        gate=Gate.OPEN,
        answers={200: Answer("Ready.", Readiness), 503: Answer("Something is missing.", Readiness)},
    )
)
def ready() -> Response:
    """Asks the database and the broker."""
    checks = {**_database(receiver()), "broker": _broker(receiver())}
    well = all(outcome == "ok" for outcome in checks.values())
    return json_answer(Readiness(status="ok" if well else "unavailable", checks=checks), 200 if well else 503)


def _database(here: Receiver) -> dict[str, str]:
    try:
        schema.check(here.database)
    except schema.SchemaBehind as behind:
        return {"database": "ok", "migrations": str(behind)}
    except WhydownError as unreachable:
        return {"database": str(unreachable), "migrations": "not known"}
    return {"database": "ok", "migrations": "ok"}


def _broker(here: Receiver) -> str:
    try:
        here.queue.ping(PING_SECONDS)
    except (RedisError, OSError) as failure:
        return f"the broker cannot be reached ({type(failure).__name__}): check WHYDOWN_REDIS_URL"
    return "ok"
