"""What `whydown doctor` asks, each a real question, and what to do where the answer is bad."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from kombu.exceptions import OperationalError as QueueAway
from redis import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from shared import schema, task_queue
from shared.database import Database
from shared.errors import WhydownError
from shared.incident import Usage
from shared.moment import Deadline, now, utc
from shared.registry import Registry
from shared.settings import Storage
from shared.store import installation
from shared.task_application import celery_app
from shared.task_queue import RECONCILE_SECONDS
from worker.catalogs import CATALOGS
from worker.llm import (
    Config,
    Message,
    ModelFailure,
    ModelReply,
    ModelRequest,
    Provider,
    ReplyFormat,
    configured_provider,
)
from worker.notifiers import NOTIFIERS
from worker.prices import Prices
from worker.sources import SOURCES

Probe = Callable[[Deadline], str]
"""What was found, in words. Raises what tells of something wrong, and NotConfigured."""

SILENT_SECONDS: Final = 6 * RECONCILE_SECONDS
"""After so long without periodic work something is wrong with beat."""

APART_SECONDS: Final = 10.0
"""So far may the clocks of hosts be apart: docs/operate.md."""

LEAST_FREE: Final = 200 * 1024 * 1024
"""Bytes on the data folder's disk."""


class NotConfigured(Exception):
    """Nothing to ask; the message says what to set."""


def probes() -> Iterator[tuple[str, Probe]]:
    """Everything that can be asked, in the order in which it is told."""
    yield "database", _database
    yield "migrations", _migrations
    yield "queue", _queue
    yield "workers", _workers
    yield "beat", _beat
    yield "clocks", _clocks
    yield "data folder", _data_folder
    yield "model", model
    for registry, prefix in ((CATALOGS, "catalog."), (SOURCES, ""), (NOTIFIERS, "push.")):
        for name in registry.targets():
            yield prefix + name, _connector(registry, name)


@contextmanager
def _opened() -> Iterator[Database]:
    database = Database(Storage.read().resolved_database_url())
    try:
        yield database
    finally:
        database.close()


def _database(_deadline: Deadline) -> str:
    with _opened() as database, database.reading() as session:
        query = "sqlite_version()" if database.is_sqlite else "current_setting('server_version')"
        return f"{database.engine.dialect.name} {session.scalar(text(f'SELECT {query}'))}"


def _migrations(_deadline: Deadline) -> str:
    with _opened() as database:
        schema.check(database)
    return "schema up to date"


def _queue(deadline: Deadline) -> str:
    try:
        task_queue.ping(deadline.remaining())
        return f"{task_queue.depth()} messages wait"
    except (RedisError, OSError) as failure:
        raise WhydownError(f"{failure}: start `whydown up`, or check WHYDOWN_REDIS_URL") from None


def _workers(_deadline: Deadline) -> str:
    try:
        answers = celery_app.control.ping(timeout=2.0)
    except QueueAway:
        raise WhydownError("they cannot be asked without the queue") from None
    if not answers:
        raise WhydownError("none answers: start `whydown up` or `whydown worker`")
    return ", ".join(sorted(name for answer in answers for name in answer))


def _beat(_deadline: Deadline) -> str:
    with _opened() as database:
        try:
            last = installation.last_reconciled(database)
        except SQLAlchemyError:
            schema.check(database)  # says what to do, where the schema is the reason
            raise
    silent = None if last is None else (now() - last).total_seconds()
    if silent is None or silent > SILENT_SECONDS:
        since = "was never done" if silent is None else f"was last done {silent:.0f} s ago"
        raise WhydownError(f"periodic work {since}: start `whydown beat`, and a worker to do it")
    return f"periodic work was done {max(silent, 0):.0f} s ago"


def _clocks(deadline: Deadline) -> str:
    """Our clock against those of the hosts that we work with. What an answer took on its way is taken for half."""
    ahead = {}
    with _opened() as database:
        if not database.is_sqlite:
            with database.reading() as session:
                ahead["database"] = _ahead(lambda: utc(session.scalars(text("SELECT clock_timestamp()")).one()))
    try:
        ahead["queue"] = _ahead(lambda: datetime.fromtimestamp(task_queue.clock(deadline.remaining()), UTC))
    except (RedisError, OSError) as failure:
        raise WhydownError(f"the queue does not tell the time ({type(failure).__name__})") from None
    told = ", ".join(f"the {name}'s is {_apart(seconds)}" for name, seconds in ahead.items())
    if any(abs(seconds) > APART_SECONDS for seconds in ahead.values()):
        raise WhydownError(f"{told}: set the hosts' clocks by NTP, {APART_SECONDS:g} s apart is the most")
    return told


def _ahead(clock: Callable[[], datetime]) -> float:
    began, started = now(), time.monotonic()
    told = clock()
    return (told - began).total_seconds() - (time.monotonic() - started) / 2


def _apart(seconds: float) -> str:
    return f"{abs(seconds):.2f} s {'ahead of' if seconds > 0 else 'behind'} ours"


def _data_folder(_deadline: Deadline) -> str:
    folder = Storage.read().data.absolute()
    there: Path = next(each for each in (folder, *folder.parents) if each.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise WhydownError(f"{there} cannot be written to: give it to this user, or set WHYDOWN_DATA")
    free = shutil.disk_usage(there).free
    told = f"{folder}, {free / 1e9:.1f} GB free"
    if free < LEAST_FREE:
        raise WhydownError(f"{told}: make room, an embedded database takes nothing in when its disk is full")
    return told


_ANSWER: Final = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}},
    "required": ["ok"],
    "additionalProperties": False,
}
_FORMATS: Final[dict[ReplyFormat, str]] = {
    "jsonSchema": "structured output works (json_schema)",
    "jsonObject": "takes json_object, not json_schema: replies may need a repair",
    "text": "takes no response_format: replies may need a repair",
}


def model(deadline: Deadline) -> str:
    """A call of a few tokens, as firmly asked for JSON as the server takes it, and whether the reply is what was asked
    for.
    """
    provider = configured_provider()
    if provider is None:
        raise NotConfigured("set WHYDOWN_AI_ENDPOINT or WHYDOWN_AI_KEY; until then the brief answers alone")
    reply, taken = _asked(provider, deadline)
    said = [f"{provider.name}, {reply.model}", _FORMATS[taken]]
    if reply.truncated:
        said.append("it thinks aloud first")
    elif not _fits(reply.text):
        said.append("but this reply did not keep to it")
    config = Config.read()
    if config.daily_budget_usd is not None and Prices.from_config(config).cost(reply.model, Usage()) is None:
        advice = "WHYDOWN_AI_DAILY_BUDGET_USD does not bound it, set WHYDOWN_AI_DAILY_BUDGET_TOKENS"
        said.append(f"its price is not public: {advice}")
    return "; ".join(said)


def _asked(provider: Provider, deadline: Deadline) -> tuple[ModelReply, ReplyFormat]:
    question = (Message("user", 'Answer with the JSON object {"ok": true} and nothing else.'),)
    for taken in _FORMATS:
        try:
            request = ModelRequest(question, "probe", _ANSWER, taken, max_output_tokens=32)
            return provider.complete(request, deadline), taken
        except ModelFailure as failure:
            if failure.kind != "unsupportedFormat":
                raise
    raise AssertionError("text is no format that a server can refuse")


def _fits(reply: str) -> bool:
    try:
        return bool(json.loads(reply) == {"ok": True})
    except ValueError:
        return False


def _connector(registry: Registry[Any], name: str) -> Probe:
    def probe(deadline: Deadline) -> str:
        connector = registry.load(name)
        built = connector.from_settings()
        if built is None:
            raise NotConfigured(f"set {connector.configure}")
        return str(built.probe(deadline))

    return probe
