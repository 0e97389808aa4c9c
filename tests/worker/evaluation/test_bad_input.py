"""The brief on what the world really sends: the cause is found all the same, and what was left out is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.settings import Investigation
from tests.cases.invented.incident import Incident
from tests.cases.invented.storage import INDEX_DROPPED
from worker.evaluation.answers import Answer, answer


def answered(folder: Path) -> Answer:
    return answer(folder, Investigation(), None, 1.0)


def rewritten(file: Path, change: Callable[[Any], Any]) -> None:
    file.write_text(json.dumps(change(json.loads(file.read_text()))))


def every_line(folder: Path, change: Callable[[str], bytes]) -> None:
    for file in (folder / "logs").iterdir():
        file.write_bytes(b"\n".join(change(line) for line in file.read_text().splitlines()) + b"\n")


def with_text(line: str, change: Callable[[str], str]) -> bytes:
    entry = json.loads(line)
    return json.dumps({**entry, "line": change(entry["line"])}).encode()


def coloured(folder: Path) -> None:
    every_line(folder, lambda line: with_text(line, lambda text: f"\x1b[31;1m{text}\x1b[0m\x07"))


def not_utf8(folder: Path) -> None:
    every_line(folder, lambda line: line.replace("GET", "Größe GET").encode("latin-1"))


def sent_twice(folder: Path) -> None:
    every_line(folder, lambda line: f"{line}\n{line}".encode())


def with_a_megabyte_of_one_line(folder: Path) -> None:
    for file in (folder / "logs").iterdir():
        first = json.loads(file.read_text().partition("\n")[0])
        long = json.dumps({**first, "line": "x" * 1_000_000})
        file.write_text(f"{long}\n{'y' * 1_000_000}\n{file.read_text()}")


def binary_between_the_lines(folder: Path) -> None:
    for file in (folder / "logs").iterdir():
        file.write_bytes(b"\x00\xff\xfe\n{\x80\n" + file.read_bytes() + b"\x00" * 1_000)


def a_graph_of_circles_and_nothing(folder: Path) -> None:
    def twisted(catalog: Any) -> Any:
        services = catalog["services"]
        for each in services:
            each["dependsOn"] = [*each["dependsOn"], "storefront", each["name"], "nobody-knows", "ghost/../x", ""]
        return {"services": services}

    rewritten(folder / "catalog.json", twisted)


def diffs_that_are_binary_or_huge(folder: Path) -> None:
    def more(commits: Any) -> Any:
        sample = commits[0]
        huge = "@@ orders/generated.py @@\n" + "\n".join(f"+row_{n} = {n}" for n in range(200_000))
        odd = [
            "Binary files a/logo.bin and b/logo.bin differ",
            huge,
            "@@@@@@\n+++\n---\n\x00",
            "GIT binary patch\nliteral 9",
        ]
        others = [
            {
                **sample,
                "sha": f"{n:040x}",
                "message": f"odd {n}",
                "files_changed": ["orders/generated.py"],
                "diff": diff,
            }
            for n, diff in enumerate(odd)
        ]
        return [*commits, *others]

    rewritten(folder / "commits.json", more)


def metrics_with_gaps_and_no_numbers(folder: Path) -> None:
    file = folder / "metrics.csv"
    head, *rows = file.read_text().splitlines()
    kept = [row for place, row in enumerate(rows) if place % 7]
    odd = [
        f"{row.rpartition(',')[0]},{value}" for row, value in zip(rows[::7], ("NaN", "", "+Inf", "-inf"), strict=False)
    ]
    file.write_text("\n".join([head, *kept, *odd]))


MANGLED = (
    coloured,
    not_utf8,
    sent_twice,
    with_a_megabyte_of_one_line,
    binary_between_the_lines,
    a_graph_of_circles_and_nothing,
    diffs_that_are_binary_or_huge,
    metrics_with_gaps_and_no_numbers,
)


@pytest.mark.parametrize("mangle", MANGLED)
def test_the_cause_is_found_all_the_same(mangle: Callable[[Path], None], tmp_path: Path) -> None:
    incident: Incident = INDEX_DROPPED
    folder = incident.write(tmp_path)
    mangle(folder)
    found = answered(folder)
    told = [(each.id, each.score, each.reasons) for each in found.case.brief.suspects]
    assert found.suspect == incident.guilty, told
    assert {line.source: line.status for line in found.case.coverage if not line.status.answered} == {}
    shown = "\n".join(fact.text for fact in found.case.facts)
    assert "\x1b" not in shown and "\x00" not in shown
    assert len(shown) < 400_000


def test_lines_that_came_twice_are_told_and_count_once(tmp_path: Path) -> None:
    once, twice = (INDEX_DROPPED.write(tmp_path / name) for name in ("once", "twice"))
    sent_twice(twice)

    def counts(folder: Path) -> dict[str, int | None]:
        return {
            str(fact.data["template"]): fact.count for fact in answered(folder).case.facts if fact.kind == "signature"
        }

    assert counts(once) == counts(twice)
    (logs,) = [line for line in answered(twice).case.coverage if line.source == "logs.files"]
    assert logs.detail is not None and "came twice and count once" in logs.detail


def test_logs_without_any_time_are_of_the_incident(tmp_path: Path) -> None:
    folder = INDEX_DROPPED.write(tmp_path)
    every_line(folder, lambda line: json.dumps({k: v for k, v in json.loads(line).items() if k != "ts"}).encode())
    found = answered(folder)
    assert found.suspect == INDEX_DROPPED.guilty
    assert any(fact.kind == "signature" and fact.at is None for fact in found.case.facts)
