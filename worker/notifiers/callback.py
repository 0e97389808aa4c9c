"""Results to the `callbackUrl` that came with the alert: signed, and never to an address inside.

Whoever sends alerts chooses the URL, so it may reach what the public internet could reach, and what the operator lists.
Signatures: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import ClassVar, Final, Self

import requests
import urllib3
from AntiSSRF import AntiSSRFError, AntiSSRFPolicy, PolicyConfigOptions
from pydantic import SecretStr, field_validator
from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError
from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from shared.callback_event import TYPES, CallbackEvent
from shared.errors import ConfigurationError
from shared.moment import Deadline, DeadlineExceeded, now
from shared.settings import Section, Words, setting
from worker.cut_off import cut_off, noting
from worker.notifiers import Event, Occasion, Push, PushFailure
from worker.pushing import check

SECONDS: Final = 15.0
CONNECT_SECONDS: Final = 5.0

_EMBEDDED_IPV4: Final = ["::/96", "::ffff:0:0:0/96"]
"""IPv6 that some systems take for the IPv4 address inside, and that the policy's own ranges leave out."""

_PRINTABLE: Final = re.compile(r"[!-\[\]-~]+")
"""ASCII without blanks and the backslash, at which parsers of URLs part ways."""


_EVENTS: Final[dict[str, Event]] = {
    "incident.briefed": "brief",
    "incident.finished": "diagnosis",
    "incident.failed": "failed",
    "incident.skipped": "skipped",
}


class Config(Section):
    """Where results may be pushed, and how they are signed."""

    allow: Words = setting(
        "WHYDOWN_CALLBACK_ALLOW",
        default=(),
        description="Hosts (`ci.internal`, `10.0.0.7:8080`) that a callbackUrl may name although they are not public.",
    )
    secret: SecretStr | None = setting(
        "WHYDOWN_CALLBACK_SECRET",
        default=None,
        description="Signs what is pushed to a callbackUrl: `whsec_` and base64, as in standardwebhooks.",
    )
    events: Words = setting(
        "WHYDOWN_CALLBACK_EVENTS",
        default=("incident.finished", "incident.failed", "incident.skipped"),
        description="What is pushed to a callbackUrl. Beside the ends of an investigation there is `incident.briefed`.",
    )

    @field_validator("events")
    @classmethod
    def _are_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = next((each for each in value if each not in _EVENTS), None)
        if unknown is not None:
            raise ValueError(f"unknown event {unknown[:64]}; there are {', '.join(_EVENTS)}")
        return value


class Callback:
    """Posts the end of an investigation to the `callbackUrl` of its alert, signed."""

    configure: ClassVar[str] = "a callbackUrl in the request; WHYDOWN_CALLBACK_SECRET to sign"
    events: tuple[Event, ...]

    def __init__(
        self,
        allow: tuple[str, ...] = (),
        secret: str | None = None,
        events: tuple[Event, ...] = ("diagnosis", "failed", "skipped"),
    ) -> None:
        """`allow` lists hosts or host:port, `secret` is a standardwebhooks secret. Raises ConfigurationError."""
        self.events = events
        self._allowed = frozenset(entry.lower() for entry in allow)
        try:
            self._signer = Webhook(secret) if secret else None
        except (ValueError, EmptyWebhookSecretError):
            raise ConfigurationError("WHYDOWN_CALLBACK_SECRET: must be `whsec_` followed by base64") from None

    @classmethod
    def from_settings(cls) -> Self | None:
        """Always there: it pushes only where a callbackUrl asks for it. Raises ConfigurationError."""
        config = Config.read()
        secret = config.secret.get_secret_value() if config.secret else None
        return cls(config.allow, secret, tuple(_EVENTS[each] for each in config.events))

    @classmethod
    def at(cls, address: str) -> Self:
        """Raises ConfigurationError: each alert says where its results go."""
        raise ConfigurationError("a callbackUrl comes with each alert and needs no route")

    def wants(self, occasion: Occasion) -> bool:
        """Whether the alert brought a callbackUrl."""
        return occasion.callback_url is not None

    def push(self, push: Push, deadline: Deadline) -> None:
        """One try. Raises PushFailure."""
        url = _parsed(push.callback_url or "")
        soon = Deadline(min(deadline.at, Deadline.after(SECONDS).at))
        kind = TYPES.get(push.incident.status, "incident.briefed")
        body = json.dumps(CallbackEvent(type=kind, timestamp=now(), data=push.incident).wire())
        try:
            status, headers = _post(self._session(url), str(url), body, self._headers(push.delivery_id, body), soon)
        except AntiSSRFError:
            raise PushFailure(
                "callbackUrl names an address that is not public: list its host in WHYDOWN_CALLBACK_ALLOW",
                permanent=True,
            ) from None
        except (DeadlineExceeded, requests.Timeout, urllib3.exceptions.TimeoutError):
            raise PushFailure("gave no answer in time") from None
        except ValueError:
            # So are requests' complaints about the URL itself, and a host name that is too long to be one.
            raise PushFailure("callbackUrl is no URL that can be posted to", permanent=True) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as failure:
            raise PushFailure(f"could not be reached ({type(failure).__name__})") from None
        check(status, headers)

    def probe(self, deadline: Deadline) -> str:
        """Whether pushes are signed: there is nobody to ask before an alert names its receiver."""
        return "signed" if self._signer else "not signed: set WHYDOWN_CALLBACK_SECRET so that receivers can verify them"

    def _session(self, url: Url) -> requests.Session:
        if self._allowed & {url.host, f"{url.host}:{url.port or (443 if url.scheme == 'https' else 80)}"}:
            return requests.Session()
        policy = AntiSSRFPolicy(PolicyConfigOptions.EXTERNAL_ONLY_LATEST)
        policy.add_denied_addresses(_EMBEDDED_IPV4)
        policy.allow_plain_text_http = True
        session: requests.Session = policy.get_antissrf_session()
        return session

    def _headers(self, delivery_id: str, body: str) -> dict[str, str]:
        moment = now()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "whydown",
            "webhook-id": delivery_id,
            "webhook-timestamp": str(int(moment.timestamp())),
        }
        if self._signer:
            headers["webhook-signature"] = self._signer.sign(delivery_id, moment, body)
        return headers


def _parsed(text: str) -> Url:
    """The URL, when it can be read in one way only. Raises PushFailure."""
    try:
        url = parse_url(text) if _PRINTABLE.fullmatch(text) else None
    except LocationParseError:
        url = None
    if url is None or url.scheme not in ("http", "https") or not url.host or url.auth is not None:
        raise PushFailure("callbackUrl must be a plain http or https URL without user and password", permanent=True)
    return url


def _post(
    session: requests.Session, url: str, body: str, headers: dict[str, str], deadline: Deadline
) -> tuple[int, Mapping[str, str]]:
    """The status and headers that one POST is answered with. Nobody needs the answer's body, so none of it is read."""
    for adapter in session.adapters.values():
        noting(adapter.poolmanager)  # type: ignore[attr-defined]
    with session, cut_off(deadline):
        session.trust_env = False
        left = deadline.remaining()
        with session.post(
            url,
            data=body.encode(),
            headers=headers,
            timeout=(min(left, CONNECT_SECONDS), left),
            allow_redirects=False,
            stream=True,
        ) as answer:
            # Headers that were cut off look as if they had come to their end.
            deadline.remaining()
            return int(answer.status_code), answer.headers
