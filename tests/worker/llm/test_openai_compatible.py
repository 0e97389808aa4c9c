from __future__ import annotations

import socketserver
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from pydantic import SecretStr

from shared.errors import ConfigurationError
from shared.moment import Deadline
from tests.loopback import Asked, Reply
from tests.model_server import MODEL, ModelServer, Step, refused, said, trickling
from worker import llm
from worker.llm import Config, Message, ModelFailure, ModelReply, ModelRequest, ReplyFormat
from worker.llm.openai_compatible import OpenAiCompatible

KEY = "sk-canary-5d1e"
SCHEMA = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}


def _config(endpoint: str | None, key: str | None = KEY) -> Config:
    return Config(endpoint=endpoint, key=SecretStr(key) if key else None, chat_model="asked-model", provider="openai")


def _request(reply_format: ReplyFormat = "jsonSchema") -> ModelRequest:
    return ModelRequest((Message("system", "Be brief."), Message("user", "Why?")), "answer", SCHEMA, reply_format, 321)


def _ask(base_url: str, request: ModelRequest | None = None, seconds: float = 20.0) -> ModelReply:
    return OpenAiCompatible.from_config(_config(base_url)).complete(request or _request(), Deadline.after(seconds))


def _failure(step: Step, reply_format: ReplyFormat = "jsonSchema") -> ModelFailure:
    with ModelServer(step) as server, pytest.raises(ModelFailure) as failure:
        _ask(server.base_url, _request(reply_format))
    assert KEY not in failure.value.reason
    return failure.value


def test_what_is_sent_and_what_comes_back() -> None:
    with ModelServer(said("yes", prompt_tokens_details={"cached_tokens": 64})) as server:
        reply = _ask(server.base_url)
        asked = server.asked[0]
    assert (asked.method, asked.path) == ("POST", "/v1/chat/completions")
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.json() == {
        "model": "asked-model",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}],
        "max_tokens": 321,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
        },
    }
    assert (reply.text, reply.model, reply.truncated) == ("yes", MODEL, False)
    assert reply.usage.wire() == {
        "inputTokens": 1000,
        "outputTokens": 200,
        "cachedTokens": 64,
        "costUsd": None,
        "calls": 1,
    }


def test_the_softer_formats() -> None:
    with ModelServer(said("yes")) as server:
        _ask(server.base_url, _request("jsonObject"))
        _ask(server.base_url, _request("text"))
        formats = [body.get("response_format") for body in server.requests]
    assert formats == [{"type": "json_object"}, None]


def test_a_reply_in_parts_is_read_without_its_thoughts() -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "yes"}]
    body = {"choices": [{"message": {"content": parts}, "finish_reason": "stop"}]}
    with ModelServer(Reply(body)) as server:
        assert _ask(server.base_url).text == "yes"


def test_a_truncated_reply_says_so_even_when_nothing_of_it_came() -> None:
    with ModelServer(said("{", finish_reason="length"), said(None, finish_reason="length")) as server:
        assert [_ask(server.base_url).truncated for _ in range(2)] == [True, True]


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_names_the_setting_and_not_the_key(status: int) -> None:
    failure = _failure(refused(status, f"Incorrect API key provided: {KEY}"))
    assert failure.kind == "denied"
    assert failure.reason == f"the model's endpoint refused the key ({status}): check WHYDOWN_AI_KEY"


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (refused(402, "Insufficient Balance"), "denied"),
        (refused(429, "You exceeded your current quota", "insufficient_quota"), "denied"),
        (refused(404, "The model does not exist", "model_not_found"), "unusable"),
        (Reply("", 307, {"Location": "https://elsewhere.example/"}), "unusable"),
        (refused(400, "This model's maximum context length is 8192 tokens.", "context_length_exceeded"), "tooLong"),
        (refused(400, "the request exceeds the available context size, try increasing it"), "tooLong"),
        (refused(413, "Request too large"), "tooLong"),
        (refused(400, "filtered due to the prompt triggering a policy", "content_filter"), "refused"),
        (refused(400, "This response_format type is unavailable now"), "unsupportedFormat"),
        (Reply({"error": "'response_format.type' must be 'json_schema' or 'text'"}, 400), "unsupportedFormat"),
        (Reply({"detail": [{"msg": "Extra inputs are not permitted"}]}, 422), "unsupportedFormat"),
        (refused(500, "failed to parse grammar"), "unsupportedFormat"),
        (refused(500, "oops"), "unavailable"),
        (Reply("<html>Bad gateway</html>", 502, {"Content-Type": "text/html"}), "unavailable"),
        (said("I cannot", finish_reason="content_filter"), "refused"),
        (said(None, refusal="I cannot help with that"), "refused"),
        (said(""), "unusable"),
        (said(None), "unusable"),
        (Reply({"choices": []}), "unusable"),
        (Reply({"error": {"message": "upstream"}}), "unusable"),
        (Reply("<html>hello</html>", 200, {"Content-Type": "text/html"}), "unusable"),
        (Reply('{"choices": [', 200), "unusable"),
        (Reply(b"\xff\xfe\x00", 200), "unusable"),
        (Reply("[" * 100_000, 200), "unusable"),
    ],
)
def test_what_a_failure_means_for_the_next_try(step: Step, kind: str) -> None:
    assert _failure(step).kind == kind


def test_a_bad_request_without_a_format_is_not_put_down_to_the_format() -> None:
    failure = _failure(refused(400, "messages: roles must alternate"), "text")
    assert failure.kind == "unusable"
    assert failure.reason == "the model's endpoint answered 400: messages: roles must alternate"


def test_the_servers_words_are_cut_and_hold_no_key() -> None:
    failure = _failure(refused(500, f"{KEY} " + "x" * 5_000))
    assert "********" in failure.reason
    assert len(failure.reason) < 300


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("0.5", 0.5), ("Wed, 21 Oct 2026 07:28:00 GMT", None)])
def test_retry_after(header: str, seconds: float | None) -> None:
    failure = _failure(refused(429, "slow down", None, **{"Retry-After": header}))
    assert (failure.kind, failure.retry_after) == ("unavailable", seconds)


def test_an_answer_beyond_all_bounds_is_not_read_to_its_end() -> None:
    assert _failure(said("x" * 6_000_000)).kind == "unusable"


def test_redirects_are_not_followed() -> None:
    with ModelServer(said("yes")) as elsewhere:
        _failure(Reply("", 302, {"Location": f"{elsewhere.base_url}/chat/completions"}))
        assert elsewhere.asked == []


def test_nobody_there() -> None:
    with ModelServer() as server:
        gone = server.base_url
    with pytest.raises(ModelFailure, match="could not be reached") as failure:
        _ask(gone)
    assert failure.value.kind == "unavailable"


def test_a_server_that_hangs_is_left_at_the_deadline() -> None:
    server = ModelServer()
    server.respond = server.hang
    with server, pytest.raises(ModelFailure, match="did not answer within its time") as failure:
        _ask(server.base_url, seconds=0.3)
    assert failure.value.kind == "unavailable"


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n", id="body"),
        pytest.param(
            b"HTTP/1.1 500 No\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n", id="error"
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\nX-Endless: ", id="header"),
    ],
)
def test_a_server_that_trickles_is_left_at_the_deadline(head: bytes) -> None:
    with trickling(head) as base_url, pytest.raises(ModelFailure, match="did not answer within its time"):
        _ask(base_url, seconds=0.3)


def test_a_call_that_was_left_ends_by_itself() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
    with trickling(head) as base_url:
        with pytest.raises(ModelFailure):
            _ask(base_url, seconds=0.2)
        for thread in threading.enumerate():
            if thread.name == "model-call":
                thread.join(10)
                assert not thread.is_alive()


def test_calls_one_after_the_other_share_a_connection_and_calls_at_once_do_not() -> None:
    connections: list[str] = []
    together = threading.Barrier(2)

    def respond(asked: Asked) -> Reply:
        connections.append(threading.current_thread().name)  # the stand-in has one for each connection
        if b"together" in asked.body:
            together.wait(10)
        return said("yes")

    server = ModelServer()
    server.respond = respond
    with server:
        provider = OpenAiCompatible.from_config(_config(server.base_url))
        for _ in range(3):
            assert provider.complete(_request(), Deadline.after(20)).text == "yes"
        both = ModelRequest((Message("user", "together"),), "answer", SCHEMA)
        with ThreadPoolExecutor(2) as pool:
            replies = list(pool.map(lambda _: provider.complete(both, Deadline.after(20)).text, range(2)))
    assert replies == ["yes", "yes"]
    assert len(set(connections[:3])) == 1
    assert len(set(connections[3:])) == 2


def test_a_call_that_failed_or_took_too_long_leaves_nothing_to_the_next() -> None:
    server = ModelServer()
    server.respond = server.hang
    with server:
        provider = OpenAiCompatible.from_config(_config(server.base_url))
        with pytest.raises(ModelFailure):
            provider.complete(_request(), Deadline.after(0.3))
        server.respond = lambda _: Reply({"error": {"message": "no"}}, 500)
        with pytest.raises(ModelFailure, match="500"):
            provider.complete(_request(), Deadline.after(20))
        server.respond = lambda _: said("yes")
        assert provider.complete(_request(), Deadline.after(20)).text == "yes"


@pytest.mark.parametrize(
    "then", [b"", b"HTTP/1.1 200 OK\r\nX-Endless: ", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"]
)
def test_on_a_kept_connection_a_server_that_hangs_or_trickles_is_left_at_the_deadline(then: bytes) -> None:
    first = said("yes").encoded()
    connections: list[int] = []
    ending = threading.Event()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            connections.append(1)
            self._take()
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(first), first))
            self._take()
            self.wfile.write(then)
            with suppress(OSError):
                while not ending.wait(0.02):
                    self.wfile.write(b" " if then else b"")

        def _take(self) -> None:
            head = list(iter(self.rfile.readline, b"\r\n"))
            self.rfile.read(sum(int(line.split(b":")[1]) for line in head if line.lower().startswith(b"content-len")))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        provider = OpenAiCompatible.from_config(_config(f"http://127.0.0.1:{server.server_address[1]}/v1"))
        try:
            assert provider.complete(_request(), Deadline.after(20)).text == "yes"
            with pytest.raises(ModelFailure, match="did not answer within its time") as failure:
                provider.complete(_request(), Deadline.after(0.5))
        finally:
            ending.set()
            server.shutdown()
            thread.join()
    assert failure.value.kind == "unavailable"
    assert connections == [1]


def test_a_kept_connection_that_was_closed_meanwhile_is_replaced() -> None:
    with ModelServer(Reply(said("one").body, headers={"Connection": "close"}), said("two")) as server:
        provider = OpenAiCompatible.from_config(_config(server.base_url))
        assert [provider.complete(_request(), Deadline.after(20)).text for _ in range(2)] == ["one", "two"]


def test_no_time_left_makes_no_call() -> None:
    with ModelServer() as server:
        with pytest.raises(ModelFailure):
            _ask(server.base_url, seconds=-1.0)
        assert server.asked == []


def test_openai_itself_needs_a_key() -> None:
    with pytest.raises(ConfigurationError, match="WHYDOWN_AI_KEY"):
        OpenAiCompatible.from_config(_config(None, key=None))


def test_another_server_needs_none() -> None:
    with ModelServer(said("yes")) as server:
        provider = OpenAiCompatible.from_config(_config(server.base_url + "/", key=None))
        assert provider.complete(_request(), Deadline.after(20)).text == "yes"


@pytest.mark.parametrize("endpoint", ["localhost:8000/v1", "ftp://host/v1", "https://", "http://host:99999/v1"])
def test_an_endpoint_that_is_no_url(endpoint: str) -> None:
    with pytest.raises(ConfigurationError, match="WHYDOWN_AI_ENDPOINT"):
        OpenAiCompatible.from_config(_config(endpoint))


def test_a_key_that_fits_no_header_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigurationError, match="WHYDOWN_AI_KEY") as refusal:
        OpenAiCompatible.from_config(_config("http://127.0.0.1/v1", key="se\ncret"))
    assert "cret" not in str(refusal.value)


def test_it_is_the_provider_of_a_configured_endpoint() -> None:
    provider = llm.configured_provider(Config(endpoint="http://127.0.0.1/v1", chat_model="m"))
    assert isinstance(provider, OpenAiCompatible)
    assert (provider.name, provider.model) == ("openai", "m")
