"""Logs as files: real files of every shape and size."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from shared.incident import CoverageStatus
from shared.moment import Deadline, DeadlineExceeded
from tests.worker.inquiries import ALERT, INVOICE, LEDGER, WINDOW, inquiry
from worker.inquiry import Gathered, SourceFailure, Target
from worker.log_text.file_part import FilePart
from worker.sources.log_files import BUDGETS, Budget, LogFiles


def stamp(minutes: float) -> str:
    """A time that many minutes after the alert."""
    return (ALERT + timedelta(minutes=minutes)).isoformat()


def gathered(root: Path, *targets: Target, budget: Budget = BUDGETS["alerted"]) -> Gathered:
    budgets = {"alerted": budget, "others": BUDGETS["others"]}
    return LogFiles(root, budgets).gather(inquiry(*targets), Deadline.after(60))


def test_json_lines_inside_the_window_are_read(tmp_path: Path) -> None:
    rows = [(-200, "long before"), (-60, "baseline"), (-5, "incident"), (9, "after"), (11, "too late")]
    (tmp_path / "invoice-api.jsonl").write_text(
        "".join(json.dumps({"ts": stamp(at), "level": "error", "line": text}) + "\n" for at, text in rows)
    )
    found = gathered(tmp_path)
    assert [(line.service, line.text, line.level) for line in found.lines] == [
        ("invoice-api", "baseline", "error"),
        ("invoice-api", "incident", "error"),
        ("invoice-api", "after", "error"),
    ]
    assert found.lines[1].at == ALERT - timedelta(minutes=5)
    assert found.detail is None


def test_plain_lines_and_their_traces_are_read(tmp_path: Path) -> None:
    (tmp_path / "invoice-api.log").write_text(
        f"{stamp(-3)} \x1b[31mERROR\x1b[0m failed\nSystem.TimeoutException: late\n   at Db.Open()\n"
        f"{stamp(-2)} INFO ok\n"
    )
    lines = gathered(tmp_path).lines
    assert [line.level for line in lines] == ["error", "info"]
    assert lines[0].text.endswith("ERROR failed\nSystem.TimeoutException: late\n   at Db.Open()")


def test_dependencies_are_read_under_the_first_of_their_names_that_has_a_file(tmp_path: Path) -> None:
    database = Target(service="invoice-db", role="dependency", log_names=("invoice-db", "postgres"))
    (tmp_path / "invoice-api.log").write_text(f"{stamp(-1)} ERROR a\n")
    (tmp_path / "postgres.log").write_text(f"{stamp(-1)} FATAL b\n")
    found = gathered(tmp_path, INVOICE, database, LEDGER)
    assert [(line.service, line.level) for line in found.lines] == [("invoice-api", "error"), ("invoice-db", "fatal")]
    assert found.detail == "no file for ledger"


def test_a_rotated_file_holds_the_start_of_the_window(tmp_path: Path) -> None:
    (tmp_path / "invoice-api.log.1").write_text(f"{stamp(-80)} ERROR older\n{stamp(-20)} ERROR old\n")
    (tmp_path / "invoice-api.log").write_text(f"{stamp(-10)} ERROR new\n")
    assert [line.text.split()[-1] for line in gathered(tmp_path).lines] == ["older", "old", "new"]


def test_names_that_are_no_plain_names_and_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "logs"
    root.mkdir()
    (tmp_path / "secret.log").write_text(f"{stamp(-1)} ERROR secret\n")
    (root / "linked.log").symlink_to(tmp_path / "secret.log")
    (root / "loop.log").symlink_to(root / "loop.log")
    os.mkfifo(root / "pipe.log")
    (root / "a").mkdir()
    (root / "a" / "b.log").write_text(f"{stamp(-1)} ERROR deeper\n")
    names = ("../secret", "/etc/passwd", "a/b", "x\x00", "", ".." * 99, "linked", "loop", "pipe")
    found = gathered(root, *(Target(service="x", role="dependency", log_names=(name,)) for name in names))
    assert found.lines == ()


def test_of_a_large_file_only_the_window_is_read(tmp_path: Path) -> None:
    with (tmp_path / "invoice-api.log").open("w") as file:
        for second in range(-86_400, 7_200):
            moment = (ALERT + timedelta(seconds=second)).isoformat()
            file.write(f"{moment} INFO {second} {'x' * 300}\n")
    with (tmp_path / "invoice-api.log").open("rb") as file:
        part = FilePart(file, "invoice-api.log", WINDOW, Deadline.after(60))
        found = part.read(BUDGETS["alerted"].bytes)
    assert [int(entry.text.split()[2]) for entry in found] == list(range(-5_400, 601))
    assert part.notes == []
    window_bytes = 6_001 * len(f"{stamp(0)} INFO 0000 {'x' * 300}\n")
    assert part.bytes < window_bytes + 300_000


def test_the_incident_goes_before_the_baseline_and_what_is_left_out_is_said(tmp_path: Path) -> None:
    with (tmp_path / "invoice-api.log").open("w") as file:
        for second in range(-5_400, 601):
            file.write(f"{(ALERT + timedelta(seconds=second)).isoformat()} ERROR {'x' * 60}\n")
    found = gathered(tmp_path, budget=Budget(300 * 1024, 100_000))
    assert sum(1 for line in found.lines if line.at and line.at >= WINDOW.logs_since) == 2_401
    baseline = [line.at for line in found.lines if line.at and line.at < WINDOW.logs_since]
    assert baseline and min(baseline) > WINDOW.baseline_since
    assert max(baseline) == WINDOW.logs_since - timedelta(seconds=1), "what is nearest to the incident is kept"
    assert found.detail is not None and "of the window not read" in found.detail


@pytest.mark.parametrize("limit", [2_500, 800])
def test_lines_are_bounded_around_the_alert(tmp_path: Path, limit: int) -> None:
    with (tmp_path / "invoice-api.log").open("w") as file:
        for second in range(-5_400, 601):
            file.write(f"{(ALERT + timedelta(seconds=second)).isoformat()} ERROR x\n")
    found = gathered(tmp_path, budget=Budget(20_000_000, limit))
    assert len(found.lines) == limit
    moments = [line.at for line in found.lines if line.at]
    assert min(moments) < ALERT < max(moments)
    assert found.detail == f"invoice-api: {6_001 - limit} of 6001 lines left out"


def test_a_file_without_times_is_read_from_its_end_if_it_is_fresh(tmp_path: Path) -> None:
    path = tmp_path / "invoice-api.log"
    path.write_text("".join(f"ERROR {n} {'x' * 100}\n" for n in range(9_000)))
    found = gathered(tmp_path)
    assert found.lines[-1].text.startswith("ERROR 8999")
    assert found.lines[-1].at is None
    assert len(found.lines) < 3_000
    assert found.detail == "invoice-api.log: tells no times, so its end was read"
    before = WINDOW.baseline_since.timestamp() - 1
    os.utime(path, (before, before))
    stale = gathered(tmp_path)
    assert stale.lines == ()
    assert stale.detail is not None and "last written" in stale.detail


def test_lines_before_the_first_time_are_taken_with_it(tmp_path: Path) -> None:
    (tmp_path / "invoice-api.log").write_text(f"ERROR cannot read configuration\n{stamp(-1)} INFO starting\n")
    assert [line.at for line in gathered(tmp_path).lines] == [ALERT - timedelta(minutes=1)] * 2


def test_overlong_broken_and_binary_lines_are_survived(tmp_path: Path) -> None:
    (tmp_path / "invoice-api.log").write_bytes(
        f"{stamp(-4)} ERROR caf".encode()
        + b"\xe9\xff\n"
        + f"{stamp(-3)} ERROR ".encode()
        + b"y" * 3_000_000
        + b"\n"
        + f"{stamp(-2)} ERROR n\x00ul\n".encode()
        + f"{stamp(-1)} ERROR last".encode()
    )
    found = gathered(tmp_path)
    assert len(found.lines) == 4
    assert found.lines[0].text.endswith("caféÿ")
    assert len(found.lines[1].text) == 8_000
    assert found.lines[2].text.endswith("nul")
    assert found.detail == (
        "invoice-api.log: 1 lines cut at 1.0 MB; invoice-api.log: 1 lines that are no UTF-8 read as Windows-1252"
    )


def test_an_empty_file_and_a_quiet_one_are_said(tmp_path: Path) -> None:
    (tmp_path / "invoice-api.log").write_text("")
    (tmp_path / "ledger.log").write_text(f"{stamp(-500)} ERROR old\n")
    found = gathered(tmp_path, INVOICE, LEDGER)
    assert found.lines == ()
    assert (
        found.detail is not None and "ledger: nothing from 2026-11-23T01:42:00Z to 2026-11-23T03:22:00Z" in found.detail
    )


def test_a_folder_that_cannot_be_read_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(SourceFailure, match="WHYDOWN_LOG_FILES") as failure:
        gathered(tmp_path / "nowhere")
    assert failure.value.status is CoverageStatus.ERROR


def test_it_stops_at_its_deadline(tmp_path: Path) -> None:
    (tmp_path / "invoice-api.log").write_text(f"{stamp(-1)} ERROR x\n")
    with pytest.raises(DeadlineExceeded):
        LogFiles(tmp_path).gather(inquiry(), Deadline.after(-1))


def test_it_is_configured_by_its_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WHYDOWN_LOG_FILES", raising=False)
    assert LogFiles.from_settings() is None
    monkeypatch.setenv("WHYDOWN_LOG_FILES", str(tmp_path))
    (tmp_path / "invoice-api.log").write_text(datetime.now().astimezone().isoformat())
    source = LogFiles.from_settings()
    assert source is not None
    assert source.probe(Deadline.after(1)) == f"1 log files in {tmp_path}"


def local(minutes: float) -> str:
    """A time without a zone, as local clocks tell it that are two hours ahead."""
    return (ALERT + timedelta(hours=2, minutes=minutes)).strftime("%Y-%m-%d %H:%M:%S")


def test_a_clock_without_a_zone_that_is_hours_off_is_set_right(tmp_path: Path) -> None:
    path = tmp_path / "invoice-api.log"
    path.write_text(f"{local(-600)} INFO a\n{local(-60)} INFO b\n{local(-5)} ERROR c\n{local(2)} INFO d\n")
    written = (ALERT + timedelta(minutes=2, seconds=20)).timestamp()
    os.utime(path, (written, written))
    found = gathered(tmp_path)
    assert [(line.text[-1], line.at) for line in found.lines] == [
        ("b", ALERT - timedelta(minutes=60)),
        ("c", ALERT - timedelta(minutes=5)),
        ("d", ALERT + timedelta(minutes=2)),
    ]
    assert found.detail == (
        "invoice-api.log: its clock, which tells no zone, is 2 h ahead of UTC, so its times were moved"
    )


@pytest.mark.parametrize("minutes", [-118, 17, 602])
def test_a_clock_is_left_alone_unless_it_is_clear(tmp_path: Path, minutes: float) -> None:
    path = tmp_path / "invoice-api.log"
    path.write_text(f"{local(2)} ERROR x\n")
    written = (ALERT + timedelta(minutes=minutes)).timestamp()
    os.utime(path, (written, written))
    found = gathered(tmp_path)
    assert found.lines == ()
    assert found.detail == (
        "invoice-api: nothing from 2026-11-23T01:42:00Z to 2026-11-23T03:22:00Z; "
        "its newest line is of 2026-11-23T05:14:00Z"
    )


def test_times_with_a_zone_are_believed(tmp_path: Path) -> None:
    path = tmp_path / "invoice-api.log"
    path.write_text(f"{stamp(120)} ERROR x\n")
    os.utime(path, (ALERT.timestamp(), ALERT.timestamp()))
    assert gathered(tmp_path).lines == ()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "latin-1"])
def test_other_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    row = json.dumps({"ts": stamp(-3), "level": "error", "line": "Zeitüberschreitung"}, ensure_ascii=False)
    (tmp_path / "invoice-api.jsonl").write_bytes(f"{row}\r\n{stamp(-1)} WARN später\r\n".encode(encoding))
    found = gathered(tmp_path)
    assert [(line.text.split()[-1], line.level) for line in found.lines] == [
        ("Zeitüberschreitung", "error"),
        ("später", "warn"),
    ]
    expected = {
        "utf-8-sig": None,
        "latin-1": "invoice-api.jsonl: 2 lines that are no UTF-8 read as Windows-1252",
    }.get(encoding, "invoice-api.jsonl: read as UTF-16")
    assert found.detail == expected


def test_what_was_left_out_makes_a_log_incomplete(tmp_path: Path) -> None:
    (tmp_path / "invoice-api.log").write_text(f"{stamp(-3)} ERROR a\n{stamp(-2)} ERROR b\n")
    assert gathered(tmp_path).incomplete == frozenset()
    assert gathered(tmp_path, budget=Budget(20_000_000, 1)).incomplete == {"invoice-api"}
