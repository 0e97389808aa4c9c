"""Where GitHub is and who asks."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator

from shared.settings import Section, setting

_PUBLIC: Final = "https://api.github.com"


class Config(Section):
    """GitHub."""

    token: SecretStr | None = setting(
        "GITHUB_TOKEN",
        default=None,
        description="Token for GitHub with read access to contents and deployments. Unset with WHYDOWN_GITHUB_URL set: "
        "public repositories, 60 requests an hour.",
    )
    url: str | None = setting(
        "WHYDOWN_GITHUB_URL",
        default=None,
        description="Base URL of GitHub's API, `https://github.example.com/api/v3` for Enterprise. "
        "Unset: https://api.github.com.",
    )

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: str | None) -> str | None:
        parts = urlsplit(url or _PUBLIC)
        if parts.scheme not in ("https", "http") or not parts.hostname or "@" in parts.netloc:
            raise ValueError("must be an http(s) URL without credentials, such as https://github.example.com/api/v3")
        return url

    @property
    def configured(self) -> bool:
        """Whether GitHub is to be asked at all."""
        return self.token is not None or self.url is not None

    @property
    def base_url(self) -> str:
        """The API's base URL, without a trailing slash."""
        return (self.url or _PUBLIC).rstrip("/")

    @property
    def web_url(self) -> str:
        """What the pages of repositories start with."""
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc.removeprefix('api.') if self.base_url == _PUBLIC else parts.netloc}"
