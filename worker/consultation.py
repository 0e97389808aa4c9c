"""The conversation with the model about one case: what is asked next depends on what came back and on the time left."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from weakref import WeakKeyDictionary

from shared.incident import Diagnosis, ProducedBy, Usage
from shared.moment import Deadline, DeadlineExceeded
from worker.investigation import prompt, reply, verification
from worker.investigation.case import Case
from worker.investigation.inert import visible
from worker.investigation.reply import ReplyRejected
from worker.investigation.verification import Verification
from worker.llm import Message, ModelFailure, ModelReply, ModelRequest, Provider, ReplyFormat

MOST_TRIES: Final = 3
"""Calls of one consultation that may meet a server in trouble."""
PAUSES: Final = (0.5, 2.0)
"""Seconds before the second and the third of them, where the server names no time itself."""

MOST_HALVINGS: Final = 2
TOKENS: Final = 2_000
"""Twice what a full reply takes."""
MORE_TOKENS: Final = 8_000
"""For a reply that was cut off: most likely the model thinks aloud first, and that counts too."""

_LADDER: Final[tuple[ReplyFormat, ...]] = ("jsonSchema", "jsonObject", "text")

# The format that each provider's server took last, so that what it refuses is paid for once per process.
_known_formats: WeakKeyDictionary[Provider, ReplyFormat] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Consultation:
    """What came of asking the model."""

    diagnosis: Diagnosis | None
    """None with a failure: then the brief stands."""
    messages: tuple[Message, ...]
    """What was sent last."""
    reply_text: str | None
    """The last reply as it came; for the bundle, never to be shown as it is."""
    model: str | None
    usage: Usage
    """Of all calls together."""
    failure: str | None
    """In words, for the operator."""


def consult(
    provider: Provider, case: Case, deadline: Deadline, sleep: Callable[[float], None] = time.sleep
) -> Consultation:
    """The model's diagnosis of a case, or why there is none. Never raises for the model's troubles, and is back by the
    deadline. `sleep` waits that many seconds.
    """
    talk = _Talk(provider, case, deadline, sleep)
    diagnosis, failure = None, None
    try:
        diagnosis = talk.diagnosis()
    except ModelFailure as met:
        failure = met.reason
    except DeadlineExceeded:
        failure = "the model gave no usable answer within its time (WHYDOWN_AI_TIMEOUT_SECONDS)"
    return Consultation(diagnosis, talk.messages, talk.reply_text, talk.model, talk.usage, failure)


@dataclass(slots=True)
class _Talk:
    """One consultation while it goes on."""

    provider: Provider
    case: Case
    deadline: Deadline
    sleep: Callable[[float], None]
    marks: prompt.Marks = field(init=False)
    budget: prompt.Budget = field(default_factory=prompt.Budget)
    reply_format: ReplyFormat = field(init=False)
    tokens: int = TOKENS
    halvings: int = 0
    troubles: int = 0
    messages: tuple[Message, ...] = ()
    reply_text: str | None = None
    model: str | None = None
    usage: Usage = field(default_factory=Usage)

    def __post_init__(self) -> None:
        self.marks = prompt.Marks.fresh(self.case)
        self.reply_format = _known_formats.get(self.provider, _LADDER[0])

    def diagnosis(self) -> Diagnosis:
        """Raises ModelFailure or DeadlineExceeded when there is none."""
        first = self._judged(self._answer())
        if first.needs_repair:
            first = self._repaired(first)
        if first.diagnosis is None:
            raise ModelFailure(first.reason or "the model gave no usable answer", "unusable")
        return first.diagnosis

    def _repaired(self, first: Verification) -> Verification:
        """The better of `first` and what the model makes of being told what was wrong."""
        before = (self.messages, self.reply_text)
        complaint = (Message("assistant", self.reply_text or ""), _complaint(first.problems))
        second: Verification | None
        try:
            second = self._judged(self._answer(complaint))
        except (ModelFailure, DeadlineExceeded):
            second = None
        if second and second.diagnosis and (not first.diagnosis or len(second.problems) <= len(first.problems)):
            return second
        if first.diagnosis:
            self.messages, self.reply_text = before
        return first

    def _judged(self, answer: ModelReply) -> Verification:
        if self.marks.leaked(answer.text):
            raise ModelFailure("the model's reply repeated its instructions and was rejected", "unusable")
        produced_by = ProducedBy(stage="model", provider=self.provider.name, model=answer.model)
        try:
            return verification.verify(reply.parse(answer.text), self.case, produced_by)
        except ReplyRejected as rejected:
            reason = "the model's reply was cut off" if answer.truncated else "the model's reply did not fit the schema"
            return Verification(None, rejected.problems, f"{reason} ({rejected.problems[0]})", needs_repair=True)

    def _answer(self, further: tuple[Message, ...] = ()) -> ModelReply:
        """What the model replies to the prompt and `further` messages, however many calls that takes."""
        while True:
            self.deadline.remaining()
            self.messages = (*prompt.build(self.case, self.budget, self.marks), *further)
            try:
                answer = self._call()
            except ModelFailure as failure:
                self._adapt(failure)
                continue
            if answer.truncated and self.tokens < MORE_TOKENS and not _readable(answer):
                self.tokens = MORE_TOKENS
                continue
            return answer

    def _call(self) -> ModelReply:
        request = ModelRequest(self.messages, reply.SCHEMA_NAME, reply.SCHEMA, self.reply_format, self.tokens)
        made = True
        try:
            answer = self.provider.complete(request, self.deadline)
        except ModelFailure as failure:
            made = failure.kind != "notAsked"
            raise
        finally:
            self.usage = self.usage.model_copy(update={"calls": self.usage.calls + made})
        # Without what a database refuses and a reader does not see; nothing that is read below is lost.
        self.reply_text, self.model = visible(answer.text[: reply.LONGEST]), answer.model
        self.usage = _sum(self.usage, answer.usage)
        _known_formats[self.provider] = self.reply_format
        return answer

    def _adapt(self, failure: ModelFailure) -> None:
        """Changes what is asked next so that it may fare better. Raises the failure when nothing is left to change."""
        if failure.kind == "unavailable" and self.troubles < MOST_TRIES - 1:
            self._wait(failure)
        elif failure.kind == "unsupportedFormat" and self.reply_format != _LADDER[-1]:
            self.reply_format = _LADDER[_LADDER.index(self.reply_format) + 1]
        elif failure.kind == "tooLong" and self.halvings < MOST_HALVINGS:
            self.halvings += 1
            self.budget = self.budget.halved()
        else:
            raise failure

    def _wait(self, failure: ModelFailure) -> None:
        pause = PAUSES[self.troubles] if failure.retry_after is None else failure.retry_after
        if pause >= self.deadline.remaining():
            raise ModelFailure(f"{failure.reason}; its next try would come after the deadline", failure.kind)
        self.troubles += 1
        self.sleep(pause)


def _readable(answer: ModelReply) -> bool:
    """Whether a reply is whole although the server says that it was cut off."""
    try:
        reply.parse(answer.text)
    except ReplyRejected:
        return False
    return True


def _complaint(problems: tuple[str, ...]) -> Message:
    listed = "\n".join(f"- {problem}" for problem in problems)
    return Message("user", f"Your reply cannot be used:\n{listed}\nReply again with the whole JSON object, corrected.")


def _sum(total: Usage, one: Usage) -> Usage:
    """Both together. What costs is known only when all of it is; failed calls cost nothing that is known of."""
    known = total.cost_usd if total.input_tokens or total.output_tokens else 0.0
    return total.model_copy(
        update={
            "input_tokens": total.input_tokens + one.input_tokens,
            "output_tokens": total.output_tokens + one.output_tokens,
            "cached_tokens": total.cached_tokens + one.cached_tokens,
            "cost_usd": None if known is None or one.cost_usd is None else known + one.cost_usd,
        }
    )
