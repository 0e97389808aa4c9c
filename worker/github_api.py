"""GitHub's REST API (https://docs.github.com/en/rest), also of an Enterprise server."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator

from shared.moment import Deadline
from shared.settings import Section, setting
from worker.inquiry import SourceFailure

if TYPE_CHECKING:
    from worker.github_repository import GithubRepository

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


class NotVisible(SourceFailure):
    """GitHub answered 404, which it also does for what the token may not see."""


class GithubApi:
    """The way to GitHub. PyGithub takes half a second to import: it is loaded when the first question is asked."""

    configure: ClassVar[str] = "GITHUB_TOKEN (and WHYDOWN_GITHUB_URL for GitHub Enterprise)"

    def __init__(self, config: Config) -> None:
        """Nothing is asked yet."""
        self._config = config
        self.web_url = config.web_url

    def repository(self, parts: tuple[str, ...], deadline: Deadline) -> GithubRepository:
        """The repository `owner, repo` (from `segments`), bound to the deadline. Threads may share it."""
        from worker.github_repository import GithubRepository  # noqa: PLC0415 - imports PyGithub
        from worker.github_requests import BoundedRequester  # noqa: PLC0415

        return GithubRepository(BoundedRequester(self._config, deadline), "/".join(parts))

    def probe(self, deadline: Deadline) -> str:
        """Who the token is and what is left of the rate limit, in words. Raises SourceFailure or DeadlineExceeded."""
        from worker.github_repository import remaining_quota  # noqa: PLC0415 - imports PyGithub
        from worker.github_requests import BoundedRequester  # noqa: PLC0415

        return remaining_quota(BoundedRequester(self._config, deadline), with_login=self._config.token is not None)
