"""GitHub's REST API (https://docs.github.com/en/rest), also of an Enterprise server."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from shared.moment import Deadline
from worker.inquiry import Scope, Target
from worker.repositories.github_access import Config
from worker.repositories.hosted import Pages
from worker.repositories.names import segments, source_host

if TYPE_CHECKING:
    from worker.repositories.github_issues import Issue
    from worker.repositories.github_repository import GithubRepository


class GithubApi:
    """The way to GitHub. PyGithub takes half a second to import: it is loaded when the first question is asked."""

    configure: ClassVar[str] = "GITHUB_TOKEN (and WHYDOWN_GITHUB_URL for GitHub Enterprise)"

    unknown: ClassVar[str] = "no owner/repo is known (annotation github.com/project-slug)"

    def __init__(self, config: Config) -> None:
        """Nothing is asked yet."""
        self._config = config

    def slug(self, target: Target, scope: Scope) -> str | None:
        """`owner/repo`; None when the catalog knows none here."""
        parts = segments(target.repository or "")
        if parts is None or len(parts) != 2 or self._is_elsewhere(scope.annotations(target)):
            return None
        return "/".join(parts)

    def repository(self, slug: str, deadline: Deadline) -> GithubRepository:
        """The repository of that name (from `slug`), bound to the deadline. Threads may share it."""
        from worker.repositories.github_repository import GithubRepository  # noqa: PLC0415 - imports PyGithub
        from worker.repositories.github_requests import BoundedRequester  # noqa: PLC0415

        return GithubRepository(BoundedRequester(self._config, deadline), slug)

    def pages(self, slug: str) -> Pages:
        """Its pages."""
        root = f"{self._config.web_url}/{slug}"
        return Pages(slug, root, f"{root}/deployments")

    def _is_elsewhere(self, annotations: dict[str, str]) -> bool:
        """Whether the catalog says that the source is on another host, where the same name is another repository."""
        if "github.com/project-slug" in annotations:
            return False
        return source_host(annotations) not in (None, "github.com", urlsplit(self._config.web_url).netloc)

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
