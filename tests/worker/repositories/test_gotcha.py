from __future__ import annotations

import pytest

from tests.worker.inquiries import INVOICE
from worker.inquiry import Gathered
from worker.repositories.gotcha import heuristic_facts


def read(content: bytes | str) -> Gathered:
    data = content.encode() if isinstance(content, str) else content
    return heuristic_facts("heuristics.git", data, target=INVOICE, repository="acme/invoice-api", url=None)


def rules(content: bytes | str) -> list[str]:
    return [fact.text for fact in read(content).facts]


SECTION = """# GOTCHA
intro, not a rule

## HEURISTICS
- No secrets in code
- Npgsql wants Host=,
  never Server=
1. Check the pool first

Restarts hide the leak.
They never fix it.

## TESTS
- not a rule
"""


def test_the_section_is_read_rule_by_rule() -> None:
    assert rules(SECTION) == [
        "No secrets in code",
        "Npgsql wants Host=, never Server=",
        "Check the pool first",
        "Restarts hide the leak. They never fix it.",
    ]


def test_a_fact_names_its_service_repository_and_heading() -> None:
    fact = read("## Heuristics\n### Database\n- pool first\n").facts[0]
    assert (fact.kind, fact.service, fact.source) == ("heuristic", "invoice-api", "heuristics.git")
    assert fact.data == {"heading": "Database", "repository": "acme/invoice-api"}


@pytest.mark.parametrize("ending", ["## NEXT\n- no", "---\n- no", "--- \n- no", "## Another thing\n- no", ""])
def test_the_section_ends_where_the_format_says(ending: str) -> None:
    assert rules(f"## HEURISTICS\n- yes\n{ending}") == ["yes"]


def test_a_lower_case_heading_does_not_end_it() -> None:
    assert rules("## HEURISTICS\n- one\n## databases\n- two") == ["one", "two"]


@pytest.mark.parametrize(
    "heading", ["## HEURISTICS", "## heuristics", "##  Heuristics:", "### HEURISTICS", "## HEURISTICS \t"]
)
def test_the_heading_is_found_in_any_case(heading: str) -> None:
    assert rules(f"- no\n{heading}\n- yes") == ["yes"]


def test_without_the_section_the_whole_file_counts() -> None:
    assert rules("# Rules\n- one\n---\n* two\n\nthree") == ["one", "two", "three"]


def test_nested_items_and_indented_paragraphs_stay_with_their_rule() -> None:
    assert rules("## HEURISTICS\n- deploys:\n    - never on Friday\n\n  because nobody is there\n- next") == [
        "deploys: - never on Friday because nobody is there",
        "next",
    ]


def test_a_code_block_keeps_its_lines_and_hides_headings() -> None:
    assert rules("## HEURISTICS\n- run\n  ```\n  # Not a heading\n\n  kubectl get pods\n  ```\n- next") == [
        "run\n  ```\n  # Not a heading\n\n  kubectl get pods\n  ```",
        "next",
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"## HEURISTICS\r\n- one\r\n- two\r\n",
        b"\xef\xbb\xbf## HEURISTICS\n- one\n- two",
        b"## HEURISTICS\n- one\n- two",
    ],
    ids=["crlf", "bom", "noFinalNewline"],
)
def test_line_ends_and_byte_order_marks_do_not_matter(content: bytes) -> None:
    assert rules(content) == ["one", "two"]


def test_broken_utf8_and_control_characters_are_replaced() -> None:
    assert rules(b"## HEURISTICS\n- caf\xe9 \x00\x1b[31m done") == ["caf\ufffd \ufffd\ufffd[31m done"]


@pytest.mark.parametrize("content", ["", "\n\n", "## HEURISTICS\n\n## NEXT\n- no", "# only a heading"])
def test_a_file_without_rules_says_so(content: str) -> None:
    assert read(content) == Gathered(detail="GOTCHA.md holds no rules")


def test_at_most_100_rules_of_1_kib_each() -> None:
    gathered = read("## HEURISTICS\n" + "".join(f"- {number} {'é' * 600}\n" for number in range(55)) + "- x\n" * 100)
    assert len(gathered.facts) <= 100
    assert max(len(fact.text.encode()) for fact in gathered.facts) <= 1024
    many = read("## HEURISTICS\n" + "- x\n" * 130)
    assert (len(many.facts), many.detail) == (100, "30 more rules left out")


def test_a_section_late_in_a_large_file_is_found_and_cut() -> None:
    filler = "text without meaning\n" * 250_000
    gathered = read(f"{filler}## HEURISTICS\n- the rule\n{'filler ' * 20_000}\n- lost\n")
    assert gathered.facts[0].text.startswith("the rule")
    assert gathered.detail == "GOTCHA.md is cut after 64 KiB"
    assert len(gathered.facts) == 1


@pytest.mark.parametrize(
    "line", ["#" * 60_000, "# " + " " * 60_000 + "x", "- " * 30_000, " " * 60_000 + "- x", "1" * 60_000]
)
def test_hostile_lines_are_read_in_linear_time(line: str) -> None:
    assert read(f"## HEURISTICS\n{line}\n- rule").facts[-1].text == "rule"
