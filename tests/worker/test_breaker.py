"""The breaker: a model that is down is left alone, and asked again after a while."""

from __future__ import annotations

from typing import Self

import pytest

from shared.incident import Usage
from shared.moment import Deadline, DeadlineExceeded
from worker.breaker import FAILURES, REST_SECONDS, Breaker
from worker.llm import Config, ModelFailure, ModelReply, ModelRequest

DOWN = ModelFailure("answered 503", "unavailable")
REQUEST = ModelRequest((), "diagnosis", {})


class Scripted:
    """A provider that fails as it is told, or answers."""

    name = "scripted"
    model = "m"

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.calls = 0

    @classmethod
    def from_config(cls, config: Config) -> Self:
        return cls()

    def complete(self, request: ModelRequest, deadline: Deadline) -> ModelReply:
        self.calls += 1
        if self.failure:
            raise self.failure
        return ModelReply("{}", self.model, Usage())


class Clock:
    """A clock that is set by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def ask(breaker: Breaker) -> ModelReply:
    return breaker.complete(REQUEST, Deadline.after(5))


def failing(breaker: Breaker, inner: Scripted, failure: Exception, times: int) -> None:
    inner.failure = failure
    for _ in range(times):
        with pytest.raises(type(failure)):
            ask(breaker)


@pytest.fixture
def inner() -> Scripted:
    return Scripted()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(inner: Scripted, clock: Clock) -> Breaker:
    return Breaker(inner, clock)


@pytest.mark.parametrize("failure", [DOWN, DeadlineExceeded("too late")])
def test_after_failures_in_a_row_the_model_is_not_asked(breaker: Breaker, inner: Scripted, failure: Exception) -> None:
    failing(breaker, inner, failure, FAILURES)
    with pytest.raises(ModelFailure, match="6 times in a row; it is asked again in 30 s"):
        ask(breaker)
    assert inner.calls == FAILURES


def test_an_answer_in_between_counts_anew(breaker: Breaker, inner: Scripted) -> None:
    failing(breaker, inner, DOWN, FAILURES - 1)
    inner.failure = None
    ask(breaker)
    failing(breaker, inner, DOWN, FAILURES - 1)
    inner.failure = None
    assert ask(breaker).text == "{}"


def test_a_refusal_is_an_answer(breaker: Breaker, inner: Scripted) -> None:
    failing(breaker, inner, ModelFailure("answered 401", "denied"), FAILURES * 2)
    assert inner.calls == FAILURES * 2


def test_after_a_rest_one_call_tries_and_its_answer_closes_it(breaker: Breaker, inner: Scripted, clock: Clock) -> None:
    failing(breaker, inner, DOWN, FAILURES)
    clock.now += REST_SECONDS
    inner.failure = None
    ask(breaker)
    ask(breaker)
    assert inner.calls == FAILURES + 2


def test_a_failed_try_keeps_it_open(breaker: Breaker, inner: Scripted, clock: Clock) -> None:
    failing(breaker, inner, DOWN, FAILURES)
    clock.now += REST_SECONDS
    with pytest.raises(ModelFailure, match="503"):
        ask(breaker)
    with pytest.raises(ModelFailure, match="in a row"):
        ask(breaker)
    assert inner.calls == FAILURES + 1
