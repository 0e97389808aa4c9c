"""One call of OpenAI's chat completions, which many servers speak: https://platform.openai.com/docs/api-reference/chat.

Importing this costs a second (the SDK): providers do so when they are configured.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, TypeVar

import httpcore2
import httpx2
import openai
from pydantic import BaseModel, ValidationError

from shared.incident import Usage
from shared.moment import Deadline, DeadlineExceeded
from worker.cut_off import at_deadline
from worker.llm import ModelFailure, ModelReply, ModelRequest

MAX_BYTES: Final = 4 * 1024 * 1024
"""Bytes of an answer that are read: a reply takes some 10 KiB, one with its chain of thought a hundred."""

_CONNECT_SECONDS: Final = 10.0
_KEPT: Final = 128
"""Clients that stay open for the next call."""
_IDLE_SECONDS: Final = 4.0
"""A connection that was idle for longer is not used again: uvicorn, and so vLLM, closes its own after 5 s."""

T = TypeVar("T")
TokenLimit = Literal["max_tokens", "max_completion_tokens"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and how to call. Safe to share between threads."""

    connect: Callable[[httpx2.Client], openai.OpenAI]
    """Makes the SDK's client on a given transport, without retries."""
    model: str
    token_limit: TokenLimit
    """The name of the parameter: OpenAI's reasoning models refuse the first, many compatible servers the second."""
    key: str
    """Kept out of every message."""
    _idle: list[_Client] = field(default_factory=list)

    def taken(self) -> _Client:
        """A client for one call, with one connection, which is kept: httpx looks at all connections of a client, and
        sets up TLS for each new one.
        """
        try:
            return self._idle.pop()
        except IndexError:
            http = _BoundedClient()
            return _Client(http, self.connect(http))

    def given_back(self, client: _Client) -> None:
        """Keeps a client for the next call."""
        if len(self._idle) < _KEPT:
            self._idle.append(client)
        else:
            client.http.close()


class _Client(NamedTuple):
    http: _BoundedClient
    sdk: openai.OpenAI


def complete(endpoint: Endpoint, request: ModelRequest, deadline: Deadline) -> ModelReply:
    """One call, back before the deadline whatever the server does. Raises ModelFailure.

    No timeout of a socket covers headers that trickle: a kept connection is shut at the deadline. Nor does any cover
    name resolution: where a connection has to be opened, the call runs on a thread of its own that is left behind at
    the deadline. It ends soon after, as its reads stop at the deadline too.
    """
    try:
        deadline.remaining()
        client = endpoint.taken()
        client.http.deadline = deadline
        if not client.http.is_connected:
            return _within(deadline, lambda: _call(endpoint, client, request))
        with at_deadline(deadline, client.http.shut):
            return _call(endpoint, client, request)
    except DeadlineExceeded:
        raise ModelFailure(_TOO_SLOW, "unavailable") from None


def _within(deadline: Deadline, call: Callable[[], T]) -> T:
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:  # noqa: BLE001  handed to the waiting thread
            outcome.set_exception(error)

    threading.Thread(target=run, name="model-call", daemon=True).start()
    try:
        return outcome.result(deadline.remaining())
    except TimeoutError:
        raise DeadlineExceeded from None


_TOO_SLOW: Final = "the model did not answer within its time (WHYDOWN_AI_TIMEOUT_SECONDS)"


def _call(endpoint: Endpoint, client: _Client, request: ModelRequest) -> ModelReply:
    deadline = client.http.deadline
    try:
        left = deadline.remaining()
        # `chat.completions.create` checks each part of a schema against its types first, which takes as long as all
        # the rest of a call.
        answer = client.sdk.post(
            "/chat/completions",
            cast_to=httpx2.Response,
            body=_parameters(endpoint, request),
            options={"timeout": httpx2.Timeout(left, connect=min(left, _CONNECT_SECONDS))},
        )
    except openai.APIStatusError as refused:
        raise _failure(refused, request, endpoint.key) from None
    except openai.APITimeoutError:
        raise ModelFailure(_TOO_SLOW, "unavailable") from None
    except openai.APIConnectionError as broken:
        if deadline.passed():  # it was cut off
            raise ModelFailure(_TOO_SLOW, "unavailable") from None
        cause = type(broken.__cause__ or broken).__name__
        raise ModelFailure(f"the model's endpoint could not be reached ({cause})", "unavailable") from None
    except openai.OpenAIError as odd:
        raise ModelFailure(f"the model's client failed ({type(odd).__name__})", "unusable") from None
    finally:
        endpoint.given_back(client)
    return _reply(answer.content, endpoint.model)


class _BoundedClient(httpx2.Client):
    """Reads answers whole, up to the deadline (a timeout of httpx is per read, so that a server which trickles could
    hold a call for ever) and to MAX_BYTES: what is cut off there is no JSON any more, and is told as such.

    Redirects are not followed (httpx's default): the key goes to the configured host only. Proxies are taken from the
    environment, as the only way out of many networks.
    """

    deadline: Deadline
    """Of the call that it is used for."""
    _stream: httpcore2.NetworkStream | None = None
    """Of the connection that the last answer came by."""
    _until = 0.0
    """When that connection is too old to be used again."""

    def __init__(self) -> None:
        super().__init__(verify=_AUTHORITIES, limits=httpx2.Limits(keepalive_expiry=_IDLE_SECONDS))

    def __del__(self) -> None:
        """As the SDK's own client does: an endpoint that is asked no more leaves no connection behind."""
        self.close()

    @property
    def is_connected(self) -> bool:
        """Whether the next call has a connection already."""
        # What can be read before anything was asked is that the other side has closed it.
        return time.monotonic() < self._until and not (self._stream and self._stream.get_extra_info("is_readable"))

    def shut(self) -> None:
        """Ends whatever a call on the connection that it has waits for."""
        if self._stream is not None:
            with suppress(OSError):
                self._stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        self._until = 0.0
        response = super().send(request, **{**options, "stream": True})
        self._stream = response.extensions.get("network_stream")
        body = bytearray()
        try:
            for chunk in response.iter_bytes():
                body += chunk
                if self.deadline.passed():
                    raise httpx2.ReadTimeout("the deadline has passed", request=request)
                if len(body) > MAX_BYTES:
                    break
            else:
                self._until = time.monotonic() + _IDLE_SECONDS / 2
        finally:
            response.close()
        kept = [(name, value) for name, value in response.headers.multi_items() if name.lower() not in _OF_THE_BODY]
        return httpx2.Response(response.status_code, headers=kept, content=bytes(body), request=request)


_AUTHORITIES: Final = httpx2.create_ssl_context()
"""httpx's own choice, read once: that takes longer than all the rest of a call, and a megabyte each time."""

_OF_THE_BODY: Final = ("content-encoding", "content-length", "transfer-encoding")


def _parameters(endpoint: Endpoint, request: ModelRequest) -> dict[str, Any]:
    # No temperature: reasoning models refuse one, and servers know what suits the model that they serve.
    parameters: dict[str, Any] = {
        "model": endpoint.model,
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        endpoint.token_limit: request.max_output_tokens,
    }
    if request.reply_format == "jsonSchema":
        schema = {"name": request.schema_name, "schema": request.schema, "strict": True}
        parameters["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif request.reply_format == "jsonObject":
        parameters["response_format"] = {"type": "json_object"}
    return parameters


class _Said(BaseModel):
    # Mistral's reasoning models send parts: [{"type": "thinking", ...}, {"type": "text", "text": "..."}].
    content: str | list[dict[str, Any]] | None = None
    refusal: str | None = None

    def text(self) -> str:
        if isinstance(self.content, list):
            return "".join(str(part.get("text") or "") for part in self.content if part.get("type") == "text")
        return self.content or ""


class _Choice(BaseModel):
    message: _Said
    finish_reason: str | None = None


class _Cached(BaseModel):
    cached_tokens: int | None = None


class _Tokens(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Cached | None = None


class _Completion(BaseModel):
    choices: list[_Choice]
    model: str | None = None
    usage: _Tokens | None = None


def _reply(body: bytes, model: str) -> ModelReply:
    try:
        completion = _Completion.model_validate_json(body)
    except ValidationError:
        raise ModelFailure(
            "the model's endpoint answered with something else than a chat completion: check WHYDOWN_AI_ENDPOINT "
            "(it usually ends in /v1)",
            "unusable",
        ) from None
    if not completion.choices:
        raise ModelFailure("the model's endpoint answered without a choice", "unusable")
    choice = completion.choices[0]
    text, truncated = choice.message.text(), choice.finish_reason == "length"
    if choice.finish_reason == "content_filter":
        raise ModelFailure(_FILTERED, "refused")
    if choice.message.refusal:
        raise ModelFailure("the model refused to answer", "refused")
    if not text.strip() and not truncated:
        raise ModelFailure("the model's answer was empty", "unusable")
    return ModelReply(text, _one_line(completion.model or model, 128), _usage(completion.usage or _Tokens()), truncated)


def _usage(tokens: _Tokens) -> Usage:
    cached = tokens.prompt_tokens_details.cached_tokens if tokens.prompt_tokens_details else 0
    return Usage(
        input_tokens=max(0, tokens.prompt_tokens or 0),
        output_tokens=max(0, tokens.completion_tokens or 0),
        cached_tokens=max(0, cached or 0),
        calls=1,
    )


_MOST_SAID: Final = 4_000
"""Characters of an error that are looked at."""

_FILTERED: Final = "the content filter of the model's endpoint stopped the request"

# What servers say has no common form: OpenAI has a code, vLLM, llama.cpp, Groq, DeepSeek and LM Studio have sentences.
_TOO_LONG: Final = re.compile(
    r"context[ _](length|size|window)|too long|too many tokens|reduce the length", re.IGNORECASE
)
_FORMAT: Final = re.compile(
    r"response[ _]format|json[ _]?(schema|object|mode)|structured|grammar|guided", re.IGNORECASE
)


def _failure(refused: openai.APIStatusError, request: ModelRequest, key: str) -> ModelFailure:  # noqa: PLR0911
    """What a status other than 2xx means for the next try."""
    status, code = refused.status_code, str(refused.code or "")
    said = refused.response.text[:_MOST_SAID]
    shown = f"the model's endpoint answered {status}: {_one_line(_message(refused).replace(key, '********'), 200)}"
    if status in (401, 403):
        return ModelFailure(f"the model's endpoint refused the key ({status}): check WHYDOWN_AI_KEY", "denied")
    if status == 402 or code == "insufficient_quota":
        return ModelFailure(f"the account of WHYDOWN_AI_KEY has no quota left ({status})", "denied")
    if status == 404:
        where = "check WHYDOWN_AI_ENDPOINT (it usually ends in /v1) and WHYDOWN_AI_CHAT_MODEL"
        return ModelFailure(f"{shown}: {where}", "unusable")
    if 300 <= status < 400:
        advice = "redirects are not followed, set the final URL in WHYDOWN_AI_ENDPOINT"
        return ModelFailure(f"the model's endpoint answered {status}: {advice}", "unusable")
    if code == "content_filter":
        return ModelFailure(_FILTERED, "refused")
    if status == 413 or code == "context_length_exceeded" or (status < 500 and _TOO_LONG.search(said)):
        return ModelFailure(shown, "tooLong")
    strict = request.reply_format != "text"
    # A bad request in no words that are known is put down to the format, as the one thing that can be left out.
    if strict and (status in (400, 422) or (status != 429 and _FORMAT.search(said))):
        return ModelFailure(shown, "unsupportedFormat")
    if status in (408, 409, 425, 429) or status >= 500:
        return ModelFailure(shown, "unavailable", _retry_after(refused.response.headers.get("retry-after")))
    return ModelFailure(shown, "unusable")


def _message(refused: openai.APIStatusError) -> str:
    """The error's own message where it has one, else the start of the body."""
    message = refused.body.get("message") if isinstance(refused.body, dict) else None
    return str(message or refused.response.text[:_MOST_SAID] or "nothing")


def _retry_after(value: str | None) -> float | None:
    """Seconds; the header's other form, a date, is not used by these servers."""
    try:
        return min(max(float(value or ""), 0.0), 3_600.0)
    except ValueError:
        return None


def _one_line(text: str, longest: int) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:longest]
