"""Incidents as pages. The templates show gathered and written text as text: every link is one that the server built or
an http(s) address of a fact or of the alert, and nothing is loaded from elsewhere.
"""

from __future__ import annotations

import hashlib
import re
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
    RelatedIncident,
    Status,
    SuggestedAction,
)
from shared.moment import rfc3339, utc
from shared.store.intake import BY_HAND, FORGOTTEN
from shared.store.reading import Page
from webhook.blast_radius import graph
from webhook.fields import http_url
from webhook.problem import ProblemDocument
from webhook.timeline_picture import picture

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


def ago(value: datetime, moment: datetime) -> str:
    """How long before `moment` that was, in the one unit that says most."""
    seconds = int((moment - value).total_seconds())
    if -60 < seconds < 60:
        return "just now"
    amount = _amount(abs(seconds))
    return f"{amount} ago" if seconds > 0 else f"in {amount}"


def lasted(millis: int | None) -> str:
    """A duration in words: `340 ms`, `2.1 s`, `4 min`."""
    if millis is None:
        return "–"
    if millis < 1000:
        return f"{millis} ms"
    return f"{millis / 1000:.1f} s" if millis < 60_000 else _amount(millis // 1000)


def offset(value: datetime, start: datetime) -> str:
    """When that was, seen from `start`: `−14 min`, `+40 s`."""
    seconds = int((value - start).total_seconds())
    if seconds == 0:
        return "0"
    return f"{'−' if seconds < 0 else '+'}{_amount(abs(seconds))}"


def what(document: IncidentSummary | RelatedIncident) -> str:
    """The title, without the service's name where it begins with that: it stands beside it."""
    return document.title.removeprefix(f"{document.service}:").strip() or document.title


def standing(status: Status) -> str:
    """The status as people say it."""
    return "diagnosed" if status is Status.DONE else status.value


def told(status: CoverageStatus) -> str:
    """How an outcome is shown: `good`, `soft` or `bad`."""
    if status is CoverageStatus.OK:
        return "good"
    return "soft" if status.answered or status is CoverageStatus.NOT_CONFIGURED else "bad"


def certainty(confidence: float) -> str:
    """The confidence as a word."""
    return "high" if confidence >= 0.7 else "medium" if confidence >= 0.4 else "low"


def visible(value: Any) -> Any:
    """Text without characters that hide or reorder what is read: a command must be what it looks like.

    https://trojansource.codes
    """
    return _DECEPTIVE.sub("\ufffd", value) if type(value) is str else value


def install(app: Flask) -> None:
    """Makes the templates' filters known, and `visible` part of every output."""
    sheet = Path(app.static_folder or "") / "style.css"
    app.jinja_options = {**app.jinja_options, "finalize": visible, "trim_blocks": True, "lstrip_blocks": True}
    app.jinja_env.filters.update(
        http_url=http_url, ago=ago, lasted=lasted, offset=offset, certainty=certainty, rfc3339=rfc3339,
        clock=_clock, day=_day, words=_words, what=what, told=told, standing=standing,
    )  # fmt: skip
    # Browsers keep the sheet for an hour; a new one has a new address.
    app.jinja_env.globals["stylesheet"] = hashlib.sha256(sheet.read_bytes()).hexdigest()[:12]
    app.jinja_env.globals["script"] = hashlib.sha256(sheet.with_name("page.js").read_bytes()).hexdigest()[:12]


_DECEPTIVE: Final = re.compile(
    "[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)

_UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def _amount(seconds: int) -> str:
    size, unit = next((size, unit) for size, unit in _UNITS if seconds >= 2 * size or size == 1)
    return f"{seconds // size} {unit}"


def _clock(value: datetime) -> str:
    return utc(value).strftime("%H:%M")


def _day(value: datetime) -> str:
    return utc(value).strftime("%a %d %b %Y")


def _words(name: str) -> str:
    """`notConfigured` as `not configured`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
