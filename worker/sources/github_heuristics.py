"""GOTCHA.md on GitHub."""

from __future__ import annotations

from worker.repositories.github_access import Config
from worker.repositories.github_api import GithubApi
from worker.repositories.hosted_heuristics import HostedHeuristics


class GithubHeuristics(HostedHeuristics):
    """Reads the rules of GOTCHA.md on GitHub."""

    name = "heuristics.github"
    configure = GithubApi.configure
    config = Config
    host = GithubApi
