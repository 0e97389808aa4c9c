"""Logs in Amazon CloudWatch, over FilterLogEvents:
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any, ClassVar, Final, Self

from pydantic import SecretStr
from urllib3 import HTTPResponse

from shared.errors import ConfigurationError
from shared.extras import of_extra
from shared.incident import CoverageStatus
from shared.moment import Deadline, DeadlineExceeded
from shared.settings import Section, Words, setting
from worker.inquiry import Gathered, Inquiry, LogLine, SourceFailure
from worker.log_queries import Found, LogQuery, ask_all
from worker.log_text.lines import LONGEST_TEXT, stored
from worker.outbound import Answer, Outbound, checked
from worker.patience import held, within
from worker.printable import printable

_AT_ONCE: Final = 4
"""Regions allow five to twenty-five of these requests a second for the whole account:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html."""
_MOST_PAGES: Final = 10
"""Of one question: a page may be empty although later ones are not."""

_ERRORS: Final = (
    "?ERROR ?Error ?error ?SEVERE ?FATAL ?Fatal ?fatal ?CRITICAL ?critical ?Exception ?exception ?panic ?Traceback "
    "?Timeout ?timeout ?timed ?refused ?Failed ?failed"
)
"""Any of these: patterns know upper case from lower.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html"""
_WARNINGS: Final = "?WARN ?Warn ?warn"
_GROUP: Final = re.compile(r"[A-Za-z0-9_./#-]*\{service\}[A-Za-z0-9_./#-]*")
_DENIED: Final = ("AccessDenied", "Unrecognized", "Expired", "InvalidSignature", "InvalidClientTokenId", "OptIn")

_MALFORMED: Final = (AttributeError, LookupError, TypeError, ValueError)
"""What the client raises for an answer in a form that it does not know."""

_deadline: ContextVar[Deadline] = ContextVar("deadline")


class Config(Section):
    """Which log groups, and who asks. What is unset is found where AWS's own tools look for it."""

    groups: Words = setting(
        "WHYDOWN_CLOUDWATCH_GROUPS",
        default=(),
        description="Names of the log groups, `/aws/ecs/{service},/aws/lambda/{service}`; the first that is there.",
    )
    pattern: str = setting(
        "WHYDOWN_CLOUDWATCH_PATTERN",
        default=_ERRORS,
        description="Filter pattern of the lines that tell of errors; where logs are JSON, `{ $.level = error }`.",
    )
    url: str | None = setting(
        "WHYDOWN_CLOUDWATCH_URL", default=None, description="Endpoint of CloudWatch Logs. Unset: the region's own."
    )
    region: str | None = setting(
        "AWS_REGION", "AWS_DEFAULT_REGION", default=None, description="Region of the log groups, `eu-west-1`."
    )
    key: str | None = setting(
        "AWS_ACCESS_KEY_ID",
        default=None,
        description="Access key for CloudWatch. Unset, with the two below: the role of the pod, task or machine.",
    )
    secret: SecretStr | None = setting("AWS_SECRET_ACCESS_KEY", default=None, description="The access key's secret.")
    token: SecretStr | None = setting(
        "AWS_SESSION_TOKEN", default=None, description="Session token of a temporary access key."
    )


class CloudWatchLogs:
    """Error lines in Amazon CloudWatch Logs, each service in its log group."""

    configure: ClassVar[str] = "WHYDOWN_CLOUDWATCH_GROUPS (/aws/ecs/{service})"

    def __init__(self, config: Config) -> None:
        """Raises ConfigurationError, also when the extra `aws` is not installed."""
        for group in config.groups:
            if not _GROUP.fullmatch(group):
                raise ConfigurationError(
                    "WHYDOWN_CLOUDWATCH_GROUPS: each name needs {service}, beside letters, digits and _./#- only"
                )
        with of_extra("aws"):
            import boto3  # noqa: PLC0415
            import botocore.session  # noqa: PLC0415
            from botocore.config import Config as Limits  # noqa: PLC0415
        self._config = config
        session = botocore.session.Session()
        # For who is asked for credentials; the logs are asked for by our own way out.
        session.set_default_client_config(Limits(connect_timeout=3, read_timeout=3, retries={"total_max_attempts": 1}))
        self._session = boto3.Session(
            aws_access_key_id=config.key,
            aws_secret_access_key=config.secret.get_secret_value() if config.secret else None,
            aws_session_token=config.token.get_secret_value() if config.token else None,
            region_name=config.region,
            botocore_session=session,
        )
        if not self._session.region_name:
            raise ConfigurationError("AWS_REGION: set the region of WHYDOWN_CLOUDWATCH_GROUPS")
        self._lock = threading.Lock()
        self._made: Any = None

    @classmethod
    def from_settings(cls) -> Self | None:
        """The log groups of WHYDOWN_CLOUDWATCH_GROUPS, or None when that is unset. Raises ConfigurationError."""
        config = Config.read()
        return cls(config) if config.groups else None

    def gather(self, inquiry: Inquiry, deadline: Deadline) -> Gathered:
        """The lines. Raises SourceFailure or DeadlineExceeded."""
        self._client(deadline)
        hint = "the log group is there, and empty in these windows"
        return ask_all(inquiry, deadline, self._ask, hint=hint, at_once=_AT_ONCE)

    def probe(self, deadline: Deadline) -> str:
        """How many log groups there are of each kind."""
        prefixes = dict.fromkeys(group.partition("{service}")[0] for group in self._config.groups)
        return ", ".join(f"{self._count(prefix, deadline)} begin with {prefix or 'anything'}" for prefix in prefixes)

    def _count(self, prefix: str, deadline: Deadline) -> str:
        options = {"logGroupNamePrefix": prefix} if prefix else {}
        found = self._call("describe_log_groups", deadline, limit=50, **options).get("logGroups")
        if not isinstance(found, list):
            raise _strange("no log groups")
        return f"{len(found)}{' or more' if len(found) == 50 else ''} log groups"

    def _ask(self, query: LogQuery, deadline: Deadline) -> Found:
        for group in self._candidates(query):
            try:
                return self._found(group, query, deadline)
            except _NoSuchGroup:
                continue
        names = " or ".join(self._candidates(query))
        raise SourceFailure(CoverageStatus.ERROR, f"no log group {names} (WHYDOWN_CLOUDWATCH_GROUPS)")

    def _candidates(self, query: LogQuery) -> list[str]:
        return [group.replace("{service}", name) for group in self._config.groups for name in query.services]

    def _found(self, group: str, query: LogQuery, deadline: Deadline) -> Found:
        pattern = {"errors": self._config.pattern, "warnings": _WARNINGS, "lines": ""}[query.severity]
        options: dict[str, Any] = {
            "logGroupName": group,
            "startTime": _millis(query.start),
            "endTime": _millis(query.end) - 1,
            **({"filterPattern": pattern} if pattern else {}),
        }
        lines: list[LogLine] = []
        for _ in range(_MOST_PAGES):
            try:
                page = self._call("filter_log_events", deadline, limit=query.limit - len(lines), **options)
            except DeadlineExceeded:
                if lines:
                    return Found(lines, partly="in part only, no more answers in time")
                raise
            if not isinstance(page.get("events"), list):
                raise _strange("no events")
            lines += _lines(query, page["events"])
            options["nextToken"] = page.get("nextToken")
            if not options["nextToken"] or len(lines) >= query.limit:
                return Found(lines[: query.limit])
        return Found(lines, partly=f"in part only, the first {_MOST_PAGES} pages from {query.start:%H:%M} UTC on")

    def _call(self, operation: str, deadline: Deadline, **options: Any) -> dict[str, Any]:
        """One request. Raises SourceFailure or DeadlineExceeded."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
        from botocore.parsers import ResponseParserError  # noqa: PLC0415

        client = self._client(deadline)
        before = _deadline.set(deadline)
        try:
            answer: dict[str, Any] = getattr(client, operation)(**options)
        except (BotoCoreError, ClientError, ResponseParserError, *_MALFORMED) as strange:
            raise _strange(type(strange).__name__) from None
        finally:
            _deadline.reset(before)
        return answer

    def _client(self, deadline: Deadline) -> Any:
        """The client, made once: that looks for credentials, which may ask the machine, the container or STS."""
        from botocore.config import Config as Limits  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415

        with held(self._lock, deadline):
            if self._made is None:
                limits = Limits(retries={"total_max_attempts": 1, "mode": "standard"})
                options = {"endpoint_url": self._config.url, "config": limits}
                try:
                    if within(deadline, self._session.get_credentials) is None:
                        raise SourceFailure(
                            CoverageStatus.DENIED, "no AWS credentials: set AWS_ACCESS_KEY_ID, or give it a role"
                        )
                    made = within(deadline, lambda: self._session.client("logs", **options))
                except BotoCoreError as refused:
                    said = printable(" ".join(str(refused).split()))[:200]
                    raise SourceFailure(CoverageStatus.DENIED, f"no AWS credentials: {said}") from None
                made.meta.events.register("before-send.cloudwatch-logs", _send)
                self._made = made
            return self._made


class _NoSuchGroup(Exception):
    """There is no log group of that name."""


def _send(request: Any, **_: Any) -> Any:
    """Sends what the client has signed, by our own way out: the client takes the answer for its own."""
    from botocore.awsrequest import AWSResponse  # noqa: PLC0415

    headers = {name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()}
    answer = Outbound("").send(request.method, request.url, _deadline.get(), content=request.body, headers=headers)
    _check(answer)
    raw = HTTPResponse(BytesIO(answer.body), status=answer.status, preload_content=False)
    return AWSResponse(request.url, answer.status, dict(answer.headers), raw)


def _check(answer: Answer) -> None:
    """Raises SourceFailure or _NoSuchGroup for an answer that is no success. AWS says most refusals by a 400."""
    if answer.status != 400:
        checked(answer).json()  # the client would take what is no JSON for an empty answer
        return
    try:
        told = answer.json()
    except SourceFailure:
        told = None
    kind = str(told.get("__type", "")).rpartition("#")[2] if isinstance(told, dict) else ""
    if kind == "ResourceNotFoundException":
        raise _NoSuchGroup
    if kind.startswith(_DENIED):
        raise SourceFailure(
            CoverageStatus.DENIED, f"answered {printable(kind)[:80]}: wrong credentials, or no right to"
        )
    if kind.startswith(("Throttling", "LimitExceeded")):
        raise SourceFailure(CoverageStatus.ERROR, "rate limited by AWS", transient=True)
    checked(answer)


def _strange(what: str) -> SourceFailure:
    return SourceFailure(CoverageStatus.ERROR, f"the answer is not in CloudWatch's form ({what})")


def _lines(query: LogQuery, events: list[Any]) -> Iterator[LogLine]:
    for event in events:
        message, millis = event.get("message"), event.get("timestamp")
        if isinstance(message, str) and isinstance(millis, int) and 0 < millis < 7_000_000_000_000:
            at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=millis)
            entry = stored(message[:LONGEST_TEXT], at)
            # The words of both severities may stand in one line: it is told once.
            if query.severity == "lines" or (entry.level == "warn") == (query.severity == "warnings"):
                yield LogLine(query.targets[0].service, entry.text, at, entry.level)


def _millis(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
