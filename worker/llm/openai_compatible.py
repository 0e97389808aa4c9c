"""OpenAI, and every server that speaks its chat completions: Mistral, vLLM, Ollama, LM Studio, LiteLLM and others."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Final, Self
from urllib.parse import urlsplit

from shared.errors import ConfigurationError
from shared.moment import Deadline
from worker.chat import model_endpoint
from worker.llm import Config, ModelReply, ModelRequest

if TYPE_CHECKING:
    import httpx2
    import openai

    from worker.chat.chat_completions import Endpoint, TokenLimit

OPENAI: Final = "https://api.openai.com/v1"


class OpenAiCompatible:
    """A model behind an OpenAI-compatible API. Safe to share between threads."""

    name = "openai"
    configure: ClassVar[str] = "WHYDOWN_AI_ENDPOINT or WHYDOWN_AI_KEY"

    def __init__(self, endpoint: str, key: str | None, model: str) -> None:
        """`endpoint` is the base URL, to which `/chat/completions` is added."""
        self.model = model
        self._endpoint = endpoint
        # The SDK insists on a key; servers that need none ignore it.
        self._key = key or "none"

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """The provider as configured; OpenAI itself when no endpoint is named. Raises ConfigurationError."""
        endpoint, key = model_endpoint.base_url(config) or OPENAI, model_endpoint.api_key(config)
        if key is None and _is_openai(endpoint):
            raise ConfigurationError(
                "WHYDOWN_AI_KEY: OpenAI's API needs a key; for another server set WHYDOWN_AI_ENDPOINT"
            )
        from worker.chat import chat_completions  # noqa: F401, PLC0415  the SDK takes a second: not of the first call

        return cls(endpoint, key, config.chat_model)

    def complete(self, request: ModelRequest, deadline: Deadline) -> ModelReply:
        """One call. Raises ModelFailure."""
        from worker.chat import chat_completions  # noqa: PLC0415  the SDK takes a second, which only its users pay

        return chat_completions.complete(self._chat, request, deadline)

    @cached_property
    def _chat(self) -> Endpoint:
        from worker.chat.chat_completions import Endpoint  # noqa: PLC0415

        limit: TokenLimit = "max_completion_tokens" if _is_openai(self._endpoint) else "max_tokens"
        return Endpoint(self._connect, self.model, limit, self._key)

    def _connect(self, http: httpx2.Client) -> openai.OpenAI:
        import openai  # noqa: PLC0415

        return openai.OpenAI(base_url=self._endpoint, api_key=self._key, http_client=http, max_retries=0)


def _is_openai(endpoint: str) -> bool:
    host = urlsplit(endpoint).hostname or ""
    return host == "openai.com" or host.endswith(".openai.com")
