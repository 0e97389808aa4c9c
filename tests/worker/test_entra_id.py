"""Tokens of Entra ID: Azure's own client against a stand-in of its endpoints, over TLS as it insists."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from pydantic import SecretStr

from shared.incident import CoverageStatus
from shared.moment import Deadline, DeadlineExceeded
from tests.loopback import Asked, Reply, StandIn, self_signed
from worker import outbound
from worker.entra_id import Config, EntraId
from worker.inquiry import SourceFailure

TENANT = "0a1b2c3d-0000-4000-8000-00000000beef"
SCOPE = "https://api.loganalytics.io/.default"


@pytest.fixture
def pem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = self_signed(tmp_path)
    monkeypatch.setattr("certifi.where", lambda: str(path))
    monkeypatch.setattr("worker.outbound._pools", cache(outbound._pools.__wrapped__))
    monkeypatch.setattr("worker.outbound._connections", outbound._connections.__wrapped__)
    return path


def entra(url: str) -> EntraId:
    return EntraId(Config(tenant=TENANT, client="whydown", secret=SecretStr("client-canary"), authority=url))


def endpoints(asked: Asked, server: StandIn, token: Reply) -> Reply:
    """https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-client-creds-grant-flow."""
    if asked.path.endswith("/.well-known/openid-configuration"):
        place = f"{server.url}/{TENANT}"
        names = {"authorization_endpoint": "/oauth2/v2.0/authorize", "token_endpoint": "/oauth2/v2.0/token"}
        return Reply({"issuer": f"{place}/v2.0", **{name: place + path for name, path in names.items()}})
    return token


def test_a_token_is_got_once_and_kept(pem: Path) -> None:
    granted = Reply({"token_type": "Bearer", "expires_in": 3599, "access_token": "access-canary"})
    server = StandIn(lambda asked: endpoints(asked, server, granted), pem)
    with server:
        found = entra(server.url)
        assert [found.token(SCOPE, Deadline.after(20)) for _ in range(3)] == ["access-canary"] * 3
    (asked,) = (asked for asked in server.asked if asked.path.endswith("/token"))
    assert asked.path == f"/{TENANT}/oauth2/v2.0/token"
    assert b"client_credentials" in asked.body and b"api.loganalytics.io" in asked.body


def test_a_refusal_says_why_and_no_secret(pem: Path) -> None:
    refused = Reply({"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret"}, 401)
    server = StandIn(lambda asked: endpoints(asked, server, refused), pem)
    with server, pytest.raises(SourceFailure, match="AADSTS7000215") as failure:
        entra(server.url).token(SCOPE, Deadline.after(20))
    assert failure.value.status is CoverageStatus.DENIED
    assert "client-canary" not in failure.value.detail


def test_one_that_hangs_is_given_up_at_the_deadline(pem: Path) -> None:
    def hang(asked: Asked) -> Reply:
        server.closing.wait(60)
        return Reply()

    server = StandIn(hang, pem)
    with server, pytest.raises(DeadlineExceeded):
        entra(server.url).token(SCOPE, Deadline.after(0.5))


def test_without_any_identity_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    # The machine's identity is asked for at an address that only clouds have: here it is a closed port.
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1")
    with pytest.raises(SourceFailure, match="AZURE_TENANT_ID") as failure:
        EntraId(Config()).token(SCOPE, Deadline.after(20))
    assert failure.value.status is CoverageStatus.DENIED
