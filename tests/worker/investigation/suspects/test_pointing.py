"""Where the signs point: services that errors name, that are well, or that are asked more than their callers are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from shared.incident import Fact
from shared.settings import Investigation
from worker.catalog_model.reach import around
from worker.inquiry import CatalogMatch, Component, LogLine
from worker.investigation import scope
from worker.investigation.naming import ServiceNames
from worker.investigation.signatures import compact
from worker.investigation.suspects.ranking import Judgement, Weighed, judge
from worker.repositories.changes import ChangedFile, Commit, commit_fact

ALERT = datetime(2026, 3, 4, 2, 30, tzinfo=UTC)
WINDOW = scope.window(ALERT, Investigation(), ALERT + timedelta(minutes=3))

TRAINS = {
    "boarding": ("seatmap",),
    "seatmap": ("train-db",),
    "train-db": (),
    "upgrades": (),
    "catering": ("train-db",),
    "kiosk": ("boarding",),
    "lounge": (),
}
"""The alerted service first. Of upgrades and lounge the catalog knows no relation to it."""

CHANGED = "-  request_timeout: 5s\n+  request_timeout: 50ms"


def judged(
    *facts: Fact, lines: tuple[tuple[str, str, str], ...] = (), needs: dict[str, Any] | None = None
) -> Judgement:
    """The judgement on facts, and on lines (service, level, text) that come ten minutes before the alert."""
    services = needs or TRAINS
    known = {
        f"component:default/{name}": Component(
            ref=f"component:default/{name}",
            name=name,
            kind="Component",
            system="trains",
            depends_on=tuple(f"component:default/{each}" for each in needed),
            dependents=tuple(f"component:default/{other}" for other, theirs in services.items() if name in theirs),
        )
        for name, needed in services.items()
    }
    alerted = next(iter(services))
    first = known[f"component:default/{alerted}"]
    whom = scope.make(alerted, CatalogMatch(component=first, neighbours=around(first, known)), WINDOW)
    logged = [
        LogLine(service, text.format(n=n), ALERT - timedelta(minutes=10) + timedelta(seconds=9 * n), level)
        for service, level, text in lines
        for n in range(30)
    ]
    found = [*facts, *compact("logs.files", logged, WINDOW, ServiceNames.of(whom)).facts]
    return judge([each.model_copy(update={"id": f"F{n}"}) for n, each in enumerate(found, 1)], whom)


def commit(service: str, path: str = "config/client.yaml", diff: str = CHANGED, minutes: int = 15) -> Fact:
    """A commit that went live in a service."""
    files = (ChangedFile(path, 1, 1, f"@@ -1 +1 @@\n{diff}"),)
    made = Commit(f"{abs(hash((service, path))):040x}", ALERT - timedelta(minutes=minutes), "dev", "tidy", files)
    return commit_fact("changes.git", made, service=service, repository=f"rail/{service}", url=None)


def deploy(change: Fact) -> Fact:
    """The deploy of just that commit, of the lounge."""
    data = {"commit": change.data["sha"], "version": "r7"}
    return Fact(source="d", kind="deploy", service="lounge", at=change.at, text="deploy of lounge r7", data=data)


def rose(service: str, metric: str, ratio: float = 8.0) -> Fact:
    """A metric that rose ten minutes before the alert."""
    data = {"metric": metric, "direction": "up", "ratio": ratio, "strength": 9.0, "shape": "step"}
    at = ALERT - timedelta(minutes=10)
    return Fact(source="m", kind="metric", service=service, at=at, text=f"{service} {metric} rose", data=data)


def steady(service: str, *metrics: str) -> Fact:
    """Metrics without a change."""
    data = {"metrics": list(metrics), "shape": "steady"}
    return Fact(source="m", kind="metric", service=service, text=f"{service}: without a change", data=data)


def only(judgement: Judgement) -> Weighed:
    (weighed,) = judgement.weighed
    return weighed


SLOW = "gate closed late: waited for {other} for 5000 ms, timed out, seat {{n}}"


def test_a_service_that_errors_name_is_suspected_though_nothing_leads_to_it_and_it_logs_nothing() -> None:
    named = only(judged(commit("upgrades"), lines=(("boarding", "error", SLOW.format(other="upgrades")),)))
    other = only(judged(commit("upgrades"), lines=(("boarding", "error", SLOW.format(other="the doors")),)))
    assert named.score > 2 * other.score
    assert any("errors of others name upgrades (F2)" in reason for reason in named.reasons)
    assert other.excuse == "upgrades neither fails nor is needed by what fails"
    assert named.excuse is None


def test_what_a_service_says_of_itself_is_no_pointing() -> None:
    found = only(judged(commit("boarding"), lines=(("boarding", "error", SLOW.format(other="boarding")),)))
    assert not any("errors of others" in reason for reason in found.reasons)


def test_lines_that_are_no_trouble_point_at_nobody() -> None:
    lines = (("boarding", "info", "asked upgrades for seat {n}"), ("boarding", "error", "timed out at gate {n}"))
    assert only(judged(commit("upgrades"), lines=lines)).excuse is not None


def test_the_weightiest_error_is_the_one_that_is_quoted() -> None:
    lines = (
        ("seatmap", "warning", "upgrades took long for seat {n}"),
        ("boarding", "error", "timed out on upgrades at gate {n}"),
    )
    found = judged(commit("upgrades"), lines=lines)
    errors = [sign.fact for sign in found.symptoms.signs if "gate" in sign.text]
    assert found.symptoms.named["upgrades"] == errors[0]


def test_what_is_logged_in_good_times_too_points_at_nobody() -> None:
    def logged(change: str, weight: float) -> Fact:
        data = {"level": "error", "names": ["upgrades"], "baselineCount": 90, "change": change, "weight": weight}
        text = "boarding error: upgrades gave no seat"
        return Fact(source="logs.files", kind="signature", service="boarding", text=text, count=300, data=data)

    assert judged(commit("upgrades"), logged("steady", 0.15)).symptoms.named == {}
    assert judged(commit("upgrades"), logged("up", 0.8)).symptoms.named == {"upgrades": "F2"}


def test_a_dependency_that_is_measured_and_well_is_less_suspect_than_one_that_is_not_measured() -> None:
    lines = (("boarding", "error", "timed out at gate {n}"),)
    unmeasured = only(judged(commit("train-db"), lines=lines))
    well = only(judged(commit("train-db"), steady("train-db", "cpu"), lines=lines))
    named = only(
        judged(commit("train-db"), steady("train-db", "cpu"), lines=(("boarding", "error", "train-db timed out {n}"),))
    )
    assert well.score < unmeasured.score
    assert named.score >= unmeasured.score
    assert any("metrics are as ever" in reason for reason in well.reasons)


def test_what_is_named_after_a_failing_service_is_about_it_wherever_it_is_kept() -> None:
    lines = (("boarding", "error", "timed out at gate {n}"),)
    about, other = (
        only(judged(change, deploy(change), lines=lines))
        for change in (commit("lounge", f"clusters/prod/{name}/client.yaml") for name in ("boarding", "lounge"))
    )
    assert about.score > 2 * other.score
    assert any("named after a service that fails" in reason for reason in about.reasons)


def test_who_shares_a_database_is_nearer_than_who_shares_nothing() -> None:
    needs = {**TRAINS, "boarding": ("train-db",)}
    lines = (("boarding", "error", "timed out at gate {n}"),)
    sharing = only(judged(commit("catering"), lines=lines, needs=needs))
    apart = only(judged(commit("lounge"), lines=lines, needs=needs))
    assert sharing.score > apart.score
    assert any("needs something that the alerted service needs too" in reason for reason in sharing.reasons)


def test_more_requests_that_a_caller_makes_of_as_many_are_no_traffic() -> None:
    lines = (("boarding", "error", "overloaded, shedding request {n}"),)
    made = judged(
        rose("boarding", "requests_per_second"), steady("kiosk", "requests_per_second"), commit("kiosk"), lines=lines
    )
    assert made.explanations == ()
    assert made.symptoms.strength["load"] > 0.5
    arrived = judged(
        rose("boarding", "requests_per_second"), rose("kiosk", "requests_per_second"), commit("kiosk"), lines=lines
    )
    assert [each.kind for each in arrived.explanations] == ["traffic"]


def test_a_flag_is_suspected_where_errors_name_it_and_else_not() -> None:
    flag = Fact(
        source="changes.flags",
        kind="flag",
        service="boarding",
        at=ALERT - timedelta(minutes=11),
        text="flag fast_gates of boarding switched off->on",
        data={"flag": "fast_gates", "change": "off->on"},
    )
    named = judged(flag, lines=(("boarding", "error", "fast_gates: no answer, timed out at gate {n}"),))
    assert named.convicted is not None and named.convicted.change.id == "fast_gates"
    assert judged(flag, lines=(("boarding", "error", "timed out at gate {n}"),)).convicted is None
