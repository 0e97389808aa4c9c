"""How each sender shows that it may: with no, a wrong and the right token or signature; and a recording sent again."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from flask.testing import FlaskClient
from pydantic import SecretStr
from sqlalchemy import func, select
from standardwebhooks import Webhook

from shared.database import Database
from shared.errors import ConfigurationError
from shared.tables import AlertRow, IncidentRow
from tests.webhook.receivers import WEBHOOK, WEBHOOK_TOKEN, guarded_receiver_on, receiver_on
from tests.webhook.senders.bodies import FIRING
from webhook.grouping import Grouping
from webhook.senders import SENDERS
from webhook.settings import Access
from webhook.signatures import Signing

SECRET = "whsec_c2VjcmV0LW9mLXRoZS1zZW5kZXI="
OTHER = "whsec_YW5vdGhlci1zZWNyZXQtb2Ytb3RoZXJz"
SENDERS_NAMES = SENDERS.names()

Sign = Callable[[bytes, str, float], dict[str, str]]
"""The headers that a sender adds to a raw body, with its secret, at a time."""


def _hex(raw: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()


def _grafana(raw: bytes, secret: str, at: float) -> dict[str, str]:
    signature = _hex(f"{int(at)}:".encode() + raw, secret)
    return {"X-Grafana-Alerting-Signature": signature, "X-Grafana-Alerting-Timestamp": str(int(at))}


def _standard(raw: bytes, secret: str, at: float) -> dict[str, str]:
    moment = datetime.fromtimestamp(at, UTC)
    signature = Webhook(secret).sign("msg_1", moment, raw.decode())
    return {"webhook-id": "msg_1", "webhook-timestamp": str(int(at)), "webhook-signature": signature}


SIGN: dict[str, Sign] = {
    "generic": _standard,
    "grafana": _grafana,
    "pagerduty": lambda raw, secret, at: {
        "X-PagerDuty-Signature": f"v1={_hex(raw, OTHER + 'x')},v1={_hex(raw, secret)}"
    },
    "sentry": lambda raw, secret, at: {"Sentry-Hook-Signature": _hex(raw, secret), "Sentry-Hook-Resource": "x"},
}
"""Amazon SNS signs with a certificate: test_sns.py."""

TIMED = ("generic", "grafana")
"""Those that sign the time along."""


def _raw(sender: str) -> bytes:
    return json.dumps(FIRING[sender]).encode()


def _send(client: FlaskClient, sender: str, headers: dict[str, str], raw: bytes | None = None, query: str = "") -> int:
    asked = {"Content-Type": "application/json", **headers}
    return client.post(f"/webhook/{sender}{query}", data=raw or _raw(sender), headers=asked).status_code


def _basic(password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'whydown:{password}'.encode()).decode()}"}


def test_every_sender_has_a_body() -> None:
    assert set(FIRING) == set(SENDERS_NAMES)


@pytest.mark.parametrize("sender", SENDERS_NAMES)
def test_a_token_opens_the_route_however_it_is_sent(sender: str, sqlite: Database) -> None:
    client = guarded_receiver_on(sqlite).test_client()
    for refused in ({}, {"Authorization": "Bearer wrong"}, _basic("wrong"), {"Authorization": WEBHOOK_TOKEN}):
        assert _send(client, sender, refused) == 401
    assert _send(client, sender, {}, query="?token=wrong") == 401
    for taken in (WEBHOOK, _basic(WEBHOOK_TOKEN)):
        assert _send(client, sender, taken) == 202
    assert _send(client, sender, {}, query=f"?token={WEBHOOK_TOKEN}") == 202


@pytest.mark.parametrize("sender", SENDERS_NAMES)
def test_a_sender_with_a_token_of_its_own_takes_no_other_and_opens_no_other(sender: str, sqlite: Database) -> None:
    access = Access(webhook_token=SecretStr(WEBHOOK_TOKEN), webhook_tokens={sender: SecretStr("its-own")})
    client = receiver_on(sqlite, access=access).test_client()
    assert _send(client, sender, WEBHOOK) == 401
    assert _send(client, sender, {"Authorization": "Bearer its-own"}) == 202
    neighbour = next(name for name in SENDERS_NAMES if name != sender)
    assert _send(client, neighbour, {"Authorization": "Bearer its-own"}) == 401
    assert _send(client, neighbour, WEBHOOK) == 202


def test_tokens_of_single_senders_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, sqlite: Database) -> None:
    monkeypatch.setenv("WHYDOWN_WEBHOOK_TOKENS", "pingdom=a=b, zabbix=c")
    access = Access.read()
    assert {name: token.get_secret_value() for name, token in (access.webhook_tokens or {}).items()} == {
        "pingdom": "a=b",
        "zabbix": "c",
    }
    monkeypatch.setenv("WHYDOWN_WEBHOOK_TOKENS", "hunter2")
    with pytest.raises(ConfigurationError, match="WHYDOWN_WEBHOOK_TOKENS: must be `sender=token`") as refused:
        Access.read()
    assert "hunter2" not in str(refused.value)
    monkeypatch.setenv("WHYDOWN_WEBHOOK_TOKENS", "nagios=hunter2")
    with pytest.raises(ConfigurationError, match="nagios is no sender") as refused:
        receiver_on(sqlite, access=Access.read())
    assert "hunter2" not in str(refused.value)


def test_the_table_has_every_sender_that_signs() -> None:
    assert {name for name, kind in SENDERS if issubclass(kind, Signing)} == set(SIGN)


@pytest.fixture
def signing(sqlite: Database, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    """A receiver with both tokens and the secret of every sender that signs."""
    _set_secrets(monkeypatch)
    return guarded_receiver_on(sqlite).test_client()


def _set_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for sender in SIGN:
        monkeypatch.setenv(f"WHYDOWN_WEBHOOK_SECRET_{sender.upper()}", SECRET)


@pytest.mark.parametrize("sender", SIGN)
def test_a_signature_is_of_this_body_with_this_secret_and_recent(sender: str, signing: FlaskClient) -> None:
    sign, raw, moment = SIGN[sender], _raw(sender), time.time()
    right = sign(raw, SECRET, moment)
    assert _send(signing, sender, right) == 202, "and needs no token"
    assert _send(signing, sender, right, raw + b" ") == 401
    assert _send(signing, sender, sign(raw, OTHER, moment)) == 401
    for name in right:
        if "Resource" not in name:
            assert _send(signing, sender, right | {name: ""}) == 401, name
            assert _send(signing, sender, right | {name: "\u00e9,v1=\u00e9 x"}) == 401, name
    for refused in ({}, WEBHOOK, _basic(WEBHOOK_TOKEN)):
        assert _send(signing, sender, refused) == 401, "a token does not stand in for it"
    for stale in (moment - 400, moment + 400):
        assert _send(signing, sender, sign(raw, SECRET, stale)) == (401 if sender in TIMED else 202)


def test_grafana_may_sign_the_body_alone(signing: FlaskClient) -> None:
    raw = _raw("grafana")
    assert _send(signing, "grafana", {"X-Grafana-Alerting-Signature": _hex(raw, SECRET)}) == 202
    timed = _grafana(raw, SECRET, time.time())
    assert _send(signing, "grafana", {"X-Grafana-Alerting-Signature": timed["X-Grafana-Alerting-Signature"]}) == 401


def test_senders_that_do_not_sign_are_as_before(signing: FlaskClient) -> None:
    for sender in set(SENDERS_NAMES) - set(SIGN):
        assert (_send(signing, sender, WEBHOOK), _send(signing, sender, {})) == (202, 401)


def test_a_secret_that_is_none_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    for broken in ("whsec_", "whsec_%%%", "whsec_a"):
        monkeypatch.setenv("WHYDOWN_WEBHOOK_SECRET_GENERIC", broken)
        with pytest.raises(ConfigurationError, match="must be `whsec_` followed by base64"):
            SENDERS.load("generic")(Grouping())


@pytest.mark.parametrize("sender", SIGN)
def test_a_signed_delivery_sent_a_hundred_times_at_once_is_one_firing(
    sender: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set_secrets(monkeypatch)
    app, raw = guarded_receiver_on(database), _raw(sender)
    headers = SIGN[sender](raw, SECRET, time.time())
    with ThreadPoolExecutor(10) as senders:
        answers = list(senders.map(lambda _: _send(app.test_client(), sender, headers), range(100)))
    assert set(answers) == {202}
    once = _alerts(FIRING[sender])
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(AlertRow)) == once
        assert session.scalars(select(IncidentRow.fire_count)).all() == [1]
        assert session.scalars(select(AlertRow.deliveries)).all() == [100] * once


def _alerts(body: Any) -> int:
    return sum(alert["status"] == "firing" for alert in body.get("alerts", [{"status": "firing"}]))
