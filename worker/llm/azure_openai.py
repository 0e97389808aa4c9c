"""Models deployed in an Azure OpenAI resource: https://learn.microsoft.com/azure/ai-services/openai/reference."""

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

    from worker.chat.chat_completions import Endpoint

API_VERSION: Final = "2024-10-21"
"""The generally available version that knows `json_schema` and `max_completion_tokens`."""

V1_PATH: Final = "/openai/v1"
"""Where the API without versions begins, which takes the plain client."""


class AzureOpenAi:
    """A deployment of an Azure OpenAI resource. Safe to share between threads."""

    name = "azure"
    configure: ClassVar[str] = "WHYDOWN_AI_PROVIDER=azure, WHYDOWN_AI_ENDPOINT and WHYDOWN_AI_KEY"

    def __init__(self, endpoint: str, key: str, model: str) -> None:
        """`endpoint` is the resource's URL, or its v1 base URL; `model` is the name of the deployment."""
        self.model = model
        self._endpoint = endpoint
        self._key = key

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """The provider as configured. Raises ConfigurationError naming what is missing."""
        endpoint, key = model_endpoint.base_url(config), model_endpoint.api_key(config)
        if endpoint is None:
            raise ConfigurationError("WHYDOWN_AI_ENDPOINT: set the resource's URL, https://<resource>.openai.azure.com")
        if key is None:
            raise ConfigurationError("WHYDOWN_AI_KEY: set a key of the Azure OpenAI resource")
        from worker.chat import chat_completions  # noqa: F401, PLC0415  the SDK takes a second: not of the first call

        return cls(endpoint, key, config.chat_model)

    def complete(self, request: ModelRequest, deadline: Deadline) -> ModelReply:
        """One call. Raises ModelFailure."""
        from worker.chat import chat_completions  # noqa: PLC0415  the SDK takes a second, which only its users pay

        return chat_completions.complete(self._chat, request, deadline)

    @cached_property
    def _chat(self) -> Endpoint:
        from worker.chat.chat_completions import Endpoint  # noqa: PLC0415

        return Endpoint(self._connect, self.model, "max_completion_tokens", self._key)

    def _connect(self, http: httpx2.Client) -> openai.OpenAI:
        import openai  # noqa: PLC0415

        if urlsplit(self._endpoint).path.rstrip("/") == V1_PATH:
            return openai.OpenAI(base_url=self._endpoint, api_key=self._key, http_client=http, max_retries=0)
        return openai.AzureOpenAI(
            azure_endpoint=self._endpoint,
            azure_deployment=self.model,
            api_version=API_VERSION,
            api_key=self._key,
            http_client=http,
            max_retries=0,
        )
