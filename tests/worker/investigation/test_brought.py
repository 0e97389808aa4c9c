"""The context that a caller brings along, as the seed's gatherer writes it."""

from __future__ import annotations

from shared.incident import BroughtContext, CoverageStatus
from tests.worker.investigation.incident import WINDOW
from worker.investigation import brief, brought

SEED = BroughtContext(
    service_description="Creates invoices",
    dependencies=("PostgreSQL",),
    tags=("dotnet",),
    recent_deployments="2026-11-23T03:08:00Z — refactor config to use Server= syntax Npgsql connect (a3f7c2d)\n"
    "2026-11-20T10:00:00Z — bump version (b41c9e7)",
    recent_errors="2026-11-23T03:08:20Z Npgsql.NpgsqlException: Failed to connect to 10.0.1.5:5432",
    gotcha_heuristics="- Npgsql: connect with Host=\n- No secrets in code",
)


def test_lines_become_facts() -> None:
    facts, coverage = brought.facts("invoice-api", SEED, WINDOW)
    assert [fact.kind for fact in facts] == [
        "service", "dependency", "commit", "commit", "heuristic", "heuristic", "signature",
    ]  # fmt: skip
    assert facts[2].data == {"sha": "a3f7c2d", "message": "refactor config to use Server= syntax Npgsql connect"}
    assert {line.status for line in coverage} == {CoverageStatus.OK}


def test_the_brief_of_the_seeds_own_call_names_the_commit() -> None:
    facts, coverage = brought.facts("invoice-api", SEED, WINDOW)
    numbered = [fact.model_copy(update={"id": f"F{n}"}) for n, fact in enumerate(facts, 1)]
    made = brief.make(brought.scope("invoice-api", SEED, WINDOW), numbered, coverage, complete=True)
    assert (made.verdict, made.suspects[0].id) == ("change", "a3f7c2d")


def test_the_seeds_words_for_nothing_are_nothing() -> None:
    empty = BroughtContext(
        recent_deployments="No deployment data available.",
        recent_errors="Connect to log aggregator API to fetch recent errors.",
        gotcha_heuristics="No GOTCHA.md found.",
    )
    facts, coverage = brought.facts("invoice-api", empty, WINDOW)
    assert facts == ()
    assert {line.status for line in coverage} == {CoverageStatus.EMPTY}


def test_errors_point_at_the_dependencies_that_they_name() -> None:
    context = BroughtContext(
        dependencies=("component:default/ledger",),
        recent_errors="2026-11-23T03:08:20Z ERROR no answer from ledger-service",
    )
    (fact,) = (fact for fact in brought.facts("invoice-api", context, WINDOW)[0] if fact.kind == "signature")
    assert fact.data["names"] == ["ledger"]
