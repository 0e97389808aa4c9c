"""Deploys and switched flags that somebody told Whydown about: `POST /deployments`."""

from __future__ import annotations

from typing import ClassVar, Final, Self

from shared.deploy import Deploy
from shared.incident import Fact
from shared.moment import Deadline
from worker.inquiry import Gathered, Inquiry
from worker.repositories.changes import deploy_fact, flag_fact

SOURCE: Final = "changes.deployments"
_MAX_DEPLOYS: Final = 50


class ReportedDeployments:
    """Turns reported deploys and switched flags into facts."""

    configure: ClassVar[str] = ""

    @classmethod
    def from_settings(cls) -> Self | None:
        """Always there: it needs no setting."""
        return cls()

    def gather(self, inquiry: Inquiry, deadline: Deadline) -> Gathered:
        """What was reported for the targets, newest first."""
        newest = sorted(inquiry.deploys, key=lambda deploy: deploy.started_at, reverse=True)
        facts = tuple(map(_fact, newest[:_MAX_DEPLOYS]))
        left_out = len(newest) - len(facts)
        return Gathered(facts=facts, detail=f"{left_out} older deploys left out" if left_out else None)

    def probe(self, deadline: Deadline) -> str:
        """There is nothing to reach."""
        return "takes what POST /deployments receives"


def _fact(deploy: Deploy) -> Fact:
    return flag_fact(SOURCE, deploy) if deploy.flag else deploy_fact(SOURCE, deploy)
