"""The incident and everything that is found out about it, as users see it (JSON in camelCase)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Literal

from pydantic import Field

from shared.wire import Wire


class Status(StrEnum):
    """Where an incident stands."""

    QUEUED = "queued"
    GATHERING = "gathering"
    DIAGNOSING = "diagnosing"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self in _FINISHED


_FINISHED = frozenset({Status.DONE, Status.SKIPPED, Status.FAILED, Status.CANCELLED})


class BroughtContext(Wire):
    """The context that the caller of /api/incident/analyze brought along; nothing else is gathered then."""

    service_description: str = ""
    dependencies: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    recent_deployments: str = ""
    recent_errors: str = ""
    gotcha_heuristics: str = ""


class CoverageStatus(StrEnum):
    """What came of asking a source."""

    OK = "ok"
    EMPTY = "empty"
    TIMEOUT = "timeout"
    DENIED = "denied"
    ERROR = "error"
    NOT_CONFIGURED = "notConfigured"

    @property
    def answered(self) -> bool:
        """Whether the source said what it knows (nothing is an answer too)."""
        return self in (CoverageStatus.OK, CoverageStatus.EMPTY)


class Coverage(Wire):
    """What came of one source: the reader's way to know what was not looked at."""

    source: str
    """`<category>` or `<category>.<name>`: `catalog`, `logs.loki`, `changes.git`."""
    status: CoverageStatus
    millis: int | None = None
    items: int = 0
    detail: str | None = None


class Fact(Wire):
    """One thing that was gathered: the only thing that a claim may rest on."""

    id: str = ""
    """`F1`, `F2`, ...: given in the order of arrival, when it is stored."""
    source: str
    kind: str
    """`service`, `dependency`, `dependent`, `commit`, `deploy`, `flag`, `compare`, `heuristic`, `signature`, `metric`,
    `trace`, `alert`, `similar`."""
    service: str | None = None
    at: datetime | None = None
    text: str
    """What was found, as quoted by citations."""
    url: str | None = None
    count: int | None = None
    data: dict[str, Any] = Field(default_factory=dict, exclude=True)
    """The parts that code reasons about (sha, files, level, ...). Stored, but not part of the public document."""


class Suspect(Wire):
    """A change that may be the cause."""

    kind: Literal["commit", "deploy", "flag"]
    id: str
    """The commit's sha, the deployed version, or the flag's name."""
    title: str = ""
    service: str
    score: float
    """0 to 1: how much of the evidence points at it. It ranks; it is no probability."""
    reasons: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()


class SetAside(Wire):
    """A change near the incident that looks innocent, and why."""

    kind: Literal["commit", "deploy", "flag"]
    id: str
    service: str
    title: str = ""
    reason: str
    facts: tuple[str, ...] = ()


class Explanation(Wire):
    """A cause that is no change of ours, read from the signs."""

    kind: str
    """`traffic`, `dns`, `certificate`, `provider`, `bad data`, ..."""
    statement: str
    strength: float
    """0 to 1."""
    facts: tuple[str, ...] = ()


class Signature(Wire):
    """Log lines of one service that differ only in their variable parts."""

    service: str
    level: str
    text: str
    count: int
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    baseline_count: int = 0
    """How often it was seen in the window before."""
    change: Literal["new", "up", "down", "gone", "steady"] | None = None
    """How its rate changed; None where that is not known."""
    names: tuple[str, ...] = ()
    """The other services that its lines name."""
    fact: str


class MatchedHeuristic(Wire):
    """A rule of the repository's GOTCHA.md that shares words with what was found."""

    text: str
    words: tuple[str, ...]
    """The words that it shares with them."""
    matches: tuple[str, ...] = ()
    """The facts that have one of those words or more: errors and suspected changes."""
    fact: str


FeedbackVerdict = Literal["right", "partly", "wrong"]
"""What people say of a diagnosis."""


class SimilarIncident(Wire):
    """Earlier incidents of one service that showed the same signatures, as the one of them that tells most."""

    id: str
    at: datetime
    """When that one began."""
    service: str = ""
    title: str = ""
    count: int = 1
    """How many there were."""
    since: datetime | None = None
    """When the first of them began."""
    score: float = 0.0
    """0 to 1: the share of this incident's signatures that they showed, by rarity."""
    cause: str | None = None
    """The probable cause in the diagnosis then."""
    suspect_change: str | None = None
    verdict: FeedbackVerdict | None = None
    """What people said of that diagnosis."""
    actual_cause: str | None = None
    fixed_by: str | None = None
    signatures: tuple[str, ...] = ()
    """The facts of this incident that were seen then too."""
    fact: str = ""
    """The fact that tells of it."""


class Brief(Wire):
    """What code alone can say from the facts."""

    onset: datetime | None = None
    """When it began, as far as the facts tell."""
    onset_reason: str | None = None
    summary: str
    suspects: tuple[Suspect, ...] = ()
    set_aside: tuple[SetAside, ...] = ()
    """Changes near the incident that look innocent, the nearest first."""
    explanations: tuple[Explanation, ...] = ()
    """Causes other than a change that the signs speak for, the strongest first."""
    verdict: Literal["change", "noChange", "undecided"] = "undecided"
    signatures: tuple[Signature, ...] = ()
    heuristics: tuple[MatchedHeuristic, ...] = ()
    similar: tuple[SimilarIncident, ...] = ()
    complete: bool = True
    """False while sources are still out: a later brief replaces this one."""


class Citation(Wire):
    """A fact, and the words in it that a statement rests on."""

    fact: str
    quote: str
    verified: bool = False
    """Whether code found the quote in the fact."""


class ProbableCause(Wire):
    """What most likely broke it."""

    statement: str
    confidence: float
    """0 to 1."""
    citations: tuple[Citation, ...] = ()


class Evidence(Citation):
    """One piece of evidence for the cause."""

    statement: str


class SuggestedAction(Wire):
    """Something for the engineer to do. Nothing here is ever run by Whydown."""

    kind: Literal["immediate", "verify", "afterFix"]
    text: str
    command: str | None = None


class RelatedService(Wire):
    """A service that may be hurt too, or may be the cause."""

    service: str
    reason: str
    in_catalog: bool = False


class ProducedBy(Wire):
    """Who wrote the diagnosis."""

    stage: Literal["brief", "model"]
    provider: str | None = None
    model: str | None = None
    reason: str | None = None
    """Why the brief had to stand in for the model."""


class Diagnosis(Wire):
    """The answer: a hypothesis with its evidence."""

    probable_cause: ProbableCause
    evidence: tuple[Evidence, ...] = ()
    suggested_actions: tuple[SuggestedAction, ...] = ()
    related_services: tuple[RelatedService, ...] = ()
    suspect_change: str | None = None
    missing_data: tuple[str, ...] = ()
    produced_by: ProducedBy


class Usage(Wire):
    """What the model cost."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float | None = None
    """None when the price of the model is not known."""
    calls: int = 0


class Timings(Wire):
    """How long each stage took, in milliseconds from the moment the alert was received."""

    queued_ms: int | None = None
    brief_ms: int | None = None
    model_ms: int | None = None
    total_ms: int | None = None


MAX_SAID: Final = 2_000
"""Characters of a cause or a fix as people tell it."""


class Feedback(Wire):
    """What people found out once it was over: whether the diagnosis was right, and what it really was."""

    verdict: FeedbackVerdict
    actual_cause: str | None = None
    fixed_by: str | None = None
    at: datetime
    attempt: int
    """The number of the attempt whose diagnosis was judged."""


class Attempt(Wire):
    """One run of the investigation."""

    number: int
    started_at: datetime | None = None
    finished_at: datetime | None = None
    outcome: str | None = None
    """The status that the attempt ended in."""
    error: str | None = None


class Link(Wire):
    """A page worth opening."""

    title: str
    url: str


class RelatedIncident(Wire):
    """Another incident that began about the same time."""

    id: str
    service: str
    title: str
    status: Status
    relation: Literal["same", "dependency", "dependent"]
    """What the other's service is to this one's."""


class Delivery(Wire):
    """One push of a result to one destination."""

    id: str
    """The `webhook-id`: the same at every try."""
    to: str
    """The name of the recipient; never its address."""
    stage: Literal["brief", "result", "update"] = "result"
    """What it is for: the brief, the end of the attempt, or that the alert was resolved or fires again."""
    attempt: int
    """The attempt whose result it is."""
    state: Literal["waiting", "delivered", "dead"]
    tries: int
    next_at: datetime | None = None
    """When it is tried again."""
    reason: str | None = None
    """Why the last try failed."""


class AlertSeen(Wire):
    """One alert of the incident."""

    fingerprint: str
    status: Literal["firing", "resolved"]
    title: str
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    labels: dict[str, str] = Field(default_factory=dict)


class QueuePlace(Wire):
    """Where an incident that waits for its turn stands."""

    position: int
    """1 is next."""
    estimate_seconds: int | None = None
    """Until its turn comes, as things went lately; None while nothing was finished yet."""


class IncidentSummary(Wire):
    """An incident without its findings: what `GET /incidents` lists."""

    id: str
    status: Status
    service: str
    entity_ref: str | None = None
    title: str
    severity: str
    started_at: datetime
    received_at: datetime
    last_seen_at: datetime
    finished_at: datetime | None = None
    resolved_at: datetime | None = None
    fire_count: int = 1
    sender: str
    labels: dict[str, str] = Field(default_factory=dict)
    links: tuple[Link, ...] = ()
    detail: str | None = None
    """Why it was skipped, failed or cancelled, and what to do about it."""
    closest: tuple[str, ...] = ()
    """Catalog names close to the service's, when it is not in the catalog."""
    previous: str | None = None
    """The id of the earlier incident of the same alert."""
    truncated_alerts: int = 0
    """How many alerts of the group the sender left out."""
    cause: str | None = None
    """The probable cause in a sentence, as soon as there is one."""
    queue: QueuePlace | None = None
    """Set while it waits for its turn."""


class Incident(IncidentSummary):
    """The whole document of `GET /incidents/<id>`."""

    alerts: tuple[AlertSeen, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    facts: tuple[Fact, ...] = ()
    brief: Brief | None = None
    diagnosis: Diagnosis | None = None
    analysis: str | None = None
    """The diagnosis as Markdown under the seed's four headings."""
    feedback: Feedback | None = None
    """The latest judgement of it; None while there is none."""
    related: tuple[RelatedIncident, ...] = ()
    """Incidents of the same service and of its neighbours around the same time."""
    covered_by: RelatedIncident | None = None
    """The incident whose analysis covers this one: it has none of its own, until somebody investigates it again."""
    covers: tuple[RelatedIncident, ...] = ()
    """The incidents that this one's analysis covers."""
    deliveries: tuple[Delivery, ...] = ()
    """Pushes of its results, the oldest first."""
    usage: Usage = Usage()
    timings: Timings = Timings()
    attempts: tuple[Attempt, ...] = ()
