"""Logs in Grafana Loki, over its API: https://grafana.com/docs/loki/latest/reference/loki-http-api/."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final, Self

from pydantic import SecretStr

from shared.errors import ConfigurationError
from shared.incident import CoverageStatus
from shared.moment import Deadline
from shared.settings import HttpUrl, Section, setting
from worker.exchange import Failure
from worker.inquiry import Gathered, Inquiry, LogLine, SourceFailure, Target, Window
from worker.log_queries import MOST_LINES, MOST_WARNINGS, askable, before, names_of, spans
from worker.log_text.levels import level_word
from worker.log_text.lines import stored
from worker.outbound import Answer, Outbound, checked

LABELS: Final = ("service_name", "app", "service")
"""Labels that hold the service, likeliest first."""

ERRORS: Final = '| detected_level=~"error|critical|fatal"'
WARNINGS: Final = '| detected_level=~"warn|warning"'
WORDS: Final = '|~ "(?i)(error|exception|panic|fatal|critical|traceback|timeout|refused|failed)"'
"""For what Loki found no level in."""

_AT_ONCE: Final = 8
_LABEL_SECONDS: Final = 300.0
_NANOSECONDS: Final = re.compile(r"[0-9]{1,19}")
_LABEL: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Config(Section):
    """Where Loki is."""

    url: HttpUrl | None = setting("LOKI_URL", default=None, description="Base URL of Loki, `http://loki:3100`.")
    tenant: str | None = setting(
        "WHYDOWN_LOKI_TENANT", default=None, description="Tenant, sent as X-Scope-OrgID; needed where Loki has several."
    )
    token: SecretStr | None = setting("WHYDOWN_LOKI_TOKEN", default=None, description="Bearer token for Loki.")
    label: str | None = setting(
        "WHYDOWN_LOKI_LABEL",
        default=None,
        description="The label that holds the service. Unset: the first of service_name, app, service that there is.",
    )


@dataclass(frozen=True, slots=True)
class Query:
    """One query about one target."""

    target: Target
    selector: str
    pipeline: str
    start: datetime
    end: datetime
    limit: int = MOST_LINES

    def params(self) -> dict[str, str]:
        """As Loki wants it: times in nanoseconds, the oldest lines first."""
        return {
            "query": f"{self.selector} {self.pipeline}".strip(),
            "start": str(_nanoseconds(self.start)),
            "end": str(_nanoseconds(self.end)),
            "limit": str(self.limit),
            "direction": "forward",
        }


Outcome = list[LogLine] | Failure


class LokiLogs:
    """Error lines in Grafana Loki, before and during the incident."""

    configure: ClassVar[str] = "LOKI_URL"

    def __init__(self, url: str, tenant: str | None = None, token: str | None = None, label: str | None = None) -> None:
        """`label` is the one that holds the service, when it is known."""
        self._loki = Outbound(url, token=token, headers={"X-Scope-OrgID": tenant} if tenant else None)
        self._label = label
        self._seen: tuple[str, float] | None = None

    @classmethod
    def from_settings(cls) -> Self | None:
        """Loki at LOKI_URL, or None when that is unset. Raises ConfigurationError."""
        config = Config.read()
        if config.url is None:
            return None
        if config.label is not None and not _LABEL.fullmatch(config.label):
            raise ConfigurationError("WHYDOWN_LOKI_LABEL: not the name of a label (letters, digits and _)")
        return cls(config.url, config.tenant, config.token.get_secret_value() if config.token else None, config.label)

    def gather(self, inquiry: Inquiry, deadline: Deadline) -> Gathered:
        """The lines. Raises SourceFailure or DeadlineExceeded when the alerted service could not be asked about and
        nothing else was found.
        """
        soon = before(deadline)
        window = inquiry.scope.window
        label = self._service_label(window, soon)
        targets, notes = askable(inquiry.scope.targets)
        outcomes = self._ask_all(targets, label, window, soon)
        lines = _without_repeats(outcomes)
        _raise_for_silence(inquiry.alerted, outcomes, bool(lines))
        notes += _notes(outcomes)
        alerted = [outcome for query, outcome in outcomes.items() if query.target == inquiry.alerted]
        if alerted and all(outcome == [] for outcome in alerted):
            notes.append(self._why_nothing(inquiry.alerted, label, window, soon))
        return Gathered(lines=tuple(lines), incomplete=_incomplete(outcomes), detail="; ".join(notes) or None)

    def probe(self, deadline: Deadline) -> str:
        """Which label holds the service."""
        moment = datetime.now(UTC)
        window = (moment - timedelta(hours=1), moment)
        return f"services are told apart by the label {self._label or self._chosen_label(*window, deadline)}"

    def _service_label(self, window: Window, deadline: Deadline) -> str:
        if self._label:
            return self._label
        if self._seen is None or self._seen[1] < time.monotonic():
            label = self._chosen_label(window.baseline_since, window.until, deadline)
            self._seen = (label, time.monotonic() + _LABEL_SECONDS)
        return self._seen[0]

    def _chosen_label(self, start: datetime, end: datetime, deadline: Deadline) -> str:
        params = {"start": str(_nanoseconds(start)), "end": str(_nanoseconds(end))}
        answer = self._loki.get("/loki/api/v1/labels", deadline, params).json()
        there = answer.get("data") if isinstance(answer, dict) else None
        for label in LABELS:
            if isinstance(there, list) and label in there:
                return label
        raise SourceFailure(
            CoverageStatus.ERROR,
            f"Loki has none of the labels {', '.join(LABELS)} between {start:%H:%M} and {end:%H:%M} UTC: set "
            "WHYDOWN_LOKI_LABEL to the one that holds the service, and WHYDOWN_LOKI_TENANT if Loki has several tenants",
        )

    def _ask_all(
        self, targets: Sequence[Target], label: str, window: Window, deadline: Deadline
    ) -> dict[Query, Outcome]:
        """All queries at once; then, where no level led to a line, once more by words."""
        by_level = [query for target in targets for query in _queries(target, label, ERRORS, window)]
        alerted = [target for target in targets if target.role == "alerted"]
        by_level += [query for target in alerted for query in _queries(target, label, WARNINGS, window, MOST_WARNINGS)]
        outcomes = self._ask(by_level, deadline)
        # Where Loki tells levels at all, a dependency without errors is one that is well.
        told = any(isinstance(outcome, list) and outcome for outcome in outcomes.values())
        asked = alerted if told else targets
        silent = [target for target in asked if _is_silent(target, outcomes, window)]
        by_words = self._ask([query for target in silent for query in _queries(target, label, WORDS, window)], deadline)
        # A Loki too old for levels has been asked in the way that it knows.
        return {query: outcome for query, outcome in outcomes.items() if not _is_refused(outcome)} | by_words

    def _ask(self, queries: Sequence[Query], deadline: Deadline) -> dict[Query, Outcome]:
        params = (query.params() for query in queries)
        answers = self._loki.get_each("/loki/api/v1/query_range", deadline, params, _AT_ONCE)
        found = {number: _outcome(queries[number], answer) for number, answer in answers}
        return {query: found[number] for number, query in enumerate(queries)}

    def _why_nothing(self, target: Target, label: str, window: Window, deadline: Deadline) -> str:
        """Whether a service without a line that tells of trouble logs anything at all."""
        selector = _selector(label, target)
        query = Query(target, selector, "", window.baseline_since, window.until, limit=1)
        found = self._ask([query], deadline)[query]
        if isinstance(found, list) and not found:
            return f"Loki has no lines at all for {selector}: is WHYDOWN_LOKI_LABEL right?"
        return f"{target.service} logged no errors or warnings"


def _outcome(query: Query, answer: Answer | Failure) -> Outcome:
    try:
        if isinstance(answer, Exception):
            return answer
        told = checked(answer).json()
    except SourceFailure as failure:
        return failure
    return sorted(_lines(query.target.service, told), key=lambda line: line.at or query.start)[: query.limit]


def _selector(label: str, target: Target) -> str:
    """The one stream selector of a target. Its names have passed the allow-list: only the dot has a meaning."""
    names = names_of(target)
    if len(names) == 1:
        return f'{{{label}="{names[0]}"}}'
    alternatives = "|".join(names).replace(".", "\\\\.")
    return f'{{{label}=~"{alternatives}"}}'


def _queries(target: Target, label: str, pipeline: str, window: Window, limit: int = MOST_LINES) -> Iterator[Query]:
    for start, end in spans(target, window):
        yield Query(target, _selector(label, target), pipeline, start, end, limit)


def _is_silent(target: Target, outcomes: dict[Query, Outcome], window: Window) -> bool:
    """Whether no error was found in the incident's window, although Loki did answer or could not read the question."""
    during = [
        outcome
        for query, outcome in outcomes.items()
        if query.target == target and query.pipeline == ERRORS and query.start >= window.logs_since
    ]
    return all(outcome == [] or _is_refused(outcome) for outcome in during)


def _is_refused(outcome: Outcome) -> bool:
    return isinstance(outcome, SourceFailure) and "parse error" in outcome.detail


def _without_repeats(outcomes: dict[Query, Outcome]) -> list[LogLine]:
    """All lines; those found by their words only where their level did not lead to them already."""
    found = [
        (query.pipeline == WORDS, line)
        for query, lines in outcomes.items()
        if isinstance(lines, list)
        for line in lines
    ]
    by_level = [line for by_words, line in found if not by_words]
    known = set(by_level)
    return by_level + [line for by_words, line in found if by_words and line not in known]


def _raise_for_silence(alerted: Target, outcomes: dict[Query, Outcome], found: bool) -> None:
    """Silence is evidence only when everything about the alerted service was answered."""
    failures = [
        (query.target != alerted, outcome) for query, outcome in outcomes.items() if not isinstance(outcome, list)
    ]
    everything = len(failures) == len(outcomes)
    for elsewhere, failure in sorted(failures, key=lambda item: item[0]):
        if not found and (everything or not elsewhere):
            raise failure


def _notes(outcomes: dict[Query, Outcome]) -> list[str]:
    """What is missing, once for each service."""
    notes = []
    for query, outcome in outcomes.items():
        if not isinstance(outcome, list):
            reason = outcome.detail if isinstance(outcome, SourceFailure) else "no answer in time"
            notes.append(f"{query.target.service}: {reason}")
        elif len(outcome) >= query.limit:
            notes.append(f"{query.target.service}: first {query.limit:,} lines of more from {query.start:%H:%M} UTC on")
    return list(dict.fromkeys(notes))


def _incomplete(outcomes: dict[Query, Outcome]) -> frozenset[str]:
    """The services of which Loki has more lines than it gave, or did not answer."""
    return frozenset(
        query.target.service
        for query, outcome in outcomes.items()
        if not isinstance(outcome, list) or len(outcome) >= query.limit
    )


def _lines(service: str, answer: Any) -> Iterator[LogLine]:
    data = answer.get("data") if isinstance(answer, dict) else None
    streams = data.get("result") if isinstance(data, dict) else None
    for stream in _dicts(streams):
        labels = stream.get("stream")
        labels = labels if isinstance(labels, dict) else {}
        level = level_word(labels.get("detected_level")) or level_word(labels.get("level"))
        for value in stream.get("values") or ():
            if (
                isinstance(value, list)
                and len(value) >= 2
                and isinstance(value[1], str)
                and _NANOSECONDS.fullmatch(str(value[0]))
            ):
                moment = datetime.fromtimestamp(int(value[0]) / 1e9, UTC)
                entry = stored(value[1], moment, level)
                yield LogLine(service, entry.text, moment, entry.level)


def _dicts(values: Any) -> Iterable[dict[str, Any]]:
    return (value for value in values if isinstance(value, dict)) if isinstance(values, list) else ()


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1_000
