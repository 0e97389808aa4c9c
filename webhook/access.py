"""Who may ask what. Every route needs the API token unless it says otherwise, so a forgotten one stays closed."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Final

from flask import Request, Response
from itsdangerous import BadSignature, TimestampSigner
from pydantic import SecretStr
from werkzeug.datastructures import Headers

from shared.errors import ConfigurationError
from webhook.problem import RETRY_SECONDS, Problem
from webhook.senders import NotAuthentic, Sender, Unverifiable, canonical
from webhook.settings import Access

SESSION_COOKIE: Final = "whydown_session"
SESSION_SECONDS: Final = 30 * 24 * 3600

_LOOPBACK_NAMES: Final = ("localhost", "ip6-localhost")
_SAFE_METHODS: Final = ("GET", "HEAD", "OPTIONS")


class Gate(StrEnum):
    """Who may use a route."""

    OPEN = "open"
    API = "api"
    """Holders of the API token, and browsers that signed in with it."""
    WEBHOOK = "webhook"
    """Holders of the webhook token, or the sender's own signature."""
    EITHER = "either"
    """Holders of the API token or of the webhook token."""


def check_exposure(host: str, access: Access) -> None:
    """Raises ConfigurationError when `host` can be reached from elsewhere and a token is missing."""
    missing = [
        name
        for name, token in (("WHYDOWN_API_TOKEN", access.api_token), ("WHYDOWN_WEBHOOK_TOKEN", access.webhook_token))
        if token is None
    ]
    if missing and not _is_loopback(host):
        raise ConfigurationError(
            f"listening on {host} lets others in: set {' and '.join(missing)}, or listen on 127.0.0.1"
        )


@dataclass(frozen=True)
class Guard:
    """Checks requests against the tokens."""

    access: Access
    public_url: str | None
    senders: Mapping[str, Sender]

    def check(self, gate: Gate, request: Request) -> None:
        """Returns when the request may pass. Raises Problem."""
        if gate is Gate.WEBHOOK:
            self._check_webhook(request)
        elif gate is Gate.EITHER:
            self._check_either(request)
        elif gate is Gate.API:
            self._check_api(request)

    @cached_property
    def _signing(self) -> frozenset[str]:
        """The senders that may have a signature of their own."""
        return frozenset(
            name for name, sender in self.senders.items() if type(sender).authenticate is not Sender.authenticate
        )

    def signed_in(self, token: str) -> bool:
        """Whether a browser that shows `token` may have a session."""
        return _is(self.access.api_token, token)

    def start_session(self, request: Request, response: Response) -> None:
        """Gives the browser its session: a signed cookie that ends with the token it was made from."""
        response.set_cookie(
            SESSION_COOKIE,
            self._signer().sign(b"page").decode(),
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="Strict",
            secure=request.is_secure or (self.public_url or "").startswith("https:"),
        )

    def _check_webhook(self, request: Request) -> None:
        name = canonical((request.view_args or {}).get("sender", ""))
        token, setting = self.access.token_of(name)
        if self._vouched_for(name, request):
            return
        if token is None:
            self._check_local(request)
        elif not any(_is(token, shown) for shown in _shown(request, query=True)):
            raise _unauthenticated(
                f"the webhook token is missing or wrong: send {setting} as a bearer token, "
                "as the password of basic authentication, or as ?token="
            )

    def _vouched_for(self, name: str, request: Request) -> bool:
        """Whether the sender's own signature does."""
        if name not in self._signing:
            return False
        try:
            return self.senders[name].authenticate(request.get_data, lower_case(request.headers))
        except NotAuthentic as failure:
            raise _unauthenticated(str(failure)) from None
        except Unverifiable as failure:
            raise Problem(503, f"{failure}; send it again", headers={"Retry-After": str(RETRY_SECONDS)}) from None

    def _check_either(self, request: Request) -> None:
        tokens = (self.access.api_token, self.access.webhook_token)
        if None in tokens:
            self._check_local(request)
        elif not any(_is(token, shown) for token in tokens for shown in _shown(request, query=True)):
            raise _unauthenticated("the token is missing or wrong: send WHYDOWN_WEBHOOK_TOKEN as a bearer token")

    def _check_api(self, request: Request) -> None:
        if self.access.api_token is None:
            self._check_local(request)
        elif any(_is(self.access.api_token, shown) for shown in _shown(request, query=False)):
            return
        elif self._has_session(request):
            if request.method not in _SAFE_METHODS and not self._from_own_page(request):
                raise _foreign_page()
        else:
            what = "is wrong or no longer valid" if request.authorization else "is missing"
            raise _unauthenticated(f"the API token {what}: send WHYDOWN_API_TOKEN as a bearer token")

    def _check_local(self, request: Request) -> None:
        """Without a token the browser of whoever works on this machine is the way in: a page of somebody else could
        post to loopback, or have its own name resolve to it.
        """
        if not _is_loopback(_host(request.host)) and request.host != _authority(self.public_url):
            raise Problem(
                421,
                "without tokens only requests to 127.0.0.1 or localhost are answered: set WHYDOWN_API_TOKEN and "
                "WHYDOWN_WEBHOOK_TOKEN, or WHYDOWN_PUBLIC_URL to the name that is used",
                field="Host",
            )
        if request.method not in _SAFE_METHODS and _from_browser(request) and not self._from_own_page(request):
            raise _foreign_page()

    def _from_own_page(self, request: Request) -> bool:
        site = request.headers.get("Sec-Fetch-Site")
        if site is not None:  # browsers set it themselves; no page can
            return site in ("same-origin", "none")
        origin = _authority(request.headers.get("Origin"))
        return origin is not None and origin in (request.host, _authority(self.public_url))

    def _has_session(self, request: Request) -> bool:
        try:
            self._signer().unsign(request.cookies.get(SESSION_COOKIE, ""), max_age=SESSION_SECONDS)
        except BadSignature:
            return False
        return True

    def _signer(self) -> TimestampSigner:
        token = self.access.api_token
        if token is None:
            raise BadSignature("there is no token to sign with")
        return TimestampSigner(
            token.get_secret_value(), salt="whydown.session", key_derivation="hmac", digest_method=hashlib.sha256
        )


def lower_case(headers: Headers) -> dict[str, str]:
    """A request's headers as senders read them."""
    return {name.lower(): value for name, value in headers.items()}


def _shown(request: Request, query: bool) -> list[str]:
    authorization = request.authorization
    shown = [request.args.get("token", "")] if query else []
    if authorization is not None:
        # Alertmanager and Grafana can send either; the user name of basic authentication is of no interest.
        shown += [authorization.token or "", authorization.password or ""]
    return shown


def _is(token: SecretStr | None, shown: str) -> bool:
    expected = token.get_secret_value() if token else ""
    return bool(expected) and hmac.compare_digest(expected.encode(), shown.encode("utf-8", "surrogatepass"))


def _authority(url: str | None) -> str | None:
    """Host and port of an http(s) address, as a Host header has them."""
    match = re.match(r"https?://([^/?#@\s]+)(?:[/?#]|$)", url or "")
    return match[1] if match else None


def _host(authority: str) -> str:
    return re.sub(r":\d*$", "", authority)


@lru_cache(256)
def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() in _LOOPBACK_NAMES


def _from_browser(request: Request) -> bool:
    return "Origin" in request.headers or "Sec-Fetch-Site" in request.headers


def _unauthenticated(detail: str) -> Problem:
    return Problem(401, detail, headers={"WWW-Authenticate": 'Bearer realm="whydown"'})


def _foreign_page() -> Problem:
    return Problem(403, "a page of another site sent this request; open Whydown itself and try again", field="Origin")
