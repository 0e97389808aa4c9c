"""An incident in each of its states, as a push brings it, full of what must not get through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from shared.incident import (
    AlertSeen,
    Attempt,
    Brief,
    Coverage,
    CoverageStatus,
    Diagnosis,
    Evidence,
    Incident,
    ProbableCause,
    ProducedBy,
    Status,
    SuggestedAction,
)
from worker.inquiry import Component
from worker.investigation import markdown
from worker.notifiers import Push

MOMENT = datetime(2026, 11, 23, 3, 4, tzinfo=UTC)
PAGE = "https://whydown.example.test/incidents/i1"
HOSTILE = (
    "<!channel> <@U123> @everyone @123 [click](https://evil.test/a) ![x](https://evil.test/b.png) "
    "<img src=https://evil.test/c> www.evil.test acme/other#7 GH-8 &amp; *bold* `code` <https://evil.test|here>"
)
FORBIDDEN = ("evil.test/", "<!", "<@", "@everyone", "<img", "www.evil", "](http")


@dataclass
class Memory:
    """What a recipient keeps from one push to the next."""

    kept: Mapping[str, str] = field(default_factory=dict)

    def keep(self, kept: Mapping[str, str]) -> None:
        """As the database would."""
        self.kept = kept


def incident(status: Status = Status.DONE, **more: Any) -> Incident:
    """An incident that began at MOMENT; briefed unless it was skipped, diagnosed when it is done."""
    diagnosis = Diagnosis(
        probable_cause=ProbableCause(statement=f"The pool is exhausted {HOSTILE}", confidence=0.72),
        evidence=(
            Evidence(statement=f"It waits {HOSTILE}", fact="F1", quote="pool timeout", verified=True),
            Evidence(statement="The moon is full", fact="F2", quote="moon", verified=False),
        ),
        suggested_actions=(
            SuggestedAction(kind="verify", text="Read the change"),
            SuggestedAction(kind="immediate", text=f"Roll back {HOSTILE}", command="git revert 67e271c #42 @dev"),
        ),
        missing_data=("traces",),
        produced_by=ProducedBy(stage="model", provider="openai"),
    )
    known: dict[str, Any] = {
        "id": "i1",
        "status": status,
        "service": "invoice-api",
        "title": f"Error rate above 5 % {HOSTILE}",
        "severity": "critical",
        "started_at": MOMENT,
        "received_at": MOMENT,
        "last_seen_at": MOMENT,
        "sender": "pagerduty",
        "alerts": (AlertSeen(fingerprint="Q02JTSNZWHSEKV", status="firing", title="t"),),
        "fire_count": 3,
        "brief": None if status is Status.SKIPPED else Brief(summary="Commit 67e271c most likely broke it"),
        "coverage": (
            Coverage(source="logs.loki", status=CoverageStatus.OK),
            Coverage(source="changes.github", status=CoverageStatus.TIMEOUT),
            Coverage(source="metrics", status=CoverageStatus.NOT_CONFIGURED),
        ),
        "attempts": (Attempt(number=1),),
    }
    if status is Status.DONE:
        known |= {"diagnosis": diagnosis, "analysis": markdown.render(diagnosis)}
    return Incident(**known | more)


def push(
    told: Incident | None = None,
    memory: Memory | None = None,
    url: str | None = PAGE,
    component: Component | None = None,
) -> Push:
    """That incident for a recipient with that memory."""
    memory = memory or Memory()
    return Push("i1.1.deliver.x", told or incident(), url, None, component, memory.kept, memory.keep)
