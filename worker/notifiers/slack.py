"""Slack: one message for each incident, which grows with it; the details in its thread.

By a bot's token (https://docs.slack.dev/reference/methods/chat.postMessage, `chat.update`), or by an incoming webhook,
which can change nothing and so posts once more (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Self

from pydantic import SecretStr

from shared.errors import ConfigurationError
from shared.moment import Deadline
from shared.settings import Section, setting
from worker.announcement import Announcement
from worker.notifiers import Event, Occasion, Push, PushFailure
from worker.outbound import Outbound
from worker.printable import printable
from worker.pushing import check, retry_after, send

_API: Final = "https://slack.com/api"
_CHANNEL: Final = re.compile(r"[A-Z][A-Z0-9]{5,20}|#[^\s#<>&]{1,80}")
_LONGEST: Final = 3_000
"""Characters of one text: https://docs.slack.dev/reference/block-kit/composition-objects/text-object."""

_TRANSIENT: Final = frozenset(
    ("ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout")
)
_GONE: Final = frozenset(("message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found"))
"""The message cannot be changed any more: a new one takes its place."""

_ADVICE: Final = {
    "invalid_auth": "WHYDOWN_SLACK_TOKEN is wrong",
    "not_authed": "WHYDOWN_SLACK_TOKEN is empty",
    "token_revoked": "make a new token for WHYDOWN_SLACK_TOKEN",
    "account_inactive": "the app was removed: install it again and set WHYDOWN_SLACK_TOKEN",
    "missing_scope": "give the app the scope chat:write and install it again",
    "not_in_channel": "invite the app to the channel",
    "channel_not_found": "no such channel, or a private one that the app was not invited to",
    "is_archived": "the channel is archived",
}


class Config(Section):
    """Slack."""

    token: SecretStr | None = setting(
        "WHYDOWN_SLACK_TOKEN",
        default=None,
        description="Bot token of a Slack app with the scope chat:write, `xoxb-...`. Needs WHYDOWN_SLACK_CHANNEL.",
    )
    channel: str | None = setting(
        "WHYDOWN_SLACK_CHANNEL",
        default=None,
        description="Channel that incidents are told in, its id (`C0123456789`) or `#name`.",
    )
    webhook_url: SecretStr | None = setting(
        "WHYDOWN_SLACK_WEBHOOK_URL",
        default=None,
        description="Incoming webhook of Slack, where there is no token: each stage is a message of its own.",
    )
    api_url: str = setting(
        "WHYDOWN_SLACK_API_URL", default=_API, description="Base URL of Slack's API, for GovSlack or a gateway."
    )


class Slack:
    """A message in a Slack channel, which grows with the incident; the details in its thread."""

    configure: ClassVar[str] = "WHYDOWN_SLACK_TOKEN and WHYDOWN_SLACK_CHANNEL, or WHYDOWN_SLACK_WEBHOOK_URL"
    events: tuple[Event, ...] = ("brief", "diagnosis", "failed")

    def __init__(self, token: str | None, address: str, api_url: str = _API) -> None:
        """`address` is a channel, or an incoming webhook's URL, which needs no token. Raises ConfigurationError."""
        self._webhook = Outbound(address) if address.startswith(("https://", "http://")) else None
        self._channel = address
        if self._webhook is None and not _CHANNEL.fullmatch(address):
            raise ConfigurationError("a channel of Slack is an id (`C0123456789`) or `#name`")
        if self._webhook is None and not token:
            raise ConfigurationError("WHYDOWN_SLACK_TOKEN: needed to post to a channel of Slack")
        self._api = Outbound(api_url, token=token)

    @classmethod
    def from_settings(cls) -> Self | None:
        """The channel or webhook of the settings, or None when there is neither. Raises ConfigurationError."""
        config = Config.read()
        if config.token is not None and config.channel is None:
            raise ConfigurationError("WHYDOWN_SLACK_CHANNEL: needed with WHYDOWN_SLACK_TOKEN, such as C0123456789")
        if config.channel is not None:
            return cls.at(config.channel)
        return cls.at(config.webhook_url.get_secret_value()) if config.webhook_url else None

    @classmethod
    def at(cls, address: str) -> Self:
        """Another channel or webhook. Raises ConfigurationError."""
        config = Config.read()
        return cls(config.token.get_secret_value() if config.token else None, address, config.api_url)

    def wants(self, occasion: Occasion) -> bool:
        """Everything."""
        return True

    def push(self, push: Push, deadline: Deadline) -> None:
        """Posts the message or changes it, then answers it with the details. Raises PushFailure."""
        announcement = Announcement.of(push)
        message = _message(announcement)
        if self._webhook is not None:
            answer = send(self._webhook, "POST", "", deadline, message)
            check(answer.status, answer.headers, answer.text(80))
            return
        kept = dict(push.kept)
        if not (kept and self._changed(kept, message, deadline)):
            posted = self._call("chat.postMessage", {"channel": self._channel, **message}, deadline)
            kept = {"channel": str(posted.get("channel") or self._channel), "ts": str(posted.get("ts"))}
            push.keep(kept)
        number = str(len(push.incident.attempts))
        if announcement.details and kept.get("details") != number:
            reply = {"channel": kept["channel"], "thread_ts": kept["ts"], **_details(announcement)}
            self._call("chat.postMessage", reply, deadline)
            push.keep({**kept, "details": number})

    def probe(self, deadline: Deadline) -> str:
        """Who the token is (https://docs.slack.dev/reference/methods/auth.test). Raises PushFailure."""
        if self._webhook is not None:
            return "not tried: an incoming webhook can only be asked by posting"
        answer = self._call("auth.test", {}, deadline)
        return printable(f"as {str(answer.get('user'))[:64]} in {str(answer.get('team'))[:64]}, to {self._channel}")

    def _changed(self, kept: Mapping[str, str], message: Mapping[str, Any], deadline: Deadline) -> bool:
        """Changes the message that is there; False when that one is gone."""
        try:
            self._call("chat.update", {"channel": kept["channel"], "ts": kept["ts"], **message}, deadline)
        except _Refused as refused:
            if refused.error not in _GONE:
                raise
            return False
        return True

    def _call(self, method: str, body: Mapping[str, Any], deadline: Deadline) -> dict[str, Any]:
        answer = send(self._api, "POST", f"/{method}", deadline, body)
        check(answer.status, answer.headers)
        try:
            said = answer.json()
        except Exception:  # noqa: BLE001 - whatever stands in Slack's place
            said = None
        if not isinstance(said, dict):
            raise PushFailure(f"{method}: the answer is not Slack's: check WHYDOWN_SLACK_API_URL")
        if said.get("ok") is not True:
            raise _Refused(method, str(said.get("error") or "no reason")[:64], retry_after(answer.headers))
        return said


class _Refused(PushFailure):
    """Slack said no, in a 200."""

    def __init__(self, method: str, error: str, retry_after: float | None) -> None:
        advice = f": {_ADVICE[error]}" if error in _ADVICE else ""
        super().__init__(
            f"{method} answered {printable(error)}{advice}",
            permanent=error not in _TRANSIENT,
            retry_after=retry_after,
        )
        self.error = error


def _message(announcement: Announcement) -> dict[str, Any]:
    """The message. Whatever comes from outside is an element of text that Slack shows as it is, never its markup."""
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": _plain(announcement.headline)},
        {"type": "context", "elements": [_plain(f"{announcement.state} · {announcement.facts}")]},
        _rich(_section(_bold(f"{announcement.cause_title}: "), _text(announcement.cause))),
    ]
    if announcement.action:
        blocks.append(_rich(_section(_bold("First: "), _text(announcement.action.text))))
        if announcement.action.command:
            command = {"type": "rich_text_preformatted", "elements": [_text(announcement.action.command)]}
            blocks.append(_rich(command))
    if announcement.url:
        link = {"type": "link", "url": announcement.url, "text": "Open the incident"}
        blocks.append(_rich(_section(link)))
    return {**_fallback(announcement.lines()), "blocks": blocks}


def _details(announcement: Announcement) -> dict[str, Any]:
    items = [_section(_text(line)) for line in announcement.details]
    blocks = [_rich({"type": "rich_text_list", "style": "bullet", "elements": items})]
    return {**_fallback(announcement.details), "blocks": blocks}


def _fallback(lines: Any) -> dict[str, Any]:
    """What a phone's lock screen shows. Here Slack does read markup, so its three characters are escaped:
    https://docs.slack.dev/messaging/formatting-message-text#escaping.
    """
    text = "\n".join(lines).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {"text": text[:_LONGEST], "unfurl_links": False, "unfurl_media": False}


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text or "-", "emoji": False}


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text or "-"}


def _bold(text: str) -> dict[str, Any]:
    return {**_text(text), "style": {"bold": True}}


def _section(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"type": "rich_text_section", "elements": list(elements)}


def _rich(element: dict[str, Any]) -> dict[str, Any]:
    return {"type": "rich_text", "elements": [element]}
