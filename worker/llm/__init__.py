"""Model providers: who writes the second stage. Adding one is one file, one line below, one test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol, Self

from pydantic import Field, SecretStr

from shared.incident import Usage
from shared.moment import Deadline
from shared.registry import Registry
from shared.settings import Section, setting


class Config(Section):
    """Which model writes the diagnosis, and how long it may take."""

    provider: str | None = setting(
        "WHYDOWN_AI_PROVIDER",
        default=None,
        description="`openai` (any compatible server), `azure`, or `none`. "
        "Unset: `openai` when an endpoint or a key is given, else `none`.",
    )
    endpoint: str | None = setting(
        "WHYDOWN_AI_ENDPOINT",
        "OPENAI_BASE_URL",
        default=None,
        description="Base URL of the API, `https://host/v1`, or the Azure OpenAI resource.",
    )
    key: SecretStr | None = setting(
        "WHYDOWN_AI_KEY", "OPENAI_API_KEY", default=None, description="API key of the model."
    )
    chat_model: str = setting(
        "WHYDOWN_AI_CHAT_MODEL",
        default="mistral-small-3.2-24b-instruct-2506",
        description="Name of the chat model, or of the Azure deployment.",
    )
    timeout_seconds: float = setting(
        "WHYDOWN_AI_TIMEOUT_SECONDS",
        default=60.0,
        description="Deadline of the model's stage with all its retries, in seconds.",
    )

    daily_budget_usd: Annotated[float | None, Field(ge=0)] = setting(
        "WHYDOWN_AI_DAILY_BUDGET_USD",
        default=None,
        description="US dollars that the model may cost in a day (UTC), for models whose price is public. Beyond, "
        "incidents get the brief and say why. Unset: no limit.",
    )
    daily_budget_tokens: Annotated[int | None, Field(ge=0)] = setting(
        "WHYDOWN_AI_DAILY_BUDGET_TOKENS",
        default=None,
        description="Tokens, of prompts and replies, that the model may take in a day (UTC). Beyond, incidents get the "
        "brief and say why. Unset: no limit.",
    )

    @property
    def chosen(self) -> str:
        """The provider in force."""
        return self.provider or ("openai" if self.endpoint or self.key else "none")


@dataclass(frozen=True, slots=True)
class Message:
    """One message to the model."""

    role: Literal["system", "user", "assistant"]
    content: str


ReplyFormat = Literal["jsonSchema", "jsonObject", "text"]
"""How firmly the server is asked for JSON, firmest first."""


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One call."""

    messages: tuple[Message, ...]
    schema_name: str
    schema: dict[str, Any]
    """JSON schema of the reply, within OpenAI's strict subset."""
    reply_format: ReplyFormat = "jsonSchema"
    max_output_tokens: int = 2000


@dataclass(frozen=True, slots=True)
class ModelReply:
    """What came back."""

    text: str
    model: str
    usage: Usage
    truncated: bool = False
    """Whether it stopped at the token limit."""


class ModelFailure(Exception):
    """The model gave no reply that can be used."""

    def __init__(
        self,
        reason: str,
        kind: Literal["denied", "unavailable", "unsupportedFormat", "tooLong", "refused", "unusable", "notAsked"],
        retry_after: float | None = None,
    ) -> None:
        """`reason` is for the operator and names no secret; `kind` decides what is tried next: `notAsked` when no call
        was made at all.
        """
        super().__init__(reason)
        self.reason = reason
        self.kind = kind
        self.retry_after = retry_after


class Provider(Protocol):
    """A way to reach a model."""

    name: str
    """As in WHYDOWN_AI_PROVIDER."""
    model: str

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """The provider as configured. Raises ConfigurationError naming what is missing."""
        ...

    def complete(self, request: ModelRequest, deadline: Deadline) -> ModelReply:
        """One call, no retries, back before the deadline. Raises ModelFailure."""
        ...


PROVIDERS: Registry[Provider] = Registry[Any](
    "model provider",
    "whydown.providers",
    {
        "openai": "worker.llm.openai_compatible:OpenAiCompatible",
        "azure": "worker.llm.azure_openai:AzureOpenAi",
    },
)
"""`none` is the absence of a provider. Each class says in `configure`, in words, what to set for it to be asked."""


def configured_provider(config: Config | None = None) -> Provider | None:
    """The provider in force, or None for `none`. Raises ConfigurationError or UnknownName."""
    config = config or Config.read()
    return None if config.chosen == "none" else PROVIDERS.load(config.chosen).from_config(config)
