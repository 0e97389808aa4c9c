"""A model whose words hold no secrets, whatever it was told or remembers from elsewhere."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

from shared.moment import Deadline
from shared.redaction.installed import redactor
from shared.redaction.redactor import Redactor
from worker.llm import PROVIDERS, Config, ModelFailure, ModelReply, ModelRequest, Provider


class Discreet:
    """A provider that redacts what its inner provider gives, replies and failures alike."""

    def __init__(self, inner: Provider, redactor: Redactor) -> None:
        """`redactor` makes the placeholders of this installation."""
        self.name = inner.name
        self.model = inner.model
        self._inner = inner
        self._redactor = redactor

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """The configured provider, with placeholders of its own. Raises ConfigurationError or UnknownName."""
        return cls(PROVIDERS.load(config.chosen).from_config(config), redactor())

    def complete(self, request: ModelRequest, deadline: Deadline) -> ModelReply:
        """The inner provider's reply. Raises ModelFailure or DeadlineExceeded."""
        try:
            reply = self._inner.complete(request, deadline)
        except ModelFailure as failure:
            raise ModelFailure(self._redactor.text(failure.reason), failure.kind, failure.retry_after) from None
        return replace(reply, text=self._redactor.text(reply.text), model=self._redactor.text(reply.model))
