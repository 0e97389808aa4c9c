"""Senders of CloudEvents that ask for permission before their first event."""

from __future__ import annotations

import pytest

from shared.database import Database
from tests.webhook.receivers import WEBHOOK_TOKEN, guarded_receiver_on

ORIGIN = {"WebHook-Request-Origin": "eventgrid.azure.net", "WebHook-Request-Rate": "120"}


@pytest.mark.parametrize("path", ["/webhook/cloudevents", "/webhook/generic", "/deployments"])
def test_whoever_asks_may_send_and_shows_the_token_with_the_events(sqlite: Database, path: str) -> None:
    client = guarded_receiver_on(sqlite).test_client()
    callback = {"WebHook-Request-Callback": "http://127.0.0.1:1/confirm"}
    answer = client.options(path, headers=ORIGIN | callback)
    assert (answer.status_code, answer.data) == (204, b"")
    assert answer.headers["WebHook-Allowed-Origin"] == "eventgrid.azure.net"
    assert answer.headers["WebHook-Allowed-Rate"] == "*"
    assert "POST" in answer.headers["Allow"]
    sending = {"Origin": "eventgrid.azure.net"}
    assert client.post(path, json={}, headers=sending).status_code == 401
    shown = {"Authorization": f"Bearer {WEBHOOK_TOKEN}"}
    assert client.post(path, json={}, headers=sending | shown).status_code in (202, 422), "looked at"


def test_a_plain_question_gets_a_plain_answer(sqlite: Database) -> None:
    answer = guarded_receiver_on(sqlite).test_client().options("/webhook/cloudevents")
    assert answer.status_code == 204
    assert not [name for name in answer.headers.keys() if name.lower().startswith("webhook-")]  # noqa: SIM118


def test_nobody_may_send_to_where_nobody_listens(sqlite: Database) -> None:
    answer = guarded_receiver_on(sqlite).test_client().options("/webhook/nagios9", headers=ORIGIN)
    assert answer.status_code == 404
    assert answer.get_json()["field"] == "sender"
    assert "WebHook-Allowed-Origin" not in answer.headers
