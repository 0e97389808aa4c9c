"""GOTCHA.md on a host, as facts: what its source asks, whichever host it is."""

from __future__ import annotations

from worker.inquiry import Gathered, Target, Window
from worker.repositories.gotcha import FILE_NAME, heuristic_facts
from worker.repositories.hosted import HostedRepository, NotVisible, Pages
from worker.repositories.hosted_source import HostedSource


class HostedHeuristics(HostedSource):
    """Reads the rules from the default branches."""

    def _look(self, target: Target, window: Window, repository: HostedRepository, pages: Pages) -> Gathered:
        found = _gotcha(repository)
        if found is None:
            return Gathered(detail=f"no {FILE_NAME} at the root of {pages.slug}")
        name, content = found
        return heuristic_facts(self.name, content, target=target, repository=pages.slug, url=pages.file(name))


def _gotcha(repository: HostedRepository) -> tuple[str, bytes] | None:
    """Name and content of the file; None when the repository has none. Raises NotVisible without a repository."""
    try:
        return FILE_NAME, repository.content(FILE_NAME)
    except NotVisible:
        # Written otherwise, or not there: the list of names tells it from a repository that cannot be seen.
        name = next((name for name in repository.names() if name.lower() == FILE_NAME.lower()), None)
        return (name, repository.content(name)) if name and name != FILE_NAME else None
