"""The doctor's line for each way in which a probe can end."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from shared.database import Database
from shared.errors import ConfigurationError, WhydownError
from shared.incident import CoverageStatus
from shared.moment import Deadline, DeadlineExceeded, now
from shared.store import installation
from tests.installation import Installation, until
from tests.loopback import Asked, Reply
from tests.model_server import MODEL, ModelServer, refused, said
from tests.whydown.test_commands import whydown
from whydown import probes
from whydown.doctor import Finding, examine
from whydown.probes import NotConfigured, Probe
from worker.inquiry import SourceFailure
from worker.llm import ModelFailure
from worker.notifiers import PushFailure


def raising(problem: Exception) -> Probe:
    def probe(_deadline: Deadline) -> str:
        raise problem

    return probe


@pytest.mark.parametrize(
    ("probe", "state", "detail"),
    [
        (lambda _: "42 commits", "ok", "42 commits"),
        (raising(NotConfigured("set LOKI_URL")), "-", "not configured: set LOKI_URL"),
        (raising(SourceFailure(CoverageStatus.DENIED, "answered 401")), "FAIL", "answered 401"),
        (raising(PushFailure("the channel is gone")), "FAIL", "the channel is gone"),
        (raising(ModelFailure("no such model", "unavailable")), "FAIL", "no such model"),
        (raising(ConfigurationError("LOKI_URL: no URL")), "FAIL", "LOKI_URL: no URL"),
        (raising(DeadlineExceeded("no answer")), "FAIL", "no answer"),
        (
            raising(ZeroDivisionError("division by zero\n[SQL: SELECT 1]")),
            "FAIL",
            "ZeroDivisionError: division by zero",
        ),
    ],
)
def test_what_is_said_of_a_probe(probe: Probe, state: str, detail: str) -> None:
    (finding,) = examine({"logs.loki": probe})
    assert (finding.state, finding.detail) == (state, detail)


def test_a_probe_that_never_comes_back_holds_up_nobody() -> None:
    end = threading.Event()

    def stuck(_deadline: Deadline) -> str:
        end.wait()
        return "late"

    try:
        findings = examine({"stuck": stuck, "well": lambda _: "fine"}, seconds=0.1, grace=0.1)
    finally:
        end.set()
    assert findings[0] == Finding("FAIL", "stuck", "no answer within 0.1 s")
    assert (findings[1].name, findings[1].state) == ("well", "ok")


def test_a_budget_in_dollars_that_no_known_price_keeps_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with ModelServer() as server:
        monkeypatch.setenv("WHYDOWN_AI_ENDPOINT", server.base_url)
        monkeypatch.setenv("WHYDOWN_AI_DAILY_BUDGET_USD", "5")
        told = probes.model(Deadline.after(30))
    assert told.startswith(f"openai, {MODEL}; ")
    assert "its price is not public: " in told
    assert "set WHYDOWN_AI_DAILY_BUDGET_TOKENS" in told


def _refuses(*formats: str) -> Callable[[Asked], Reply]:
    """A server that takes no such `response_format`."""

    def answer(asked: Asked) -> Reply:
        kind = asked.json().get("response_format", {}).get("type", "text")
        return refused(400, f"response_format {kind} is not supported") if kind in formats else said({"ok": True})

    return answer


@pytest.mark.parametrize(
    ("step", "told", "calls"),
    [
        (_refuses(), "structured output works (json_schema)", 1),
        (_refuses("json_schema"), "takes json_object, not json_schema: replies may need a repair", 2),
        (_refuses("json_schema", "json_object"), "takes no response_format: replies may need a repair", 3),
        (said("Sure! Here you are"), "structured output works (json_schema); but this reply did not keep to it", 1),
        (said(None, "length"), "structured output works (json_schema); it thinks aloud first", 1),
    ],
)
def test_what_the_model_makes_of_a_schema_is_told(
    step: Reply | Callable[[Asked], Reply], told: str, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ModelServer(step) as server:
        monkeypatch.setenv("WHYDOWN_AI_ENDPOINT", server.base_url)
        assert probes.model(Deadline.after(30)) == f"openai, {MODEL}; {told}"
        assert len(server.requests) == calls
        assert all(request["max_tokens"] <= 32 for request in server.requests)


def test_a_model_that_refuses_the_key_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with ModelServer(refused(401, "no")) as server:
        monkeypatch.setenv("WHYDOWN_AI_ENDPOINT", server.base_url)
        with pytest.raises(ModelFailure, match="check WHYDOWN_AI_KEY"):
            probes.model(Deadline.after(30))
        assert len(server.requests) == 1


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str) -> Database:
    """The database that the probes ask."""
    monkeypatch.setenv("WHYDOWN_DATABASE_URL", database_url)
    return database


def test_beat_is_told_by_the_work_that_it_sends(asked: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WhydownError, match="was never done: start `whydown beat`, and a worker"):
        probes._beat(Deadline.after(30))
    installation.reconciled(asked)
    assert re.fullmatch(r"periodic work was done \d s ago", probes._beat(Deadline.after(30)))
    later = now() + timedelta(minutes=3)
    monkeypatch.setattr(probes, "now", lambda: later)
    with pytest.raises(WhydownError, match=r"was last done 1[78]\d s ago: start `whydown beat`"):
        probes._beat(Deadline.after(30))
    installation.reconciled(asked)
    assert installation.last_reconciled(asked) is not None


def test_clocks_that_are_apart_are_told(asked: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.task_queue.clock", lambda _: time.time())
    told = probes._clocks(Deadline.after(30))
    assert re.search(r"the queue's is 0\.\d\d s (ahead of|behind) ours", told)
    assert ("the database's is " in told) is not asked.is_sqlite
    monkeypatch.setattr("shared.task_queue.clock", lambda _: time.time() - 3_600)
    with pytest.raises(WhydownError, match=r"the queue's is 3(599|600)\.\d\d s behind ours: set the hosts' clocks"):
        probes._clocks(Deadline.after(30))


def test_the_database_tells_its_version(asked: Database) -> None:
    assert re.match(r"(sqlite|postgresql) \d+\.\d+", probes._database(Deadline.after(30)))


def test_a_data_folder_without_room_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHYDOWN_DATA", str(tmp_path / "not" / "there"))
    assert probes._data_folder(Deadline.after(30)).startswith(f"{tmp_path / 'not' / 'there'}, ")
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=5_000_000))
    with pytest.raises(WhydownError, match=r"0\.0 GB free: make room"):
        probes._data_folder(Deadline.after(30))
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WHYDOWN_DATA", str(tmp_path / "file"))
    with pytest.raises(WhydownError, match="cannot be written to"):
        probes._data_folder(Deadline.after(30))


def test_everything_well_is_told_line_by_line(tmp_path: Path) -> None:
    with Installation(tmp_path / "data", {}) as whydown, ModelServer(_refuses()) as model:
        whydown.environment["WHYDOWN_AI_ENDPOINT"] = model.base_url
        whydown.start()
        whydown.start_beat()
        database = Database(f"sqlite:///{tmp_path / 'data' / 'whydown.db'}")
        until(lambda: installation.last_reconciled(database), "periodic work is done", whydown.logs)
        database.close()
        command = [sys.executable, "-m", "whydown", "doctor"]
        told = subprocess.run(
            command, env=whydown.environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
        )
    assert told.returncode == 0, told.stdout + told.stderr
    lines = {line[5:27].strip(): line for line in told.stdout.splitlines()}
    well = {"database", "migrations", "queue", "workers", "beat", "clocks", "data folder", "model", "push.callback"}
    assert {name for name, line in lines.items() if line.startswith("ok")} >= well
    assert all(re.search(r" \d+ ms  \S", line) for line in lines.values() if line.startswith("ok"))
    assert all("not configured: set " in line for line in lines.values() if line.startswith("-"))


def test_without_anything_running_it_says_what_to_start(tmp_path_factory: pytest.TempPathFactory) -> None:
    told = whydown("doctor", folder=tmp_path_factory.mktemp("d"))
    lines = {line[5:].split()[0]: line for line in told.stdout.splitlines()}
    assert told.returncode == 1, told.stderr
    assert lines["migrations"].startswith("FAIL")
    assert "run `whydown migrate`" in lines["migrations"]
    assert lines["beat"].startswith("FAIL")
    assert "run `whydown migrate`" in lines["beat"]
    assert lines["queue"].startswith("FAIL")
    assert lines["workers"].startswith("FAIL")
    assert "cannot be asked without the queue" in lines["workers"]
    assert lines["model"].startswith("-    model")
    assert "set WHYDOWN_AI_ENDPOINT" in lines["model"]
    assert lines["logs.loki"].startswith("-    logs.loki")
