"""A bundle run again: the same facts through production's code, and kept as a case."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.bundle import Bundle, BundledAlert, FrozenFact, Versions
from shared.incident import Coverage, CoverageStatus, Feedback, FeedbackVerdict
from shared.settings import Investigation
from tests.model_server import ModelServer, diagnosis, said
from tests.worker.investigation.sample import AT, BRIEF, COVERAGE, FACTS, OTHER_SHA, SCOPE, SHA
from worker.evaluation import answers
from worker.evaluation.replay import BadBundle, Replay, read, write_case
from worker.investigation import standing_in
from worker.llm import Config
from worker.llm.openai_compatible import OpenAiCompatible

GOOD = diagnosis(("F5", "Failed to connect"), ("F2", "refactor config"), suspectChange="a3f7c2d")

LOOKED_AT = (
    *(line for line in COVERAGE if line.source != "logs.loki"),
    Coverage(source="logs.loki", status=CoverageStatus.OK, items=2),
    Coverage(source="incidents.whydown", status=CoverageStatus.OK, items=1),
    Coverage(source="metrics.prometheus", status=CoverageStatus.TIMEOUT),
)


def _frozen() -> tuple[FrozenFact, ...]:
    past = {"id": "inc0", "at": (AT - timedelta(days=40)).isoformat(), "service": "invoice-api", "signatures": ["F5"]}
    return tuple(
        FrozenFact(**{**fact.model_dump(), "data": past if fact.kind == "similar" else fact.data}) for fact in FACTS
    )


def _bundle(verdict: FeedbackVerdict | None = None, cause: str | None = None, **changed: Any) -> Bundle:
    diagnosed = standing_in.diagnosis(SCOPE, BRIEF, FACTS, COVERAGE, provider=None, reason="no model")
    said_of_it = Feedback(verdict=verdict, actual_cause=cause, at=AT, attempt=1) if verdict else None
    fields: dict[str, Any] = {
        "alert": BundledAlert(
            incident_id="inc1",
            service="invoice-api",
            title="error rate above 5 %",
            severity="critical",
            started_at=AT,
            received_at=AT,
            sender="alert",
        ),
        "attempt": 1,
        "scope": SCOPE.wire(),
        "facts": _frozen(),
        "coverage": LOOKED_AT,
        "brief": BRIEF,
        "diagnosis": diagnosed,
        "feedback": said_of_it,
        "versions": Versions(whydown="1"),
    }
    return Bundle(**{**fields, **changed})


def test_a_bundle_survives_being_a_file() -> None:
    bundle = _bundle("right")
    again = read(json.dumps(bundle.wire()).encode())
    assert again == bundle
    assert again.facts[1].data["sha"] == SHA


def test_the_same_facts_are_judged_again_by_the_brief_and_by_another_model() -> None:
    alone = Replay.of(_bundle(), None, 30.0)
    assert alone.now.brief is not None
    assert alone.now.diagnosis is not None
    assert alone.now.diagnosis.produced_by.stage == "brief"
    assert alone.then.diagnosis == _bundle().diagnosis
    with ModelServer(said(GOOD)) as server:
        provider = OpenAiCompatible.from_config(Config(endpoint=server.base_url, chat_model="other"))
        asked = Replay.of(_bundle(), provider, 30.0)
        assert server.requests[0]["model"] == "other"
    assert asked.now.diagnosis is not None
    assert asked.now.diagnosis.suspect_change == SHA
    assert all(each.verified for each in asked.now.diagnosis.evidence)
    assert asked.now.usage.calls == 1
    assert asked.now.prompt_version is not None
    with ModelServer(said(GOOD)) as server:
        provider = OpenAiCompatible.from_config(Config(endpoint=server.base_url, chat_model="other"))
        once_more = Replay.of(_bundle(), provider, 30.0)
    assert once_more.now.prompt_version == asked.now.prompt_version, "random marks do not count"


def _case(bundle: Bundle, folder: Path, guilty: str | None = None) -> dict[str, Any]:
    write_case(bundle, folder, guilty)
    truth: dict[str, Any] = json.loads((folder / "truth.json").read_text())
    return truth


def test_what_people_said_makes_it_a_case_that_is_answered_as_then(tmp_path: Path) -> None:
    truth = _case(_bundle("right"), tmp_path / "case")
    assert (truth["commit"], truth["decoy_commits"]) == (SHA, [])
    answered = answers.answer(tmp_path / "case", Investigation(), None, 30.0)
    then = Replay.of(_bundle(), None, 30.0).now.brief
    now = answered.case.brief
    assert then is not None
    assert (now.verdict, now.onset, [each.id for each in now.suspects]) == (
        then.verdict,
        then.onset,
        [each.id for each in then.suspects],
    )
    # What could not be looked at then is a gap now too.
    assert Coverage(source="metrics.prometheus", status=CoverageStatus.TIMEOUT) in [
        line.model_copy(update={"millis": None, "detail": None}) for line in answered.case.coverage
    ]
    assert answers.score(answered).passed == (answered.suspect == SHA)


@pytest.mark.parametrize(
    ("bundle", "guilty", "commit", "decoys"),
    [
        (_bundle("wrong", f"it was {OTHER_SHA[:9]}, of course"), None, OTHER_SHA, [SHA]),
        (_bundle("wrong", "a full disk"), "none", None, [SHA]),
        (_bundle("wrong", "no idea"), OTHER_SHA[:7], OTHER_SHA, [SHA]),
        (_bundle("partly", "version 2.4.1 and the load"), None, SHA, []),
        (_bundle(), SHA, SHA, []),
    ],
)
def test_the_truth_is_what_people_told(
    bundle: Bundle, guilty: str | None, commit: str | None, decoys: list[str], tmp_path: Path
) -> None:
    truth = _case(bundle, tmp_path / "case", guilty)
    assert (truth["commit"], truth["decoy_commits"]) == (commit, decoys)


@pytest.mark.parametrize(
    ("bundle", "guilty", "said"),
    [
        (_bundle(), None, "nobody has said whether the diagnosis was right"),
        (_bundle("wrong", "a full disk"), None, "names no change that was gathered"),
        (_bundle("wrong", f"{SHA} or {OTHER_SHA}"), None, "names no change that was gathered"),
        (_bundle("right"), "0000000", "--guilty 0000000: no change among the facts"),
        (_bundle("right", scope=None), None, "nothing was gathered"),
    ],
)
def test_without_a_truth_there_is_no_case(bundle: Bundle, guilty: str | None, said: str, tmp_path: Path) -> None:
    with pytest.raises(BadBundle, match=said):
        write_case(bundle, tmp_path / "case", guilty)
    assert not (tmp_path / "case").exists()


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(BadBundle, match="is not empty"):
        write_case(_bundle("right"), tmp_path, None)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "no bundle"),
        (b"{}", "alert: Field required"),
        (json.dumps(_bundle().wire()).encode()[:-200], "no bundle"),
        (json.dumps({**_bundle().wire(), "format": "whydown-bundle/9"}).encode(), "format: Input should be"),
        (b"[" * 100_000, "no bundle"),
        (b" " * (64 * 1024 * 1024 + 1), "larger than 64 MiB"),
    ],
)
def test_what_is_no_bundle_is_told_in_a_line(text: bytes, said: str) -> None:
    with pytest.raises(BadBundle, match=said) as refused:
        read(text)
    assert "\n" not in str(refused.value)


def test_a_scope_that_cannot_be_read() -> None:
    for scope in ({}, {"targets": [], "window": SCOPE.window.wire()}):
        with pytest.raises(BadBundle, match="scope"):
            Replay.of(_bundle(scope=scope), None, 30.0)
