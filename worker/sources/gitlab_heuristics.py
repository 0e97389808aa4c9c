"""GOTCHA.md on GitLab."""

from __future__ import annotations

from worker.repositories.gitlab_api import Config, GitlabApi
from worker.repositories.hosted_heuristics import HostedHeuristics


class GitlabHeuristics(HostedHeuristics):
    """Reads the rules of GOTCHA.md on GitLab."""

    name = "heuristics.gitlab"
    configure = GitlabApi.configure
    config = Config
    host = GitlabApi
