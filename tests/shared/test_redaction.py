"""Redaction: what is found, what is left alone, and what the placeholders promise."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from benchmarks.redaction import ALTERED_PER_MILLE, CORPUS, RECALL, read, survives
from shared.errors import ConfigurationError
from shared.redaction import rules
from shared.redaction.credentials import CHECKS, StandIns
from shared.redaction.installed import Config, operator_rules, own_secrets, redactor
from shared.redaction.redactor import WITHHELD, Redactor, disclosed
from shared.redaction.rules import Rule, RuleSet, built_in
from shared.settings import _names, sections
from tests.corpora.secret_lines import negatives, positives

REDACTOR = Redactor()
PASSWORD = "vK8!mQ2x_Tz"
KEY = [
    "-----BEGIN RSA PRIVATE KEY-----",
    "MIIEpQIBAAKCAQEAn6/O8li+SX4m98",
    "xyR5MsXFu9PRsrYQA7/4UTPHi=",
    "-----END RSA PRIVATE KEY-----",
]


def test_the_corpus_is_redacted_as_well_as_is_promised() -> None:
    rows = read(CORPUS)
    secrets = [row for row in rows if row.secret is not None]
    clean = [row.text for row in rows if row.secret is None]
    missed = [row.text for row in secrets if survives(row.secret or "", REDACTOR.text(row.text))]
    altered = [text for text in clean if REDACTOR.text(text) != text]
    assert len(missed) <= (1 - RECALL) * len(secrets), missed
    assert len(altered) <= ALTERED_PER_MILLE * len(clean) / 1000, altered


@pytest.mark.parametrize("seed", [1, 2])
def test_other_contexts_and_providers_are_redacted_too(seed: int) -> None:
    assert [text for text, secret in positives(seed) if survives(secret, REDACTOR.text(text))] == []


@pytest.mark.parametrize("seed", [1, 2])
def test_look_alikes_stay_as_they_are(seed: int) -> None:
    assert [(text, REDACTOR.text(text)) for text in negatives(seed) if REDACTOR.text(text) != text] == []


def test_redacting_twice_changes_nothing() -> None:
    once = [REDACTOR.text(row.text) for row in read(CORPUS)]
    assert [REDACTOR.text(text) for text in once] == once


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "password=",
                "token: ",
                '"',
                "'",
                "\\",
                "abC4dE6f8gH0",
                "https://",
                "a:b1c2d3@",
                ";",
                " ",
                "\n",
                "\ud800",
                "é",
            ]
        )
    )
)
def test_any_mixture_settles(pieces: list[str]) -> None:
    once = REDACTOR.text("".join(pieces))
    assert REDACTOR.text(once) == once


def test_the_same_secret_has_the_same_placeholder_and_another_has_another() -> None:
    lines = [REDACTOR.text(f"retry {n} password={PASSWORD}") for n in (1, 2)]
    assert lines[0].removeprefix("retry 1 ") == lines[1].removeprefix("retry 2 ")
    assert REDACTOR.text(f"password={PASSWORD}x") != REDACTOR.text(f"password={PASSWORD}")


def test_the_tag_hangs_on_the_installations_key() -> None:
    first, second = Redactor(key=b"one"), Redactor(key=b"two")
    assert (
        first.text(f"pwd={PASSWORD}") == Redactor(key=b"one").text(f"pwd={PASSWORD}") != second.text(f"pwd={PASSWORD}")
    )


def test_a_key_over_several_entries_is_one_secret() -> None:
    lines = REDACTOR.lines(["before", *KEY, "after"])
    assert lines[0] == "before" and lines[-1] == "after"
    assert lines[1].startswith("[secret:private-key:") and lines[2:-1] == ["", "", ""]


def test_a_key_without_its_end_takes_no_other_lines_with_it() -> None:
    assert REDACTOR.lines([*KEY[:3], "2026-11-23 03:12:00 INFO started"])[-1] == "2026-11-23 03:12:00 INFO started"


def test_a_token_that_was_cut_off_is_still_one() -> None:
    text = "x" * 300 + " sent ghp_16C7e42F"
    assert "ghp_16C7e42F" not in REDACTOR.text(text)


def test_json_values_are_judged_by_their_names() -> None:
    value = {
        "db": {"password": PASSWORD, "host": PASSWORD},
        "api_key": ["k3yk3yA9zz0", 7],
        "next_page_token": "aB3dE5fG7hJ9kL1m",
    }
    redacted = REDACTOR.value(value)
    assert redacted["db"]["password"].startswith("[secret:password:")
    assert redacted["db"]["host"] == PASSWORD  # nothing tells that this is one
    assert redacted["api_key"][0].startswith("[secret:token:") and redacted["api_key"][1] == 7
    assert redacted["next_page_token"] == value["next_page_token"]


def test_what_was_taken_out_is_disclosed() -> None:
    redacted = REDACTOR.value([f"password={PASSWORD}", {"a": f"pwd={PASSWORD}"}, "clean"])
    assert disclosed(redacted) == "2 secrets replaced"
    assert disclosed(["clean", None, 3]) is None
    assert disclosed([WITHHELD]) == "1 text withheld that could not be searched for secrets"


def test_a_failing_rule_withholds_the_text() -> None:
    def breaks(_stand_ins: StandIns, _key: str, _value: str) -> bool:
        raise RuntimeError(PASSWORD)

    broken = [replace(rule, check=breaks) if rule.check is CHECKS["password"] else rule for rule in built_in().rules]
    failing = Redactor(RuleSet(broken, built_in().stand_ins))
    assert failing.text(f"password={PASSWORD}") == WITHHELD
    assert failing.text("nothing to judge") == "nothing to judge"


def test_operator_patterns_redact_their_group() -> None:
    more = operator_rules("# customers\ncustomer-(\\d{6})\nEMP[0-9]{4}")
    own = Redactor(built_in().with_rules(more))
    text = own.text("customer-123456 and EMP1234")
    assert text.startswith("customer-[secret:operator-pattern:") and "EMP1234" not in text


@pytest.mark.parametrize(
    ("patterns", "said"),
    [
        ("ok[0-9]\nfoo(", "pattern 2 `foo(` is no RE2 expression: missing )"),
        ("(a)\\1", "pattern 1 `(a)\\1` is no RE2 expression"),
        ("x*", "matches the empty text"),
        ("/nowhere/patterns.txt", "/nowhere/patterns.txt cannot be read"),
    ],
)
def test_a_broken_operator_pattern_is_named(patterns: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHYDOWN_REDACT_PATTERNS", patterns)
    with pytest.raises(ConfigurationError) as refused:
        Config.read()
    assert "WHYDOWN_REDACT_PATTERNS" in str(refused.value) and said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_operator_patterns_come_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "patterns.txt"
    file.write_text("CUST-[0-9]{5}\n", encoding="utf-8")
    monkeypatch.setenv("WHYDOWN_REDACT_PATTERNS", str(file))
    assert "CUST-12345" not in redactor().text("order of CUST-12345")


def test_our_own_secrets_are_replaced_wherever_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHYDOWN_API_TOKEN", "plain words")
    monkeypatch.setenv("WHYDOWN_DATABASE_URL", "postgresql://w:p%40ssphrase@db/w")
    monkeypatch.setenv("WHYDOWN_FLOWER_AUTH", "me:correcthorse")
    monkeypatch.setenv("WHYDOWN_WEBHOOK_TOKENS", "pingdom=batterystaple, zabbix=troubadour")
    said = "plain words and plain%20words, p@ssphrase, p%40ssphrase, correcthorse, batterystaple, troubadour"
    text = redactor().text(f"said {said}")
    assert text.count("[secret:own-setting:") == 7
    assert text.startswith("said [secret:")


def test_every_secret_setting_is_one_of_our_own_secrets() -> None:
    names = {
        name
        for section in sections()
        for field in section.model_fields.values()
        if SecretStr.__name__ in str(field.annotation)
        for name in _names(field)
    }
    assert names
    assert {name for name in names if not own_secrets({name: "user:a=longenough"})} == set()


def test_every_rule_says_where_its_shape_is_from() -> None:
    table = tomllib.loads((Path(rules.__file__).parent / "rules.toml").read_text(encoding="utf-8"))
    assert [rule["id"] for rule in table["rules"] if not (rule.get("source") or rule.get("why"))] == []
    assert {rule.get("check", "any") for rule in table["rules"]} <= set(CHECKS)


def test_rules_without_a_keyword_are_tried_everywhere() -> None:
    always = RuleSet([Rule("always", re2.compile("[0-9]{4}"), None)], built_in().stand_ins)
    assert json.dumps(Redactor(always, b"k").text("pin 1234")).startswith('"pin [secret:always:')
