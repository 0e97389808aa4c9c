"""The queries of the hot path, as they are really sent, on a PostgreSQL that has seen a year of incidents: none reads a
whole table.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self, cast

import psycopg
import pytest
from sqlalchemy import Dialect, Executable, event, text

from shared.alert import Alert, AlertGroup, Delivery
from shared.database import Database
from shared.incident import Brief, Coverage, CoverageStatus, Diagnosis, ProbableCause, ProducedBy, Status
from shared.moment import now
from shared.store import admission, arrivals, beginnings, endings, findings, intake, reading, retention, work
from shared.store.endings import Conclusion
from shared.store.findings import Resolution
from shared.store.intake import ManualRequest
from shared.store.reading import Filters
from shared.store.work import Claim
from shared.tables import Base
from shared.transaction import Transaction

INCIDENTS: Final = 100_000
WAITING: Final = 2_000
QUIET: Final = timedelta(hours=1)

_INCIDENT = """
INSERT INTO incidents (id, open_key, status, revision, service, title, severity, sender, started_at, received_at,
    last_seen_at, finished_at, fire_count, truncated_alerts, labels, annotations, links, closest, attempt)
SELECT 'i' || n, CASE WHEN n % 20 = 0 THEN 'key' || n END, CASE WHEN n > :open THEN 'queued' ELSE 'done' END, 1,
    'service-' || n % 200, 'Error rate', (ARRAY['critical', 'high', 'warning', 'info'])[1 + n % 4], 'alertmanager',
    at, at, at, CASE WHEN n > :open THEN NULL ELSE at END, 1, 0, '{}', '{}', '[]', '[]', 1
FROM (SELECT n, now() - (:all - n) * interval '5 minutes' AS at FROM generate_series(1, :all) n) of_a_year
"""
_ALERT = """
INSERT INTO alerts (identity, incident_id, fingerprint, firing, title, severity, received_at, last_received_at,
    deliveries, labels, annotations)
SELECT 'a' || n, 'i' || n, 'f' || n, n > :open, 'Error rate', 'high', now(), now(), 1, '{}', '{}'
FROM generate_series(1, :all) n
"""
_ATTEMPT = """
INSERT INTO attempts (incident_id, number, created_at, admitted_at, started_at, brief_at, finished_at, outcome,
    fact_count, pending_sources, input_tokens, output_tokens, cached_tokens, calls, service)
SELECT id, 1, received_at, finished_at, finished_at, finished_at, finished_at,
    CASE WHEN finished_at IS NOT NULL THEN 'done' END, 0, 0, 0, 0, 0, 1, service
FROM incidents
"""
_WORK = """
INSERT INTO work (id, incident_id, attempt, kind, subject, state, due_at, tries, created_at, finished_at, rank, service)
SELECT id || '.1.investigate', id, 1, 'investigate', '', CASE WHEN finished_at IS NULL THEN 'waiting' ELSE 'done' END,
    received_at, 1, received_at, finished_at,
    array_position(ARRAY['critical', 'high', 'warning', 'info'], severity) - 1, service
FROM incidents
"""


FILLED: Final = ("incidents", "alerts", "attempts", "work")


class Recorded:
    """The statements that a database was sent, each with its parameters, whoever sent them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.sent: dict[str, Any] = {}
        event.listen(database.engine, "checkout", self._watch)

    def _watch(self, connection: Any, *_: Any) -> None:
        sent = self.sent

        class Noting(psycopg.Cursor[Any]):
            """The driver's cursor, which notes what it is given."""

            def execute(self, query: Any, params: Any = None, **options: Any) -> Self:
                if str(query).lstrip().startswith(("SELECT", "UPDATE", "DELETE", "INSERT")):
                    sent[str(query)] = params
                return super().execute(query, params, **options)

        connection.cursor_factory = Noting

    def whole_tables(self) -> Iterator[tuple[str, str]]:
        """Tables that a statement would read from one end to the other, with the statement."""
        sent = dict(self.sent)
        with self.database.engine.connect() as connection:
            for statement, parameters in sent.items():
                explained = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters).scalar_one()
                plan = explained if isinstance(explained, list) else json.loads(explained)
                for node in _nodes(plan[0]["Plan"]):
                    if node["Node Type"] == "Seq Scan":
                        yield node["Relation Name"], statement

    def whole_tables_for_any_values(self) -> Iterator[tuple[str, str]]:
        """As `whole_tables`, as it is planned for a worker: once, when the values are not known yet."""
        with self.database.driver() as connection:  # with a worker's settings
            for statement in self.sent:
                numbered = statement
                for number, name in enumerate(dict.fromkeys(re.findall(r"%\(\w+\)s", statement)), 1):
                    numbered = numbered.replace(name, f"${number}")
                (plan,) = connection.execute(f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {numbered}").fetchone()
                for node in _nodes(plan[0]["Plan"]):
                    if node["Node Type"] == "Seq Scan":
                        yield node["Relation Name"], statement


@pytest.fixture(scope="module")
def seasoned(postgres_server: str) -> Iterator[Database]:
    """A PostgreSQL with a year of incidents, of which some wait."""
    url = postgres_server.format(name="postgres")
    admin = Database(url)
    with admin.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CREATE DATABASE seasoned"))
    database = Database(postgres_server.format(name="seasoned"))
    Base.metadata.create_all(database.engine)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET session_replication_role = replica"))  # foreign keys hold as it is
        for fill in (_INCIDENT, _ALERT, _ATTEMPT, _WORK):
            connection.execute(text(fill), {"all": INCIDENTS, "open": INCIDENTS - WAITING} if ":all" in fill else {})
        connection.execute(text("ANALYZE"))
    yield database
    database.close()
    with admin.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("DROP DATABASE seasoned WITH (FORCE)"))
    admin.close()


def test_no_query_of_the_hot_path_reads_a_whole_table(seasoned: Database) -> None:
    recorded = Recorded(seasoned)
    taken = intake.accept(seasoned, _delivery(), QUIET)
    intake.accept(seasoned, _delivery(), QUIET)
    intake.accept(seasoned, _delivery(firing=False, key="elsewhere"), QUIET)
    intake.investigate_again(seasoned, "i1")
    waiting = taken.incidents[0].id
    reading.incident(seasoned, waiting)
    reading.revision(seasoned, waiting)
    reading.page(seasoned, Filters())
    for filters in _LISTS:
        page = reading.page(seasoned, filters)
        reading.page(seasoned, replace(filters, cursor=page.next_cursor))
    intake.failed_again(seasoned, now() - timedelta(hours=2))
    retention.expire(seasoned, now() - timedelta(days=3650))
    _done(seasoned, admission.admit(seasoned, 64)[0])
    findings.without_brief(seasoned, now())
    work.sweep(seasoned)
    assert any("json_populate_recordset" in statement for statement in recorded.sent), "what the driver is sent counts"
    assert [read for read in recorded.whole_tables() if read[0] in FILLED] == []


def test_no_plan_that_a_worker_has_made_once_reads_a_whole_table(seasoned: Database) -> None:
    recorded = Recorded(seasoned)
    _done(seasoned, admission.admit(seasoned, 128)[0])
    admission.in_line(seasoned, 32)
    findings.without_brief(seasoned, now())
    work.sweep(seasoned)
    assert len(recorded.sent) > 20
    assert [read for read in recorded.whole_tables_for_any_values() if read[0] in FILLED] == []


def test_admission_looks_at_each_that_waits_a_few_times_only(postgres_url: str) -> None:
    """By plans of a worker's, made while nothing was there: a join row by row would look at all that is under way for
    each that waits.
    """
    database = Database(postgres_url, planned_once=True)
    Base.metadata.create_all(database.engine)
    statements: dict[str, Executable] = {
        "turns": admission._in_turn(),
        "begun": admission._BEGUN,
        "admitted": admission._ADMITTED,
    }
    with database.driver() as connection:
        for name, statement in statements.items():
            connection.execute(f"PREPARE {name} AS {_numbered(statement, database.engine.dialect)}")
            connection.execute(f"EXPLAIN EXECUTE {name}({_NOTHING[name]})")
        opened = [intake.open_manual(database, ManualRequest(service=f"s{number}", title="t")) for number in range(400)]
        admission.admit(database, len(opened) // 4)
        ids = json.dumps([each.work[0] for each in opened[-20:]])
        incidents = json.dumps([each.incidents[0].id for each in opened[-20:]])
        given = {"turns": "20", "begun": f"now(), '{ids}'", "admitted": f"now(), '{incidents}'"}
        for name, values in given.items():
            (plan,) = connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE {name}({values})").fetchone()
            looks = sum(_looks(node) for node in _nodes(plan[0]["Plan"]))
            assert looks < 12 * len(opened), name
    database.close()


_NOTHING: Final = {"turns": "1", "begun": "now(), '[]'", "admitted": "now(), '[]'"}


def _numbered(statement: Executable, dialect: Dialect) -> str:
    """With numbers for the values that are given when it is run, in order of their first places."""
    compiled: Any = cast("Any", statement).compile(dialect=dialect)
    names = [name for name in re.findall(r"%\((\w+)\)s", compiled.string) if compiled.params[name] is None]
    numbers = {name: f"${number}" for number, name in enumerate(dict.fromkeys(names), 1)}
    return re.sub(
        r"%\((\w+)\)s", lambda found: numbers.get(found[1]) or repr(compiled.params[found[1]]), compiled.string
    )


def _looks(node: dict[str, Any]) -> float:
    """Rows that a node of a plan had in its hands."""
    dropped = sum(count for name, count in node.items() if name.startswith("Rows Removed by"))
    rows: float = (node["Actual Rows"] + dropped) * node["Actual Loops"]
    return rows


def test_on_sqlite_too_what_is_asked_of_what_is_open_goes_by_indexes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqlite = Database(f"sqlite:///{tmp_path / 'test.db'}")
    Base.metadata.create_all(sqlite.engine)
    sent: list[tuple[str, Any]] = []
    run = Transaction._run

    def noting(self: Transaction, text: str, values: Any) -> None:
        sent.append((text, values))
        run(self, text, values)

    monkeypatch.setattr(Transaction, "_run", noting)
    event.listen(sqlite.engine, "before_cursor_execute", lambda _1, _2, text, values, *_: sent.append((text, values)))
    opened = intake.accept(sqlite, _delivery(), QUIET)
    reading.incident(sqlite, opened.incidents[0].id)
    admission.in_line(sqlite, 32)
    _done(sqlite, admission.admit(sqlite, 1)[0])
    findings.without_brief(sqlite, now())
    work.sweep(sqlite)
    asked = [(text, values) for text, values in sent if text.startswith(("SELECT", "UPDATE"))]
    with sqlite.driver() as connection:
        explained = [connection.execute(f"EXPLAIN QUERY PLAN {text}", values).fetchall() for text, values in asked]
    sqlite.close()
    plans = [line for rows in explained for *_, line in rows]
    read = {line for line in plans if line.startswith("SCAN") and " USING " not in line}
    assert {line.split()[1] for line in read} & {*FILLED, "work_1"} == set()
    named = " ".join(plans)
    for index in ("ix_work_line", "ix_work_in_hand", "ix_attempts_under_way", "ix_attempts_finished"):
        assert index in named
    assert "ix_incidents_covering" in named


def test_the_statement_that_takes_deliveries_in_goes_by_indexes(seasoned: Database) -> None:
    """It goes by the driver alone, with its own settings; its plan is the one for any values."""
    reception = intake.Reception(seasoned, QUIET)
    for _ in range(2):
        reception.accept(_delivery(key="by the driver"))
    rows = dict.fromkeys(FILLED, "[]")
    with seasoned.driver() as connection:
        (plan,) = connection.cursor().execute(f"EXPLAIN (FORMAT JSON) {arrivals._statement()}", rows).fetchone()
    read = [node["Relation Name"] for node in _nodes(plan[0]["Plan"]) if node["Node Type"] == "Seq Scan"]
    assert read == []


_LISTS: Final = (
    Filters(service="service-7"),
    Filters(status=Status.FAILED),
    Filters(status=Status.DONE, severity="critical"),
    Filters(severity="info", since=datetime(2026, 1, 1, tzinfo=UTC)),
    Filters(until=datetime(2026, 6, 1, tzinfo=UTC)),
    Filters(text="rate service-3"),
    Filters(service="service-7", text="Error", status=Status.DONE),
)


def _done(database: Database, work_id: str) -> None:
    """One attempt, from its claim to its end."""
    taken = beginnings.take_up(database, work_id)
    assert taken is not None
    claim, _ = taken
    beginnings.reported(database, claim.incident_id)
    opened = findings.resolve(database, claim, Resolution({}, "service-1", None, sources=("logs.loki",)))
    claim = _claimed(database, opened[0])
    work.renew(database, [claim])
    line = Coverage(source="logs.loki", status=CoverageStatus.EMPTY)
    opened = findings.gathered(database, claim, (), line)
    claim = _claimed(database, opened[0])
    findings.attempt_state(database, claim.incident_id, claim.attempt)
    findings.briefed(database, claim, Brief(summary="a commit"), ("slack",))
    diagnosis = Diagnosis(
        probable_cause=ProbableCause(statement="It broke.", confidence=0.5), produced_by=ProducedBy(stage="model")
    )
    endings.conclude(database, claim, Conclusion(diagnosis, "It broke."))


def _claimed(database: Database, work_id: str) -> Claim:
    claim = work.claim(database, work_id)
    assert claim is not None
    return claim


def _delivery(*, firing: bool = True, key: str = "group") -> Delivery:
    started = datetime(2026, 11, 23, 3, 12, tzinfo=UTC)
    alert = Alert("new", firing, "Error rate", "service-1", starts_at=started, ends_at=None if firing else now())
    return Delivery("alertmanager", (AlertGroup(key, "service-1", "Error rate", (alert,)),))


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from _nodes(each)
