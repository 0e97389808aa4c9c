"""The doctor's line for each way in which a probe can end."""

from __future__ import annotations

import threading

import pytest

from shared.errors import ConfigurationError
from shared.incident import CoverageStatus
from shared.moment import Deadline, DeadlineExceeded
from tests.model_server import MODEL, ModelServer
from tests.whydown.test_commands import whydown
from whydown.doctor import Finding, NotConfigured, Probe, _model, examine
from worker.inquiry import SourceFailure
from worker.llm import ModelFailure


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
        (raising(ModelFailure("no such model", "unavailable")), "FAIL", "no such model"),
        (raising(ConfigurationError("LOKI_URL: no URL")), "FAIL", "LOKI_URL: no URL"),
        (raising(DeadlineExceeded("no answer")), "FAIL", "no answer"),
        (raising(ZeroDivisionError("division by zero")), "FAIL", "ZeroDivisionError: division by zero"),
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
        told = _model(Deadline.after(30))
    assert told.startswith(f"openai, {MODEL}; its price is not public")
    assert "set WHYDOWN_AI_DAILY_BUDGET_TOKENS" in told


def test_without_anything_running_it_says_what_to_start(tmp_path_factory: pytest.TempPathFactory) -> None:
    told = whydown("doctor", folder=tmp_path_factory.mktemp("d"))
    lines = {line[5:].split()[0]: line for line in told.stdout.splitlines()}
    assert told.returncode == 1, told.stderr
    assert lines["database"].startswith("FAIL")
    assert "run `whydown migrate`" in lines["database"]
    assert lines["queue"].startswith("FAIL")
    assert lines["workers"].startswith("FAIL")
    assert lines["model"].startswith("-    model")
    assert "set WHYDOWN_AI_ENDPOINT" in lines["model"]
    assert lines["logs.loki"].startswith("-    logs.loki")
