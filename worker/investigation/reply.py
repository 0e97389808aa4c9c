"""What the model has to reply: the schema, and reading it out of whatever text came back."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

LONGEST: Final = 64_000
"""Characters of a reply that are read; a full reply takes a tenth of it."""

_MOST_STARTS: Final = 200
_MOST_PROBLEMS: Final = 6
_WORDS: Final = {"low": 0.3, "medium": 0.6, "high": 0.9}
_KINDS: Final = {"immediate": "immediate", "verify": "verify", "afterfix": "afterFix"}


class ReplyRejected(ValueError):
    """A text that is no reply as asked for."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        """`problems` name places and rules in our own words, never the model's."""
        super().__init__("; ".join(problems))
        self.problems = problems


def _confidence(value: object) -> object:
    """A number from 0 to 1; percentages and the words low, medium, high are understood too."""
    if isinstance(value, str):
        word = value.strip().rstrip("%").lower()
        if word in _WORDS:
            return _WORDS[word]
        try:
            value = float(word) / (100 if value.strip().endswith("%") else 1)
        except ValueError:
            return value
    if not isinstance(value, int | float) or not math.isfinite(value):
        return 0.0
    return min(1.0, max(0.0, value / 100 if 1 < value <= 100 else value))


def _kind(value: object) -> object:
    return _KINDS.get(re.sub("[^a-z]", "", value.lower()), value) if isinstance(value, str) else value


def _change(value: object) -> object:
    return None if isinstance(value, str) and value.strip().lower() in ("", "null", "none", "n/a", "unknown") else value


def _said(value: str) -> str:
    if not value.strip():
        raise ValueError("must say something")
    return value


class _Part(BaseModel):
    # OpenAI's strict mode wants every object closed; a field too many is no reason to reject a reply, though.
    model_config = ConfigDict(
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        json_schema_extra={"additionalProperties": False},
    )


class CitedFact(_Part):
    fact: str = Field(description="id of the fact, such as F3")
    quote: str = Field(description="words of that fact, copied exactly, from one line")


class FoundEvidence(CitedFact):
    statement: str = Field(description="what this shows")


class Cause(_Part):
    statement: Annotated[str, AfterValidator(_said)] = Field(
        description="what most likely caused the incident, in one to three sentences"
    )
    confidence: Annotated[float, BeforeValidator(_confidence)] = Field(description="0 to 1")
    citations: tuple[CitedFact, ...] = Field((), description="the facts that the statement rests on")


class Action(_Part):
    kind: Annotated[Literal["immediate", "verify", "afterFix"], BeforeValidator(_kind)]
    text: str
    command: str | None = Field(None, description="a command to copy, or null")


class Neighbour(_Part):
    service: str = Field(description="name as in the facts")
    reason: str


class Reply(_Part):
    """The model's whole reply, evidence before cause. All of it is asked for; what claims nothing may be missing."""

    evidence: tuple[FoundEvidence, ...]
    probable_cause: Cause
    suggested_actions: tuple[Action, ...] = ()
    related_services: tuple[Neighbour, ...] = ()
    suspect_change: Annotated[str | None, BeforeValidator(_change)] = Field(
        None, description="sha, version or flag of the one change among the facts that is to blame, or null"
    )
    enough_information: bool = True
    missing_data: tuple[str, ...] = Field((), description="what to collect to be sure")


def _plain(schema: Any) -> Any:
    """`schema` with every field required, and without the titles, docstrings and defaults that pydantic adds: strict
    mode refuses defaults, and the rest are tokens to pay for.
    """
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    is_object = schema.get("type") == "object"
    plain = {
        key: _plain(value)
        for key, value in schema.items()
        if key not in ("title", "default") and not (is_object and key == "description")
    }
    return plain | {"required": list(plain["properties"])} if is_object else plain


SCHEMA_NAME: Final = "diagnosis"
SCHEMA: Final[dict[str, Any]] = _plain(Reply.model_json_schema(by_alias=True))
"""The reply's JSON schema within the subset of https://platform.openai.com/docs/guides/structured-outputs: every object
closed, every field required, nothing with a default.
"""


def parse(text: str) -> Reply:
    """The reply in `text`, which may hold prose, a code fence or a chain of thought around the JSON. Raises
    ReplyRejected.
    """
    nearest: list[str] | None = None
    for found in _objects(_without_thoughts(text[:LONGEST])):
        try:
            return Reply.model_validate(found)
        except ValidationError as invalid:
            problems = [_say(dict(error)) for error in invalid.errors()]
            nearest = problems if nearest is None or len(problems) < len(nearest) else nearest
    raise ReplyRejected(tuple(nearest or ["the reply holds no JSON object"])[:_MOST_PROBLEMS])


def _without_thoughts(text: str) -> str:
    """`text` after the block in which models such as DeepSeek-R1 and Qwen think aloud."""
    return text.rpartition("</think>")[2]


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """The outermost JSON objects in `text`, in order."""
    decoder = json.JSONDecoder()
    at = text.find("{")
    for _ in range(_MOST_STARTS):
        if at < 0:
            return
        try:
            found, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            yield found
            # Some models wrap their answer: {"diagnosis": {...}}.
            yield from (inner for inner in found.values() if isinstance(inner, dict))
        at = text.find("{", end)


def _say(error: dict[str, Any]) -> str:
    place = ".".join(str(part) for part in error["loc"]) or "the reply"
    return f"{place}: {error['msg']}"
