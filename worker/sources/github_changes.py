"""Commits and deployments on GitHub."""

from __future__ import annotations

from worker.repositories.github_access import Config
from worker.repositories.github_api import GithubApi
from worker.repositories.hosted_changes import HostedChanges


class GithubChanges(HostedChanges):
    """Commits with their diffs and deployments on GitHub."""

    name = "changes.github"
    configure = GithubApi.configure
    config = Config
    host = GithubApi
