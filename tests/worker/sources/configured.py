"""Every source, configured to ask a stand-in."""

from __future__ import annotations

from typing import Final

import pytest

from worker.sources import SOURCES, Source

TOKEN: Final = "canary-5f1d0c52aa"

LOCAL: Final = {
    "changes.git": "reads checkouts on disk",
    "changes.deployments": "takes what was reported to Whydown itself",
    "heuristics.git": "reads checkouts on disk",
    "logs.alert": "takes what the alert brought",
    "logs.files": "reads files on disk",
}
"""Sources that ask no server, and so cannot be failed by one."""

SETTINGS: Final[dict[str, dict[str, str]]] = {
    "changes.argocd": {"WHYDOWN_ARGOCD_URL": "{url}", "WHYDOWN_ARGOCD_TOKEN": TOKEN},
    "changes.github": {"WHYDOWN_GITHUB_URL": "{url}", "GITHUB_TOKEN": TOKEN},
    "changes.gitlab": {"WHYDOWN_GITLAB_URL": "{url}", "WHYDOWN_GITLAB_TOKEN": TOKEN},
    "heuristics.github": {"WHYDOWN_GITHUB_URL": "{url}", "GITHUB_TOKEN": TOKEN},
    "heuristics.gitlab": {"WHYDOWN_GITLAB_URL": "{url}", "WHYDOWN_GITLAB_TOKEN": TOKEN},
    "logs.appinsights": {
        "WHYDOWN_APPINSIGHTS_URL": "{url}",
        "WHYDOWN_APPINSIGHTS_WORKSPACE": "0a1b2c3d-0000-4000-8000-00000000beef",
        "WHYDOWN_APPINSIGHTS_TOKEN": TOKEN,
    },
    "logs.cloudwatch": {
        "WHYDOWN_CLOUDWATCH_GROUPS": "/aws/ecs/{{service}}",
        "WHYDOWN_CLOUDWATCH_URL": "{url}",
        "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "AKID",
        "AWS_SECRET_ACCESS_KEY": "signs, and is never sent",
        "AWS_SESSION_TOKEN": TOKEN,
    },
    "logs.elasticsearch": {"ELASTICSEARCH_URL": "{url}", "WHYDOWN_ELASTICSEARCH_API_KEY": TOKEN},
    "logs.kubernetes": {"WHYDOWN_KUBERNETES_URL": "{url}", "WHYDOWN_KUBERNETES_TOKEN": TOKEN},
    "logs.loki": {"LOKI_URL": "{url}", "WHYDOWN_LOKI_TOKEN": TOKEN},
    "metrics.prometheus": {"PROMETHEUS_URL": "{url}", "WHYDOWN_PROMETHEUS_TOKEN": TOKEN},
}
"""The settings under which a source asks the server at {url}. A new source has an entry here, or in LOCAL."""


def source_at(name: str, url: str, monkeypatch: pytest.MonkeyPatch) -> Source:
    for setting, value in SETTINGS[name].items():
        monkeypatch.setenv(setting, value.format(url=url))
    built = SOURCES.load(name).from_settings()
    assert built is not None
    return built
