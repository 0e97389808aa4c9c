"""What the model cost, by day, service and model: for whoever answers for the money."""

from __future__ import annotations

import csv
import io
from datetime import date
from typing import Annotated, Any, Final, Literal

from flask import Blueprint, Response, request
from pydantic import BeforeValidator, Field, StringConstraints

from shared.store import spending
from shared.wire import Wire
from webhook.access import Gate
from webhook.answers import json_answer
from webhook.openapi import JSON, Answer, Operation, Parameter, describes
from webhook.problem import validated
from webhook.receiver import receiver

routes = Blueprint("usage", __name__)

CSV: Final = "text/csv"

Word = Annotated[str, StringConstraints(strip_whitespace=True, max_length=128, pattern=r"^[^\x00]*$")]
# A moment is taken for its day, so that the same words work here and in GET /incidents.
Day = Annotated[date, BeforeValidator(lambda value: value[:10] if isinstance(value, str) else value)]


class UsageQuery(Wire):
    """The query of GET /usage. An empty parameter counts as absent."""

    since: Day | None = Field(None, description="this day (UTC) and later, `2026-11-01`")
    until: Day | None = Field(None, description="before this day (UTC), `2026-12-01`")
    service: Word | None = Field(None, description="exactly this service")
    model: Word | None = Field(None, description="exactly this model")
    format: Literal["json", "csv"] | None = Field(None, description="`json` or `csv`; without it, as Accept says")


class DayUsage(Wire):
    """All calls of one model for one service on one day."""

    day: date = Field(description="in UTC")
    service: str
    provider: str
    model: str
    incidents: int
    calls: int = Field(description="failed ones included")
    estimated_calls: int = Field(description="calls whose worker died: their tokens are those of the prompt, estimated")
    input_tokens: int
    output_tokens: int
    cached_tokens: int = Field(description="of the input")
    cost_usd: float | None = Field(description="null when the price of none of the calls is known")
    unpriced_calls: int = Field(description="calls that are missing in the cost")


class Totals(Wire):
    """The sum of all rows."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float | None = None
    unpriced_calls: int = 0


class UsageReport(Wire):
    """What the model took."""

    usage: tuple[DayUsage, ...]
    totals: Totals


def _parameters() -> tuple[Parameter, ...]:
    schemas: dict[str, dict[str, Any]] = {
        "since": {"type": "string", "format": "date"},
        "until": {"type": "string", "format": "date"},
        "format": {"type": "string", "enum": ["json", "csv"]},
    }
    return tuple(
        Parameter(name, "query", str(field.description), schemas.get(name, {"type": "string"}))
        for name, field in UsageQuery.model_fields.items()
    )


@routes.get("/usage")
@describes(
    Operation(
        summary="Tokens and money by day, service and model",
        description="The newest day first. Money is known where the model's price is public.",
        gate=Gate.API,
        parameters=_parameters(),
        answers={200: Answer("The calls, summed up.", UsageReport, media=(JSON, CSV))},
        refusals=(422, 503),
    )
)
def usage() -> Response:
    """The report, as JSON or CSV."""
    asked = {name: value for name, value in request.args.items() if value.strip()}
    query = validated(UsageQuery, asked, parameters=True)
    filters = spending.Filters(query.since, query.until, query.service, query.model)
    rows = tuple(
        DayUsage.model_validate(row, from_attributes=True) for row in spending.sums(receiver().database, filters)
    )
    wanted = query.format or ("csv" if request.accept_mimetypes.best_match([JSON, CSV], JSON) == CSV else "json")
    answer = _csv(rows) if wanted == "csv" else json_answer(UsageReport(usage=rows, totals=_totals(rows)))
    answer.headers["Cache-Control"] = "private, no-cache"
    answer.vary.add("Accept")
    return answer


def _totals(rows: tuple[DayUsage, ...]) -> Totals:
    priced = [row.cost_usd for row in rows if row.cost_usd is not None]
    return Totals(
        calls=sum(row.calls for row in rows),
        input_tokens=sum(row.input_tokens for row in rows),
        output_tokens=sum(row.output_tokens for row in rows),
        cached_tokens=sum(row.cached_tokens for row in rows),
        cost_usd=sum(priced) if priced else None,
        unpriced_calls=sum(row.unpriced_calls for row in rows),
    )


def _csv(rows: tuple[DayUsage, ...]) -> Response:
    """RFC 4180, with a line of names."""
    written = io.StringIO(newline="")
    names = [field.alias or name for name, field in DayUsage.model_fields.items()]
    sheet = csv.DictWriter(written, names)
    sheet.writeheader()
    for row in rows:
        sheet.writerow({name: _inert(value) for name, value in row.wire().items()})
    answer = Response(written.getvalue(), content_type=f"{CSV}; charset=utf-8; header=present")
    answer.headers["Content-Disposition"] = 'attachment; filename="whydown-usage.csv"'
    return answer


def _inert(value: Any) -> Any:
    """A service may be called `=HYPERLINK(...)`, and spreadsheets would run it:
    https://owasp.org/www-community/attacks/CSV_Injection.
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
