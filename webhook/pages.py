"""Incidents as pages. The templates show gathered and written text as text: every link is one that the server built or
an http(s) address of a fact or of the alert, and nothing is loaded from elsewhere.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, get_args

from flask import Flask, render_template, request

from shared.incident import (
    MAX_SAID,
    Citation,
    Coverage,
    CoverageStatus,
    FeedbackVerdict,
    Incident,
    IncidentSummary,
    Status,
    SuggestedAction,
)
from shared.store.intake import BY_HAND, FORGOTTEN
from shared.store.reading import Page
from webhook.blast_radius import graph
from webhook.problem import ProblemDocument
from webhook.timeline_picture import picture
from webhook.wording import FILTERS, visible

MOST_EVENTS: Final = 40
"""Lines of the timeline; all facts stand below it."""

PATIENCE: Final = timedelta(seconds=60)
"""After so long in the queue the page says that there may be no worker."""

REFRESH_SECONDS: Final = 3

MOST_NAMES: Final = 500
"""Names of the catalog that a page offers at once."""

STAGES: Final = (Status.QUEUED, Status.GATHERING, Status.DIAGNOSING, Status.DONE)


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the timeline."""

    at: datetime
    kind: str
    text: str
    fact: str | None = None


def incident(document: Incident, moment: datetime) -> str:
    """The page of an incident as it stands at `moment`."""
    running = not document.status.finished
    actions = document.diagnosis.suggested_actions if document.diagnosis else ()
    first = first_action(actions)
    return render_template(
        "incident.html",
        incident=document,
        diagnosis=document.diagnosis,
        brief=document.brief,
        feedback=document.feedback,
        moment=moment,
        live=REFRESH_SECONDS if running else None,
        picture=picture(document),
        graph=graph(document),
        stages=STAGES,
        stalled=_is_stalled(document, moment),
        events=timeline(document),
        gaps=gaps(document.coverage),
        facts={fact.id: fact for fact in document.facts},
        unquoted=_unquoted(document),
        first=first,
        later=[action for action in actions if action is not first],
        verdicts=get_args(FeedbackVerdict),
        most_said=MAX_SAID,
    )


def _is_stalled(document: Incident, moment: datetime) -> bool:
    """Whether it waits for somebody to take it up, and not for others to finish."""
    is_next = document.queue is None or document.queue.position == 1
    return document.status is Status.QUEUED and is_next and moment - document.received_at > PATIENCE


@dataclass(frozen=True, slots=True)
class FirstAlert:
    """What a newcomer needs to send one."""

    base_url: str
    needs_token: bool


def incident_list(page: Page, query: Mapping[str, Any], moment: datetime, first: FirstAlert) -> str:
    """The page of the list; `query` is what was asked for, by parameter."""
    narrowing = {name: value for name, value in query.items() if name != "cursor"}
    return render_template(
        "incidents.html",
        incidents=page.incidents,
        groups=_groups(page, narrowed=bool(query), moment=moment),
        next_cursor=page.next_cursor,
        backlog=page.backlog,
        query=query,
        narrowing=narrowing,
        statuses=tuple(Status),
        moment=moment,
        first=first,
    )


def _groups(page: Page, narrowed: bool, moment: datetime) -> tuple[tuple[str, tuple[IncidentSummary, ...]], ...]:
    """The incidents under their headings: what is still open before what is over."""
    if narrowed:
        return (("Found", page.incidents),)
    still = {one.id for one in page.incidents if _is_open(one, moment)}
    groups = (
        ("Open", tuple(one for one in page.incidents if one.id in still)),
        ("Recent", tuple(one for one in page.incidents if one.id not in still)),
    )
    return tuple(group for group in groups if group[1])


def _is_open(one: IncidentSummary, moment: datetime) -> bool:
    """Whether it is being looked into, or its alert is firing as far as anybody said."""
    fires = one.resolved_at is None and one.sender not in BY_HAND and moment - one.last_seen_at < FORGOTTEN
    return fires or not one.status.finished


def analysis(given: Mapping[str, str], names: Sequence[str], problem: ProblemDocument | None) -> str:
    """The form that asks for an analysis by hand: with what was `given`, names from the catalog to choose from, and
    what was wrong with it.
    """
    return render_template(
        "analyze.html",
        given=given,
        names=names[:MOST_NAMES],
        more=len(names) > MOST_NAMES,
        problem=problem,
        form_id=secrets.token_hex(8),
    )


def problem(document: ProblemDocument) -> str:
    """The page of a refusal: for a missing token the sign-in form."""
    if document.status != 401:
        return render_template("problem.html", problem=document)
    here = f"{request.script_root}{document.instance if request.method == 'GET' else '/incidents'}"
    return sign_in(here, refused="token" in request.args)


def sign_in(target: str, refused: bool) -> str:
    """The form that takes the API token and then goes to `target`, a path of ours."""
    # Browsers keep a SameSite=Strict cookie back when a link elsewhere (a chat, a mail) leads here: asked again from
    # our own page they show it.
    again = request.headers.get("Sec-Fetch-Site") == "cross-site" and request.method == "GET"
    return render_template("sign_in.html", target=target, refused=refused, refresh=0 if again else None)


def api_docs(openapi: Mapping[str, Any]) -> str:
    """The OpenAPI document for people."""
    return render_template("docs.html", api=openapi)


def timeline(document: Incident) -> tuple[Event, ...]:
    """What happened when: the alert's own times and every fact that has one, oldest first."""
    events = [
        Event(fact.at, fact.kind, fact.text.partition("\n")[0], fact.id)
        for fact in document.facts
        if fact.at is not None and fact.kind in ("commit", "deploy", "flag", "signature", "alert")
    ]
    if document.brief and document.brief.onset:
        events.append(
            Event(document.brief.onset, "onset", document.brief.onset_reason or "It began, as far as the facts tell")
        )
    events.append(Event(document.started_at, "alert", f"{document.title} started firing"))
    if document.resolved_at:
        events.append(Event(document.resolved_at, "resolved", "The alert was resolved"))
    nearest = sorted(events, key=lambda event: abs(event.at - document.started_at))[:MOST_EVENTS]
    return tuple(sorted(nearest, key=lambda event: event.at))


def gaps(coverage: tuple[Coverage, ...]) -> tuple[Coverage, ...]:
    """The sources that were asked and did not say what they know."""
    silent = (line for line in coverage if not line.status.answered)
    return tuple(line for line in silent if line.status is not CoverageStatus.NOT_CONFIGURED)


def _unquoted(document: Incident) -> tuple[Citation, ...]:
    """What the cause rests on and the evidence does not quote again."""
    if document.diagnosis is None:
        return ()
    quoted = {(item.fact, item.quote) for item in document.diagnosis.evidence}
    return tuple(item for item in document.diagnosis.probable_cause.citations if (item.fact, item.quote) not in quoted)


def first_action(actions: tuple[SuggestedAction, ...]) -> SuggestedAction | None:
    """What to do before all else."""
    return next((action for action in actions if action.kind == "immediate"), next(iter(actions), None))


def install(app: Flask) -> None:
    """Makes the templates' filters known, and `visible` part of every output."""
    sheet = Path(app.static_folder or "") / "style.css"
    app.jinja_options = {**app.jinja_options, "finalize": visible, "trim_blocks": True, "lstrip_blocks": True}
    app.jinja_env.filters.update(FILTERS)
    # Browsers keep the sheet for an hour; a new one has a new address.
    app.jinja_env.globals["stylesheet"] = hashlib.sha256(sheet.read_bytes()).hexdigest()[:12]
    app.jinja_env.globals["script"] = hashlib.sha256(sheet.with_name("page.js").read_bytes()).hexdigest()[:12]
