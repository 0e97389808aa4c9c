"""Logs in Elasticsearch or OpenSearch, over their search API:
https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-search-1,
https://docs.opensearch.org/latest/api-reference/search-apis/search/.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Final, Self

from pydantic import SecretStr

from shared.errors import ConfigurationError
from shared.incident import CoverageStatus
from shared.moment import Deadline, parse_time, rfc3339
from shared.settings import HttpUrl, Section, setting
from worker.inquiry import Gathered, Inquiry, LogLine, SourceFailure
from worker.log_queries import Found, LogQuery, Severity, ask_all
from worker.log_text.levels import level_word
from worker.log_text.lines import LONGEST_TEXT, stored
from worker.log_text.times import from_epoch
from worker.outbound import Outbound, basic
from worker.printable import printable

_INDEX: Final = re.compile(r"[A-Za-z0-9*][A-Za-z0-9*,._:+<>{}/-]{0,254}")
_FIELD: Final = re.compile(r"[@A-Za-z0-9_][@A-Za-z0-9_.-]{0,127}")

_LEVELS: Final = {
    "errors": ("error", "err", "severe", "fatal", "critical", "crit", "panic", "emerg", "emergency", "alert"),
    "warnings": ("warn", "warning"),
}
_WORDS: Final = "error exception panic fatal critical traceback timeout refused failed"
"""For what has no level."""
_CAUSES: Final = ("error.type", "error.message", "error.stack_trace")
"""https://www.elastic.co/docs/reference/ecs/ecs-error."""


class Config(Section):
    """Where Elasticsearch or OpenSearch is, and what the fields are called."""

    url: HttpUrl | None = setting(
        "ELASTICSEARCH_URL",
        "OPENSEARCH_URL",
        default=None,
        description="Base URL of Elasticsearch or OpenSearch, `https://elasticsearch:9200`.",
    )
    api_key: SecretStr | None = setting(
        "WHYDOWN_ELASTICSEARCH_API_KEY",
        default=None,
        description="API key for Elasticsearch, as it shows it once: the encoded one.",
    )
    user: str | None = setting(
        "WHYDOWN_ELASTICSEARCH_USER", default=None, description="User, where it wants basic authentication."
    )
    password: SecretStr | None = setting(
        "WHYDOWN_ELASTICSEARCH_PASSWORD", default=None, description="That user's password."
    )
    ca_file: Path | None = setting(
        "WHYDOWN_ELASTICSEARCH_CA_FILE",
        default=None,
        description="PEM file of the authority that signed Elasticsearch's certificate, where no public one did.",
    )
    index: str = setting(
        "WHYDOWN_ELASTICSEARCH_INDEX", default="logs-*", description="Index, data stream or pattern of the logs."
    )
    service_field: str = setting(
        "WHYDOWN_ELASTICSEARCH_SERVICE_FIELD", default="service.name", description="Field that holds the service."
    )
    level_field: str = setting(
        "WHYDOWN_ELASTICSEARCH_LEVEL_FIELD", default="log.level", description="Field that holds the level of a line."
    )
    message_field: str = setting(
        "WHYDOWN_ELASTICSEARCH_MESSAGE_FIELD", default="message", description="Field that holds the text of a line."
    )
    time_field: str = setting(
        "WHYDOWN_ELASTICSEARCH_TIME_FIELD", default="@timestamp", description="Field that holds the time of a line."
    )

    def check(self) -> None:
        """Raises ConfigurationError, naming the setting."""
        if not _INDEX.fullmatch(self.index) or ".." in self.index:
            raise ConfigurationError("WHYDOWN_ELASTICSEARCH_INDEX: not the name or pattern of an index")
        for name in ("service_field", "level_field", "message_field", "time_field"):
            if not _FIELD.fullmatch(getattr(self, name)):
                raise ConfigurationError(
                    f"WHYDOWN_ELASTICSEARCH_{name.upper()}: not the name of a field (letters, digits and @_.-)"
                )
        if self.ca_file and not self.ca_file.is_file():
            raise ConfigurationError("WHYDOWN_ELASTICSEARCH_CA_FILE: there is no such file")

    def headers(self) -> dict[str, str]:
        """What a request proves itself by. Raises ConfigurationError."""
        if (self.user is None) != (self.password is None):
            raise ConfigurationError("WHYDOWN_ELASTICSEARCH_USER and WHYDOWN_ELASTICSEARCH_PASSWORD: set both or none")
        if self.api_key is not None and self.user is not None:
            raise ConfigurationError("WHYDOWN_ELASTICSEARCH_API_KEY: not together with WHYDOWN_ELASTICSEARCH_USER")
        if self.user is not None and self.password is not None:
            return basic(self.user, self.password.get_secret_value())
        return {"Authorization": f"ApiKey {self.api_key.get_secret_value()}"} if self.api_key else {}


class ElasticsearchLogs:
    """Error lines in Elasticsearch or OpenSearch, before and during the incident."""

    configure: ClassVar[str] = "ELASTICSEARCH_URL"

    def __init__(self, config: Config) -> None:
        """Raises ConfigurationError."""
        config.check()
        self._config = config
        self._search = f"/{config.index}/_search"
        self._elasticsearch = Outbound(config.url or "", headers=config.headers(), ca_file=config.ca_file)

    @classmethod
    def from_settings(cls) -> Self | None:
        """The store at ELASTICSEARCH_URL, or None when that is unset. Raises ConfigurationError."""
        config = Config.read()
        return cls(config) if config.url is not None else None

    def gather(self, inquiry: Inquiry, deadline: Deadline) -> Gathered:
        """The lines. Raises SourceFailure or DeadlineExceeded."""
        return ask_all(inquiry, deadline, self._ask, hint="is WHYDOWN_ELASTICSEARCH_SERVICE_FIELD right?")

    def probe(self, deadline: Deadline) -> str:
        """How many lines of the last hour say which service they are of."""
        field = self._config.service_field
        moment = datetime.now(UTC)
        body = self._body(deadline, [self._within(moment - timedelta(hours=1), moment), {"exists": {"field": field}}])
        answer = self._answer({**body, "size": 0, "track_total_hits": 10_000}, deadline)
        total = answer["hits"].get("total")
        count, relation = (total.get("value"), total.get("relation")) if isinstance(total, dict) else (total, "eq")
        least = "at least " if relation == "gte" else ""
        return f"{self._config.index}: {least}{count} lines of the last hour with {field}"

    def _ask(self, query: LogQuery, deadline: Deadline) -> Found:
        config = self._config
        filters = [
            self._within(query.start, query.end),
            {"bool": {"should": _either(config.service_field, list(query.services))}},
            *self._severe(query.severity),
        ]
        body = self._body(deadline, filters) | {
            "size": query.limit,
            "sort": [{config.time_field: {"order": "asc", "unmapped_type": "date"}}],
            "_source": [config.level_field, config.message_field, config.time_field, *_CAUSES],
            "track_total_hits": False,
        }
        answer = self._answer(body, deadline)
        service = query.targets[0].service
        hits = answer["hits"].get("hits")
        found = [self._line(service, hit) for hit in hits if isinstance(hit, dict)] if isinstance(hits, list) else []
        return Found([line for line in found if line], partly=_missing(answer))

    def _severe(self, severity: Severity) -> list[dict[str, Any]]:
        if severity == "lines":
            return []
        level = self._config.level_field
        severe: list[dict[str, Any]] = _either(level, _cases(_LEVELS[severity]))
        if severity == "errors":
            spoken = {"match": {self._config.message_field: {"query": _WORDS, "operator": "or"}}}
            without_level = {"bool": {"must_not": {"exists": {"field": level}}, "must": spoken}}
            severe += [{"exists": {"field": "error.stack_trace"}}, without_level]
        return [{"bool": {"should": severe}}]

    def _within(self, start: datetime, end: datetime) -> dict[str, Any]:
        return {"range": {self._config.time_field: {"gte": rfc3339(start), "lt": rfc3339(end)}}}

    def _body(self, deadline: Deadline, filters: list[dict[str, Any]]) -> dict[str, Any]:
        # What shards have found by then is answered, with a mark that it is not all.
        seconds = max(0.1, 0.8 * deadline.remaining())
        return {"timeout": f"{math.ceil(seconds * 1000)}ms", "query": {"bool": {"filter": filters}}}

    def _answer(self, body: dict[str, Any], deadline: Deadline) -> dict[str, Any]:
        params = {"ignore_unavailable": "true", "allow_no_indices": "true"}
        answer = self._elasticsearch.post(self._search, deadline, body, params).json()
        if not isinstance(answer, dict) or not isinstance(answer.get("hits"), dict):
            raise SourceFailure(CoverageStatus.ERROR, "the answer is not one of a search")
        shards = answer.get("_shards")
        if isinstance(shards, dict) and shards.get("total") == 0:
            raise SourceFailure(
                CoverageStatus.ERROR, f"no index is called {self._config.index}: set WHYDOWN_ELASTICSEARCH_INDEX"
            )
        return answer

    def _line(self, service: str, hit: Mapping[str, Any]) -> LogLine | None:
        source = hit.get("_source")
        if not isinstance(source, dict):
            return None
        told = _value(source, self._config.message_field)
        causes = [cause for name in _CAUSES if (cause := _value(source, name))]
        text = "\n".join(dict.fromkeys(filter(None, (told, *(each for each in causes if each not in (told or ""))))))
        at = parse_time(_value(source, self._config.time_field)) or _sorted_at(hit.get("sort"))
        if not text or at is None:
            return None
        entry = stored(text[:LONGEST_TEXT], at, level_word(_value(source, self._config.level_field)))
        return LogLine(service, entry.text, at, entry.level)


def _cases(words: tuple[str, ...]) -> list[str]:
    return [form for word in words for form in (word, word.upper(), word.capitalize())]


def _either(field: str, values: list[str]) -> list[dict[str, Any]]:
    """Exactly one of the values, whether the field is a keyword or, by dynamic mapping, text with a keyword below."""
    return [{"terms": {field: values}}, {"terms": {f"{field}.keyword": values}}]


def _value(source: Mapping[str, Any], path: str) -> str | None:
    """The text at a path: documents hold `log.level` as one name, or as one within the other."""
    return next((str(found) for found in _places(source, path) if isinstance(found, str | int) and found != ""), None)


def _places(source: Mapping[str, Any], path: str) -> Iterator[Any]:
    if path in source:
        yield source[path]
    parts = path.split(".")
    for cut in range(1, len(parts)):
        inner = source.get(".".join(parts[:cut]))
        if isinstance(inner, dict):
            yield from _places(inner, ".".join(parts[cut:]))


def _sorted_at(values: Any) -> datetime | None:
    """The time by which a hit was sorted, in milliseconds."""
    first = values[0] if isinstance(values, list) and values else None
    return from_epoch(first / 1000) if isinstance(first, int) and not isinstance(first, bool) else None


def _missing(answer: Mapping[str, Any]) -> str | None:
    """Why the answer is not all that there is."""
    shards = answer.get("_shards")
    failed = shards.get("failed") if isinstance(shards, dict) else 0
    if isinstance(shards, dict) and isinstance(failed, int) and failed:
        return printable(f"in part only, {failed} of {shards.get('total')} shards failed{_reason(shards)}")
    return "in part only, the search ran out of time on the server" if answer.get("timed_out") is True else None


def _reason(shards: Mapping[str, Any]) -> str:
    failures = shards.get("failures")
    first = failures[0] if isinstance(failures, list) and failures else None
    reason = first.get("reason") if isinstance(first, dict) else None
    return f" ({str(reason.get('reason'))[:120]})" if isinstance(reason, dict) else ""
