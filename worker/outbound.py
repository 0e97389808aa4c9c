"""The one way out over HTTP for sources, catalogs and notifiers.

Every call has a total deadline (requests' own timeouts are per read, so a server that trickles could hold a call for
ever), a cap on bytes, no redirects and no proxies or credentials from the environment.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any, Final

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_ACCEPT_ENCODING

from shared.incident import CoverageStatus
from shared.moment import Deadline, DeadlineExceeded
from worker.cut_off import Call, cut_off
from worker.inquiry import SourceFailure
from worker.printable import printable

MAX_BYTES: Final = 8 * 1024 * 1024
_CONNECT_SECONDS: Final = 5.0
_CHUNK: Final = 64 * 1024
_HOSTS: Final = 32
_KEPT: Final = 1_000
"""Connections to one host that stay open for the next call: a storm asks for many at once."""

Params = Mapping[str, str] | Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON. Raises SourceFailure when it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise SourceFailure(CoverageStatus.ERROR, "the answer is not JSON (truncated?)", transient=True) from None

    def text(self, limit: int = 200) -> str:
        """The start of the body on one line, for an error's detail."""
        return printable(" ".join(self.body[: limit * 4].decode("utf-8", "replace").split()))[:limit]


class Outbound:
    """HTTP to one service."""

    def __init__(
        self,
        base_url: str,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        ca_file: Path | None = None,
    ) -> None:
        """`token` is sent as a bearer token, and to this base URL only. `ca_file` holds the authorities, in PEM, that
        may vouch for the server; without it the public ones do.
        """
        self.base_url = base_url.rstrip("/")
        self._authorities: str | bool = str(ca_file) if ca_file else True
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": DEFAULT_ACCEPT_ENCODING,
            "User-Agent": "whydown",
            **(headers or {}),
        }
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str, deadline: Deadline, params: Params = (), max_bytes: int = MAX_BYTES) -> Answer:
        """GET `path`. Raises SourceFailure (also for a status other than 2xx) or DeadlineExceeded."""
        return checked(self.send("GET", path, deadline, params=params, max_bytes=max_bytes))

    def post(
        self, path: str, deadline: Deadline, body: object, params: Params = (), max_bytes: int = MAX_BYTES
    ) -> Answer:
        """POST `body` as JSON. Raises SourceFailure (also for a status other than 2xx) or DeadlineExceeded."""
        return checked(self.send("POST", path, deadline, params=params, body=body, max_bytes=max_bytes))

    def send(
        self,
        method: str,
        path: str,
        deadline: Deadline,
        *,
        params: Params = (),
        body: object = None,
        form: Params | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> Answer:
        """One call whatever its status, with `body` as JSON, with a form, or with `content` as it is. Raises
        SourceFailure when no whole answer came, or DeadlineExceeded.
        """
        left = deadline.remaining()
        sent = {**self._headers, **(headers or {})}
        data = content if content is not None else _pairs(form)
        try:
            request = requests.Request(
                method, self.base_url + path, sent, params=_pairs(params), json=body, data=data
            ).prepare()
            repeatable = body is None and content is None
            with cut_off(_session, deadline) as call, self._response(request, call, left, repeatable) as response:
                whole = _read(response, deadline, max_bytes)
                if not response.ok:
                    whole = _without_credentials(whole, sent)
                return Answer(response.status_code, response.headers, whole)
        except (requests.Timeout, urllib3.exceptions.TimeoutError):
            raise DeadlineExceeded(f"no answer within {left:.1f} s") from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as failure:
            if deadline.passed():  # it was cut off
                raise DeadlineExceeded(f"no answer within {left:.1f} s") from None
            raise SourceFailure(
                CoverageStatus.ERROR, f"could not be reached ({type(failure).__name__})", transient=True
            ) from None

    def _response(
        self, request: requests.PreparedRequest, call: Call, left: float, repeatable: bool
    ) -> requests.Response:
        options: dict[str, Any] = {
            "timeout": (min(left, _CONNECT_SECONDS), left),
            "verify": self._authorities,
            "allow_redirects": False,
            "stream": True,
        }
        try:
            return _session.send(request, **options)
        except requests.ConnectionError:
            # The other side may close a kept connection just when it is used again.
            if not (repeatable and call.reused):
                raise
            return _session.send(request, **options)


def _kept_connections() -> requests.Session:
    """For all threads together: it is handed whole requests and keeps no cookies, and the rest of it is safe to
    share.
    """
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_connections=_HOSTS, pool_maxsize=_KEPT))
    return session


_session = _kept_connections()


def basic(user: str, password: str) -> dict[str, str]:
    """The header of basic authentication (RFC 7617)."""
    return {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}


def checked(answer: Answer) -> Answer:
    """`answer` when its status is 2xx; otherwise raises the SourceFailure that its status means."""
    status = answer.status
    if 200 <= status < 300:
        return answer
    if status in (401, 403):
        raise SourceFailure(
            CoverageStatus.DENIED, f"answered {status}: the token is missing, wrong or lacks permission"
        )
    if 300 <= status < 400:
        raise SourceFailure(CoverageStatus.ERROR, f"answered {status}: redirects are not followed, set the final URL")
    if status == 429:
        after = str(answer.headers.get("Retry-After", ""))[:16]
        wait = f", retry after {after} s" if after.isdigit() else ""
        raise SourceFailure(CoverageStatus.ERROR, f"answered 429: rate limited{wait}", transient=True)
    raise SourceFailure(CoverageStatus.ERROR, f"answered {status}: {answer.text()}", transient=status >= 500)


def _pairs(params: Params | None) -> list[tuple[str, str]]:
    return list(params.items() if isinstance(params, Mapping) else params or ())


def _without_credentials(body: bytes, sent: Mapping[str, str]) -> bytes:
    """An error's text without the credentials that the request carried: servers quote what they refuse."""
    for name, value in sent.items():
        credential = value.rpartition(" ")[2]
        if credential and name.lower().endswith(("authorization", "token")):
            body = body.replace(credential.encode(), b"[credential]")
    return body


def _read(response: requests.Response, deadline: Deadline, max_bytes: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    # read1-like reads: iter_content would block until a whole chunk is there, past any deadline.
    while chunk := response.raw.read1(_CHUNK, decode_content=True):
        chunks.append(chunk)
        size += len(chunk)
        if size > max_bytes:
            raise SourceFailure(CoverageStatus.ERROR, f"the answer is larger than {max_bytes // 1024} KiB")
    deadline.remaining()  # what was cut off looks as if it had come to its end
    return b"".join(chunks)
