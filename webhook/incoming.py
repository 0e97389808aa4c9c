"""What a request carries, without the secrets in it: every route reads its body here, before anything else sees it."""

from __future__ import annotations

from typing import Any, Final

from flask import request

from webhook import body
from webhook.receiver import receiver

CALLBACK: Final = "callbackUrl"
"""The one field that is kept as it came: a result is posted to it, and it is never shown."""


def json_body(also_text: bool = False) -> Any:
    """The body's JSON, `also_text` where it is sent as text/plain. Raises webhook.body.BodyRejected."""
    told = request.headers.get("Content-Type")
    return body.parse(
        request.get_data(),
        "application/json" if also_text and request.mimetype == "text/plain" else told,
        request.headers.get("Content-Encoding"),
        without_secrets,
    )


def form() -> dict[str, str]:
    """The fields of a page's form. Browsers end lines as HTTP does, whatever was typed:
    https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#converting-an-entry-list-to-a-list-of-name-value-pairs
    """
    typed = {name: value.replace("\r\n", "\n") for name, value in request.form.items()}
    fields: dict[str, str] = without_secrets(typed)
    return fields


def is_form() -> bool:
    """Whether a page's form was sent."""
    return request.mimetype == "application/x-www-form-urlencoded"


def sent() -> Any:
    """The fields of a page's form, or the JSON of the body. Raises webhook.body.BodyRejected."""
    return form() if is_form() else json_body()


def without_secrets(value: Any) -> Any:
    """A JSON value, redacted before it is cut to any length. Raises sqlalchemy.exc.SQLAlchemyError when the key of the
    placeholders cannot be had.
    """
    redacted = receiver().redactor().value(value)
    if isinstance(value, dict) and CALLBACK in value:
        redacted[CALLBACK] = value[CALLBACK]
    return redacted
