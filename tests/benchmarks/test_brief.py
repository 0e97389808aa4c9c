"""The benchmark of the brief: its script, and one short real run."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

from benchmarks.brief import bigger, measured, shared_words
from shared.incident import Fact
from tests.cases.invented import INCIDENTS


def test_the_script_names_the_commit_that_shares_most_words_with_errors() -> None:
    facts = [
        Fact(source="l", kind="signature", text="ERROR: currency of basket unknown"),
        Fact(source="l", kind="signature", text="basket opened with gift"),
        Fact(source="g", kind="commit", text="one", data={"sha": "a" * 40, "diff": "+gift.open(basket)"}),
        Fact(source="g", kind="commit", text="two", data={"sha": "b" * 40, "diff": "+basket.currency = None"}),
    ]
    assert shared_words(facts) == "b" * 40
    assert shared_words(facts[1:]) is None


def test_a_bigger_incident_is_the_same_with_more_around_it(tmp_path: Path) -> None:
    incident = INCIDENTS[0]
    large = bigger(incident, 30, random.Random(1))  # noqa: S311
    assert (large.guilty, len(large.changes)) == (incident.guilty, len(incident.changes) + 30)
    timed = measured(large.write(tmp_path), 1)
    assert timed.passed
    assert timed.facts > 30


def test_a_short_run_prints_its_numbers() -> None:
    command = [sys.executable, "-m", "benchmarks.brief", "--quick", "--json"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    told = json.loads(run.stdout.splitlines()[-1])
    assert run.returncode == (0 if told["medianMs"] < told["boundMs"] else 1), run.stderr
    assert told["cases"] == 8
    assert told["scriptRatio"] > 0
    assert told["passed"] > told["scriptPassed"]
