"""Commits and deployments on GitLab."""

from __future__ import annotations

from worker.repositories.gitlab_api import Config, GitlabApi
from worker.repositories.hosted_changes import HostedChanges


class GitlabChanges(HostedChanges):
    """Commits with their diffs and deployments on GitLab."""

    name = "changes.gitlab"
    configure = GitlabApi.configure
    config = Config
    host = GitlabApi
