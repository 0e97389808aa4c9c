"""What the API is, for tools and for people."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, jsonify

from shared.version import own_version
from webhook import pages
from webhook.openapi import HTML, Answer, Operation, describes, document
from webhook.receiver import receiver

routes = Blueprint("docs", __name__)


@routes.get("/openapi.json")
@describes(Operation(summary="This description, OpenAPI 3.1", answers={200: Answer("The document.")}))
def openapi() -> Response:
    """The OpenAPI document."""
    return jsonify(_document())


@routes.get("/docs")
@describes(Operation(summary="This description, as a page", answers={200: Answer("The page.", media=(HTML,))}))
def docs() -> Response:
    """The same for people, made on the server."""
    return Response(pages.api_docs(_document()), content_type="text/html; charset=utf-8")


def _document() -> dict[str, Any]:
    return document(current_app, own_version(), receiver().base_url())
