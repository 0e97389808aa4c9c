"""Incidents, as JSON for programs and as pages for people."""

from __future__ import annotations

import secrets
from typing import Annotated, Final

import structlog
from flask import Blueprint, Response, request
from pydantic import BeforeValidator, Field, StringConstraints
from werkzeug.routing import BaseConverter

from shared.alert import Severity
from shared.bundle import Bundle
from shared.incident import MAX_SAID, FeedbackVerdict, Incident, Status
from shared.moment import now
from shared.store import bundles, feedback, intake, reading
from shared.store.feedback import Judgement, Unfinished
from shared.version import own_version
from shared.wire import Wire
from webhook import body, pages
from webhook.answers import (
    CROWDED_SECONDS,
    FIRST_LOOK_SECONDS,
    AcceptedIncidents,
    IncidentList,
    accepted,
    json_answer,
    json_response,
    json_text,
    see_other,
)
from webhook.incoming import sent
from webhook.manual_requests import Asked, Past, Time
from webhook.openapi import HTML, JSON, Answer, Operation, Parameter, describes
from webhook.preferences import prefers_page, wait_seconds
from webhook.problem import Problem, validated
from webhook.receiver import receiver

routes = Blueprint("incidents", __name__)

_log = structlog.get_logger(__name__)


class IncidentId(BaseConverter):
    """The form of an incident's id; anything else is no address of ours."""

    regex = "[a-z0-9]{1,40}"


Word = Annotated[str, StringConstraints(strip_whitespace=True, max_length=128, pattern=r"^[^\x00]*$")]


class ListQuery(Wire):
    """The query of GET /incidents. An empty parameter, as forms send it, counts as absent."""

    service: Word | None = Field(None, description="exactly this service")
    status: Status | None = Field(None, description=f"one of {', '.join(Status)}")
    severity: Severity | None = Field(None, description=f"one of {', '.join(Severity)}")
    resolved: bool | None = Field(None, description="true when its alert was resolved, false when not")
    since: Time | None = Field(None, description="received at or after, `2026-11-23T03:12:00Z`")
    until: Time | None = Field(None, description="received before, `2026-11-23T03:12:00Z`")
    q: Word | None = Field(None, description="words to find in service or title")
    limit: int = Field(50, ge=1, le=200, description="how many, 1 to 200")
    cursor: str | None = Field(
        None, max_length=256, pattern="^[A-Za-z0-9_-]+$", description="`nextCursor` of the page before"
    )

    def filters(self) -> reading.Filters:
        """What to list."""
        given = self.model_dump(exclude={"q"})
        return reading.Filters(**given, text=self.q)


def _said(value: object) -> object:
    return body.text(value, MAX_SAID + 1).strip() or None if isinstance(value, str) else value


Said = Annotated[Annotated[str, StringConstraints(max_length=MAX_SAID)] | None, BeforeValidator(_said)]


class FeedbackRequest(Asked):
    """The body of POST /incidents/<id>/feedback."""

    verdict: FeedbackVerdict = Field(description="how the diagnosis was: right, partly or wrong")
    actual_cause: Said = Field(None, description=f"what it really was, at most {MAX_SAID} characters")
    fixed_by: Said = Field(None, description=f"what fixed it, at most {MAX_SAID} characters")


class RetryRequest(Asked):
    """The body of POST /incidents/retry."""

    since: Past = Field(description="received at or after, `2026-11-23T03:12:00Z`, or so long ago: `90m`, `2h`, `7d`")
    service: Word | None = Field(None, description="only of this service")


def _list_parameters() -> tuple[Parameter, ...]:
    properties = ListQuery.model_json_schema(by_alias=True)["properties"]
    return tuple(
        Parameter(name, "query", schema["description"], _plain_schema(name, schema))
        for name, schema in properties.items()
    )


def _plain_schema(name: str, schema: dict[str, object]) -> dict[str, object]:
    words: dict[str, type[Status | Severity]] = {"status": Status, "severity": Severity}
    if name in words:
        return {"type": "string", "enum": [str(word) for word in words[name]]}
    kind = {"limit": "integer", "resolved": "boolean"}.get(name, "string")
    return {"type": kind} | {key: schema[key] for key in ("default", "minimum", "maximum") if schema.get(key)}


_ID: Final = Parameter("incident_id", "path", "The incident's `id`.", {"type": "string", "pattern": "^[a-z0-9]{1,40}$"})


@routes.get("/incidents")
@describes(
    Operation(
        summary="Lists incidents, newest first",
        parameters=_list_parameters(),
        answers={200: Answer("One page of incidents.", IncidentList, media=(JSON, HTML))},
        refusals=(422, 503),
    )
)
def listing() -> Response:
    """One page of the list."""
    asked = {name: value for name, value in request.args.items() if value.strip()}
    query = validated(ListQuery, asked, parameters=True)
    here = receiver()
    try:
        found = reading.page(here.database, query.filters())
    except reading.BadCursor:
        detail = "the cursor is none of ours: take `nextCursor` of the page before, or leave it out"
        raise Problem(422, detail, field="cursor") from None
    if prefers_page():
        shown = query.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        first = pages.FirstAlert(here.base_url(), here.guard.access.webhook_token is not None)
        return _page(pages.incident_list(found, shown, now(), first))
    return _private(json_answer(IncidentList(incidents=found.incidents, next_cursor=found.next_cursor)))


@routes.get("/incidents/<incident:incident_id>")
@describes(
    Operation(
        summary="Shows an incident",
        parameters=(
            _ID,
            Parameter("Prefer", "header", "`wait=N`: answer when it is finished, or after N (at most 60) s with 202."),
            Parameter("If-None-Match", "header", "The ETag that is known: 304 when nothing changed."),
        ),
        answers={
            200: Answer("The incident.", Incident, ("ETag", "Retry-After", "Preference-Applied"), (JSON, HTML)),
            202: Answer("With `Prefer: wait`: not finished yet, as it stands.", Incident, ("ETag", "Retry-After")),
            304: Answer("Nothing changed.", headers=("ETag", "Retry-After"), media=()),
        },
        refusals=(503,),
    )
)
def show(incident_id: str) -> Response:
    """The document, or the page."""
    here = receiver()
    seconds = wait_seconds()
    waited = seconds is not None and here.wait_for_end(incident_id, seconds)
    known = reading.revision(here.database, incident_id)
    if known is None:
        raise _unknown(incident_id)
    if prefers_page():
        return _page(pages.incident(_document(incident_id), now()))
    if request.if_none_match.contains_weak(_etag(known)):
        answer = Response(status=304)
    else:
        content = here.documents.get(incident_id, known.number, lambda: json_text(_document(incident_id)))
        answer = json_response(content, 202 if waited and not known.status.finished else 200)
    answer.set_etag(_etag(known), weak=True)
    if not known.status.finished:
        crowded = seconds is not None and not waited
        answer.headers["Retry-After"] = str(secrets.choice(CROWDED_SECONDS) if crowded else FIRST_LOOK_SECONDS)
    if waited:
        answer.headers["Preference-Applied"] = f"wait={seconds}"
    return _private(answer)


@routes.get("/incidents/<incident:incident_id>/bundle")
@describes(
    Operation(
        summary="The whole investigation, frozen, to look into or to run again",
        description="Alert, facts, coverage, brief, prompt, the model's raw reply and the diagnosis of the latest "
        "attempt that has ended. `whydown replay` runs it again. Secrets were replaced before any of it was stored.",
        parameters=(_ID,),
        answers={200: Answer("The bundle.", Bundle)},
        refusals=(409, 503),
    )
)
def bundle(incident_id: str) -> Response:
    """The bundle, as a file to keep."""
    try:
        found = bundles.bundle(receiver().database, incident_id, own_version())
    except bundles.Unfinished:
        detail = "no investigation of it has ended: ask when its `status` is done (GET it with Prefer: wait=60)"
        raise Problem(409, detail, field="status") from None
    if found is None:
        raise _unknown(incident_id)
    answer = json_answer(found)
    answer.headers["Content-Disposition"] = f'attachment; filename="whydown-{incident_id}.json"'
    return _private(answer)


@routes.post("/incidents/<incident:incident_id>/retry")
@describes(
    Operation(
        summary="Investigates an incident again",
        description="Unless an investigation of it is under way.",
        parameters=(_ID,),
        answers={
            202: Answer("Committed.", AcceptedIncidents, ("Location", "Retry-After")),
            303: Answer("For a browser: back to the page.", headers=("Location",), media=()),
        },
        refusals=(403, 503),
    )
)
def retry(incident_id: str) -> Response:
    """Opens another attempt."""
    here = receiver()
    taken = intake.investigate_again(here.database, incident_id)
    if taken is None:
        raise _unknown(incident_id)
    here.queue.publish(taken.work)
    _log.info("retry_accepted", incident=incident_id, begun=bool(taken.work))
    if prefers_page():
        return see_other(f"{request.script_root}/incidents/{incident_id}")
    return accepted(taken)


@routes.post("/incidents/retry")
@describes(
    Operation(
        summary="Investigates every failed incident again",
        description=f"Those received since a time, at most {intake.MOST_AGAIN} at once, the oldest first.",
        body=RetryRequest,
        accepts=JSON,
        example={"since": "2h", "service": "invoice-api"},
        answers={
            202: Answer("Committed.", AcceptedIncidents, ("Location", "Retry-After")),
            303: Answer("For a browser: back to the list.", headers=("Location",), media=()),
        },
        refusals=(403, 503),
    )
)
def retry_failed() -> Response:
    """Opens another attempt of each."""
    here = receiver()
    asked = validated(RetryRequest, sent())
    taken = intake.failed_again(here.database, asked.since, asked.service)
    here.queue.publish(taken.work)
    if prefers_page():
        return see_other(f"{request.script_root}/incidents")
    return accepted(taken, None if taken.incidents else "no incident failed since then")


@routes.post("/incidents/<incident:incident_id>/feedback")
@describes(
    Operation(
        summary="Says whether the diagnosis was right, and what fixed it",
        description="Once the incident is finished, with or without a diagnosis. All that was said is kept and the "
        "latest counts; the same said twice counts once. Later incidents with the same errors "
        "show it. The page's form sends the same fields.",
        parameters=(_ID,),
        body=FeedbackRequest,
        accepts=JSON,
        example={
            "verdict": "partly",
            "actualCause": "The pool was too small for the month-end run.",
            "fixedBy": "Max Pool Size back to 50",
        },
        answers={
            200: Answer("The incident with the feedback in it.", Incident, ("ETag",)),
            303: Answer("For a browser: back to the page.", headers=("Location",), media=()),
        },
        refusals=(403, 409, 503),
    )
)
def judge(incident_id: str) -> Response:
    """Stores what somebody says of it."""
    here = receiver()
    said = validated(FeedbackRequest, sent())
    try:
        known = feedback.judge(here.database, incident_id, Judgement(said.verdict, said.actual_cause, said.fixed_by))
    except Unfinished:
        detail = "the incident is not finished: judge it when its `status` is done (GET it with Prefer: wait=60)"
        raise Problem(409, detail, field="status") from None
    revision = reading.revision(here.database, incident_id) if known else None
    if revision is None:
        raise _unknown(incident_id)
    if prefers_page():
        return see_other(f"{request.script_root}/incidents/{incident_id}#feedback")
    answer = json_answer(_document(incident_id))
    answer.set_etag(_etag(revision), weak=True)
    return _private(answer)


def _document(incident_id: str) -> Incident:
    document = reading.incident(receiver().database, incident_id)
    if document is None:
        raise _unknown(incident_id)
    return document


def _unknown(incident_id: str) -> Problem:
    return Problem(
        404, f"there is no incident {incident_id}; GET /incidents lists those there are", field="incident_id"
    )


def _etag(revision: reading.Revision) -> str:
    return str(revision.number)


def _page(content: str) -> Response:
    return _private(Response(content, content_type="text/html; charset=utf-8"))


def _private(answer: Response) -> Response:
    answer.headers["Cache-Control"] = "private, no-cache"
    answer.vary.add("Accept")
    return answer
