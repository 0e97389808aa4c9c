"""GOTCHA.md on GitHub."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, Self

from shared.moment import Deadline
from worker.each_target import each_target
from worker.inquiry import Gathered, Inquiry, Target
from worker.repositories.github_access import Config, NotVisible
from worker.repositories.github_api import GithubApi
from worker.repositories.gotcha import FILE_NAME, heuristic_facts
from worker.repositories.names import segments

if TYPE_CHECKING:
    from worker.repositories.github_repository import GithubRepository

SOURCE: Final = "heuristics.github"


class GithubHeuristics:
    """Reads the rules of GOTCHA.md from the default branch."""

    configure: ClassVar[str] = GithubApi.configure

    def __init__(self, config: Config) -> None:
        """Nothing is asked yet."""
        self._api = GithubApi(config)

    @classmethod
    def from_settings(cls) -> Self | None:
        """Configured by GITHUB_TOKEN or WHYDOWN_GITHUB_URL."""
        config = Config.read()
        return cls(config) if config.configured else None

    def gather(self, inquiry: Inquiry, deadline: Deadline) -> Gathered:
        """The rules of the alerted service and of its dependencies."""
        return each_target(inquiry.scope.targets, lambda target: self._look(target, deadline))

    def probe(self, deadline: Deadline) -> str:
        """Who the token is, and what is left of its rate limit."""
        return self._api.probe(deadline)

    def _look(self, target: Target, deadline: Deadline) -> Gathered:
        parts = segments(target.repository or "")
        if parts is None or len(parts) != 2:
            return Gathered(detail="no owner/repo is known (annotation github.com/project-slug)")
        slug = "/".join(parts)
        found = _find(self._api.repository(parts, deadline))
        if found is None:
            return Gathered(detail=f"no {FILE_NAME} at the root of {slug}")
        name, content = found
        url = f"{self._api.web_url}/{slug}/blob/HEAD/{name}"
        return heuristic_facts(SOURCE, content, target=target, repository=slug, url=url)


def _find(repository: GithubRepository) -> tuple[str, bytes] | None:
    """Name and content of the file; None when the repository has none. Raises NotVisible without a repository."""
    try:
        return FILE_NAME, repository.content(FILE_NAME)
    except NotVisible:
        # Written otherwise, or not there: the list of names tells it from a repository that cannot be seen.
        name = next((name for name in repository.names() if name.lower() == FILE_NAME.lower()), None)
        return (name, repository.content(name)) if name and name != FILE_NAME else None
