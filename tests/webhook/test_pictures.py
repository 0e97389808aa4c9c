"""The pictures of an incident: what they show, where, and that they keep their bounds."""

from __future__ import annotations

from datetime import timedelta

from shared.incident import Fact, RelatedIncident, Status
from tests.webhook.example_incidents import BRIEF, FACTS, at, incident
from webhook.blast_radius import WIDTH, graph
from webhook.timeline_picture import LEFT, MOST_MARKS, MOST_ROWS, RIGHT, picture


def _signature(number: int, level: str = "error", minutes: int = 3, service: str = "invoice-api") -> Fact:
    counts = {f"2026-11-23T03:{10 + minute:02}Z": 10 * (minute + 1) for minute in range(minutes)}
    example = f"2026-11-23T03:10:12.001Z ERROR pool {number} exhausted"
    data = {"level": level, "perMinute": counts, "example": example, "change": "new"}
    return Fact(id=f"F{number}", source="l", kind="signature", service=service, text=example, count=60, data=data)


def test_changes_onset_alert_and_rates_stand_in_order() -> None:
    drawn = picture(incident(facts=(*FACTS, _signature(20)), resolved_at=at("03:25:00")))
    assert drawn is not None
    by_kind = {mark.kind: mark for mark in drawn.marks}
    assert set(by_kind) == {"change", "suspect", "onset", "alert", "resolved"}
    assert by_kind["suspect"].x < by_kind["onset"].x < by_kind["alert"].x < by_kind["resolved"].x
    assert by_kind["suspect"].fact in ("F2", "F3")
    (row,) = drawn.rows
    assert (row.label, row.level, row.most, row.fact) == ("pool 20 exhausted", "error", 30, "F20")
    heights = [bar.height for bar in row.bars]
    assert heights == sorted(heights)
    assert heights[2] == 3 * heights[0]
    assert [bar.title for bar in row.bars] == ["03:10 UTC: 10", "03:11 UTC: 20", "03:12 UTC: 30"]
    assert all(bar.y + bar.height == row.y for bar in row.bars)


def test_errors_before_warnings_and_neither_too_many_nor_what_is_quiet() -> None:
    facts = (*(_signature(n, "warning") for n in range(1, 9)), _signature(20), _signature(30, "info"))
    drawn = picture(incident(facts=facts))
    assert drawn is not None
    assert len(drawn.rows) == MOST_ROWS
    assert drawn.rows[0].fact == "F20"
    assert "F30" not in {row.fact for row in drawn.rows}


def test_everything_stays_inside() -> None:
    old = tuple(
        Fact(id=f"F{n}", source="c", kind="commit", at=at("03:00:00") - timedelta(hours=n), text="x" * 500)
        for n in range(100, 200)
    )
    near = tuple(Fact(id=f"F{n}", source="c", kind="commit", at=at("03:00:00"), text="y") for n in range(200, 260))
    drawn = picture(incident(facts=(*old, *near, _signature(20, minutes=40))))
    assert drawn is not None
    changes = [mark for mark in drawn.marks if mark.kind in ("change", "suspect")]
    assert len(changes) == MOST_MARKS
    assert drawn.changes_left_out == 160 - MOST_MARKS
    assert all(LEFT <= mark.x <= RIGHT for mark in drawn.marks)
    assert all(LEFT <= bar.x <= RIGHT and bar.height > 0 for row in drawn.rows for bar in row.bars)
    assert all(len(mark.title) < 200 for mark in drawn.marks)
    assert 2 <= len(drawn.ticks) <= 8


def test_rates_that_make_no_sense_are_not_drawn() -> None:
    broken = [
        {"perMinute": told} for told in (None, "x", {"soon": 5}, {"2026-11-23T03:10Z": "many"}, [["2026-11-23T03:10Z"]])
    ]
    facts = tuple(
        Fact(id=f"F{number}", source="l", kind="signature", text="x", data=data) for number, data in enumerate(broken)
    )
    assert picture(incident(facts=facts)) is None


def test_who_needs_it_and_what_it_needs() -> None:
    around = (
        Fact(id="F1", source="catalog", kind="dependency", service="postgres", text="x"),
        Fact(id="F2", source="catalog", kind="dependent", service="customer-api", text="x"),
        Fact(id="F3", source="catalog", kind="dependent", service="a-service-with-a-very-long-name", text="x"),
    )
    other = RelatedIncident(id="i", service="customer-api", title="t", status=Status.DONE, relation="dependent")
    drawn = graph(incident(facts=(*around, _signature(9, service="postgres")), related=(other,), brief=BRIEF))
    assert drawn is not None
    nodes = {node.service: node for node in drawn.nodes}
    assert nodes["invoice-api"].role == "service"
    assert nodes["customer-api"].x < nodes["invoice-api"].x < nodes["postgres"].x
    assert {name for name, node in nodes.items() if node.failing} == {"invoice-api", "postgres", "customer-api"}
    assert {name for name, node in nodes.items() if node.suspect} == {"invoice-api"}
    assert nodes["a-service-with-a-very-long-name"].lines == ("a-service-with-", "a-very-long-na…")
    assert len(drawn.edges) == 3
    assert all(0 <= edge.x1 < edge.x2 <= WIDTH for edge in drawn.edges)


def test_a_service_that_everybody_needs_is_bounded() -> None:
    facts = tuple(
        Fact(id=f"F{number}", source="catalog", kind="dependent", service=f"s{number}", text="x")
        for number in range(40)
    )
    drawn = graph(incident(facts=facts))
    assert drawn is not None
    assert len(drawn.nodes) == 7
    assert drawn.left_out == 34
    assert all(node.y + 30 <= drawn.height for node in drawn.nodes)


def test_nobody_around_is_no_graph() -> None:
    assert graph(incident(facts=())) is None
