"""`whydown replay` as a process: side by side, as JSON, as a case."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.loopback import Reply, StandIn
from tests.model_server import MODEL, ModelServer, said
from tests.whydown.test_commands import whydown
from tests.worker.evaluation.test_replay import GOOD, _bundle
from tests.worker.investigation.sample import SHA


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A bundle's file."""
    path = tmp_path / "bundle.json"
    path.write_text(json.dumps(_bundle("right").wire()))
    return str(path)


def test_both_diagnoses_side_by_side_within_80_columns(tmp_path: Path, file: str) -> None:
    with ModelServer(said(GOOD)) as server:
        told = whydown("replay", file, "--model", "other", folder=tmp_path, WHYDOWN_AI_ENDPOINT=server.base_url)
    assert told.returncode == 0, told.stderr
    assert max(map(len, told.stdout.splitlines())) <= 80
    assert "written by  (differs)" in told.stdout
    assert MODEL in told.stdout
    assert "+ F5 Failed to connect" in told.stdout


def test_as_json_of_a_running_whydown(tmp_path: Path) -> None:
    with StandIn(lambda asked: Reply(_bundle().wire())) as running:
        told = whydown("replay", "inc1", "--json", "--url", running.url, folder=tmp_path)
        assert [asked.path for asked in running.asked] == ["/incidents/inc1/bundle"]
    assert told.returncode == 0, told.stderr
    document = json.loads(told.stdout)
    assert document["incident"] == "inc1"
    assert document["then"]["diagnosis"] == _bundle().wire()["diagnosis"]
    assert document["now"]["diagnosis"]["producedBy"]["stage"] == "brief"


def test_as_a_case_that_eval_answers(tmp_path: Path, file: str) -> None:
    case = tmp_path / "case"
    told = whydown("replay", file, "--as-case", str(case), folder=tmp_path)
    assert told.stdout == f"wrote {case}: whydown eval {case}\n"
    answered = whydown("eval", str(case), "--json", "--brief-only", folder=tmp_path)
    assert json.loads(answered.stdout)["cases"][0]["id"] == "inc1"
    assert json.loads((case / "truth.json").read_text())["commit"] == SHA


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no/such/file"], "there is no such file"),
        (["nobody", "--url", "http://127.0.0.1:1"], "no Whydown answers at http://127.0.0.1:1"),
        (["{file}", "--model", "m"], "--model needs a model's endpoint or key"),
        (["{file}", "--as-case", "{folder}"], "is not empty"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(tmp_path: Path, file: str, arguments: list[str], said: str) -> None:
    told = whydown("replay", *(each.format(file=file, folder=tmp_path) for each in arguments), folder=tmp_path)
    assert told.returncode == 2
    assert told.stderr.startswith("whydown replay: ")
    assert said in told.stderr
    assert len(told.stderr.splitlines()) == 1
