"""Exceptions and traces in Azure Application Insights, over the query API of Azure Monitor Logs:
https://learn.microsoft.com/en-us/azure/azure-monitor/logs/api/overview.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, cast
from urllib.parse import urlsplit

from pydantic import SecretStr

from shared.errors import ConfigurationError
from shared.extras import of_extra
from shared.incident import CoverageStatus
from shared.moment import Deadline, rfc3339, utc
from shared.settings import Section, setting
from worker.bounded_session import bounded_session
from worker.entra_id import Config as EntraConfig
from worker.entra_id import EntraId
from worker.inquiry import Gathered, Inquiry, LogLine, SourceFailure
from worker.log_queries import Found, LogQuery, ask_all
from worker.log_text.lines import LONGEST_TEXT, MOST_TRACE_LINES, stored
from worker.printable import printable

if TYPE_CHECKING:
    from azure.monitor.query import LogsQueryClient, LogsQueryPartialResult, LogsQueryResult

_AT_ONCE: Final = 4
"""Azure Monitor runs five queries of one caller at a time and lets the others wait:
https://learn.microsoft.com/en-us/azure/azure-monitor/service-limits#log-queries-and-language."""
_WORKSPACE: Final = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_RESOURCE: Final = re.compile(r"(/[A-Za-z0-9._()-]{1,128}){8,16}")
_SEVERE: Final = {"errors": "SeverityLevel >= 3", "warnings": "SeverityLevel == 2", "lines": "true"}
_LEVELS: Final = ("debug", "info", "warn", "error", "critical")
"""Of severityLevel: https://learn.microsoft.com/en-us/azure/azure-monitor/app/data-model-complete#trace-severity-level."""

_TABLES: Final = """\
(AppExceptions
  | project TimeGenerated, AppRoleName, SeverityLevel = coalesce(SeverityLevel, int(3)), ItemCount,
    ExceptionType, OuterMessage, InnermostType, InnermostMessage, Details = tostring(Details)),
(AppTraces
  | project TimeGenerated, AppRoleName, SeverityLevel, ItemCount, Message)"""
_CLASSIC_TABLES: Final = """\
(exceptions
  | project TimeGenerated = timestamp, AppRoleName = cloud_RoleName, SeverityLevel = coalesce(severityLevel, int(3)),
    ItemCount = itemCount, ExceptionType = type, OuterMessage = outerMessage, InnermostType = innermostType,
    InnermostMessage = innermostMessage, Details = tostring(details)),
(traces
  | project TimeGenerated = timestamp, AppRoleName = cloud_RoleName, SeverityLevel = severityLevel,
    ItemCount = itemCount, Message = message)"""
"""What the same is called where a component is asked and no workspace."""


class Config(Section):
    """Which Application Insights, and who asks."""

    workspace: str | None = setting(
        "WHYDOWN_APPINSIGHTS_WORKSPACE",
        default=None,
        description="Id of the Log Analytics workspace that Application Insights writes to (a GUID).",
    )
    resource: str | None = setting(
        "WHYDOWN_APPINSIGHTS_RESOURCE",
        default=None,
        description="Resource id of the Application Insights component, `/subscriptions/...`, instead of a workspace.",
    )
    token: SecretStr | None = setting(
        "WHYDOWN_APPINSIGHTS_TOKEN",
        default=None,
        description="Bearer token for Azure Monitor, for a try. Unset: Entra ID is asked for one.",
    )
    url: str = setting(
        "WHYDOWN_APPINSIGHTS_URL",
        default="https://api.loganalytics.io",
        description="Endpoint of Azure Monitor's query API; `https://api.loganalytics.us` for US Government.",
    )

    def check(self) -> None:
        """Raises ConfigurationError, naming the setting."""
        if (self.workspace is None) == (self.resource is None):
            raise ConfigurationError(
                "WHYDOWN_APPINSIGHTS_WORKSPACE and WHYDOWN_APPINSIGHTS_RESOURCE: set one of them, not both"
            )
        if self.workspace is not None and not _WORKSPACE.fullmatch(self.workspace):
            raise ConfigurationError("WHYDOWN_APPINSIGHTS_WORKSPACE: not the id of a workspace (a GUID)")
        if self.resource is not None and (not _RESOURCE.fullmatch(self.resource) or ".." in self.resource):
            raise ConfigurationError(
                "WHYDOWN_APPINSIGHTS_RESOURCE: not a resource id (/subscriptions/.../components/x)"
            )
        url = urlsplit(self.url)
        if url.scheme != "https" and (url.scheme, url.hostname) not in (("http", "127.0.0.1"), ("http", "localhost")):
            raise ConfigurationError("WHYDOWN_APPINSIGHTS_URL: must start with https://")


class AppInsightsLogs:
    """Exceptions and traces in Azure Application Insights, by cloud role name."""

    configure: ClassVar[str] = "WHYDOWN_APPINSIGHTS_WORKSPACE (or _RESOURCE)"

    def __init__(self, config: Config, entra: EntraConfig) -> None:
        """Raises ConfigurationError, also when the extra `azure` is not installed."""
        config.check()
        with of_extra("azure"):
            import azure.monitor.query  # noqa: F401, PLC0415
        self._config = config
        self._endpoint = config.url.rstrip("/")
        self._entra = EntraId(entra)

    @classmethod
    def from_settings(cls) -> Self | None:
        """What the settings name, or None when they name neither. Raises ConfigurationError."""
        config = Config.read()
        return cls(config, EntraConfig.read()) if config.workspace is not None or config.resource is not None else None

    def gather(self, inquiry: Inquiry, deadline: Deadline) -> Gathered:
        """The lines. Raises SourceFailure or DeadlineExceeded."""
        self._access(deadline)
        hint = "is its cloud role name the service's?"
        return ask_all(inquiry, deadline, self._ask, hint=hint, together=True, at_once=_AT_ONCE)

    def probe(self, deadline: Deadline) -> str:
        """How much came in during the last hour."""
        moment = datetime.now(UTC)
        text = f"union isfuzzy=true\n{self._tables()}\n| summarize Lines = count(), Roles = dcount(AppRoleName)"
        rows, partly = self._rows(text, moment - timedelta(hours=1), moment, deadline)
        lines, roles = (rows[0].get("Lines"), rows[0].get("Roles")) if rows else (0, 0)
        return f"{lines} exceptions and traces of {roles} roles in the last hour" + (f"; {partly}" if partly else "")

    def _ask(self, query: LogQuery, deadline: Deadline) -> Found:
        services = {name.lower(): service for name, service in query.services.items()}
        text = f"""\
union isfuzzy=true
{self._tables()}
| where TimeGenerated >= datetime({rfc3339(query.start)}) and TimeGenerated < datetime({rfc3339(query.end)})
| where {_SEVERE[query.severity]}
| extend Service = tolower(tostring(split(AppRoleName, "/")[-1]))
| where Service in ({", ".join(map(_literal, services))})
| partition by Service (top {query.limit} by TimeGenerated asc)"""
        rows, partly = self._rows(text, query.start, query.end, deadline)
        lines = [line for row in rows if (line := _line(row, services))]
        sampled = any(isinstance(row.get("ItemCount"), int) and row["ItemCount"] > 1 for row in rows)
        note = "sampled by Application Insights, a line may stand for several" if sampled else None
        return Found(lines, partly, note)

    def _tables(self) -> str:
        # A resource knows its tables by their classic names, or by both; fuzzy unions take what there is.
        return _TABLES if self._config.workspace else f"{_TABLES},\n{_CLASSIC_TABLES}"

    def _rows(
        self, text: str, start: datetime, end: datetime, deadline: Deadline
    ) -> tuple[list[Mapping[str, Any]], str | None]:
        """The rows of a query, and why there may be more."""
        from azure.core.exceptions import AzureError  # noqa: PLC0415

        limits: dict[str, Any] = {"timespan": (start, end), "server_timeout": max(1, int(deadline.remaining()))}
        try:
            client = self._client(deadline)
            if self._config.workspace:
                result = client.query_workspace(self._config.workspace, text, **limits)
            else:
                result = client.query_resource(self._config.resource or "", text, **limits)
            return _read(result)
        except (AzureError, ValueError, LookupError, TypeError, AttributeError) as strange:
            raise SourceFailure(
                CoverageStatus.ERROR,
                f"the answer is not in the form of a query's result ({type(strange).__name__})",
                transient=True,
            ) from None

    def _client(self, deadline: Deadline) -> LogsQueryClient:
        """A client for one query: the deadline is its transport's. Nothing is retried, redirected or logged by it."""
        from azure.core.pipeline.policies import HeadersPolicy  # noqa: PLC0415
        from azure.core.pipeline.transport import RequestsTransport  # noqa: PLC0415
        from azure.monitor.query import LogsQueryClient  # noqa: PLC0415

        session = bounded_session(deadline, successes_only=True)
        return LogsQueryClient(
            cast(Any, self._entra),  # not asked by the policies below
            endpoint=self._endpoint,
            transport=RequestsTransport(session=session, session_owner=False),
            policies=[HeadersPolicy({"Authorization": f"Bearer {self._access(deadline)}"})],
        )

    def _access(self, deadline: Deadline) -> str:
        if self._config.token:
            return self._config.token.get_secret_value()
        return self._entra.token(f"{self._endpoint}/.default", deadline)


def _literal(text: str) -> str:
    """A string of KQL: https://learn.microsoft.com/en-us/kusto/query/scalar-data-types/string. The text has passed an
    allow-list; this is the second lock.
    """
    return json.dumps(text)


def _read(result: LogsQueryResult | LogsQueryPartialResult) -> tuple[list[Mapping[str, Any]], str | None]:
    tables = getattr(result, "tables", None) or getattr(result, "partial_data", None) or []
    rows: list[Mapping[str, Any]] = [
        dict(zip(table.columns, row, strict=False)) for table in tables for row in table.rows
    ]
    error = getattr(result, "partial_error", None)
    if not tables and error is None:
        raise ValueError("no table")  # an answer without lines is a table without rows
    if error is None:
        return rows, None
    return rows, f"in part only, {printable(' '.join(f'{error.code}: {error.message}'.split()))[:200]}"


def _line(row: Mapping[str, Any], services: Mapping[str, str]) -> LogLine | None:
    service = services.get(str(row.get("Service")))
    at, number = row.get("TimeGenerated"), row.get("SeverityLevel")
    text = str(row.get("Message") or "") or "\n".join(_exception(row))
    if service is None or not isinstance(at, datetime) or not text:
        return None
    level = _LEVELS[number] if isinstance(number, int) and 0 <= number < len(_LEVELS) else None
    entry = stored(text[:LONGEST_TEXT], utc(at), level)
    return LogLine(service, entry.text, utc(at), entry.level)


def _exception(row: Mapping[str, Any]) -> Iterator[str]:
    """An exception as its runtime would write it: what was thrown, its frames, and what it was caused by."""
    thrown, innermost = _told(row, "ExceptionType", "OuterMessage"), _told(row, "InnermostType", "InnermostMessage")
    yield thrown or innermost
    details = _details(row.get("Details"))
    for number, detail in enumerate(details[:4]):
        if number:
            yield f"Caused by: {_told(detail, 'type', 'message')}"
        frames = detail.get("parsedStack")
        for frame in frames[: MOST_TRACE_LINES // 2] if isinstance(frames, list) else ():
            if isinstance(frame, dict):
                file = f" in {frame['fileName']}:line {frame.get('line')}" if frame.get("fileName") else ""
                yield f"   at {frame.get('method')}{file}"
    if len(details) < 2 and innermost and innermost != thrown:
        yield f"Caused by: {innermost}"


def _told(values: Mapping[str, Any], kind: str, message: str) -> str:
    return ": ".join(str(values[name]).strip() for name in (kind, message) if values.get(name))


def _details(text: Any) -> list[dict[str, Any]]:
    try:
        found = json.loads(text) if isinstance(text, str) and text else []
    except (ValueError, RecursionError):
        return []
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
