from __future__ import annotations

import pytest
from pydantic import SecretStr

from shared.errors import ConfigurationError
from shared.moment import Deadline
from tests.model_server import MODEL, ModelServer, refused, said
from worker import llm
from worker.llm import Config, Message, ModelFailure, ModelRequest
from worker.llm.azure_openai import API_VERSION, AzureOpenAi

REQUEST = ModelRequest((Message("user", "Why?"),), "answer", {"type": "object"}, "jsonSchema", 50)


def _config(endpoint: str | None, key: str | None = "azure-key") -> Config:
    return Config(endpoint=endpoint, key=SecretStr(key) if key else None, chat_model="my-deployment", provider="azure")


def test_a_resource_is_asked_for_its_deployment() -> None:
    with ModelServer(said("yes")) as server:
        reply = AzureOpenAi.from_config(_config(server.url)).complete(REQUEST, Deadline.after(20))
        asked = server.asked[0]
    assert asked.path == "/openai/deployments/my-deployment/chat/completions"
    assert asked.query == [("api-version", API_VERSION)]
    assert asked.headers["api-key"] == "azure-key"
    assert asked.json()["max_completion_tokens"] == 50
    assert asked.json()["response_format"]["type"] == "json_schema"
    assert (reply.text, reply.model) == ("yes", MODEL)


def test_the_v1_api_takes_the_plain_client() -> None:
    with ModelServer(said("yes")) as server:
        AzureOpenAi.from_config(_config(f"{server.url}/openai/v1/")).complete(REQUEST, Deadline.after(20))
        asked = server.asked[0]
    assert (asked.path, asked.query) == ("/openai/v1/chat/completions", [])
    assert asked.headers["authorization"] == "Bearer azure-key"
    assert asked.json()["model"] == "my-deployment"


def test_a_failure_is_classified_alike() -> None:
    with ModelServer(refused(401, "Access denied")) as server, pytest.raises(ModelFailure) as failure:
        AzureOpenAi.from_config(_config(server.url)).complete(REQUEST, Deadline.after(20))
    assert failure.value.kind == "denied"


@pytest.mark.parametrize(
    ("config", "missing"),
    [(_config(None), "WHYDOWN_AI_ENDPOINT"), (_config("https://x.openai.azure.com", None), "WHYDOWN_AI_KEY")],
)
def test_what_is_missing_is_named(config: Config, missing: str) -> None:
    with pytest.raises(ConfigurationError, match=missing):
        AzureOpenAi.from_config(config)


def test_it_is_the_provider_named_azure() -> None:
    assert isinstance(llm.configured_provider(_config("https://x.openai.azure.com")), AzureOpenAi)
