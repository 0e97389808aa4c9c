"""Sources: where the facts come from. Adding one is one file, one line below, one test.

A source is built once per process, is shared by threads, and knows nothing of queues, databases or other sources. It
asks for the alerted service and for its direct dependencies, bounds what it fetches in items and bytes, and stops at
its deadline. What it cannot fetch it says: by raising SourceFailure when nothing could be had, in `Gathered.detail`
when a part is missing.
"""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, Self

from shared.moment import Deadline
from shared.registry import Registry
from worker.inquiry import Gathered, Inquiry


class Source(Protocol):
    """One place to look."""

    configure: ClassVar[str]
    """What to set for this source to be asked, in words: shown when its category has no source at all. Empty when there
    is nothing to set.
    """

    @classmethod
    def from_settings(cls) -> Self | None:
        """The source as the settings say, or None when it is not configured. Raises ConfigurationError."""
        ...

    def gather(self, inquiry: Inquiry, deadline: Deadline) -> Gathered:
        """What this source knows. Raises SourceFailure or DeadlineExceeded."""
        ...

    def probe(self, deadline: Deadline) -> str:
        """A real query for `whydown doctor`: what was reached, in words. Raises SourceFailure."""
        ...


SOURCES: Registry[Source] = Registry[Any](
    "source",
    "whydown.sources",
    {
        # `<category>.<name>`: the category is what a gap is named after when none of its sources answered.
        "changes.git": "worker.sources.git_changes:GitChanges",
        "changes.github": "worker.sources.github_changes:GithubChanges",
        "changes.argocd": "worker.sources.argocd_changes:ArgoCdChanges",
        "changes.gitlab": "worker.sources.gitlab_changes:GitlabChanges",
        "changes.deployments": "worker.sources.reported_deployments:ReportedDeployments",
        "heuristics.git": "worker.sources.git_heuristics:GitHeuristics",
        "heuristics.github": "worker.sources.github_heuristics:GithubHeuristics",
        "heuristics.gitlab": "worker.sources.gitlab_heuristics:GitlabHeuristics",
        "logs.alert": "worker.sources.alert_errors:AlertErrors",
        "logs.appinsights": "worker.sources.appinsights_logs:AppInsightsLogs",
        "logs.cloudwatch": "worker.sources.cloudwatch_logs:CloudWatchLogs",
        "logs.elasticsearch": "worker.sources.elasticsearch_logs:ElasticsearchLogs",
        "logs.files": "worker.sources.log_files:LogFiles",
        "logs.kubernetes": "worker.sources.kubernetes_logs:KubernetesLogs",
        "logs.loki": "worker.sources.loki_logs:LokiLogs",
        "metrics.prometheus": "worker.sources.prometheus_metrics:PrometheusMetrics",
    },
)
