"""GOTCHA.md on a host, as facts: what its source asks, whichever host it is."""

from __future__ import annotations

from shared.moment import Deadline
from worker.each_target import each_target
from worker.inquiry import Gathered, Inquiry, Scope, Target
from worker.repositories.gotcha import FILE_NAME, heuristic_facts
from worker.repositories.hosted import Host, HostedRepository, NotVisible


class HostedHeuristics:
    """Reads the rules from the default branches."""

    def __init__(self, source: str, host: Host) -> None:
        """`source` is its name in the registry. Nothing is asked yet."""
        self._source = source
        self._host = host

    def gather(self, inquiry: Inquiry, deadline: Deadline) -> Gathered:
        """The rules of the alerted service and of its dependencies."""
        scope = inquiry.scope
        return each_target(
            scope.targets,
            lambda target: self._look(target, scope, deadline),
            same=lambda target: self._host.slug(target, scope) or target.service,
        )

    def probe(self, deadline: Deadline) -> str:
        """Who the token is."""
        return self._host.probe(deadline)

    def _look(self, target: Target, scope: Scope, deadline: Deadline) -> Gathered:
        slug = self._host.slug(target, scope)
        if slug is None:
            return Gathered(detail=self._host.unknown)
        found = _gotcha(self._host.repository(slug, deadline))
        if found is None:
            return Gathered(detail=f"no {FILE_NAME} at the root of {slug}")
        name, content = found
        url = self._host.pages(slug).file(name)
        return heuristic_facts(self._source, content, target=target, repository=slug, url=url)


def _gotcha(repository: HostedRepository) -> tuple[str, bytes] | None:
    """Name and content of the file; None when the repository has none. Raises NotVisible without a repository."""
    try:
        return FILE_NAME, repository.content(FILE_NAME)
    except NotVisible:
        # Written otherwise, or not there: the list of names tells it from a repository that cannot be seen.
        name = next((name for name in repository.names() if name.lower() == FILE_NAME.lower()), None)
        return (name, repository.content(name)) if name and name != FILE_NAME else None
