"""The model's endpoint and key as the settings give them, checked where they can still stop start-up."""

from __future__ import annotations

from urllib.parse import urlsplit

from shared.errors import ConfigurationError
from worker.llm import Config


def base_url(config: Config) -> str | None:
    """The endpoint without a trailing slash, None when unset. Raises ConfigurationError."""
    url = (config.endpoint or "").strip().rstrip("/")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if url and not usable:
        raise ConfigurationError("WHYDOWN_AI_ENDPOINT: must be a URL such as https://host/v1")
    return url or None


def api_key(config: Config) -> str | None:
    """The key, None when unset. Raises ConfigurationError: the SDK's own error would show it."""
    key = config.key.get_secret_value().strip() if config.key else ""
    if not all("!" <= char <= "~" for char in key):
        raise ConfigurationError("WHYDOWN_AI_KEY: holds spaces or characters that cannot stand in an HTTP header")
    return key or None
