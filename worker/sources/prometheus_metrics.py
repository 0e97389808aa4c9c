"""Metrics in Prometheus, or in what speaks its API (Mimir, Thanos, VictoriaMetrics):
https://prometheus.io/docs/prometheus/latest/querying/api/.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Final, Self

from pydantic import SecretStr

from shared.errors import ConfigurationError
from shared.incident import CoverageStatus
from shared.moment import Deadline, DeadlineExceeded
from shared.settings import HttpUrl, Section, setting
from worker.exchange import Failure
from worker.inquiry import Gathered, Inquiry, SourceFailure, Target
from worker.investigation.change_points import Series
from worker.investigation.metrics import metric_facts
from worker.log_queries import MOST_TARGETS, before, names_of
from worker.metric_queries import QUERIES, Span, alternatives, filled, read_queries
from worker.outbound import Answer, Outbound, basic, checked
from worker.printable import printable

MOST_SERIES: Final = 20
"""Series of one service that one query may give."""

LABELS: Final = ("service", "service_name", "app", "app_kubernetes_io_name", "job")
"""Labels that may hold the service, likeliest first."""

_AT_ONCE: Final = 6
_LABEL: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REFUSALS: Final = (400, 404, 422, 500, 503)
"""Statuses that Prometheus says the reason of: https://prometheus.io/docs/prometheus/latest/querying/api/#format-overview."""


class Config(Section):
    """Where Prometheus is."""

    url: HttpUrl | None = setting(
        "PROMETHEUS_URL", default=None, description="Base URL of Prometheus, `http://prometheus:9090`."
    )
    token: SecretStr | None = setting(
        "WHYDOWN_PROMETHEUS_TOKEN", default=None, description="Bearer token for Prometheus."
    )
    user: str | None = setting(
        "WHYDOWN_PROMETHEUS_USER", default=None, description="User for Prometheus, where it wants basic authentication."
    )
    password: SecretStr | None = setting(
        "WHYDOWN_PROMETHEUS_PASSWORD", default=None, description="That user's password."
    )
    tenant: str | None = setting(
        "WHYDOWN_PROMETHEUS_TENANT", default=None, description="Tenant, sent as X-Scope-OrgID, for Mimir and its like."
    )
    label: str | None = setting(
        "WHYDOWN_PROMETHEUS_LABEL",
        default=None,
        description="The label that holds the service. "
        "Unset: the first of service, service_name, app, app_kubernetes_io_name, job that knows it.",
    )
    queries: Path | None = setting(
        "WHYDOWN_PROMETHEUS_QUERIES",
        default=None,
        description="YAML file of what to ask, a name and a PromQL expression each. "
        "Unset: worker/metric_queries.yaml, which says how one is written.",
    )

    def headers(self) -> dict[str, str]:
        """What a request carries beyond the token. Raises ConfigurationError."""
        headers = {"X-Scope-OrgID": self.tenant} if self.tenant else {}
        if (self.user is None) != (self.password is None):
            raise ConfigurationError("WHYDOWN_PROMETHEUS_USER and WHYDOWN_PROMETHEUS_PASSWORD: set both or none")
        if self.user is not None and self.password is not None:
            if self.token is not None:
                raise ConfigurationError("WHYDOWN_PROMETHEUS_TOKEN: not together with WHYDOWN_PROMETHEUS_USER")
            headers |= basic(self.user, self.password.get_secret_value())
        return headers


Outcome = list[Series] | Failure


class PrometheusMetrics:
    """Metrics in Prometheus or what speaks its API: what changed, what ended, and what did not."""

    configure: ClassVar[str] = "PROMETHEUS_URL"

    def __init__(
        self,
        url: str,
        queries: Mapping[str, str],
        label: str | None = None,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`queries` are PromQL by name, with places for label, services and interval; `label` is the one that holds
        the service, when it is known.
        """
        self._prometheus = Outbound(url, token=token, headers=headers)
        self._queries = queries
        self._label = label

    @classmethod
    def from_settings(cls) -> Self | None:
        """Prometheus at PROMETHEUS_URL, or None when that is unset. Raises ConfigurationError."""
        config = Config.read()
        if config.url is None:
            return None
        if config.label is not None and not _LABEL.fullmatch(config.label):
            raise ConfigurationError("WHYDOWN_PROMETHEUS_LABEL: not the name of a label (letters, digits and _)")
        token = config.token.get_secret_value() if config.token else None
        return cls(config.url, read_queries(config.queries or QUERIES), config.label, token, config.headers())

    def gather(self, inquiry: Inquiry, deadline: Deadline) -> Gathered:
        """What changed and what did not. Raises SourceFailure or DeadlineExceeded when no query was answered."""
        soon = before(deadline)
        window = inquiry.scope.window
        names, notes = _askable(inquiry.scope.targets)
        if not names:
            return Gathered(detail="; ".join(notes))
        span = Span.of(window)
        label = self._label or self._chosen_label(names, span, soon)
        asked = {name: text for name, text in self._queries.items() if label or "$label" not in text}
        if label is None:
            notes.append(
                f"no series has one of the labels {', '.join(LABELS)} with a service's name in it: set "
                "WHYDOWN_PROMETHEUS_LABEL to the one that holds the service"
            )
        answers = self._ask({name: filled(text, label, names, span) for name, text in asked.items()}, names, span, soon)
        outcomes = {name: outcome for name, (outcome, _) in answers.items()}
        failures = {name: outcome for name, outcome in outcomes.items() if not isinstance(outcome, list)}
        if failures and len(failures) == len(outcomes):
            raise next(iter(failures.values()))
        notes += [note for _, said in answers.values() for note in said]
        notes += _failed(failures)
        series = [each for outcome in outcomes.values() if isinstance(outcome, list) for each in outcome]
        if not any(each.service == inquiry.alerted.service for each in series):
            notes.append(f"no metric of {inquiry.alerted.service}")
        facts = metric_facts("metrics.prometheus", series, window)
        return Gathered(facts=facts, detail="; ".join(dict.fromkeys(notes)) or None)

    def probe(self, deadline: Deadline) -> str:
        """How many queries there are, and which label may hold the service."""
        moment = int(datetime.now(UTC).timestamp())
        form = {"start": str(moment - 3600), "end": str(moment)}
        there = _envelope(self._prometheus.send("POST", "/api/v1/labels", deadline, form=form)).get("data")
        found = [label for label in LABELS if isinstance(there, list) and label in there]
        label = self._label or " or ".join(found) or "none that is known: set WHYDOWN_PROMETHEUS_LABEL"
        return f"{len(self._queries)} queries; label of the service: {label}"

    def _chosen_label(self, names: Mapping[str, str], span: Span, deadline: Deadline) -> str | None:
        """The first label with a service's name for a value. Raises what the first question failed by."""
        among = alternatives(names)
        spanned = {"start": str(span.start), "end": str(span.end), "limit": "1"}
        forms = ({"match[]": f'{{{label}=~"{among}"}}', **spanned} for label in LABELS)
        answers = dict(self._prometheus.post_each("/api/v1/labels", deadline, forms, _AT_ONCE))
        return next((label for number, label in enumerate(LABELS) if _envelope(answers[number]).get("data")), None)

    def _ask(
        self, texts: Mapping[str, str], names: Mapping[str, str], span: Span, deadline: Deadline
    ) -> dict[str, tuple[Outcome, list[str]]]:
        """The series of each query by service, and what is to be said about them."""
        asked = list(texts)
        forms = (_form(texts[name], span, deadline) for name in asked)
        answers = self._prometheus.post_each("/api/v1/query_range", deadline, forms, _AT_ONCE)
        found = {asked[number]: _outcome(asked[number], answer, names) for number, answer in answers}
        return {name: found[name] for name in asked}


def _form(text: str, span: Span, deadline: Deadline) -> dict[str, str]:
    left = max(0.001, deadline.at - time.monotonic())
    spanned = {"start": str(span.start), "end": str(span.end), "step": str(span.step)}
    return {"query": text, **spanned, "timeout": f"{math.ceil(left * 1000)}ms"}


def _outcome(name: str, answer: Answer | Failure, names: Mapping[str, str]) -> tuple[Outcome, list[str]]:
    try:
        envelope = _envelope(answer)
    except (SourceFailure, DeadlineExceeded) as failure:
        return failure, []
    # What only part of a cluster answered comes with a warning; infos are about how the expression is written.
    warnings = envelope.get("warnings")
    notes = [f"{name}: {printable(str(each))[:200]}" for each in warnings[:2]] if isinstance(warnings, list) else []
    data = envelope.get("data")
    if not isinstance(data, dict) or data.get("resultType") != "matrix":
        return SourceFailure(CoverageStatus.ERROR, "the answer is no matrix"), notes
    series, left_out = _bounded(_series(name, data.get("result"), names))
    return series, notes + ([f"{name}: {left_out} series left out"] if left_out else [])


def _askable(targets: Sequence[Target]) -> tuple[dict[str, str], list[str]]:
    """The services by the names that they may have in Prometheus, and what is not asked about."""
    names: dict[str, str] = {}
    without = 0
    for target in targets[:MOST_TARGETS]:
        usable = names_of(target)
        names |= {name: target.service for name in usable if name not in names}
        without += not usable
    notes = []
    if without:
        notes.append(f"{without} services not asked about: their names are not made of letters, digits and ._-")
    if len(targets) > MOST_TARGETS:
        notes.append(f"{len(targets) - MOST_TARGETS} more services not asked about")
    return names, notes


def _series(name: str, result: Any, names: Mapping[str, str]) -> Iterator[Series]:
    for each in result if isinstance(result, list) else ():
        metric = each.get("metric") if isinstance(each, dict) else None
        labels = {str(key): str(value) for key, value in metric.items()} if isinstance(metric, dict) else {}
        holding = next((key for key, value in labels.items() if _named(value, names)), None)
        points = sorted(_points(each.get("values"))) if holding else []
        service = _named(labels[holding], names) if holding else None
        if service and points:
            rest = ", ".join(
                f"{key}={value}" for key, value in sorted(labels.items()) if key not in (holding, "__name__")
            )
            shown = printable(f"{name}{{{rest}}}" if rest else name)[:200]
            yield Series(service, shown, tuple(points))


def _named(value: str, names: Mapping[str, str]) -> str | None:
    return names.get(value) or names.get(value.rpartition("/")[2])


def _points(values: Any) -> Iterator[tuple[datetime, float]]:
    """The samples that are numbers: NaN is Prometheus' "nothing to divide", and infinity a histogram's last bucket."""
    for each in values if isinstance(values, list) else ():
        try:
            at, value = each
            number = float(value)
            moment = datetime.fromtimestamp(float(at), UTC)
        except (TypeError, ValueError, OverflowError, OSError):
            continue
        if math.isfinite(number):
            yield moment, number


def _bounded(series: Iterable[Series]) -> tuple[list[Series], int]:
    """At most MOST_SERIES of each service, and how many are left out."""
    kept: list[Series] = []
    counts: dict[str, int] = {}
    for each in series:
        counts[each.service] = counts.get(each.service, 0) + 1
        if counts[each.service] <= MOST_SERIES:
            kept.append(each)
    return kept, sum(counts.values()) - len(kept)


def _failed(failures: Mapping[str, SourceFailure | DeadlineExceeded]) -> list[str]:
    """One note for each reason, with the queries that it kept from being answered."""
    by_reason: dict[str, list[str]] = {}
    for name, failure in failures.items():
        reason = failure.detail if isinstance(failure, SourceFailure) else "no answer in time"
        by_reason.setdefault(reason, []).append(name)
    return [f"{', '.join(names)}: {reason}" for reason, names in by_reason.items()]


def _envelope(answer: Answer | Failure) -> dict[str, Any]:
    """The envelope of an answer that succeeded. Raises SourceFailure, or why there is no answer."""
    if isinstance(answer, Exception):
        raise answer
    if answer.status in _REFUSALS:
        try:
            refused = answer.json()
        except SourceFailure:
            refused = None  # a proxy's page
        if isinstance(refused, dict) and "errorType" in refused:
            detail = printable(f"answered {answer.status}: {refused['errorType']}: {refused.get('error')}")
            raise SourceFailure(CoverageStatus.ERROR, detail[:400], transient=answer.status >= 500)
    envelope = checked(answer).json()
    if not isinstance(envelope, dict) or envelope.get("status") != "success":
        raise SourceFailure(CoverageStatus.ERROR, "the answer is not one of Prometheus")
    return envelope
