"""What a thread logs names the incident that its work was handed over for."""

from __future__ import annotations

import structlog

from worker.threads import Threads


def _incident(suffix: str = "") -> str:
    return f"{structlog.contextvars.get_contextvars().get('incident')}{suffix}"


def test_the_context_goes_along_and_stays_apart() -> None:
    with Threads(1) as pool:
        with structlog.contextvars.bound_contextvars(incident="first"):
            first = pool.submit(_incident)
            mapped = list(pool.map(_incident, ("-a", "-b")))
        with structlog.contextvars.bound_contextvars(incident="second"):
            second = pool.submit(_incident, suffix="!")
        none = pool.submit(_incident)
    assert (first.result(), mapped, second.result(), none.result()) == (
        "first", ["first-a", "first-b"], "second!", "None",
    )  # fmt: skip
