"""What is plainly part of another incident's trouble, and the diagnosis that says so."""

from __future__ import annotations

from shared.covering import Leader
from shared.incident import Diagnosis, ProbableCause, ProducedBy, SuggestedAction
from tests.worker.investigation.sample import AT, BRIEF, SCOPE, SHA, case
from worker.conclusion import covered
from worker.investigation.covering import follows

QUIET = BRIEF.model_copy(update={"verdict": "undecided", "suspects": ()})
LEADER = Leader(
    incident_id="abc",
    service="invoice-db",
    title="Disk full",
    received_at=AT,
    diagnosis=Diagnosis(
        probable_cause=ProbableCause(statement="The disk is full\n# of logs", confidence=0.8),
        suggested_actions=(SuggestedAction(kind="immediate", text="Make room", command="rm old.log"),),
        suspect_change="v42",
        produced_by=ProducedBy(stage="model", provider="openai", model="m"),
    ),
)


def test_it_follows_what_it_depends_on_directly() -> None:
    assert follows(SCOPE, QUIET) == ("invoice-db",)
    assert follows(SCOPE.model_copy(update={"component": None}), QUIET) == ()


def test_a_suspected_change_of_its_own_is_a_trouble_of_its_own() -> None:
    assert follows(SCOPE, BRIEF) == ()
    theirs = BRIEF.suspects[0].model_copy(update={"service": "invoice-db"})
    assert follows(SCOPE, BRIEF.model_copy(update={"suspects": (theirs,)})) == ("invoice-db",)


def test_a_covered_incident_cites_the_other_analysis_as_a_fact_of_its_own() -> None:
    conclusion = covered(case(brief=QUIET), SCOPE, LEADER, "https://whydown.example.com/incidents/abc")
    (told,) = conclusion.facts
    assert (told.id, told.kind, told.url) == ("F9", "covering", "https://whydown.example.com/incidents/abc")
    diagnosis = conclusion.diagnosis
    assert diagnosis.probable_cause.statement.startswith("invoice-api depends on invoice-db, whose alert came first: ")
    assert "The disk is full" in diagnosis.probable_cause.statement
    (citation,) = diagnosis.probable_cause.citations
    assert citation.verified
    assert citation.quote in told.text
    assert diagnosis.evidence[0].fact == told.id
    assert [fact.fact for fact in diagnosis.evidence[1:]] == ["F5", "F7", "F8"], "what it showed itself"
    assert diagnosis.suggested_actions[0].command == "rm old.log"
    assert (diagnosis.suspect_change, diagnosis.produced_by.stage) == ("v42", "model")
    assert diagnosis.suspect_change != SHA
    assert conclusion.usage.calls == 0
    headings = [line for line in conclusion.analysis.splitlines() if line.startswith("#")]
    assert headings == ["## PROBABLE CAUSE", "## EVIDENCE", "## SUGGESTED ACTIONS", "## RELATED SERVICES"]
