"""Commits and deployments on GitLab."""

from __future__ import annotations

from typing import ClassVar, Self

from worker.repositories.gitlab_api import Config, GitlabApi
from worker.repositories.hosted_changes import HostedChanges


class GitlabChanges(HostedChanges):
    """Commits with their diffs and deployments on GitLab."""

    name: ClassVar[str] = "changes.gitlab"
    configure: ClassVar[str] = GitlabApi.configure

    def __init__(self, config: Config) -> None:
        """Nothing is asked yet."""
        super().__init__(GitlabApi(config))

    @classmethod
    def from_settings(cls) -> Self | None:
        """Configured by WHYDOWN_GITLAB_TOKEN or WHYDOWN_GITLAB_URL."""
        config = Config.read()
        return cls(config) if config.configured else None
