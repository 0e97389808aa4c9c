"""Exceptions and traces in Application Insights: Azure's own client against a stand-in that answers as its API does
(https://learn.microsoft.com/en-us/azure/azure-monitor/logs/api/response-format).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from shared.errors import ConfigurationError
from shared.incident import CoverageStatus
from shared.moment import Deadline, rfc3339
from shared.redaction.redactor import Redactor
from tests.loopback import Reply, StandIn
from tests.worker.inquiries import ALERT, INVOICE, LEDGER, WINDOW, inquiry
from worker.entra_id import Config as EntraConfig
from worker.gathering import ask
from worker.inquiry import Gathered, Target
from worker.sources.appinsights_logs import AppInsightsLogs, Config

WORKSPACE = "0a1b2c3d-0000-4000-8000-00000000beef"
RESOURCE = "/subscriptions/0a1b/resourceGroups/rg/providers/microsoft.insights/components/shop"
TOKEN = "canary-access-token"
COLUMNS = {
    "TimeGenerated": "datetime",
    "AppRoleName": "string",
    "SeverityLevel": "int",
    "ItemCount": "int",
    "ExceptionType": "string",
    "OuterMessage": "string",
    "InnermostType": "string",
    "InnermostMessage": "string",
    "Details": "string",
    "Message": "string",
    "Service": "string",
}


def row(at: datetime = ALERT, role: str = "invoice-api", **values: Any) -> list[Any]:
    told = {"TimeGenerated": rfc3339(at), "AppRoleName": role, "Service": role.lower(), "ItemCount": 1} | values
    return [told.get(name) for name in COLUMNS]


def table(*rows: list[Any], **more: Any) -> Reply:
    columns = [{"name": name, "type": kind} for name, kind in COLUMNS.items()]
    return Reply({"tables": [{"name": "PrimaryResult", "columns": columns, "rows": rows}], **more})


def azure(answer: Callable[[str], Reply]) -> StandIn:
    return StandIn(lambda asked: answer(asked.json()["query"]))


def source(server: StandIn, **settings: Any) -> AppInsightsLogs:
    place: dict[str, Any] = {"workspace": WORKSPACE} if "resource" not in settings else {}
    return AppInsightsLogs(Config(url=server.url, token=SecretStr(TOKEN), **place | settings), EntraConfig())


def gathered(server: StandIn, *targets: Target, **settings: Any) -> Gathered:
    return source(server, **settings).gather(inquiry(*targets), Deadline.after(20))


def is_near(query: str) -> bool:
    return f">= datetime({rfc3339(ALERT - timedelta(minutes=10))})" in query and "SeverityLevel >= 3" in query


def test_an_exception_is_told_as_its_runtime_would() -> None:
    details = [
        {
            "type": "Shop.SaveFailed",
            "message": "could not save",
            "parsedStack": [{"level": 0, "method": "Shop.Invoices.Save", "fileName": "Invoices.cs", "line": 41}],
        },
        {"type": "Npgsql.NpgsqlException", "message": "refused", "parsedStack": [{"method": "Npgsql.Open"}]},
    ]
    thrown = row(
        SeverityLevel=3, ExceptionType="Shop.SaveFailed", OuterMessage="could not save", Details=json.dumps(details)
    )
    logged = row(ALERT + timedelta(seconds=1), SeverityLevel=4, Message="giving up")
    with azure(lambda query: table(thrown, logged) if is_near(query) else table()) as server:
        lines = gathered(server).lines
    assert [(line.service, line.level, line.at) for line in lines] == [
        ("invoice-api", "error", ALERT),
        ("invoice-api", "critical", ALERT + timedelta(seconds=1)),
    ]
    assert lines[0].text == (
        "Shop.SaveFailed: could not save\n   at Shop.Invoices.Save in Invoices.cs:line 41\n"
        "Caused by: Npgsql.NpgsqlException: refused\n   at Npgsql.Open"
    )
    assert lines[1].text == "giving up"


def test_exceptions_fold_into_signatures() -> None:
    rows = [
        row(
            ALERT + timedelta(seconds=number),
            SeverityLevel=3,
            ExceptionType="Npgsql.NpgsqlException",
            OuterMessage=f"Failed to connect to 10.0.1.{number}:5432",
            InnermostType="System.Net.SocketException",
            InnermostMessage="Connection refused",
        )
        for number in range(30)
    ]
    with azure(lambda query: table(*rows) if is_near(query) else table()) as server:
        facts, line = ask("logs.appinsights", source(server), inquiry(), 20, Redactor())
    (fact,) = facts
    assert (fact.kind, fact.count, fact.data["level"], fact.data["change"]) == ("signature", 30, "error", "new")
    assert "Caused by: System.Net.SocketException: Connection refused" in fact.text
    assert line.status is CoverageStatus.OK


def test_few_bounded_queries_with_a_timespan_and_a_server_timeout() -> None:
    with azure(lambda query: table()) as server:
        gathered(server, INVOICE, LEDGER, LEDGER.model_copy(update={"service": "stock"}))
    assert len(server.asked) == 9, "three of errors, three of warnings, two for all others together, one for anything"
    for asked in server.asked:
        assert (asked.method, asked.path) == ("POST", f"/v1/workspaces/{WORKSPACE}/query")
        assert asked.headers["authorization"] == f"Bearer {TOKEN}"
        assert 1 <= int(asked.headers["prefer"].removeprefix("wait=")) <= 20
        start, end = asked.json()["timespan"].split("/")
        assert WINDOW.baseline_since <= datetime.fromisoformat(start) < datetime.fromisoformat(end)
        assert re.search(r"partition by Service \(top \d+ by TimeGenerated asc\)$", asked.json()["query"])
    together = [asked.json()["query"] for asked in server.asked if '"stock"' in asked.json()["query"]]
    assert len(together) == 2 and all('in ("stock", "ledger")' in query for query in together)


@pytest.mark.parametrize("name", ['x") or true //', "x\\", "a'b", "", "a b", "é", "x" * 129, "x\ny", "*"])
def test_a_hostile_name_is_refused_and_said(name: str) -> None:
    target = Target(service=name, role="dependency", log_names=(name,))
    with azure(lambda query: table()) as server:
        answer = gathered(server, INVOICE, target)
    assert {re.findall(r"Service in \((.*)\)", asked.json()["query"])[0] for asked in server.asked} == {'"invoice-api"'}
    assert answer.detail is not None and "1 of 2 services not asked about" in answer.detail


def test_a_role_is_found_whatever_its_case_and_namespace() -> None:
    rows = row(role="[acme]/Invoice-API", Service="invoice-api", SeverityLevel=3, Message="boom")
    other = row(role="ledger", SeverityLevel=3, Message="not asked for")
    with azure(lambda query: table(rows, other)) as server:
        found = gathered(server)
    assert {(line.service, line.text) for line in found.lines} == {("invoice-api", "boom")}
    with azure(lambda query: table()) as server:
        assert gathered(server).detail == "no lines at all of invoice-api: is its cloud role name the service's?"


def test_a_partial_result_keeps_its_lines_and_says_why() -> None:
    error = {"code": "PartialError", "message": "There were some errors", "innererror": {"message": "result too large"}}
    with azure(lambda query: table(row(SeverityLevel=3, Message="boom"), error=error)) as server:
        answer = gathered(server)
    assert answer.lines
    assert answer.detail == "invoice-api: in part only, PartialError: result too large"
    assert answer.incomplete == {"invoice-api"}


def test_sampling_is_said() -> None:
    with azure(lambda query: table(row(SeverityLevel=3, Message="boom", ItemCount=20))) as server:
        assert gathered(server).detail == "invoice-api: sampled by Application Insights, a line may stand for several"


def test_a_resource_is_asked_by_both_names_of_its_tables() -> None:
    with azure(lambda query: table()) as server:
        gathered(server, resource=RESOURCE)
    assert {asked.path for asked in server.asked} == {f"/v1{RESOURCE}/query"}
    assert all("(AppExceptions" in asked.json()["query"] for asked in server.asked)
    assert all("(exceptions" in asked.json()["query"] for asked in server.asked)


@pytest.mark.parametrize(
    "body", [{}, {"tables": None}, {"tables": [{}]}, {"tables": [{"name": "x", "columns": [], "rows": [[1]]}]}, [], "x"]
)
def test_nonsense_answers_are_no_lines(body: Any) -> None:
    with azure(lambda query: Reply(body)) as server:
        facts, line = ask("logs.appinsights", source(server), inquiry(), 3, Redactor())
    assert facts == ()
    assert line.detail and "failed unexpectedly" not in line.detail


def test_the_probe_counts_the_last_hour() -> None:
    columns = [{"name": "Lines", "type": "long"}, {"name": "Roles", "type": "long"}]
    counted = {"tables": [{"name": "PrimaryResult", "columns": columns, "rows": [[1200, 7]]}]}
    with azure(lambda query: Reply(counted)) as server:
        assert source(server).probe(Deadline.after(5)) == "1200 exceptions and traces of 7 roles in the last hour"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"WHYDOWN_APPINSIGHTS_RESOURCE": RESOURCE}, "one of them"),
        ({"WHYDOWN_APPINSIGHTS_WORKSPACE": "x/../y"}, "WHYDOWN_APPINSIGHTS_WORKSPACE"),
        ({"WHYDOWN_APPINSIGHTS_URL": "http://api.loganalytics.io"}, "must start with https"),
    ],
)
def test_a_setting_that_is_wrong_is_named(
    settings: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert AppInsightsLogs.from_settings() is None
    for name, value in ({"WHYDOWN_APPINSIGHTS_WORKSPACE": WORKSPACE} | settings).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=named):
        AppInsightsLogs.from_settings()


def test_without_the_extra_the_message_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.monitor", None)
    monkeypatch.setitem(sys.modules, "azure.monitor.query", None)
    with pytest.raises(ConfigurationError, match=r"whydown\[azure\]"):
        AppInsightsLogs(Config(workspace=WORKSPACE), EntraConfig())


def test_no_vendors_client_is_loaded_before_it_is_wanted() -> None:
    code = (
        "import sys; from worker.sources import SOURCES;"
        "print([name for name, kind in SOURCES if kind.from_settings()]);"
        "print([m for m in ('azure', 'boto3', 'botocore', 'github') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1] == "[]"
