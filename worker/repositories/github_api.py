"""GitHub's REST API (https://docs.github.com/en/rest), also of an Enterprise server."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from shared.moment import Deadline
from worker.repositories.github_access import Config

if TYPE_CHECKING:
    from worker.repositories.github_issues import Issue
    from worker.repositories.github_repository import GithubRepository


class GithubApi:
    """The way to GitHub. PyGithub takes half a second to import: it is loaded when the first question is asked."""

    configure: ClassVar[str] = "GITHUB_TOKEN (and WHYDOWN_GITHUB_URL for GitHub Enterprise)"

    def __init__(self, config: Config) -> None:
        """Nothing is asked yet."""
        self._config = config
        self.web_url = config.web_url

    def repository(self, parts: tuple[str, ...], deadline: Deadline) -> GithubRepository:
        """The repository `owner, repo` (from `segments`), bound to the deadline. Threads may share it."""
        from worker.repositories.github_repository import GithubRepository  # noqa: PLC0415 - imports PyGithub
        from worker.repositories.github_requests import BoundedRequester  # noqa: PLC0415

        return GithubRepository(BoundedRequester(self._config, deadline), "/".join(parts))

    def issue(self, parts: tuple[str, ...], number: int, deadline: Deadline) -> Issue:
        """An issue of the repository `owner, repo` (from `segments`), bound to the deadline."""
        from worker.repositories.github_issues import Issue  # noqa: PLC0415 - imports PyGithub
        from worker.repositories.github_requests import BoundedRequester  # noqa: PLC0415

        return Issue(BoundedRequester(self._config, deadline), "/".join(parts), number)

    def probe(self, deadline: Deadline) -> str:
        """Who the token is and what is left of the rate limit, in words. Raises SourceFailure or DeadlineExceeded."""
        from worker.repositories.github_repository import remaining_quota  # noqa: PLC0415 - imports PyGithub
        from worker.repositories.github_requests import BoundedRequester  # noqa: PLC0415

        return remaining_quota(BoundedRequester(self._config, deadline), with_login=self._config.token is not None)
