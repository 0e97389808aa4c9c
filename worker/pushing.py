"""Posting to a recipient over HTTP, and what its answers mean for the next try."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from shared.moment import Deadline, DeadlineExceeded
from worker.inquiry import SourceFailure
from worker.notifiers import PushFailure
from worker.outbound import Answer, Outbound

_WORTH_ANOTHER_TRY: Final = (408, 409, 425, 429)
_LONGEST_WAIT: Final = 3_600.0
_MAX_BYTES: Final = 256 * 1024


def send(outbound: Outbound, method: str, path: str, deadline: Deadline, body: object = None) -> Answer:
    """The whole answer, whatever its status. Raises PushFailure when none came."""
    try:
        return outbound.send(method, path, deadline, body=body, max_bytes=_MAX_BYTES)
    except DeadlineExceeded:
        raise PushFailure("gave no answer in time") from None
    except SourceFailure as failure:
        raise PushFailure(failure.detail) from None


def check(status: int, headers: Mapping[str, str], said: str = "") -> None:
    """Raises PushFailure for a status that does not mean: taken. `said` is what the answer says about it."""
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise PushFailure(f"answered {status}: redirects are not followed", permanent=True)
    raise PushFailure(
        f"answered {status}{': ' if said else ''}{said}",
        permanent=status < 500 and status not in _WORTH_ANOTHER_TRY,
        retry_after=retry_after(headers) if status in (429, 503) else None,
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds of a Retry-After header (RFC 9110, 10.2.3), bounded; None without one, or with a date."""
    text = headers.get("Retry-After", "").strip()
    return min(float(text), _LONGEST_WAIT) if text.isascii() and text.isdigit() else None
