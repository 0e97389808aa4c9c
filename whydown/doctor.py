"""`whydown doctor`: asks everything that is configured, all at once, and says what is wrong and what to do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from redis import RedisError

from shared import schema, task_queue
from shared.database import Database
from shared.errors import WhydownError
from shared.incident import Usage
from shared.moment import Deadline, DeadlineExceeded
from shared.redaction.installed import redactor
from shared.registry import Registry, UnknownName
from shared.settings import Storage
from worker.catalogs import CATALOGS
from worker.inquiry import SourceFailure
from worker.llm import Config, Message, ModelFailure, ModelRequest, configured_provider
from worker.prices import Prices
from worker.sources import SOURCES

_PROBE_SECONDS: Final = 10.0
_GRACE_SECONDS: Final = 2.0

Probe = Callable[[Deadline], str]


class NotConfigured(Exception):
    """Nothing to ask; the message says what to set."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one probe."""

    state: Literal["ok", "FAIL", "-"]
    name: str
    detail: str
    millis: int | None = None

    def line(self) -> str:
        """As it is printed."""
        millis = f"{self.millis} ms" if self.millis is not None else ""
        return f"{self.state:5}{self.name:22}{millis:>9}  {self.detail}".rstrip()


def run() -> int:
    """Prints a line for each thing that was asked. Gives the exit status: 1 when something does not work."""
    findings = examine(dict(_probes()))
    for finding in findings:
        print(finding.line())
    return 1 if any(finding.state == "FAIL" for finding in findings) else 0


def examine(probes: dict[str, Probe], seconds: float = _PROBE_SECONDS, grace: float = _GRACE_SECONDS) -> list[Finding]:
    """What came of the probes, run side by side, in their order. One that is `grace` late is left behind."""
    findings: dict[str, Finding] = {}

    def ask(name: str, probe: Probe) -> None:
        findings[name] = _ask(name, probe, Deadline.after(seconds))

    threads = [threading.Thread(target=ask, args=item, daemon=True) for item in probes.items()]
    for thread in threads:
        thread.start()
    end = Deadline.after(seconds + grace)
    for thread in threads:
        thread.join(0 if end.passed() else end.remaining())
    return [findings.get(name) or Finding("FAIL", name, f"no answer within {seconds:g} s") for name in probes]


def _ask(name: str, probe: Probe, deadline: Deadline) -> Finding:
    began = time.monotonic()
    state: Literal["ok", "FAIL", "-"] = "FAIL"
    try:
        detail, state = probe(deadline), "ok"
    except NotConfigured as missing:
        return Finding("-", name, f"not configured: {missing}")
    except (WhydownError, UnknownName, SourceFailure, ModelFailure, DeadlineExceeded) as failure:
        detail = str(failure)
    except Exception as failure:  # noqa: BLE001 - a doctor that dies of one patient helps none
        detail = f"{type(failure).__name__}: {failure}"
    # A server's answer may quote what it was asked with.
    return Finding(state, name, redactor().text(detail), round((time.monotonic() - began) * 1000))


def _probes() -> Iterator[tuple[str, Probe]]:
    yield "database", _database
    yield "queue", _queue
    yield "workers", _workers
    yield "model", _model
    for registry, prefix in ((CATALOGS, "catalog."), (SOURCES, "")):
        for name in registry.targets():
            yield prefix + name, _connector(registry, name)


def _database(_deadline: Deadline) -> str:
    database = Database(Storage.read().resolved_database_url())
    try:
        schema.check(database)
        return f"{database.engine.dialect.name}, schema up to date"
    finally:
        database.close()


def _queue(deadline: Deadline) -> str:
    try:
        task_queue.ping(deadline.remaining())
        return f"{task_queue.depth()} messages wait"
    except (RedisError, OSError) as failure:
        raise WhydownError(f"{failure}: start `whydown up`, or check WHYDOWN_REDIS_URL") from None


def _workers(_deadline: Deadline) -> str:
    answers = task_queue.celery_app.control.ping(timeout=2.0)
    if not answers:
        raise WhydownError("none answers: start `whydown up` or `whydown worker`")
    return ", ".join(sorted(name for answer in answers for name in answer))


def _model(deadline: Deadline) -> str:
    provider = configured_provider()
    if provider is None:
        raise NotConfigured("set WHYDOWN_AI_ENDPOINT or WHYDOWN_AI_KEY; until then the brief answers alone")
    answer = {
        "type": "object",
        "properties": {"ok": {"type": "boolean"}},
        "required": ["ok"],
        "additionalProperties": False,
    }
    question = (Message("user", 'Answer with {"ok": true} and nothing else.'),)
    reply = provider.complete(ModelRequest(question, "probe", answer, "text", max_output_tokens=16), deadline)
    config = Config.read()
    if config.daily_budget_usd is not None and Prices.from_config(config).cost(reply.model, Usage()) is None:
        advice = "WHYDOWN_AI_DAILY_BUDGET_USD does not bound it, set WHYDOWN_AI_DAILY_BUDGET_TOKENS"
        return f"{provider.name}, {reply.model}; its price is not public: {advice}"
    return f"{provider.name}, {reply.model}"


def _connector(registry: Registry[Any], name: str) -> Probe:
    def probe(deadline: Deadline) -> str:
        connector = registry.load(name)
        built = connector.from_settings()
        if built is None:
            raise NotConfigured(f"set {connector.configure}")
        return str(built.probe(deadline))

    return probe
