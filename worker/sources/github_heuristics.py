"""GOTCHA.md on GitHub."""

from __future__ import annotations

from typing import ClassVar, Self

from worker.repositories.github_access import Config
from worker.repositories.github_api import GithubApi
from worker.repositories.hosted_heuristics import HostedHeuristics


class GithubHeuristics(HostedHeuristics):
    """Reads the rules of GOTCHA.md on GitHub."""

    name: ClassVar[str] = "heuristics.github"
    configure: ClassVar[str] = GithubApi.configure

    def __init__(self, config: Config) -> None:
        """Nothing is asked yet."""
        super().__init__(GithubApi(config))

    @classmethod
    def from_settings(cls) -> Self | None:
        """Configured by GITHUB_TOKEN or WHYDOWN_GITHUB_URL."""
        config = Config.read()
        return cls(config) if config.configured else None
