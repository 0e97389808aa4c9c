"""Permission to send, which senders of CloudEvents ask for before their first event, some of them (Azure Event Grid)
never sending one without: https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md, section 4.
"""

from __future__ import annotations

from flask import Blueprint, Response, request

from shared.registry import UnknownName
from webhook.access import Gate
from webhook.openapi import Answer, Operation, describes
from webhook.problem import Problem
from webhook.senders import SENDERS, canonical

routes = Blueprint("permission", __name__)


@routes.route("/webhook/<sender>", methods=["OPTIONS"])
@routes.route("/deployments", methods=["OPTIONS"])
@describes(
    Operation(
        summary="Says who may send",
        # Whoever asks shows no token yet; who sends must.
        gate=Gate.OPEN,
        answers={204: Answer("Any origin, as fast as it likes.", headers=("Allow",), media=())},
    )
)
def permission(sender: str | None = None) -> Response:
    """Lets whoever asks send. Their address for a permission by callback is left alone."""
    if sender is not None:
        try:
            SENDERS.load(canonical(sender))
        except UnknownName as unknown:
            raise Problem(404, str(unknown), field="sender") from None
    answer = Response(status=204, headers={"Allow": "OPTIONS, POST"})
    if origin := request.headers.get("WebHook-Request-Origin"):
        answer.headers["WebHook-Allowed-Origin"] = origin
        answer.headers["WebHook-Allowed-Rate"] = "*"
    return answer
