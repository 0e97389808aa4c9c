"""The receiver as a Flask application, put together from explicit parts so that a test can build it of others."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import Final

from flask import Flask, Response, current_app, request

from shared import task_queue
from shared.database import Database
from shared.redaction.installed import redactor
from shared.settings import Address, Investigation
from shared.store.installation import redaction_key
from shared.store.intake import Reception
from webhook import (
    deployment_routes,
    docs_routes,
    health,
    incident_routes,
    intake_routes,
    metrics_routes,
    pages,
    permission_routes,
    problem,
    sign_in_routes,
    usage_routes,
)
from webhook.access import Gate, Guard
from webhook.body import MAX_BYTES
from webhook.grouping import Grouping
from webhook.openapi import operation_of
from webhook.receiver import EXTENSION, Queue, Receiver
from webhook.recent_documents import RecentDocuments
from webhook.senders import SENDERS, Sender
from webhook.settings import Access
from webhook.summons import Summons

LARGEST_DISCARD: Final = 64 * 1024 * 1024
"""Bytes of a refused body that are read and thrown away, so that its sender gets to read the refusal."""

_CSP: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

_HEADERS: Final = {
    "Content-Security-Policy": _CSP,
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: with it browsers send `Origin: null` with our own forms, which looks like somebody else's.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


_ROUTES: Final = (
    permission_routes,  # before those whose answer to OPTIONS Flask would make
    intake_routes,
    incident_routes,
    deployment_routes,
    usage_routes,
    metrics_routes,
    health,
    docs_routes,
    sign_in_routes,
)


def create_app(
    database: Database,
    *,
    access: Access | None = None,
    address: Address | None = None,
    grouping: Grouping | None = None,
    senders: Mapping[str, Sender] | None = None,
    investigation: Investigation | None = None,
    queue: Queue | None = None,
    waiting: int = 8,
) -> Flask:
    """The application on `database`. Settings that are not given are read from the environment; `waiting` is how many
    requests may wait for an investigation's end at once. Raises ConfigurationError.
    """
    access = access or Access.read()
    quiet = (investigation or Investigation.read()).quiet_minutes
    app = Flask("webhook", static_folder="static", template_folder="templates")
    # One more than is read: a chunked body is silently cut here, and refused for its length by webhook.body.
    app.config.update(MAX_CONTENT_LENGTH=MAX_BYTES + 1, SEND_FILE_MAX_AGE_DEFAULT=3600)
    # A redirected webhook is a lost one: Alertmanager follows it with a GET and counts that as delivered.
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.url_map.converters["incident"] = incident_routes.IncidentId
    senders = senders or {name: kind(grouping or Grouping.read()) for name, kind in SENDERS}
    access.check_names(senders)
    app.extensions[EXTENSION] = Receiver(
        database=database,
        queue=queue or Queue(task_queue.Publisher(Summons(database, task_queue.publish)).publish, task_queue.ping),
        guard=Guard(access, (address or Address.read()).public_url, senders),
        senders=senders,
        reception=Reception(database, timedelta(minutes=quiet)),
        redactor=cache(lambda: redactor(redaction_key(database))),
        documents=RecentDocuments(),
        waiting=threading.BoundedSemaphore(waiting),
    )
    pages.install(app)
    problem.install(app, pages.problem)
    for module in _ROUTES:
        app.register_blueprint(module.routes)
    app.before_request(_guard_route)
    app.after_request(_protect)
    app.after_request(_discard_rest)
    return app


def _guard_route() -> None:
    """Lets nobody pass who may not. A route that does not say whom it is for needs the API token."""
    if request.endpoint in (None, "static"):
        return
    operation = operation_of(current_app, str(request.endpoint))
    guard: Guard = current_app.extensions[EXTENSION].guard
    guard.check(operation.gate if operation else Gate.API, request)


def _protect(answer: Response) -> Response:
    answer.headers.extend(_HEADERS)
    return answer


def _discard_rest(answer: Response) -> Response:
    """Closing a connection with unread data resets it, and the sender would see that instead of our answer."""
    # Only where the server marks the body's end, as gunicorn does: elsewhere reading on would wait for ever.
    if answer.status_code >= 400 and request.environ.get("wsgi.input_terminated"):
        stream, left = request.environ["wsgi.input"], LARGEST_DISCARD
        while left > 0 and (chunk := stream.read(64 * 1024)):
            left -= len(chunk)
    return answer
