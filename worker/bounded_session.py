"""The way out for vendors' clients that take a session of requests: by `worker.outbound`, with all its bounds.

Such clients keep timeouts per read, follow redirects, retry as they like and read answers of any size.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from shared.moment import Deadline
from worker.outbound import Outbound, checked


def bounded_session(deadline: Deadline, *, successes_only: bool = False) -> requests.Session:
    """A session whose requests raise SourceFailure when no whole answer came, or DeadlineExceeded. `successes_only`
    raises SourceFailure for a status other than 2xx too; otherwise the client is given answers of any status.
    """
    session = requests.Session()
    session.trust_env = False
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Bounded(deadline, successes_only))
    return session


class _Bounded(BaseAdapter):
    """Sends prepared requests within a deadline."""

    def __init__(self, deadline: Deadline, successes_only: bool) -> None:
        super().__init__()
        self._deadline = deadline
        self._successes_only = successes_only

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        """One answer, whole. What the client wants of timeouts, authorities and proxies does not count."""
        body: Any = request.body
        answer = Outbound("").send(
            request.method or "GET",
            request.url or "",
            self._deadline,
            content=body.encode() if isinstance(body, str) else body,
            headers=dict(request.headers),
        )
        if self._successes_only:
            checked(answer)
        response = requests.Response()
        response.request, response.url = request, request.url or ""
        response.status_code = answer.status
        # The body has been decoded, so that these no longer say how it came.
        gone = ("content-encoding", "content-length", "transfer-encoding")
        response.headers.update({name: value for name, value in answer.headers.items() if name.lower() not in gone})
        response.raw = HTTPResponse(BytesIO(answer.body), status=answer.status, preload_content=False)
        return response

    def close(self) -> None:
        """There is nothing to close."""
