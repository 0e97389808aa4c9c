"""A stand-in for an OpenAI-compatible server: a scripted model on loopback."""

from __future__ import annotations

import json
import re
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.loopback import Asked, Reply, StandIn

MODEL = "test-model"

Step = Reply | Callable[[Asked], Reply]


class ModelServer(StandIn):
    """Answers each call with the next step of its script; the last step is repeated for ever."""

    def __init__(self, *script: Step) -> None:
        """A step is a reply, or a function from the request to one; without any, every call is answered sensibly."""
        super().__init__(self._next)
        self._script = list(script or (sensible,))
        self._lock = threading.Lock()

    @property
    def base_url(self) -> str:
        """For WHYDOWN_AI_ENDPOINT."""
        return f"{self.url}/v1"

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The bodies received so far."""
        return [asked.json() for asked in self.asked]

    def hang(self, asked: Asked) -> Reply:
        """A step that gives no answer while the server is up."""
        self.closing.wait()
        return Reply(status=503)

    def _next(self, asked: Asked) -> Reply:
        with self._lock:
            step = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        return step(asked) if callable(step) else step


def said(content: Any, finish_reason: str = "stop", refusal: str | None = None, **usage: Any) -> Reply:
    """A completion whose message is `content`: a text, or data that is sent as JSON text."""
    text = content if isinstance(content, str | None) else json.dumps(content)
    return Reply(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1_790_000_000,
            "model": MODEL,
            "choices": [
                {
                    "index": 0,
                    "finish_reason": finish_reason,
                    "message": {"role": "assistant", "content": text, "refusal": refusal},
                }
            ],
            "usage": {"prompt_tokens": 1_000, "completion_tokens": 200, "total_tokens": 1_200, **usage},
        }
    )


def refused(status: int, message: str, code: str | None = None, **headers: str) -> Reply:
    """An error as OpenAI writes them."""
    return Reply({"error": {"message": message, "type": "error", "param": None, "code": code}}, status, headers)


def told(asked: Asked) -> str:
    """Everything that the model was told in one request."""
    return "\n".join(message["content"] for message in asked.json()["messages"])


def facts_told(asked: Asked) -> dict[str, tuple[str, str]]:
    """Kind and first line of each fact in the prompt, by id."""
    return {fact: (kind, text) for fact, kind, text in re.findall(r"^(F\d+) (\w+): (.*)$", told(asked), re.MULTILINE)}


def diagnosis(*cited: tuple[str, str], **changed: Any) -> dict[str, Any]:
    """A reply that fits the schema, citing the given facts with their quotes; `changed` replaces whole fields."""
    citations = [{"fact": fact, "quote": quote} for fact, quote in cited]
    return {
        "evidence": [{"statement": f"{each['fact']} says so", **each} for each in citations],
        "probableCause": {"statement": "The last change broke it.", "confidence": 0.8, "citations": citations[:1]},
        "suggestedActions": [{"kind": "immediate", "text": "Revert the change", "command": None}],
        "relatedServices": [],
        "suspectChange": None,
        "enoughInformation": True,
        "missingData": [],
        **changed,
    }


def sensible(asked: Asked) -> Reply:
    """Cites the first facts of the prompt and suspects the first commit among them."""
    facts = facts_told(asked)
    shas = [
        sha for kind, text in facts.values() if kind == "commit" for sha in re.findall(r"\b[0-9a-f]{7,40}\b", text)[:1]
    ]
    cited = [(fact, text[:200]) for fact, (_, text) in list(facts.items())[:3]]
    return said(diagnosis(*cited, suspectChange=shas[0] if shas else None))


@contextmanager
def trickling(head: bytes) -> Iterator[str]:
    """The base URL of a server that sends `head`, and then a space every few milliseconds for as long as it is up."""
    closing = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65_536)
            try:
                self.request.sendall(head)
                while not closing.wait(0.01):
                    self.request.sendall(b" ")
            except OSError:
                return

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        finally:
            closing.set()
            server.shutdown()
            thread.join()
