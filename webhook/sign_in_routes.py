"""The way in for browsers: they show the API token once and get a session for it."""

from __future__ import annotations

from urllib.parse import urlencode

from flask import Blueprint, Response, request

from webhook import pages
from webhook.access import Gate
from webhook.answers import see_other
from webhook.openapi import HTML, Answer, Operation, Parameter, describes
from webhook.preferences import prefers_page
from webhook.receiver import receiver

routes = Blueprint("sign_in", __name__)


@routes.get("/")
@describes(
    Operation(summary="Leads to /incidents", answers={303: Answer("To the list.", headers=("Location",), media=())})
)
def home() -> Response:
    """Where people begin."""
    return see_other(f"{request.script_root}/incidents")


@routes.get("/sign-in")
@describes(
    Operation(
        summary="Asks a browser for the API token",
        gate=Gate.OPEN,
        parameters=(Parameter("next", "query", "Path to go to afterwards."),),
        answers={200: Answer("The form.", media=(HTML,))},
    )
)
def form() -> Response:
    """The form."""
    return Response(pages.sign_in(_own_path(request.args.get("next", "")), refused=False), mimetype="text/html")


@routes.post("/sign-in")
@describes(
    Operation(
        summary="Gives a browser a session for the API token",
        gate=Gate.OPEN,
        accepts="application/x-www-form-urlencoded",
        answers={
            303: Answer("Signed in.", headers=("Location",), media=()),
            401: Answer("The token is wrong.", media=(HTML,)),
        },
    )
)
def sign_in() -> Response:
    """Checks the token and sets the session's cookie."""
    target = _own_path(request.form.get("next", ""))
    guard = receiver().guard
    if not guard.signed_in(request.form.get("token", "").strip()):
        return Response(pages.sign_in(target, refused=True), 401, mimetype="text/html")
    answer = see_other(target)
    guard.start_session(request, answer)
    return answer


@routes.before_app_request
def take_token_from_address() -> Response | None:
    """A page's address may carry the token once: it becomes a session, and the address is cleaned."""
    page = request.method == "GET" and request.endpoint is not None and prefers_page()
    if not page or not receiver().guard.signed_in(request.args.get("token", "")):
        return None
    kept = [(name, value) for name, value in request.args.items(multi=True) if name != "token"]
    path = _own_path(request.script_root + request.path)
    answer = see_other(path + (f"?{urlencode(kept)}" if kept else ""))
    receiver().guard.start_session(request, answer)
    return answer


def _own_path(target: str) -> str:
    """`target` if it is a path of this server, else the list: no address elsewhere can be smuggled in."""
    own = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if own else f"{request.script_root}/incidents"
