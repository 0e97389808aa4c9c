"""Logs in CloudWatch: AWS's own client against a stand-in that answers as the service does (AWS JSON 1.1)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from shared.errors import ConfigurationError
from shared.incident import CoverageStatus
from shared.moment import Deadline
from tests.loopback import Asked, Reply, StandIn
from tests.worker.inquiries import ALERT, INVOICE, LEDGER, WINDOW, inquiry
from worker.inquiry import Gathered, SourceFailure, Target
from worker.log_queries import MOST_LINES
from worker.sources.cloudwatch_logs import CloudWatchLogs, Config

GROUPS = ("/aws/ecs/{service}",)


def event(at: datetime, message: str) -> dict[str, Any]:
    millis = int(at.timestamp() * 1000)
    return {"logStreamName": "task/1", "timestamp": millis, "message": message, "ingestionTime": millis, "eventId": "1"}


def page(*events: dict[str, Any], **more: Any) -> Reply:
    return Reply({"events": events, "searchedLogStreams": [], **more})


def refusal(kind: str, message: str = "no", status: int = 400) -> Reply:
    return Reply({"__type": f"com.amazonaws.logs#{kind}", "message": message}, status)


def cloudwatch(answer: Callable[[dict[str, Any]], Reply]) -> StandIn:
    def respond(asked: Asked) -> Reply:
        assert asked.headers["x-amz-target"] == "Logs_20140328.FilterLogEvents"
        return answer(asked.json())

    return StandIn(respond)


def source(server: StandIn, groups: tuple[str, ...] = GROUPS, **settings: Any) -> CloudWatchLogs:
    secret = SecretStr("canary")
    return CloudWatchLogs(
        Config(url=server.url, region="eu-west-1", key="AKID", secret=secret, groups=groups, **settings)
    )


def gathered(server: StandIn, *targets: Target, groups: tuple[str, ...] = GROUPS, **settings: Any) -> Gathered:
    return source(server, groups, **settings).gather(inquiry(*targets), Deadline.after(20))


def is_near(query: dict[str, Any]) -> bool:
    near = int((ALERT - timedelta(minutes=10)).timestamp() * 1000)
    return bool(query["startTime"] == near and "?ERROR" in query.get("filterPattern", ""))


def test_events_become_lines_and_requests_are_signed() -> None:
    found = page(event(ALERT, "ERROR save failed\n  at Shop.Save()"), event(ALERT, '{"level":"error","msg":"refused"}'))
    with cloudwatch(lambda query: found if is_near(query) else page()) as server:
        lines = gathered(server).lines
    assert [(line.service, line.level, line.at, line.text) for line in lines] == [
        ("invoice-api", "error", ALERT, "ERROR save failed\n  at Shop.Save()"),
        ("invoice-api", "error", ALERT, "refused"),
    ]
    for asked in server.asked:
        assert asked.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKID/")
        assert "/eu-west-1/logs/aws4_request" in asked.headers["authorization"]


def test_the_windows_are_asked_for_bounded() -> None:
    with cloudwatch(lambda query: page()) as server:
        gathered(server, INVOICE, LEDGER)
    queries = [asked.json() for asked in server.asked]
    assert {query["logGroupName"] for query in queries} == {"/aws/ecs/invoice-api", "/aws/ecs/ledger"}
    assert min(query["startTime"] for query in queries) == int(WINDOW.baseline_since.timestamp() * 1000)
    assert all(query["endTime"] <= int(WINDOW.until.timestamp() * 1000) for query in queries)
    assert all(1 <= query["limit"] <= MOST_LINES for query in queries)


def test_a_line_with_the_words_of_both_severities_is_told_once() -> None:
    both = event(ALERT, "WARN retrying after timeout")
    with cloudwatch(lambda query: page(both) if query.get("filterPattern") else page()) as server:
        assert {line.level for line in gathered(server).lines} == {"warn"}
        assert len(gathered(server).lines) == 3, "once in each window that answered it"


def test_empty_pages_are_followed_and_the_last_one_ends_it() -> None:
    def answer(query: dict[str, Any]) -> Reply:
        if not is_near(query):
            return page()
        number = int(query.get("nextToken", "0"))
        events = [event(ALERT, "ERROR boom")] if number == 3 else []
        return page(*events, **({"nextToken": str(number + 1)} if number < 3 else {}))

    with cloudwatch(answer) as server:
        answer_found = gathered(server)
    assert [line.text for line in answer_found.lines] == ["ERROR boom"]
    assert answer_found.incomplete == frozenset()


def test_pages_without_end_are_left_and_said() -> None:
    endless = page(event(ALERT, "ERROR boom"), nextToken="again")
    with cloudwatch(lambda query: endless if is_near(query) else page()) as server:
        found = gathered(server)
    assert found.detail == "invoice-api: in part only, the first 10 pages from 03:02 UTC on"
    assert found.incomplete == {"invoice-api"}
    assert len(server.asked) < 20


def test_the_first_log_group_that_is_there_is_taken() -> None:
    def answer(query: dict[str, Any]) -> Reply:
        if query["logGroupName"] == "/aws/ecs/invoice-api":
            return refusal("ResourceNotFoundException", "The specified log group does not exist.")
        return page(event(ALERT, "ERROR boom"))

    with cloudwatch(answer) as server:
        assert gathered(server, groups=("/aws/ecs/{service}", "/aws/lambda/{service}-live")).lines
    assert {asked.json()["logGroupName"] for asked in server.asked} == {
        "/aws/ecs/invoice-api",
        "/aws/lambda/invoice-api-live",
    }


@pytest.mark.parametrize(
    ("reply", "status", "said"),
    [
        (refusal("AccessDeniedException"), CoverageStatus.DENIED, "AccessDeniedException"),
        (refusal("ExpiredTokenException"), CoverageStatus.DENIED, "ExpiredTokenException"),
        (refusal("UnrecognizedClientException"), CoverageStatus.DENIED, "UnrecognizedClientException"),
        (refusal("ThrottlingException", "Rate exceeded"), CoverageStatus.ERROR, "rate limited"),
        (refusal("InvalidParameterException", "bad pattern"), CoverageStatus.ERROR, "bad pattern"),
        (refusal("ServiceUnavailableException", status=503), CoverageStatus.ERROR, "503"),
        (refusal("ResourceNotFoundException"), CoverageStatus.ERROR, "no log group /aws/ecs/invoice-api"),
        (Reply({}), CoverageStatus.ERROR, "no events"),
        (Reply([]), CoverageStatus.ERROR, "form"),
        (Reply({"events": {"a": 1}}), CoverageStatus.ERROR, "form"),
    ],
)
def test_a_refusal_says_what_it_is(reply: Reply, status: CoverageStatus, said: str) -> None:
    with cloudwatch(lambda query: reply) as server, pytest.raises(SourceFailure, match=said) as failure:
        gathered(server)
    assert failure.value.status is status
    assert "canary" not in failure.value.detail


@pytest.mark.parametrize("name", ["a/b", "../x", "a b", "", "é", "x" * 129, "x\ny", "*", "{service}", 'x"'])
def test_a_hostile_name_is_refused_and_said(name: str) -> None:
    target = Target(service=name, role="dependency", log_names=(name,))
    with cloudwatch(lambda query: page()) as server:
        found = gathered(server, INVOICE, target)
    assert {asked.json()["logGroupName"] for asked in server.asked} == {"/aws/ecs/invoice-api"}
    assert found.detail is not None and "1 of 2 services not asked about" in found.detail


def test_no_credentials_say_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    nobody = CloudWatchLogs(Config(groups=GROUPS, region="eu-west-1", url="http://127.0.0.1:1"))
    with pytest.raises(SourceFailure, match="AWS_ACCESS_KEY_ID"):
        nobody.gather(inquiry(), Deadline.after(10))


def test_the_probe_counts_log_groups() -> None:
    def respond(asked: Asked) -> Reply:
        assert asked.headers["x-amz-target"] == "Logs_20140328.DescribeLogGroups"
        assert asked.json() == {"logGroupNamePrefix": "/aws/ecs/", "limit": 50}
        return Reply({"logGroups": [{"logGroupName": "/aws/ecs/ledger"}]})

    with StandIn(respond) as server:
        assert source(server).probe(Deadline.after(10)) == "1 log groups begin with /aws/ecs/"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"WHYDOWN_CLOUDWATCH_GROUPS": "/aws/ecs"}, "WHYDOWN_CLOUDWATCH_GROUPS"),
        ({"AWS_REGION": "", "AWS_CONFIG_FILE": "/no/such/file"}, "AWS_REGION"),
    ],
)
def test_a_setting_that_is_wrong_is_named(
    settings: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert CloudWatchLogs.from_settings() is None
    for name, value in ({"WHYDOWN_CLOUDWATCH_GROUPS": "/aws/ecs/{service}", "AWS_REGION": "x"} | settings).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=named):
        CloudWatchLogs.from_settings()


def test_without_the_extra_the_message_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(ConfigurationError, match=r"whydown\[aws\]"):
        CloudWatchLogs(Config(groups=GROUPS, region="eu-west-1"))
