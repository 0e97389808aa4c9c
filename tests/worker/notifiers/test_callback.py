"""Pushing results to a callbackUrl: signed, tried honestly, and never to an address inside."""

from __future__ import annotations

import ast
import base64
import json
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from shared.errors import ConfigurationError
from shared.incident import Incident, Status
from shared.moment import Deadline
from tests.loopback import Asked, Reply, StandIn
from worker.notifiers import Occasion, Push, PushFailure
from worker.notifiers.callback import Callback

CORPUS = Path(__file__).parents[2] / "corpora" / "ssrf.dev.tsv"
SECRET = "whsec_" + base64.b64encode(b"a secret of the receiver's").decode()
MOMENT = datetime(2026, 11, 23, 3, 12, tzinfo=UTC)
INCIDENT = Incident(
    id="i-1",
    status=Status.DONE,
    service="invoice-api",
    title="Zeitüberschreitung",
    severity="critical",
    started_at=MOMENT,
    received_at=MOMENT,
    last_seen_at=MOMENT,
    sender="alert",
)

_connected: list[object] = []


def _note_connections(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        _connected.append(arguments[1])


sys.addaudithook(_note_connections)


@pytest.fixture
def connections() -> Iterator[list[object]]:
    """Addresses that this process has connected to since the test began."""
    _connected.clear()
    yield _connected


def push(url: str) -> Push:
    return Push(delivery_id="d-1", incident=INCIDENT, url="http://whydown.test/incidents/i-1", callback_url=url)


def send(callback: Callback, url: str, seconds: float = 30) -> None:
    callback.push(push(url), Deadline.after(seconds))


def allowing(server: StandIn, secret: str | None = None) -> Callback:
    return Callback((server.url.removeprefix("http://"),), secret)


def test_a_receiver_can_verify_what_it_gets() -> None:
    with StandIn(lambda asked: Reply("thanks")) as server:
        send(allowing(server, SECRET), f"{server.url}/hook?x=1")
    asked = server.asked[0]
    assert (asked.method, asked.path, asked.query) == ("POST", "/hook", [("x", "1")])
    body = Webhook(SECRET).verify(asked.body, asked.headers)
    assert (body["type"], body["schemaVersion"]) == ("incident.finished", "1")
    assert body["data"] == json.loads(json.dumps(INCIDENT.wire()))
    assert body["timestamp"].endswith("Z")
    assert asked.headers["webhook-id"] == "d-1"
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(asked.body.replace(b"i-1", b"i-2"), asked.headers)


def test_without_a_secret_nothing_is_signed() -> None:
    with StandIn(lambda asked: Reply("")) as server:
        send(allowing(server), server.url)
    assert "webhook-signature" not in server.asked[0].headers
    assert server.asked[0].headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("status", "permanent"),
    [
        (400, True),
        (404, True),
        (410, True),
        (408, False),
        (409, False),
        (425, False),
        (429, False),
        (500, False),
        (503, False),
    ],
)
def test_what_is_worth_another_try(status: int, permanent: bool) -> None:
    with StandIn(lambda asked: Reply("no", status=status)) as server, pytest.raises(PushFailure) as failure:
        send(allowing(server), server.url)
    assert failure.value.permanent is permanent
    assert str(status) in failure.value.reason


def test_redirects_are_not_followed() -> None:
    with StandIn(lambda asked: Reply("")) as inside:
        redirect = Reply("", status=307, headers={"Location": inside.url})
        with StandIn(lambda asked: redirect) as server, pytest.raises(PushFailure, match="redirect") as failure:
            send(allowing(server), server.url)
    assert failure.value.permanent
    assert inside.asked == []


def test_a_receiver_that_hangs_is_given_up() -> None:
    def hang(asked: Asked) -> Reply:
        server.closing.wait(60)
        return Reply()

    with StandIn(hang) as server, pytest.raises(PushFailure) as failure:
        send(allowing(server), server.url, seconds=0.3)
    assert not failure.value.permanent


def test_a_receiver_that_sends_its_headers_byte_by_byte_is_given_up() -> None:
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def trickle() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Endless: ")
                while not stop.wait(0.05):
                    try:
                        connection.sendall(b"x")
                    except OSError:
                        return

        thread = threading.Thread(target=trickle)
        thread.start()
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        try:
            with pytest.raises(PushFailure) as failure:
                send(Callback((host,)), f"http://{host}/", seconds=0.5)
        finally:
            stop.set()
            thread.join()
    assert not failure.value.permanent


def test_a_receiver_that_has_taken_it_need_not_finish_its_answer() -> None:
    with StandIn(lambda asked: Reply("x", headers={"Content-Length": "1000000000"})) as server:
        send(allowing(server), server.url)
    assert len(server.asked) == 1


def test_a_receiver_that_is_not_there_may_come_back() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host = f"127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(PushFailure) as failure:
        send(Callback((host,)), f"http://{host}/")
    assert not failure.value.permanent


def test_proxies_and_credentials_of_the_environment_are_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password canary\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with StandIn(lambda asked: Reply("")) as proxy, StandIn(lambda asked: Reply("")) as server:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        send(allowing(server), server.url)
    assert proxy.asked == []
    assert "authorization" not in server.asked[0].headers


def corpus() -> list[tuple[str, str]]:
    rows = [line.split("\t") for line in CORPUS.read_text().splitlines() if line and not line.startswith("#")]
    return [(kind, ast.literal_eval(url)) for kind, url in rows]


@pytest.mark.parametrize(("kind", "url"), corpus())
def test_no_connection_is_made_to_an_address_inside(kind: str, url: str, connections: list[object]) -> None:
    with pytest.raises(PushFailure):
        send(Callback(), url)
    assert connections == []


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",  # noqa: S104
    ],
)
def test_a_listener_on_loopback_sees_nothing_whatever_it_is_called(host: str, connections: list[object]) -> None:
    with StandIn(lambda asked: Reply("")) as server:
        port = server.url.rpartition(":")[2]
        with pytest.raises(PushFailure, match="WHYDOWN_CALLBACK_ALLOW") as failure:
            send(Callback(), f"http://{host}:{port}/")
    assert failure.value.permanent
    assert server.asked == []
    assert connections == []


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["93.184.215.14", "10.0.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["::127.0.0.1"],
        ["::ffff:0:127.0.0.1"],
        ["169.254.169.254"],
        ["fe80::1%lo"],
    ],
)
def test_a_public_name_with_an_address_inside_is_refused(
    addresses: list[str], connections: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(host: object, port: object, *rest: object, **named: object) -> list[Any]:
        return [
            (socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))
            for address in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(PushFailure, match="not public") as failure:
        send(Callback(), "https://public.test/hook")
    assert failure.value.permanent
    assert connections == []


def test_only_the_listed_port_of_a_listed_host_is_allowed() -> None:
    with StandIn(lambda asked: Reply("")) as listed, StandIn(lambda asked: Reply("")) as other:
        with pytest.raises(PushFailure, match="not public"):
            send(allowing(listed), other.url)
        send(Callback(("127.0.0.1",)), other.url)
        send(Callback(("LocalHost",)), other.url.replace("127.0.0.1", "localhost"))
    assert listed.asked == []
    assert len(other.asked) == 2


@pytest.mark.parametrize(
    "url", ["http://me:pw@{}", "http://x\\@{}/", "http://{}\r\nX: y", " http://{}", "ftp://{}", ""]
)
def test_urls_that_can_be_read_in_two_ways_are_refused_even_for_listed_hosts(
    url: str, connections: list[object]
) -> None:
    with StandIn(lambda asked: Reply("")) as server, pytest.raises(PushFailure) as failure:
        send(allowing(server), url.format(server.url.removeprefix("http://")))
    assert failure.value.permanent
    assert connections == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [(Status.FAILED, "failed"), (Status.SKIPPED, "skipped"), (Status.GATHERING, "briefed"), (Status.DONE, "finished")],
)
def test_the_type_tells_how_the_incident_stands(status: Status, kind: str) -> None:
    with StandIn(lambda asked: Reply("")) as server:
        told = replace(push(server.url), incident=INCIDENT.model_copy(update={"status": status}))
        allowing(server).push(told, Deadline.after(10))
    assert server.asked[0].json()["type"] == f"incident.{kind}"


def test_which_events_it_tells_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    callback = Callback.from_settings()
    assert callback is not None
    assert callback.events == ("diagnosis", "failed", "skipped")
    monkeypatch.setenv("WHYDOWN_CALLBACK_EVENTS", "incident.briefed incident.finished")
    callback = Callback.from_settings()
    assert callback is not None
    assert callback.events == ("brief", "diagnosis")
    monkeypatch.setenv("WHYDOWN_CALLBACK_EVENTS", "incident.done")
    with pytest.raises(ConfigurationError, match=r"WHYDOWN_CALLBACK_EVENTS: unknown event incident\.done; there are"):
        Callback.from_settings()


def test_its_probe_says_whether_pushes_are_signed() -> None:
    soon = Deadline.after(1)
    assert Callback((), SECRET).probe(soon) == "signed"
    assert "WHYDOWN_CALLBACK_SECRET" in Callback().probe(soon)


def test_it_wants_what_has_a_callback_url() -> None:
    told = Occasion("diagnosis", "web", "critical", "alert", "https://example.test/")
    assert Callback().wants(told)
    assert not Callback().wants(replace(told, callback_url=None))


def test_it_is_configured_by_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    with StandIn(lambda asked: Reply("")) as server:
        monkeypatch.setenv("WHYDOWN_CALLBACK_ALLOW", f"ci.internal, {server.url.removeprefix('http://')}")
        monkeypatch.setenv("WHYDOWN_CALLBACK_SECRET", SECRET)
        callback = Callback.from_settings()
        assert callback is not None
        send(callback, server.url)
    assert "webhook-signature" in server.asked[0].headers


@pytest.mark.parametrize("secret", ["whsec_", "whsec_a", "whsec_é"])
def test_a_malformed_secret_stops_start_up_without_being_shown(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHYDOWN_CALLBACK_SECRET", secret)
    with pytest.raises(ConfigurationError, match="WHYDOWN_CALLBACK_SECRET"):
        Callback.from_settings()
