"""Where alerts and requests for analyses come in. Nothing is answered with 202 that is not committed."""

from __future__ import annotations

import hashlib
import time
from typing import Final

import structlog
from flask import Blueprint, Response, request
from sqlalchemy.exc import SQLAlchemyError

from shared import tracing
from shared.alert import Delivery
from shared.incident import Incident
from shared.registry import UnknownName
from shared.store import catalog_names, intake, reading
from webhook import pages
from webhook.access import Gate, lower_case
from webhook.answers import AcceptedIncidents, accepted, json_answer, see_other
from webhook.grouping import MAX_TITLE
from webhook.incoming import form, is_form, json_body
from webhook.manual_requests import AnalysisRequest, ContextRequest
from webhook.openapi import HTML, JSON, Answer, Operation, Parameter, describes
from webhook.preferences import wait_seconds
from webhook.problem import Problem, ProblemDocument, validated
from webhook.receiver import receiver
from webhook.senders import SENDERS, MalformedBody, canonical

routes = Blueprint("intake", __name__)

LONGEST_KEY: Final = 255

_log = structlog.get_logger(__name__)

_ACCEPTED: Final = Answer("Committed; the investigation follows.", AcceptedIncidents, ("Location", "Retry-After"))

_MANUAL_ANSWERS: Final = {
    200: Answer("With `Prefer: wait`: the finished incident.", Incident, ("Location", "Preference-Applied")),
    202: _ACCEPTED,
}

_MANUAL_PARAMETERS: Final = (
    Parameter(
        "Prefer", "header", "`wait=N`: answer with the finished incident if it is there within N (at most 60) s."
    ),
    Parameter(
        "Idempotency-Key",
        "header",
        "Sent twice with the same body, it is one incident.",
        {"type": "string", "maxLength": LONGEST_KEY},
    ),
)


@routes.post("/webhook/<sender>")
@describes(
    Operation(
        summary="Takes a sender's webhook in",
        description="One incident per service and alert group; an alert that fires again joins its open incident. "
        f"Senders: {', '.join(SENDERS.names())}.",
        gate=Gate.WEBHOOK,
        accepts=JSON,
        example={
            "serviceName": "invoice-api",
            "alertTitle": "Error rate above 5 %",
            "severity": "critical",
            "startedAt": "2026-11-23T03:12:00Z",
            "errors": "ConnectionPoolTimeout: no connection within 5 s",
        },
        parameters=(
            Parameter("sender", "path", "Who sends.", {"type": "string", "enum": SENDERS.names()}),
            Parameter("token", "query", "WHYDOWN_WEBHOOK_TOKEN, for senders that can send no header."),
        ),
        answers={202: _ACCEPTED},
    )
)
def webhook(sender: str) -> Response:
    """Commits the delivery, tells the workers, answers."""
    here, started = receiver(), time.monotonic()
    try:
        kind = SENDERS.load(name := canonical(sender))
    except UnknownName as unknown:
        raise Problem(404, str(unknown), field="sender") from None
    try:
        delivery = here.senders[name].parse(json_body(also_text=kind.takes_text), lower_case(request.headers))
    except MalformedBody as malformed:
        raise Problem(422, malformed.detail, field=malformed.field) from None
    if not delivery.groups:
        return accepted(intake.Intake(), delivery.ignored or "the body holds no alerts")
    taken = here.reception.accept(delivery)
    here.queue.publish(taken.work)
    _note(delivery, taken)
    _trace(taken, delivery.sender, started)
    return accepted(taken, delivery.ignored or (None if taken.incidents else "resolved, and never seen firing"))


@routes.get("/analyze")
@describes(
    Operation(
        summary="Asks for an analysis, as a page",
        parameters=(Parameter("service", "query", "Fills the service in, and narrows the names offered to those."),),
        answers={200: Answer("The form.", media=(HTML,))},
        refusals=(503,),
    )
)
def analysis_form() -> Response:
    """The form, filled in with what the address says."""
    asked = {name: request.args.get(parameter, "")[:MAX_TITLE] for name, parameter in _FILLED_IN.items()}
    return _form_page(asked, asked["entityRef"])


@routes.post("/analyze")
@describes(
    Operation(
        summary="Asks why a service is down",
        description="Always a new incident, but for a repeated Idempotency-Key. The page's form sends the same fields.",
        body=AnalysisRequest,
        accepts=JSON,
        example={"entityRef": "component:default/invoice-api", "errors": "HTTP 500 on POST /invoices"},
        parameters=_MANUAL_PARAMETERS,
        answers=_MANUAL_ANSWERS | {303: Answer("For a browser: to the incident.", headers=("Location",), media=())},
        refusals=(403,),
    )
)
def analyze() -> Response:
    """Opens a manual analysis that gathers its own context."""
    if not is_form():
        return _open(validated(AnalysisRequest, json_body()).manual())
    # The form has a value of its own, so that a second click on it sends the same body.
    key = intake.IdempotencyKey("/analyze", hashlib.sha256(request.get_data()).hexdigest(), request.get_data())
    given = form()
    try:
        asked = validated(AnalysisRequest, {name: value for name, value in given.items() if value.strip()})
    except Problem as problem:
        return _form_page(given, "", problem.document)
    here = receiver()
    taken = intake.open_manual(here.database, asked.manual(), key)
    here.queue.publish(taken.work)
    return see_other(f"{request.script_root}/incidents/{taken.incidents[0].id}")


@routes.post("/api/incident/analyze")
@describes(
    Operation(
        summary="Analyses a context that the caller brings",
        description="Nothing else is gathered.",
        body=ContextRequest,
        accepts=JSON,
        example={
            "serviceName": "invoice-api",
            "serviceDescription": "Makes invoices from orders",
            "dependencies": ["postgres", "customer-api"],
            "tags": ["dotnet"],
            "recentDeployments": "02:58 a1b2c3d reduce the connection pool to 5",
            "recentErrors": "03:10 ConnectionPoolTimeout: no connection within 5 s",
            "gotchaHeuristics": "The pool must hold at least 20 connections",
            "alertTitle": "Error rate above 5 %",
            "severity": "critical",
            "startedAt": "2026-11-23T03:12:00Z",
        },
        parameters=_MANUAL_PARAMETERS,
        answers=_MANUAL_ANSWERS,
    )
)
def analyze_context() -> Response:
    """Opens an analysis of what the caller brought along."""
    return _open(validated(ContextRequest, json_body()).manual())


_FILLED_IN: Final = {"entityRef": "service", "alertTitle": "title"}


def _form_page(given: dict[str, str], narrowed: str, problem: ProblemDocument | None = None) -> Response:
    names = catalog_names.named(receiver().database, narrowed.strip(), pages.MOST_NAMES + 1)
    content = pages.analysis(given, names, problem)
    answer = Response(content, problem.status if problem else 200, content_type="text/html; charset=utf-8")
    answer.headers["Cache-Control"] = "private, no-cache"
    return answer


def _open(asked: intake.ManualRequest) -> Response:
    here, started = receiver(), time.monotonic()
    try:
        taken = intake.open_manual(here.database, asked, _idempotency_key())
    except intake.IdempotencyConflict:
        detail = "this key was used before with another body: take a new key for a new request"
        raise Problem(422, detail, field="Idempotency-Key") from None
    here.queue.publish(taken.work)
    _log.info("analysis_accepted", incident=taken.incidents[0].id, new=taken.incidents[0].new)
    _trace(taken, "analyze", started)
    answer = accepted(taken)
    seconds = wait_seconds()
    return answer if seconds is None else _after_waiting(answer, taken.incidents[0].id, seconds)


def _after_waiting(answer: Response, incident_id: str, seconds: int) -> Response:
    """The finished incident instead of `answer`, if it is there in time."""
    here = receiver()
    try:
        if not here.wait_for_end(incident_id, seconds):
            return answer
        document = reading.incident(here.database, incident_id)
    except SQLAlchemyError as failure:
        # What was asked for is committed all the same, and the caller can come back for it.
        _log.warning("wait_failed", incident=incident_id, reason=type(failure).__name__)
        return answer
    if document is not None and document.status.finished:
        location = answer.headers["Location"]
        answer = json_answer(document)
        answer.headers["Location"] = location
    answer.headers["Preference-Applied"] = f"wait={seconds}"
    return answer


def _idempotency_key() -> intake.IdempotencyKey | None:
    key = request.headers.get("Idempotency-Key", "")
    if len(key) > LONGEST_KEY:
        raise Problem(422, f"the key has more than {LONGEST_KEY} characters: take a UUID", field="Idempotency-Key")
    return intake.IdempotencyKey(request.path.rstrip("/"), key, request.get_data()) if key else None


def _note(delivery: Delivery, taken: intake.Intake) -> None:
    new = [one.id for one in taken.incidents if one.new]
    # A line of the log holds a few of them: one body may open a thousand.
    opened = {"incident": new[0]} if len(new) == 1 else {"opened": new[:10]}
    _log.info("alerts_accepted", sender=delivery.sender, groups=len(delivery.groups), new=len(new), **opened)


def _trace(taken: intake.Intake, sender: str, started: float) -> None:
    seconds = time.monotonic() - started
    for one in taken.incidents:
        if one.new:
            tracing.began(one.id, seconds, whydown__sender=sender, url__path=request.path)
