"""The one way out over HTTP for sources, catalogs and notifiers.

Every call has a total deadline (urllib3's own timeouts are per read, so a server that trickles could hold a call for
ever), a cap on bytes, no redirects and no proxies or credentials from the environment.
"""

from __future__ import annotations

import json
import re
import ssl
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import quote, unquote, urlencode

import certifi
from urllib3 import BaseHTTPResponse, PoolManager, make_headers
from urllib3.exceptions import HTTPError, LocationParseError
from urllib3.util import parse_url

from shared.incident import CoverageStatus
from shared.moment import Deadline
from worker.cut_off import Connections, noting
from worker.exchange import Failure, Request, exchange
from worker.inquiry import SourceFailure
from worker.printable import printable

MAX_BYTES: Final = 8 * 1024 * 1024
_FORM: Final = "application/x-www-form-urlencoded"
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
        self._ca_file = ca_file
        self._headers = {
            "Accept": "application/json",
            **make_headers(accept_encoding=True, user_agent="whydown"),
            **(headers or {}),
        }
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._headers |= _of_url(base_url)

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
        deadline.remaining()
        request = self._request(method, path, params, headers)
        if body is not None:
            request = _with(request, "application/json", json.dumps(body).encode(), repeatable=False)
        elif form:
            request = _with(request, _FORM, urlencode(_pairs(form)).encode())
        elif content is not None:
            request = replace(request, content=content, repeatable=False)
        ((_, outcome),) = self._exchange(path, [request], deadline, max_bytes, at_once=1)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def get_each(
        self, path: str, deadline: Deadline, queries: Iterable[Params], at_once: int, max_bytes: int = MAX_BYTES
    ) -> Iterator[tuple[int, Answer | Failure]]:
        """GET `path` with each query, at most `at_once` of them at a time. Gives the answers as they come, whatever
        their status, each with the place of its query; for an answer that did not come whole, why. Raises
        SourceFailure when the address is none.
        """
        requests = (self._request("GET", path, query) for query in queries)
        return self._exchange(path, requests, deadline, max_bytes, at_once)

    def post_each(
        self, path: str, deadline: Deadline, forms: Iterable[Params], at_once: int, max_bytes: int = MAX_BYTES
    ) -> Iterator[tuple[int, Answer | Failure]]:
        """POST each form to `path`: otherwise as `get_each`."""
        request = self._request("POST", path)
        requests = (_with(request, _FORM, urlencode(_pairs(form)).encode()) for form in forms)
        return self._exchange(path, requests, deadline, max_bytes, at_once)

    def _request(
        self, method: str, path: str, params: Params = (), headers: Mapping[str, str] | None = None
    ) -> Request:
        _, target = _divided(self.base_url + path)
        if params:
            target += ("&" if "?" in target else "?") + urlencode(_pairs(params))
        return Request(method, target, {**self._headers, **(headers or {})})

    def _exchange(
        self, path: str, requests: Iterable[Request], deadline: Deadline, max_bytes: int, at_once: int
    ) -> Iterator[tuple[int, Answer | Failure]]:
        def read(response: BaseHTTPResponse, request: Request, soon: Deadline) -> Answer:
            whole = _read(response, soon, max_bytes)
            if response.status >= 400:
                whole = _without_credentials(whole, request.headers)
            return Answer(response.status, response.headers, whole)

        try:
            connections = _connections(_divided(self.base_url + path)[0], self._ca_file)
        except (HTTPError, ValueError) as failure:
            detail = f"could not be reached ({type(failure).__name__})"
            raise SourceFailure(CoverageStatus.ERROR, detail, transient=True) from None
        return exchange(connections, requests, deadline, read, at_once)


_STANDING: Final = "!$%&'()*+,/:;=?@[]~"
"""RFC 3986's reserved characters but #, and % as what is escaped stays so."""
_SERVER: Final = re.compile(r"[a-z]+://[^/?#]*", re.IGNORECASE)


def _divided(url: str) -> tuple[str, str]:
    """The server of a URL, and what it is asked for there: what cannot stand in a request as it is, is escaped."""
    found = _SERVER.match(url)
    end = found.end() if found else len(url)
    target = quote(url[end:].partition("#")[0], safe=_STANDING)
    return url[:end], target if target.startswith("/") else f"/{target}"


def _with(request: Request, content_type: str, content: bytes, *, repeatable: bool = True) -> Request:
    headers = {**request.headers, "Content-Type": content_type}
    return replace(request, headers=headers, content=content, repeatable=repeatable)


@lru_cache(maxsize=_HOSTS)
def _connections(server: str, ca_file: Path | None) -> Connections:
    """The kept connections of all threads together to a server. Raises urllib3's HTTPError for what is no address."""
    pools = _pools(ca_file, secure=server.lower().startswith("https"))
    return cast("Connections", pools.connection_from_url(server))


@cache
def _pools(ca_file: Path | None, *, secure: bool) -> PoolManager:
    trusted: dict[str, Any] = {}
    if ca_file is not None:
        trusted["ca_certs"] = str(ca_file)  # read for each connection: the operator may replace it
    elif secure:
        trusted["ssl_context"] = ssl.create_default_context(cafile=certifi.where())  # reading it takes 10 ms
    return noting(PoolManager(_HOSTS, maxsize=_KEPT, cert_reqs="CERT_REQUIRED", **trusted))


def basic(user: str, password: str) -> dict[str, str]:
    """The header of basic authentication (RFC 7617)."""
    return {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}


def _of_url(url: str) -> dict[str, str]:
    """The header for the user and password in a URL, if there are any."""
    if "@" not in url:
        return {}
    try:
        user, _, password = (parse_url(url).auth or "").partition(":")
    except LocationParseError:  # told when it is asked for
        return {}
    return basic(unquote(user), unquote(password)) if user or password else {}


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


def _read(response: BaseHTTPResponse, deadline: Deadline, max_bytes: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    # Not by `stream`, which would block until a whole chunk is there, past any deadline.
    while chunk := response.read1(_CHUNK, decode_content=True):
        chunks.append(chunk)
        size += len(chunk)
        if size > max_bytes:
            raise SourceFailure(CoverageStatus.ERROR, f"the answer is larger than {max_bytes // 1024} KiB")
        deadline.remaining()
    deadline.remaining()  # what was cut off looks as if it had come to its end
    return b"".join(chunks)
