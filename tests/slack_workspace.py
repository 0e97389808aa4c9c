"""A stand-in for Slack's Web API: https://docs.slack.dev/reference/methods."""

from __future__ import annotations

from typing import Any

from tests.loopback import Asked, Reply


class Workspace:
    """A workspace's Web API: it knows the messages that it was sent."""

    def __init__(self) -> None:
        self.messages: dict[str, dict[str, Any]] = {}
        """By their ts."""
        self.next: list[Reply] = []
        """Answers that come before all others."""

    def respond(self, asked: Asked) -> Reply:
        """What a call is answered."""
        if self.next:
            return self.next.pop(0)
        if asked.headers.get("authorization") != "Bearer xoxb-1":
            return no("invalid_auth")
        body, method = asked.json(), asked.path.rpartition("/")[2]
        if method == "auth.test":
            return Reply({"ok": True, "user": "whydown", "team": "Acme"})
        if body.get("channel") not in ("C0INCIDENTS", "#incidents"):
            return no("channel_not_found")
        if method == "chat.update" and body["ts"] not in self.messages:
            return no("message_not_found")
        ts = body["ts"] if method == "chat.update" else f"{len(self.messages) + 1}.000100"
        self.messages[ts] = body
        return Reply({"ok": True, "channel": "C0INCIDENTS", "ts": ts, "message": {}})


def no(error: str, **headers: str) -> Reply:
    """A refusal: in a 200, as Slack does it."""
    return Reply(
        {"ok": False, "error": error}, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def texts(block: Any) -> str:
    """All that a block shows."""
    if isinstance(block, dict):
        return " ".join([block["text"]] if isinstance(block.get("text"), str) else map(texts, block.values()))
    return " ".join(map(texts, block)) if isinstance(block, list) else ""
