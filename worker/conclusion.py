"""The end of an investigation: the model's diagnosis of a case, or the brief in its place."""

from __future__ import annotations

from dataclasses import asdict

import structlog

from shared.covering import Leader
from shared.incident import Diagnosis
from shared.moment import Deadline
from shared.store.endings import Conclusion
from worker.consultation import consult
from worker.inquiry import Scope
from worker.investigation import covering, markdown, standing_in
from worker.investigation.case import Case
from worker.llm import Provider

_log = structlog.get_logger(__name__)


def conclude(provider: Provider | None, seconds: float, case: Case, whom: Scope) -> Conclusion:
    """What is stored of a case: never without a diagnosis. `seconds` is how long the model may take in all."""
    if provider is None:
        brief = _standing_in(case, whom, None, "no model is configured (WHYDOWN_AI_PROVIDER)")
        return Conclusion(brief, markdown.render(brief, case.brief.similar))
    consulted = consult(provider, case, Deadline.after(seconds))
    diagnosis = consulted.diagnosis
    if diagnosis is None:
        failure = consulted.failure or "the model gave no usable answer"
        _log.warning("brief_stands", reason=failure)
        diagnosis = _standing_in(case, whom, provider.name, failure)
    return Conclusion(
        diagnosis=diagnosis,
        analysis=markdown.render(diagnosis, case.brief.similar),
        prompt=[asdict(message) for message in consulted.messages],
        reply=consulted.reply_text,
        model=consulted.model,
        usage=consulted.usage,
    )


def covered(case: Case, whom: Scope, leader: Leader, url: str | None) -> Conclusion:
    """What is stored of a case that another incident's analysis covers; `url` is that one's page."""
    number = max((int(fact.id[1:]) for fact in case.facts), default=0) + 1
    told = covering.fact(leader, url).model_copy(update={"id": f"F{number}"})
    diagnosis = covering.diagnosis(case, whom, leader, told)
    return Conclusion(diagnosis, markdown.render(diagnosis, case.brief.similar), facts=(told,))


def _standing_in(case: Case, whom: Scope, provider: str | None, reason: str) -> Diagnosis:
    return standing_in.diagnosis(whom, case.brief, case.facts, case.coverage, provider=provider, reason=reason)
