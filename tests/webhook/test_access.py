"""Who may ask what: every route with no, a wrong and the right token; signatures; browsers and their sessions."""

from __future__ import annotations

import base64
import json

import pytest
from flask import Flask
from pydantic import SecretStr
from werkzeug.test import TestResponse

from shared.database import Database
from shared.errors import ConfigurationError
from shared.settings import Address
from tests.webhook.receivers import (
    ALERT,
    API,
    API_TOKEN,
    PAGE,
    WEBHOOK,
    WEBHOOK_TOKEN,
    guarded_receiver_on,
    receiver_on,
)
from webhook.access import SESSION_COOKIE, Gate, check_exposure
from webhook.openapi import operation_of
from webhook.settings import Access


@pytest.fixture
def app(sqlite: Database) -> Flask:
    """A receiver with both tokens."""
    return guarded_receiver_on(sqlite)


def closed_routes(app: Flask) -> list[tuple[str, str]]:
    """Method and path of every route that is not open to all."""
    routes = []
    for rule in app.url_map.iter_rules():
        operation = operation_of(app, rule.endpoint)
        if rule.endpoint == "static" or (operation and operation.gate is Gate.OPEN):
            continue
        path = rule.rule.replace("<sender>", "alert").replace("<incident:incident_id>", "abc")
        routes += [(method, path) for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}]
    return routes


def test_every_route_but_these_is_closed(app: Flask) -> None:
    open_paths = {rule.rule for rule in app.url_map.iter_rules()} - {
        path.replace("/alert", "/<sender>").replace("abc", "<incident:incident_id>") for _, path in closed_routes(app)
    }
    assert open_paths == {"/healthz", "/readyz", "/sign-in", "/static/<path:filename>"}


def test_a_route_that_says_nothing_needs_the_api_token(app: Flask) -> None:
    app.add_url_rule("/new", "new", lambda: "secret")
    assert app.test_client().get("/new").status_code == 401
    assert app.test_client().get("/new", headers=WEBHOOK).status_code == 401
    assert app.test_client().get("/new", headers=API).text == "secret"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {API_TOKEN}x"},
        {"Authorization": f"Bearer {API_TOKEN[:-1]}"},
        {"Authorization": "Bearer \u00e9\u00e8"},
        {"Authorization": "Negotiate abc"},
        {"Cookie": f"{SESSION_COOKIE}=page.aaaa.bbbb"},
    ],
)
def test_no_route_lets_in_without_the_right_token(app: Flask, headers: dict[str, str]) -> None:
    for method, path in closed_routes(app):
        answer = app.test_client(use_cookies=False).open(path, method=method, headers=headers)
        assert answer.status_code == 401, (method, path)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.content_type == "application/problem+json"
        assert API_TOKEN not in answer.text


def test_each_token_opens_its_own_routes_only(app: Flask) -> None:
    client = app.test_client()
    deploy = {"service": "invoice-api"}
    assert client.post("/webhook/alert", json=ALERT, headers=WEBHOOK).status_code == 202
    assert client.post("/webhook/alert", json=ALERT, headers=API).status_code == 401
    assert client.get("/incidents", headers=API).status_code == 200
    assert client.get("/incidents", headers=WEBHOOK).status_code == 401
    assert client.post("/deployments", json=deploy, headers=API).status_code == 202
    assert client.post("/deployments", json=deploy, headers=WEBHOOK).status_code == 202


def test_senders_that_cannot_send_a_bearer_token(app: Flask) -> None:
    client = app.test_client()
    assert client.post(f"/webhook/alert?token={WEBHOOK_TOKEN}", json=ALERT).status_code == 202
    assert client.post("/webhook/alert?token=wrong", json=ALERT).status_code == 401
    for password, status in ((WEBHOOK_TOKEN, 202), ("wrong", 401)):
        basic = base64.b64encode(f"alertmanager:{password}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}"}
        assert client.post("/webhook/alert", json=ALERT, headers=headers).status_code == status


def test_the_token_in_an_address_opens_no_api(app: Flask) -> None:
    assert app.test_client().get(f"/incidents?token={API_TOKEN}").status_code == 401


def test_listening_beyond_loopback_needs_both_tokens() -> None:
    none = Access(api_token=None, webhook_token=None)
    one = Access(api_token=SecretStr("a"), webhook_token=None)
    both = Access(api_token=SecretStr("a"), webhook_token=SecretStr("b"))
    for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost"):
        check_exposure(host, none)
    for host in ("0.0.0.0", "::", "192.0.2.1", "whydown.example.com", ""):  # noqa: S104 - refused
        check_exposure(host, both)
        with pytest.raises(ConfigurationError, match="WHYDOWN_API_TOKEN and WHYDOWN_WEBHOOK_TOKEN"):
            check_exposure(host, none)
        with pytest.raises(ConfigurationError, match="set WHYDOWN_WEBHOOK_TOKEN,"):
            check_exposure(host, one)


def test_an_empty_token_is_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHYDOWN_API_TOKEN", "")
    assert Access.read().api_token is None


@pytest.mark.parametrize(
    "host", ["whydown.evil.example", "10.0.0.7:8000", "127.0.0.1.evil.example", "[", "[::1", "a b", "localhost@evil"]
)
def test_without_tokens_a_foreign_name_is_not_answered(sqlite: Database, host: str) -> None:
    client = receiver_on(sqlite).test_client()
    answer = client.get("/incidents", headers={"Host": host})
    assert answer.status_code in (400, 421)
    assert client.post("/webhook/alert", json=ALERT, headers={"Host": host}).status_code == answer.status_code
    for own in ("127.0.0.1:8000", "localhost:8000", "[::1]:8000"):
        assert client.get("/incidents", headers={"Host": own}).status_code == 200


def test_without_tokens_the_public_name_is_answered(sqlite: Database) -> None:
    client = receiver_on(sqlite, address=Address(public_url="https://whydown.example.com")).test_client()
    assert client.get("/incidents", headers={"Host": "whydown.example.com"}).status_code == 200


FOREIGN = [
    {"Origin": "http://["},
    {"Origin": "http://localhost@evil.example"},
    {"Origin": "http://localhost.evil.example"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "http://localhost", "Sec-Fetch-Site": "same-site"},
]
OWN = [{"Origin": "http://localhost"}, {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}]


@pytest.mark.parametrize("headers", FOREIGN)
def test_without_tokens_other_sites_cannot_post(sqlite: Database, headers: dict[str, str]) -> None:
    client = receiver_on(sqlite).test_client()
    for path in ("/webhook/alert", "/analyze", "/deployments", "/incidents/abc/retry"):
        assert client.post(path, json=ALERT, headers=headers).status_code == 403, path
    for own in (*OWN, {}):
        assert client.post("/webhook/alert", json=ALERT, headers=own).status_code == 202


def sign_in(app: Flask, token: str, target: str = "/incidents") -> TestResponse:
    """What the form answers."""
    return app.test_client().post("/sign-in", data={"token": token, "next": target})


def test_a_browser_signs_in_and_its_cookie_is_kept_from_scripts_and_other_sites(app: Flask) -> None:
    client = app.test_client()
    asked = client.get("/incidents", headers=PAGE)
    assert asked.status_code == 401
    assert 'name="next" value="/incidents"' in asked.text
    answer = client.post("/sign-in", data={"token": API_TOKEN, "next": "/incidents?status=done"})
    assert (answer.status_code, answer.location) == (303, "/incidents?status=done")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert API_TOKEN not in cookie
    assert client.get("/incidents", headers=PAGE).status_code == 200


def test_the_cookie_is_secure_behind_https(sqlite: Database) -> None:
    app = guarded_receiver_on(sqlite, address=Address(public_url="https://whydown.example.com"))
    assert "Secure" in sign_in(app, API_TOKEN).headers["Set-Cookie"]
    assert "Secure" not in sign_in(guarded_receiver_on(sqlite), API_TOKEN).headers["Set-Cookie"]


def test_a_wrong_token_starts_no_session(app: Flask) -> None:
    for token in ("", "wrong", WEBHOOK_TOKEN):
        answer = sign_in(app, token)
        assert answer.status_code == 401
        assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "/\\evil.example", "", "/a\r\nX: y"])
def test_signing_in_leads_nowhere_else(app: Flask, target: str) -> None:
    assert sign_in(app, API_TOKEN, target).location == "/incidents"


def test_a_session_ends_with_its_token(app: Flask, sqlite: Database) -> None:
    value = sign_in(app, API_TOKEN).headers["Set-Cookie"].partition(";")[0]
    other = Access(api_token=SecretStr("another"), webhook_token=SecretStr(WEBHOOK_TOKEN))
    for receiver, status in ((app, 200), (guarded_receiver_on(sqlite, access=other), 401)):
        client = receiver.test_client(use_cookies=False)
        assert client.get("/incidents", headers={"Cookie": value}).status_code == status


def test_a_token_in_a_pages_address_becomes_a_session(app: Flask) -> None:
    client = app.test_client()
    answer = client.get(f"/incidents?token={API_TOKEN}&status=done", headers=PAGE)
    assert (answer.status_code, answer.location) == (303, "/incidents?status=done")
    assert client.get("/incidents", headers=PAGE).status_code == 200
    refused = app.test_client().get("/incidents?token=wrong", headers=PAGE)
    assert refused.status_code == 401
    assert "That is not the token" in refused.text


@pytest.mark.parametrize("headers", [*FOREIGN, {}])
def test_a_session_posts_from_its_own_pages_only(app: Flask, headers: dict[str, str]) -> None:
    client = app.test_client()
    made = client.post("/analyze", json={"entityRef": "invoice-api"}, headers=API)
    path = f"/incidents/{made.get_json()['incidents'][0]['id']}/retry"
    client.post("/sign-in", data={"token": API_TOKEN})
    assert client.post(path, headers=headers).status_code == 403
    for own in OWN:
        assert client.post(path, headers=own).status_code == 202
    assert app.test_client().post(path, headers=API | headers).status_code == 202


def test_a_link_from_elsewhere_is_followed_again_from_our_own_page(app: Flask) -> None:
    there = app.test_client().get("/incidents", headers=PAGE | {"Sec-Fetch-Site": "cross-site"})
    here = app.test_client().get("/incidents", headers=PAGE | {"Sec-Fetch-Site": "same-origin"})
    assert '<meta http-equiv="refresh" content="0">' in there.text
    assert "http-equiv" not in here.text


def test_every_answer_is_kept_from_frames_and_sniffing(app: Flask) -> None:
    for path in ("/incidents", "/healthz", "/static/style.css", "/nowhere", "/openapi.json"):
        with app.test_client().get(path, headers=API) as answer:
            headers = answer.headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"


def test_refusals_hold_no_secret(app: Flask) -> None:
    shown = json.dumps([app.test_client().get(path).get_json() for path in ("/incidents", "/readyz", "/docs")])
    assert API_TOKEN not in shown
    assert WEBHOOK_TOKEN not in shown
