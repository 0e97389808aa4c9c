"""Refusals, as RFC 9457 problem documents: a `detail` that names the field and the fix, and never what is inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, TypeVar

import structlog
from flask import Flask, Response, request
from pydantic import BaseModel, Field, ValidationError
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from shared.wire import Wire
from webhook.body import MAX_BYTES, BodyRejected
from webhook.preferences import prefers_page

_log = structlog.get_logger(__name__)

RETRY_SECONDS: Final = 5
"""What Retry-After says when the database cannot be reached."""

M = TypeVar("M", bound=BaseModel)


class FieldProblem(Wire):
    """One field that is wrong."""

    field: str
    detail: str


class ProblemDocument(Wire):
    """The body of every refusal, RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = Field(description="What is wrong and how to mend it, naming the field.")
    instance: str | None = Field(None, description="The path that was asked.")
    field: str | None = Field(None, description="JSON path of the field, or name of the header or parameter.")
    errors: tuple[FieldProblem, ...] | None = Field(None, description="Every wrong field, when there are several.")


class Problem(Exception):
    """A request that is refused. Raised anywhere below a route, it becomes the answer."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        title: str | None = None,
        field: str | None = None,
        errors: tuple[FieldProblem, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`title` defaults to the status's own phrase."""
        super().__init__(detail)
        self.document = ProblemDocument(
            title=title or HTTPStatus(status).phrase,
            status=status,
            detail=detail,
            field=field,
            errors=errors if len(errors) > 1 else None,
        )
        self.headers = dict(headers or {})

    def response(self, page: Callable[[ProblemDocument], str]) -> Response:
        """The answer: for a browser the `page` of the document, else JSON."""
        document = self.document.model_copy(update={"instance": request.path})
        if prefers_page():
            answer = Response(page(document), document.status, content_type="text/html; charset=utf-8")
        else:
            content = document.model_dump_json(by_alias=True, exclude_none=True)
            answer = Response(content, document.status, content_type="application/problem+json")
        answer.headers.extend(self.headers)
        answer.vary.add("Accept")
        return answer


def validated(model: type[M], data: object, *, parameters: bool = False) -> M:
    """`data` as `model`. Raises Problem 422 that names each field, what is wrong with it, and what belongs there.

    `parameters` is True for a query string, whose fields are not JSON paths.
    """
    if not parameters and not isinstance(data, dict):
        raise Problem(422, "the body must be a JSON object")
    try:
        return model.model_validate(data)
    except ValidationError as invalid:
        errors = _one_per_field(_field_problem(model, dict(error)) for error in invalid.errors(include_input=False))
        raise Problem(
            422,
            "; ".join(f"`{error.field}` {error.detail}" for error in errors),
            field=errors[0].field,
            errors=errors,
        ) from None


def install(app: Flask, page: Callable[[ProblemDocument], str]) -> None:
    """Makes every failure of `app` a problem document; `page` renders it for browsers."""

    def refused(problem: Problem) -> Response:
        return problem.response(page)

    def body_rejected(error: BodyRejected) -> Response:
        return refused(Problem(error.status, error.detail, title=error.title, field=error.field))

    def from_framework(error: HTTPException) -> Response:
        status = error.code or 500
        headers = {name: value for name, value in error.get_headers() if name == "Allow"}
        return refused(Problem(status, _DETAILS.get(status) or str(error.description), headers=headers))

    def database_failed(error: SQLAlchemyError) -> Response:
        # The type alone: messages of database errors quote statements and their values.
        _log.error("database_failed", path=request.path, reason=type(error).__name__)
        lost = ": what was sent was NOT stored, send it again" if request.method == "POST" else ""
        detail = f"the database cannot be used right now{lost}"
        return refused(Problem(503, detail, headers={"Retry-After": str(RETRY_SECONDS)}))

    def crashed(error: Exception) -> Response:
        _log.error("request_failed", path=request.path, reason=type(error).__name__, exc_info=error)
        return refused(Problem(500, "an error inside Whydown; its log says more"))

    handlers: dict[type[Exception], Callable[[Any], Response]] = {
        Problem: refused,
        BodyRejected: body_rejected,
        HTTPException: from_framework,
        SQLAlchemyError: database_failed,
        Exception: crashed,
    }
    for kind, handler in handlers.items():
        app.register_error_handler(kind, handler)


_DETAILS: Final = {
    404: "there is nothing at this address; /docs lists every route",
    405: "this address does not take that method; the Allow header names those it takes",
    413: f"the body is larger than {MAX_BYTES} bytes; send fewer alerts at once",
}


def _field_problem(model: type[BaseModel], error: dict[str, Any]) -> FieldProblem:
    place = error["loc"]
    known = {field.alias or name: field for name, field in model.model_fields.items()}
    meaning = known[str(place[0])].description if place and str(place[0]) in known else None
    what = _what(error["type"], str(error["msg"]), error.get("ctx", {}))
    return FieldProblem(field=_path(place), detail=f"{what} ({meaning})" if meaning else what)


def _what(kind: str, message: str, limits: dict[str, Any]) -> str:
    """What is wrong, in the words of JSON instead of Python's."""
    if kind in _WHAT:
        return _WHAT[kind].format(**limits)
    return message.removeprefix("Value error, ").replace("Input should", "must").replace("Value should", "must")


_WHAT: Final = {
    "missing": "is missing",
    "string_type": "must be a string",
    "tuple_type": "must be an array of strings",
    "enum": "is none of the known words",
    "int_parsing": "must be a whole number",
    "string_too_short": "must not be empty",
    "string_too_long": "has more than {max_length} characters",
    "too_long": "has more than {max_length} items",
}


def _path(place: tuple[str | int, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")


def _one_per_field(errors: Any) -> tuple[FieldProblem, ...]:
    return tuple({error.field: error for error in errors}.values())
