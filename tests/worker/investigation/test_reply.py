from __future__ import annotations

import json
from typing import Any

import pytest

from tests.model_server import diagnosis
from worker.investigation.reply import SCHEMA, Reply, ReplyRejected, parse

GOOD = diagnosis(("F1", "refused"), suspectChange="a3f7c2d")
TEXT = json.dumps(GOOD)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(TEXT, id="bare"),
        pytest.param(f"Here you are:\n{TEXT}\nGood night!", id="prose"),
        pytest.param(f"```json\n{TEXT}\n```", id="fence"),
        pytest.param(f'<think>maybe {{"evidence": []}} or {TEXT[:80]}</think>\n{TEXT}', id="thoughts"),
        pytest.param(f"<think>{TEXT.replace('a3f7c2d', 'b41d09e')}</think>{TEXT}", id="a whole draft in the thoughts"),
        pytest.param(f"I weigh {{a}} against {{b}}. {TEXT}", id="braces before"),
        pytest.param('{"example": {}} ' + TEXT, id="another object before"),
        pytest.param(json.dumps({"diagnosis": GOOD}), id="wrapped"),
        pytest.param(json.dumps({**GOOD, "extra": 1}), id="a field too many"),
        pytest.param(
            TEXT.replace("probableCause", "probable_cause").replace("missingData", "missing_data"), id="snake"
        ),
    ],
)
def test_the_reply_is_found_in_the_text(text: str) -> None:
    assert parse(text) == Reply.model_validate(GOOD)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no JSON object"),
        ("The database is down.", "no JSON object"),
        (TEXT[:-20], "no JSON object|Field required"),
        ("[" * 100_000, "no JSON object"),
        ('{"a":' * 5_000, "no JSON object"),
        ("{" * 100_000, "no JSON object"),
        ("{}", "evidence: Field required"),
        (json.dumps({**GOOD, "evidence": "all of it"}), "evidence: Input should be a valid"),
        (json.dumps({**GOOD, "probableCause": {**GOOD["probableCause"], "statement": " "}}), "must say something"),
        (json.dumps({**GOOD, "suggestedActions": [{"kind": "panic", "text": "x", "command": None}]}), "'immediate'"),
        (json.dumps({**GOOD, "probableCause": {**GOOD["probableCause"], "confidence": "very"}}), "valid number"),
    ],
)
def test_what_does_not_fit_is_rejected(text: str, problem: str) -> None:
    with pytest.raises(ReplyRejected, match=problem):
        parse(text)


def test_a_rejection_repeats_none_of_the_models_words() -> None:
    with pytest.raises(ReplyRejected) as rejected:
        parse(json.dumps({**GOOD, "evidence": "PWN", "PWN": 1, "suggestedActions": [{"kind": "PWN"}]}))
    assert "PWN" not in str(rejected.value)


@pytest.mark.parametrize(
    ("said", "taken"),
    [(0.7, 0.7), (1.7, 0.017), (85, 0.85), (-3, 0.0), (1e9, 1.0), ("high", 0.9), ("70%", 0.7), ("0.4", 0.4)],
)
def test_confidence_is_brought_to_a_share(said: Any, taken: float) -> None:
    reply = parse(json.dumps({**GOOD, "probableCause": {**GOOD["probableCause"], "confidence": said}}))
    assert reply.probable_cause.confidence == pytest.approx(taken)


def test_a_confidence_that_is_no_number_is_none() -> None:
    reply = parse(TEXT.replace("0.8", "NaN"))
    assert reply.probable_cause.confidence == 0.0


@pytest.mark.parametrize("said", ["", "null", "None", "n/a", None])
def test_no_suspect_has_many_names(said: str | None) -> None:
    assert parse(json.dumps({**GOOD, "suspectChange": said})).suspect_change is None


@pytest.mark.parametrize("said", ["afterFix", "After fix", "after_fix", "AFTERFIX"])
def test_kinds_of_actions_are_understood(said: str) -> None:
    actions = [{"kind": said, "text": "x", "command": None}]
    assert parse(json.dumps({**GOOD, "suggestedActions": actions})).suggested_actions[0].kind == "afterFix"


def test_the_schema_is_within_the_strict_subset() -> None:
    def objects(schema: Any) -> list[dict[str, Any]]:
        if isinstance(schema, list):
            return [found for each in schema for found in objects(each)]
        if not isinstance(schema, dict):
            return []
        return [schema] * (schema.get("type") == "object") + [f for each in schema.values() for f in objects(each)]

    found = objects(SCHEMA)
    assert len(found) == 6
    for schema in found:
        assert schema["additionalProperties"] is False
        assert schema["required"] == list(schema["properties"])
    assert '"default"' not in json.dumps(SCHEMA)


def test_the_schema_asks_for_evidence_before_the_cause() -> None:
    assert list(SCHEMA["properties"])[:2] == ["evidence", "probableCause"]


def test_a_reply_may_leave_out_what_claims_nothing_but_is_asked_for_all_of_it() -> None:
    evidence = [{"statement": "It cannot connect", "fact": "F1", "quote": "refused"}]
    taken = parse(
        json.dumps({"evidence": evidence, "probableCause": {"statement": "The database is away", "confidence": 0.5}})
    )
    assert (taken.suggested_actions, taken.suspect_change, taken.enough_information) == ((), None, True)
    assert set(SCHEMA["required"]) == set(SCHEMA["properties"])
    assert "default" not in json.dumps(SCHEMA)
