"""Slack: one message that grows, by the answers that its Web API gives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from shared.errors import ConfigurationError
from shared.incident import Attempt, Status
from shared.moment import Deadline
from tests.loopback import Asked, Reply, StandIn
from tests.slack_workspace import Workspace, no, texts
from tests.worker.news import FORBIDDEN, PAGE, Memory, incident, push
from worker.notifiers import PushFailure
from worker.notifiers.slack import Slack


@pytest.fixture
def workspace() -> Workspace:
    return Workspace()


@pytest.fixture
def api(workspace: Workspace) -> Iterator[StandIn]:
    with StandIn(workspace.respond) as server:
        yield server


def tell(api: StandIn, memory: Memory, *, status: Status = Status.DONE, **more: Any) -> None:
    slack = Slack("xoxb-1", "#incidents", f"{api.url}/api")
    slack.push(push(incident(status, **more), memory), Deadline.after(10))


def test_the_brief_becomes_the_diagnosis_in_the_same_message_with_details_in_its_thread(
    api: StandIn, workspace: Workspace
) -> None:
    memory = Memory()
    tell(api, memory, status=Status.DIAGNOSING)
    assert [asked.path for asked in api.asked] == ["/api/chat.postMessage"]
    assert memory.kept == {"channel": "C0INCIDENTS", "ts": "1.000100"}
    assert "First look" in texts(workspace.messages["1.000100"]["blocks"])
    tell(api, memory)
    assert [asked.path for asked in api.asked[1:]] == ["/api/chat.update", "/api/chat.postMessage"]
    message, reply = workspace.messages.values()
    assert message["channel"] == "C0INCIDENTS", "an update knows channels by their ids only"
    shown = texts(message["blocks"])
    assert "Probable cause (72%)" in shown
    assert "git revert 67e271c" in shown
    assert reply["thread_ts"] == "1.000100"
    assert "The moon is full: “moon” (unverified)" in texts(reply["blocks"])


def test_a_push_that_is_tried_again_says_nothing_twice(api: StandIn, workspace: Workspace) -> None:
    memory = Memory()
    tell(api, memory)
    tell(api, memory)
    assert len(workspace.messages) == 2
    tell(api, memory, attempts=(Attempt(number=1), Attempt(number=2)))
    assert len(workspace.messages) == 3, "a new attempt's details are told in the same thread"
    assert workspace.messages["3.000100"]["thread_ts"] == "1.000100"


def test_a_reply_that_fails_does_not_post_the_message_again(api: StandIn, workspace: Workspace) -> None:
    memory = Memory()
    tell(api, memory, status=Status.DIAGNOSING)
    workspace.next = [Reply({"ok": True, "channel": "C0INCIDENTS", "ts": "1.000100"}), no("internal_error")]
    with pytest.raises(PushFailure) as failure:
        tell(api, memory)
    assert not failure.value.permanent
    tell(api, memory)
    assert len([each for each in workspace.messages.values() if "thread_ts" not in each]) == 1


def test_a_message_that_somebody_deleted_is_posted_anew(api: StandIn, workspace: Workspace) -> None:
    memory = Memory({"channel": "C0INCIDENTS", "ts": "0.1"})
    tell(api, memory, status=Status.DIAGNOSING)
    assert memory.kept["ts"] in workspace.messages


@pytest.mark.parametrize(
    ("reply", "means", "said"),
    [
        (no("ratelimited", Retry_After="7"), (False, 7), "ratelimited"),
        (Reply({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": "30"}), (False, 30), "429"),
        (no("internal_error"), (False, None), "internal_error"),
        (Reply("oops", 503), (False, None), "503"),
        (no("invalid_auth"), (True, None), "WHYDOWN_SLACK_TOKEN is wrong"),
        (no("not_in_channel"), (True, None), "invite the app"),
        (no("missing_scope"), (True, None), "chat:write"),
        (no("is_archived"), (True, None), "archived"),
        (Reply("<html>", 200), (False, None), "not Slack's"),
        (Reply("", 302, {"Location": "https://evil.test/"}), (True, None), "redirects"),
    ],
)
def test_what_its_answers_mean(
    api: StandIn, workspace: Workspace, reply: Reply, means: tuple[bool, float | None], said: str
) -> None:
    workspace.next = [reply]
    with pytest.raises(PushFailure, match=said) as failure:
        tell(api, Memory())
    assert (failure.value.permanent, failure.value.retry_after) == means


def test_nothing_from_outside_is_markup(api: StandIn, workspace: Workspace) -> None:
    tell(api, Memory())
    for message in workspace.messages.values():
        sent = json.dumps(message, ensure_ascii=False).replace(PAGE, "")
        assert not [each for each in FORBIDDEN if each in sent]
        assert "&amp;amp;" in message["text"] or "thread_ts" in message, "its own escape is escaped"
        assert not {"section", "image", "user", "broadcast", "emoji"} & set(kinds(message["blocks"]))
        assert [each["url"] for each in elements(message["blocks"]) if "url" in each] in ([PAGE], [])


def kinds(blocks: Any) -> list[str]:
    return [str(each["type"]) for each in elements(blocks) if "type" in each]


def elements(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        return [value, *(each for part in value.values() for each in elements(part))]
    return [each for part in value for each in elements(part)] if isinstance(value, list) else []


def test_an_incoming_webhook_is_told_each_stage_once_more() -> None:
    memory = Memory()
    with StandIn(lambda asked: Reply("ok")) as hook:
        slack = Slack(None, f"{hook.url}/services/T1/B1/x")
        for status in (Status.DIAGNOSING, Status.DONE):
            slack.push(push(incident(status), memory), Deadline.after(10))
        assert [asked.path for asked in hook.asked] == ["/services/T1/B1/x"] * 2
        assert "not tried" in slack.probe(Deadline.after(1))
    assert "authorization" not in hook.asked[0].headers
    assert memory.kept == {}


def test_an_incoming_webhook_that_is_gone_is_given_up() -> None:
    with StandIn(lambda asked: Reply("no_service", 404)) as hook, pytest.raises(PushFailure, match="no_service") as no:
        Slack(None, hook.url).push(push(), Deadline.after(10))
    assert no.value.permanent


def test_a_slack_that_hangs_is_given_up() -> None:
    def hang(_: Asked) -> Reply:
        server.closing.wait(60)
        return Reply()

    with StandIn(hang) as server, pytest.raises(PushFailure, match="no answer in time") as failure:
        Slack("xoxb-1", "C0INCIDENTS", server.url).push(push(), Deadline.after(0.3))
    assert not failure.value.permanent


def test_the_probe_says_who_the_token_is(api: StandIn) -> None:
    assert (
        Slack("xoxb-1", "C0INCIDENTS", f"{api.url}/api").probe(Deadline.after(5))
        == "as whydown in Acme, to C0INCIDENTS"
    )
    with pytest.raises(PushFailure, match="WHYDOWN_SLACK_TOKEN is wrong"):
        Slack("xoxb-2", "C0INCIDENTS", f"{api.url}/api").probe(Deadline.after(5))


def test_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Slack.from_settings() is None
    monkeypatch.setenv("WHYDOWN_SLACK_TOKEN", "xoxb-1")
    with pytest.raises(ConfigurationError, match="WHYDOWN_SLACK_CHANNEL: needed"):
        Slack.from_settings()
    monkeypatch.setenv("WHYDOWN_SLACK_CHANNEL", "incidents")
    with pytest.raises(ConfigurationError, match="is an id"):
        Slack.from_settings()
    monkeypatch.setenv("WHYDOWN_SLACK_CHANNEL", "#incidents")
    assert Slack.from_settings() is not None
    monkeypatch.delenv("WHYDOWN_SLACK_TOKEN")
    with pytest.raises(ConfigurationError, match="WHYDOWN_SLACK_TOKEN: needed"):
        Slack.from_settings()
