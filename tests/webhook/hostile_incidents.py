"""Incidents in which everything that somebody else could have written is meant to do harm on a page."""

from __future__ import annotations

from shared.incident import (
    Brief,
    Citation,
    Coverage,
    CoverageStatus,
    Diagnosis,
    Evidence,
    Fact,
    Feedback,
    Incident,
    Link,
    MatchedHeuristic,
    ProbableCause,
    ProducedBy,
    RelatedService,
    SimilarIncident,
    SuggestedAction,
)
from tests.webhook.example_incidents import NOW, incident

HOSTILE = [
    "<script>alert(1)</script>",
    "</title><img src=x onerror=alert(1)>",
    '"><a href="https://evil.example">x</a>',
    "javascript:alert(1)",
    "[click](https://evil.example) ![x](https://evil.example/x.png)",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt;",
]


def hostile(text: str) -> Incident:
    """An incident with `text` wherever somebody else's text can stand."""
    return incident(
        service=text[:128],
        title=text,
        severity="critical",
        entity_ref=text,
        sender=text,
        detail=text,
        labels={text: text},
        links=(Link(title=text, url=text), Link(title=text, url="javascript:alert(1)")),
        facts=(Fact(id="F1", source=text, kind="signature", at=NOW, text=text, url=text),),
        coverage=(Coverage(source=text, status=CoverageStatus.ERROR, detail=text),),
        closest=(text,),
        brief=Brief(
            summary=text,
            onset=NOW,
            onset_reason=text,
            similar=(SimilarIncident(id="i1", at=NOW, service=text, title=text, cause=text, actual_cause=text),),
            heuristics=(MatchedHeuristic(text=text, words=(text,), fact=text),),
        ),
        feedback=Feedback(verdict="wrong", actual_cause=text, fixed_by=text, at=NOW, attempt=1),
        diagnosis=Diagnosis(
            probable_cause=ProbableCause(
                statement=text, confidence=0.5, citations=(Citation(fact="F1", quote=text, verified=True),)
            ),
            evidence=(Evidence(statement=text, fact=text, quote=text),),
            suggested_actions=(
                SuggestedAction(kind="immediate", text=text, command=text),
                SuggestedAction(kind="verify", text=text, command=text),
            ),
            related_services=(RelatedService(service=text, reason=text),),
            missing_data=(text,),
            produced_by=ProducedBy(stage="model", provider=text, model=text),
        ),
    )
