"""Every call of the model counted, priced and kept within the day's budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import structlog

from shared import tracing
from shared.database import Database, is_away
from shared.incident import Usage
from shared.moment import Deadline, DeadlineExceeded
from shared.store import spending
from shared.store.spending import Budget, BudgetSpent, Call
from shared.store.work import Claim
from worker.llm import PROVIDERS, Config, ModelFailure, ModelReply, ModelRequest, Provider

CHARACTERS_PER_TOKEN: Final = 4

PROVIDER_NAMES: Final = {"azure": "azure.ai.openai"}
"""As OpenTelemetry calls them: https://opentelemetry.io/docs/specs/semconv/gen-ai/."""

_log = structlog.get_logger(__name__)

Cost = Callable[[str, Usage], float | None]
"""What so many tokens of a model cost in US dollars; None when its price is not known."""


@dataclass(frozen=True, slots=True)
class Meter:
    """Where calls are counted, what they cost, and how much a day may cost."""

    database: Database
    cost: Cost
    budget: Budget

    def on(self, inner: Provider, claim: Claim, service: str) -> Provider:
        """`inner`, counted as calls for the attempt of `claim`."""
        return _Metered(inner, self, claim, service)


class _Metered:
    """A provider whose calls are noted before they are made, and settled after."""

    def __init__(self, inner: Provider, meter: Meter, claim: Claim, service: str) -> None:
        self.name = inner.name
        self.model = inner.model
        self._inner = inner
        self._meter = meter
        self._claim = claim
        self._service = service

    @classmethod
    def from_config(cls, config: Config) -> Self:
        raise NotImplementedError(f"{PROVIDERS.load(config.chosen).__name__} is metered for one attempt at a time")

    def complete(self, request: ModelRequest, deadline: Deadline) -> ModelReply:
        """The inner provider's reply, its usage priced. Raises ModelFailure, also when the budget is spent."""
        asked: dict[str, Any] = {
            "gen_ai__operation__name": "chat",
            "gen_ai__provider__name": PROVIDER_NAMES.get(self.name, self.name),
            "gen_ai__request__model": self.model,
            "gen_ai__request__max_tokens": request.max_output_tokens,
        }
        with tracing.span(f"chat {self.model}", kind="client", **asked) as span:
            try:
                reply = self._counted(request, deadline)
            except ModelFailure as failure:
                span.failed(failure.kind)
                raise
            span.note(
                gen_ai__response__model=reply.model,
                gen_ai__usage__input_tokens=reply.usage.input_tokens,
                gen_ai__usage__output_tokens=reply.usage.output_tokens,
            )
            return reply

    def _counted(self, request: ModelRequest, deadline: Deadline) -> ModelReply:
        number = self._note(request)
        try:
            reply = self._inner.complete(request, deadline)
        except ModelFailure as failure:
            if failure.kind == "notAsked":
                self._write(lambda: spending.take_back(self._meter.database, number))
            else:
                self._settle(number, self.model, Usage())
            raise
        except DeadlineExceeded:
            self._settle(number, self.model, Usage())
            raise
        usage = reply.usage.model_copy(update={"cost_usd": self._meter.cost(reply.model, reply.usage)})
        self._settle(number, reply.model, usage)
        return replace(reply, usage=usage)

    def _note(self, request: ModelRequest) -> int:
        estimated = sum(len(message.content) for message in request.messages) // CHARACTERS_PER_TOKEN
        claim = self._claim
        call = Call(claim.incident_id, claim.attempt, self._service, self.name, self.model, estimated)
        try:
            return spending.note(self._meter.database, call, self._meter.budget)
        except BudgetSpent as spent:
            raise ModelFailure(str(spent), "notAsked") from None

    def _settle(self, number: int, model: str, usage: Usage) -> None:
        self._write(lambda: spending.settle(self._meter.database, number, model, usage))

    def _write(self, write: Callable[[], None]) -> None:
        """A reply that was paid for is not lost because its cost could not be written: the estimate stands then."""
        try:
            write()
        except Exception as failure:
            if not is_away(failure):
                raise
            _log.warning("call_not_settled", reason=type(failure).__name__)
