"""GOTCHA.md in local git checkouts."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Final, Self

from shared.moment import Deadline
from worker.each_target import each_target
from worker.inquiry import Gathered, Inquiry, Target
from worker.repositories.git_checkouts import Checkout, Checkouts, Config
from worker.repositories.github_access import Config as GithubConfig
from worker.repositories.gotcha import FILE_NAME, MAX_FILE_BYTES, heuristic_facts

SOURCE: Final = "heuristics.git"
_MAX_TREE_BYTES: Final = 1024 * 1024


class GitHeuristics:
    """Reads the rules of GOTCHA.md from the commit that is checked out, never from the working tree and its links."""

    configure: ClassVar[str] = "WHYDOWN_REPOSITORIES (a folder of local git checkouts that hold a GOTCHA.md)"

    def __init__(self, repositories: Path, web_url: str = "https://github.com") -> None:
        """`repositories` is the folder of checkouts; `web_url` is what links to files start with."""
        self._checkouts = Checkouts(repositories)
        self._web_url = web_url

    @classmethod
    def from_settings(cls) -> Self | None:
        """Configured by WHYDOWN_REPOSITORIES."""
        folder = Config.read().repositories
        return cls(folder, GithubConfig.read().web_url) if folder else None

    def gather(self, inquiry: Inquiry, deadline: Deadline) -> Gathered:
        """The rules of the alerted service and of its dependencies."""
        return each_target(inquiry.scope.targets, lambda target: self._look(target, deadline))

    def probe(self, deadline: Deadline) -> str:
        """Counts the checkouts."""
        return f"{self._checkouts.count()} checkouts"

    def _look(self, target: Target, deadline: Deadline) -> Gathered:
        checkout = self._checkouts.find(target)
        if checkout is None:
            return Gathered(detail=f"no checkout WHYDOWN_REPOSITORIES/{(target.repository or target.service)[:128]}")
        found = _find(checkout, deadline)
        if found is None:
            return Gathered(detail=f"no {FILE_NAME} at the root of {checkout.slug}")
        name, blob = found
        content = checkout.run("cat-file", "blob", blob, deadline=deadline, max_bytes=MAX_FILE_BYTES)
        url = f"{self._web_url}/{checkout.slug}/blob/HEAD/{name}" if "/" in checkout.slug else None
        return heuristic_facts(SOURCE, content, target=target, repository=checkout.slug, url=url)


def _find(checkout: Checkout, deadline: Deadline) -> tuple[str, str] | None:
    """Name and object id of the file at the root of HEAD; None without one, or when it is a link."""
    tips = checkout.tips(deadline)
    if not tips:
        return None
    tree = checkout.run("ls-tree", "-z", tips[0], deadline=deadline, max_bytes=_MAX_TREE_BYTES)
    found = {}
    for entry in tree.decode(errors="replace").split("\0"):
        about, _, name = entry.partition("\t")
        mode, _, rest = about.partition(" ")
        if name.lower() == FILE_NAME.lower() and mode.startswith("100"):
            found[name] = rest.split(" ")[1]
    # Capitals sort first, so that GOTCHA.md itself is preferred.
    return min(found.items(), default=None)
