"""The way out: bounded in time and size, and told apart by what went wrong."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from base64 import b64decode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import pytest

from shared.incident import CoverageStatus
from shared.moment import Deadline, DeadlineExceeded
from tests.loopback import Asked, Reply, StandIn
from worker.inquiry import SourceFailure
from worker.outbound import Answer, Outbound


def test_the_token_and_the_query_are_sent() -> None:
    with StandIn(lambda _: Reply({"ok": True})) as server:
        assert Outbound(server.url, token="t0ken").get("/a", Deadline.after(5), {"q": "a&b=c"}).json() == {"ok": True}
    (asked,) = server.asked
    assert asked.headers["authorization"] == "Bearer t0ken"
    assert asked.query == [("q", "a&b=c")]


def test_a_user_and_password_in_the_url_are_sent() -> None:
    with StandIn(lambda _: Reply({})) as server:
        Outbound(server.url.replace("://", "://ann:p%40ss@")).get("/a", Deadline.after(5))
    (asked,) = server.asked
    assert b64decode(asked.headers["authorization"].removeprefix("Basic ")) == b"ann:p@ss"
    assert "ann" not in asked.headers["host"]


def test_what_cannot_stand_in_a_request_is_escaped_and_what_is_escaped_stays_so() -> None:
    with StandIn(lambda _: Reply({})) as server:
        Outbound(server.url).get("/a b/ü%2Fc/@(1),~?d=e f&g=%26#h", Deadline.after(5), {"i": "j"})
    (asked,) = server.asked
    assert asked.path == "/a%20b/%C3%BC%2Fc/@(1),~"
    assert asked.query == [("d", "e f"), ("g", "&"), ("i", "j")]


def test_a_body_is_sent_as_what_it_is() -> None:
    with StandIn(lambda _: Reply({})) as server:
        outbound = Outbound(server.url)
        outbound.post("/a?b=1", Deadline.after(5), {"c": "ü"}, params={"d": "e f"})
        outbound.send("POST", "/a", Deadline.after(5), form={"g": "h&i"})
        outbound.send("POST", "/a", Deadline.after(5))
    as_json, as_form, without = server.asked
    assert (as_json.json(), as_json.headers["content-type"]) == ({"c": "ü"}, "application/json")
    assert as_json.query == [("b", "1"), ("d", "e f")]
    assert (as_form.body, as_form.headers["content-type"]) == (b"g=h%26i", "application/x-www-form-urlencoded")
    assert (without.body, without.headers["content-length"]) == (b"", "0")


@pytest.mark.parametrize("url", ["http://[::1/", "gopher://127.0.0.1", "http://a.b:99999", "http://127.0.0.1:1/\n"])
def test_what_is_no_address_is_told_as_such(url: str) -> None:
    with pytest.raises(SourceFailure, match="could not be reached"):
        Outbound(url).get("/a", Deadline.after(5))


@pytest.mark.parametrize(
    ("status", "expected", "transient"),
    [
        (302, CoverageStatus.ERROR, False),
        (401, CoverageStatus.DENIED, False),
        (403, CoverageStatus.DENIED, False),
        (404, CoverageStatus.ERROR, False),
        (429, CoverageStatus.ERROR, True),
        (500, CoverageStatus.ERROR, True),
    ],
)
def test_what_a_status_means(status: int, expected: CoverageStatus, transient: bool) -> None:
    reply = Reply("no", status, {"Location": "/elsewhere"})
    with StandIn(lambda _: reply) as server, pytest.raises(SourceFailure) as failed:
        Outbound(server.url, token="t0ken").get("/a", Deadline.after(5))
    assert (failed.value.status, failed.value.transient) == (expected, transient)
    assert str(status) in failed.value.detail
    assert "t0ken" not in failed.value.detail
    assert [asked.path for asked in server.asked] == ["/a"], "no redirect is followed"


def test_a_hanging_server_ends_at_the_deadline() -> None:
    with StandIn(lambda _: Reply(server.closing.wait(60))) as server, pytest.raises(DeadlineExceeded):
        Outbound(server.url).get("/a", Deadline.after(0.2))


def test_a_server_that_trickles_its_headers_ends_at_the_deadline() -> None:
    stop = threading.Event()

    def trickle(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            for byte in b"HTTP/1.1 200 OK\r\n" + b"X-Slow: 1\r\n" * 1000:
                if stop.wait(0.02):
                    return
                connection.sendall(bytes([byte]))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=trickle, args=(listener,))
        thread.start()
        with pytest.raises(DeadlineExceeded):
            Outbound(f"http://127.0.0.1:{listener.getsockname()[1]}").get("/a", Deadline.after(0.5))
        stop.set()
        thread.join()


def test_an_answer_beyond_the_cap_is_refused() -> None:
    with StandIn(lambda _: Reply(b"x" * 200_000)) as server, pytest.raises(SourceFailure, match="larger than 97 KiB"):
        Outbound(server.url).get("/a", Deadline.after(5), max_bytes=100_000)


def test_a_cut_off_answer_is_no_json() -> None:
    with StandIn(lambda _: Reply('{"a": [1, 2')) as server, pytest.raises(SourceFailure, match="not JSON"):
        Outbound(server.url).get("/a", Deadline.after(5)).json()


def test_nobody_there() -> None:
    with StandIn(lambda _: Reply()) as server:
        url = server.url
    with pytest.raises(SourceFailure, match="could not be reached") as failed:
        Outbound(url).get("/a", Deadline.after(5))
    assert failed.value.transient


@contextmanager
def _closing_after_one_answer() -> Iterator[tuple[str, list[bytes]]]:
    """A server that keeps a connection open, and closes it at its second request: its URL, and the first line of all
    requests that it read.
    """
    read: list[bytes] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for number in range(2):
                head = iter(self.rfile.readline, b"\r\n")
                read.append(next(head, b""))
                length = sum(int(line.split(b":")[1]) for line in head if line.lower().startswith(b"content-length"))
                self.rfile.read(length)
                if number == 0:
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", read
        finally:
            server.shutdown()
            thread.join()


def test_a_question_is_repeated_when_its_kept_connection_was_closed_meanwhile() -> None:
    with _closing_after_one_answer() as (url, read):
        outbound = Outbound(url)
        assert outbound.get("/a", Deadline.after(5)).json() == {}
        assert outbound.get("/b", Deadline.after(5)).json() == {}
    assert [line.split()[1] for line in read[:3]] == [b"/a", b"/b", b"/b"]


def test_what_may_change_something_is_not_repeated() -> None:
    with _closing_after_one_answer() as (url, read):
        outbound = Outbound(url)
        assert outbound.get("/a", Deadline.after(5)).json() == {}
        with pytest.raises(SourceFailure, match="could not be reached"):
            outbound.post("/b", Deadline.after(5), {"change": True})
    assert [line.split()[1] for line in read[:2]] == [b"/a", b"/b"]
    assert b"/b" not in b"".join(read[2:])


def test_a_call_that_is_over_cuts_off_no_other_on_its_connection() -> None:
    def respond(asked: Asked) -> Reply:
        if asked.path == "/slow":
            server.closing.wait(0.4)
        return Reply({})

    with StandIn(respond) as server:
        outbound = Outbound(server.url)
        assert outbound.get("/a", Deadline.after(0.2)).json() == {}
        assert outbound.get("/slow", Deadline.after(5)).json() == {}
        with pytest.raises(DeadlineExceeded):
            outbound.get("/slow", Deadline.after(0.1))


def _asked_each(outbound: Outbound, deadline: Deadline, paths: Sequence[str], at_once: int = 8) -> dict[str, object]:
    """What came of GET / with each of the words as its query `q`: a body, or the kind of failure."""
    outcomes = list(outbound.get_each("/", deadline, ({"q": path} for path in paths), at_once))
    assert sorted(number for number, _ in outcomes) == list(range(len(paths)))
    return {
        paths[number]: type(outcome) if isinstance(outcome, Exception) else outcome.json()
        for number, outcome in outcomes
    }


def _word(asked: Asked) -> str:
    return dict(asked.query)["q"]


def test_many_are_asked_at_once_and_told_as_they_come() -> None:
    together = threading.Barrier(3)

    def respond(asked: Asked) -> Reply:
        if _word(asked) in ("a", "b", "c"):
            together.wait(10)
        return Reply(_word(asked))

    with StandIn(respond) as server:
        outbound = Outbound(server.url)
        for _ in range(2):  # with connections that are new, and with kept ones
            queries = ({"q": json.dumps(word)} for word in ("a", "b", "c"))
            assert sorted(number for number, _ in outbound.get_each("/", Deadline.after(10), queries, 3)) == [0, 1, 2]


def test_no_more_are_under_way_than_may_be() -> None:
    under_way, most = 0, 0
    lock = threading.Lock()

    def respond(asked: Asked) -> Reply:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        server.closing.wait(0.02)
        with lock:
            under_way -= 1
        return Reply({"word": _word(asked)})

    words = [f"w{number}" for number in range(9)]
    with StandIn(respond) as server:
        told = _asked_each(Outbound(server.url), Deadline.after(10), words, at_once=2)
    assert told == {word: {"word": word} for word in words}
    assert most <= 2


def test_what_hangs_keeps_no_other_answer_away() -> None:
    def respond(asked: Asked) -> Reply:
        if _word(asked) == "hangs":
            server.closing.wait(60)
        return Reply({})

    with StandIn(respond) as server:
        told = _asked_each(Outbound(server.url), Deadline.after(1), ["hangs", "a", "b"])
    assert told == {"hangs": DeadlineExceeded, "a": {}, "b": {}}


def test_a_body_that_trickles_keeps_no_other_answer_away() -> None:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            first = next(head := iter(self.rfile.readline, b"\r\n"))
            assert all(head)
            if b"trickles" not in first:
                ending.wait(0.2)  # its answer is there only while the other is being read
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                return
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            with suppress(OSError):
                while not ending.wait(0.02):
                    self.wfile.write(b" ")

    ending = threading.Event()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        outbound = Outbound(f"http://127.0.0.1:{server.server_address[1]}")
        told = _asked_each(outbound, Deadline.after(1.5), ["trickles", "a", "b"])
        ending.set()
        server.shutdown()
        thread.join()
    assert told == {"trickles": DeadlineExceeded, "a": {}, "b": {}}


def test_each_failure_is_told_by_itself() -> None:
    def respond(asked: Asked) -> Reply:
        return Reply(b"x" * 2_000) if _word(asked) == "large" else Reply({"q": _word(asked)}, 500)

    with StandIn(respond) as server:
        queries = ({"q": word} for word in ("large", "small"))
        told = dict(Outbound(server.url).get_each("/", Deadline.after(10), queries, 2, max_bytes=1_000))
    assert isinstance(told[0], SourceFailure)
    assert isinstance(told[1], Answer)
    assert told[1].status == 500
    with StandIn(lambda _: Reply()) as gone:
        url = gone.url
    outcomes = dict(Outbound(url).get_each("/", Deadline.after(10), [{"q": "1"}] * 3, 2))
    assert [type(outcomes[number]) for number in range(3)] == [SourceFailure] * 3


def test_each_form_is_posted() -> None:
    with StandIn(lambda asked: Reply({"said": asked.body.decode()})) as server:
        forms = ({"n": str(number)} for number in range(4))
        told = dict(Outbound(server.url, token="t0ken").post_each("/a", Deadline.after(10), forms, 2))
    answers = [told[number] for number in range(4)]
    assert [answer.json() for answer in answers if isinstance(answer, Answer)] == [{"said": f"n={n}"} for n in range(4)]
    assert {asked.headers["authorization"] for asked in server.asked} == {"Bearer t0ken"}


def test_kept_connections_that_were_closed_meanwhile_are_replaced() -> None:
    with _closing_after_one_answer() as (url, read):
        outbound = Outbound(url)
        for word in ("a", "b"):
            outcomes = dict(outbound.get_each("/", Deadline.after(5), [{"q": word}] * 3, 3))
            assert [answer.json() for answer in outcomes.values() if isinstance(answer, Answer)] == [{}] * 3
    assert sum(b"q=b" in line for line in read) == 6
