"""A model that is down is left alone for a while: incidents get their brief at once, instead of after every retry."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import Final, Self

from shared.moment import Deadline, DeadlineExceeded
from worker.llm import PROVIDERS, Config, ModelFailure, ModelReply, ModelRequest, Provider

FAILURES: Final = 6
"""Calls in a row without an answer after which the model counts as down: two consultations with all their retries."""

REST_SECONDS: Final = 30.0


class Breaker:
    """A provider that asks its inner provider only while that one answers. Counts for its process alone.

    Closed: every call goes through. Open, after FAILURES: calls fail at once. After REST_SECONDS one call is let
    through to see; its answer closes the breaker, its failure keeps it open for as long again.
    """

    def __init__(self, inner: Provider, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds."""
        self.name = inner.name
        self.model = inner.model
        self._inner = inner
        self._clock = clock
        self._lock = Lock()
        self._failures = 0
        self._open_until: float | None = None
        """While open: when the next call may go through."""

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """The configured provider behind a breaker. Raises ConfigurationError or UnknownName."""
        return cls(PROVIDERS.load(config.chosen).from_config(config))

    def complete(self, request: ModelRequest, deadline: Deadline) -> ModelReply:
        """The inner provider's reply. Raises ModelFailure, also without asking it, or DeadlineExceeded."""
        self._let_through()
        try:
            reply = self._inner.complete(request, deadline)
        except DeadlineExceeded:
            self._failed()
            raise
        except ModelFailure as failure:
            if failure.kind == "unavailable":
                self._failed()
            else:
                self._answered()  # a refusal is an answer
            raise
        self._answered()
        return reply

    def _let_through(self) -> None:
        with self._lock:
            if self._open_until is None:
                return
            left = self._open_until - self._clock()
            if left > 0:
                reason = f"the model gave no answer {self._failures} times in a row; it is asked again in {left:.0f} s"
                raise ModelFailure(reason, "notAsked")
            self._open_until = self._clock() + REST_SECONDS  # this call tries; the others wait for its outcome

    def _failed(self) -> None:
        with self._lock:
            self._failures += 1
            if self._failures >= FAILURES:
                self._open_until = self._clock() + REST_SECONDS

    def _answered(self) -> None:
        with self._lock:
            self._failures = 0
            self._open_until = None
