"""The bodies of answers, and the headers that go with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response
from pydantic import BaseModel, Field
from werkzeug.datastructures import Headers

from shared.incident import IncidentSummary, Status
from shared.store.intake import Intake
from shared.wire import Wire
from webhook.receiver import receiver

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

FIRST_LOOK_SECONDS = 2
"""When to ask again about an incident that is under way: a brief takes about as long."""

CROWDED_SECONDS = range(8, 16)
"""When to ask again if all the places to wait in were taken: later, and not all at the same moment."""


class _Complete(Response):
    """An answer with a body and all its headers, which are sent as they stand: werkzeug would copy them, and take the
    address in Location apart and together again.
    """

    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:
        """Nothing depends on the request."""
        return self.headers


class AcceptedIncident(Wire):
    """An incident that a request is about."""

    id: str
    status: Status
    url: str
    new: bool = Field(description="False when the alert joined an incident that was there.")


class AcceptedIncidents(Wire):
    """What an accepting route answers: everything named here is committed."""

    incidents: tuple[AcceptedIncident, ...] = ()
    ignored: str | None = Field(None, description="What of the body opened nothing, and why.")


class IncidentList(Wire):
    """One page of incidents, newest first."""

    incidents: tuple[IncidentSummary, ...]
    next_cursor: str | None = Field(None, description="The `cursor` of the next page; null on the last.")


class Recorded(Wire):
    """What became of deploy events."""

    recorded: int = Field(description="How many were new.")
    ignored: str | None = Field(None, description="Which were left out, and why.")


def json_answer(value: BaseModel, status: int = 200, leave_out_null: bool = False) -> Response:
    """An answer of `value` as camelCase JSON."""
    return json_response(json_text(value, leave_out_null), status)


def json_text(value: BaseModel, leave_out_null: bool = False) -> str:
    """`value` as camelCase JSON."""
    return value.model_dump_json(by_alias=True, exclude_none=leave_out_null)


def json_response(content: str, status: int = 200) -> Response:
    """JSON that is written already."""
    return Response(content, status, content_type="application/json")


def see_other(location: str) -> Response:
    """Sends a browser on to `location` with GET."""
    return Response(status=303, headers={"Location": location})


def accepted(intake: Intake, ignored: str | None = None) -> Response:
    """202 for what was committed, with Location when it is exactly one incident."""
    here = receiver()
    incidents = tuple(
        AcceptedIncident(id=one.id, status=one.status, url=here.incident_url(one.id), new=one.new)
        for one in intake.incidents
    )
    content = json_text(AcceptedIncidents(incidents=incidents, ignored=ignored), leave_out_null=True)
    answer = _Complete(content, 202, content_type="application/json")
    answer.headers["Retry-After"] = str(FIRST_LOOK_SECONDS)
    if len(incidents) == 1:
        answer.headers["Location"] = incidents[0].url
    return answer
