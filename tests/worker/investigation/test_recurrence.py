"""Which earlier incidents are like this one, and what is said of them."""

from __future__ import annotations

from datetime import timedelta

from shared.incident import Diagnosis, Evidence, Fact, ProbableCause, ProducedBy, SimilarIncident
from shared.recurrence import Past, Sighting
from tests.worker.investigation.incident import ALERT_AT, WINDOW
from worker.inquiry import LogLine
from worker.investigation import markdown, recurrence
from worker.investigation.signatures import compact

DAY = timedelta(days=1)


def signatures(*texts: str, service: str = "api", baseline: tuple[str, ...] = ()) -> tuple[Fact, ...]:
    """The facts of log lines."""
    lines = [LogLine(service, text, at=ALERT_AT, level="error") for text in texts]
    lines += [LogLine(service, text, at=WINDOW.baseline_since, level="error") for text in baseline]
    found = compact("logs.files", lines, WINDOW).facts
    return tuple(fact.model_copy(update={"id": f"F{number}"}) for number, fact in enumerate(found, 1))


def key(text: str, service: str = "api") -> str:
    (only,) = recurrence.keys(signatures(text, service=service)).values()
    return only


def past(*seen: tuple[str, str, str, int], incidents: int = 0) -> Past:
    """Sightings of (key, incident, its service, days ago)."""
    sightings = tuple(Sighting(key, name, service, ALERT_AT - days * DAY) for key, name, service, days in seen)
    return Past(sightings, incidents)


def test_a_key_is_the_same_whatever_the_variable_parts() -> None:
    assert key("order 17: host 10.0.0.1:80 refused") == key("order 4711: host 10.9.9.9:443 refused")
    assert key("order 17 refused") != key("order 17 accepted")
    assert key("order 17 refused") != key("order 17 refused", service="other")


def test_what_was_there_before_tells_nothing_unless_there_is_nothing_else() -> None:
    facts = signatures("disk full", "slow query", baseline=("slow query",))
    assert list(recurrence.keys(facts).values()) == [key("disk full")]
    only = signatures("slow query", baseline=("slow query",))
    assert list(recurrence.keys(only).values()) == [key("slow query")]


def test_a_warning_has_no_key() -> None:
    facts = compact("logs.files", [LogLine("api", "slow", at=ALERT_AT, level="warning")], WINDOW).facts
    assert recurrence.keys(facts) == {}


def test_a_signature_that_every_incident_has_says_nothing() -> None:
    everywhere = past(*(("common", f"i{n}", "api", n + 1) for n in range(40)))
    assert recurrence.recurrences(frozenset({"common"}), "api", everywhere) == []
    rare = past(*(("common", f"i{n}", "api", n + 1) for n in range(40)), ("rare", "i7", "api", 8))
    assert [each.incidents for each in recurrence.recurrences(frozenset({"common", "rare"}), "api", rare)] == [("i7",)]


def test_a_trouble_that_comes_back_again_and_again_is_told_once_with_its_count() -> None:
    often = past(*(("pool", f"i{n}", "api", n + 1) for n in range(30)), incidents=300)
    (group,) = recurrence.recurrences(frozenset({"pool"}), "api", often)
    assert (group.count, group.incidents[0], group.since) == (30, "i0", ALERT_AT - 30 * DAY)


def test_the_same_service_comes_first_then_the_most_alike_then_the_latest() -> None:
    seen = past(
        *(("a", "other", "web", 1), ("b", "other", "web", 1)),
        *(("a", "half", "api", 2), ("b", "early", "db", 4), ("a", "rather late", "job", 3), ("a", "late", "job", 2)),
        incidents=100,
    )
    found = recurrence.recurrences(frozenset({"a", "b"}), "api", seen)
    assert [each.incidents for each in found] == [("half",), ("other",), ("early",), ("late", "rather late")]
    assert found[1].score == 1.0


def test_no_more_are_told_than_anybody_reads() -> None:
    seen = past(*(("a", f"i{n}", f"s{n}", n + 1) for n in range(50)), incidents=300)
    assert len(recurrence.recurrences(frozenset({"a"}), "api", seen)) == recurrence.MOST_SIMILAR


def similar(**changes: object) -> SimilarIncident:
    values: dict[str, object] = {"id": "i1", "at": ALERT_AT - 7 * DAY, "service": "api", "fact": "F9"}
    return SimilarIncident.model_validate(values | changes)


def test_the_history_in_a_sentence() -> None:
    assert recurrence.history(similar()) == "api showed errors like these once before, on 2026-11-16."
    told = similar(count=3, since=ALERT_AT - 21 * DAY, actual_cause="a full disk", fixed_by="rm <script>x")
    assert recurrence.history(told) == (
        "api showed errors like these 3 times before, since 2026-11-02. "
        "On 2026-11-16: it was “a full disk”, fixed by “rm x”."
    )
    assert recurrence.history(similar(verdict="wrong")).endswith("on 2026-11-16: the diagnosis was wrong.")


def test_the_markdown_tells_of_it_once() -> None:
    cause = ProbableCause(statement="x", confidence=0.5)
    diagnosis = Diagnosis(probable_cause=cause, produced_by=ProducedBy(stage="model"))
    history = recurrence.history(similar())
    assert f"- {history} (F9)" in markdown.render(diagnosis, [similar()])
    cited = Evidence(statement="seen before", fact="F9", quote="earlier incident", verified=True)
    assert history not in markdown.render(diagnosis.model_copy(update={"evidence": (cited,)}), [similar()])
