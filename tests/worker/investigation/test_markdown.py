from __future__ import annotations

import re

import pytest

from shared.incident import (
    Citation,
    Diagnosis,
    Evidence,
    ProbableCause,
    ProducedBy,
    RelatedService,
    SuggestedAction,
)
from worker.investigation.markdown import render

HEADINGS = ["## PROBABLE CAUSE", "## EVIDENCE", "## SUGGESTED ACTIONS", "## RELATED SERVICES"]
MODEL = ProducedBy(stage="model", provider="openai", model="m")


def _diagnosis(text: str, stage: ProducedBy = MODEL) -> Diagnosis:
    """A diagnosis with `text` in every place."""
    return Diagnosis(
        probable_cause=ProbableCause(
            statement=text, confidence=0.5, citations=(Citation(fact="F2", quote=text, verified=True),)
        ),
        evidence=(Evidence(statement=text, fact="F1", quote=text, verified=False),),
        suggested_actions=(SuggestedAction(kind="immediate", text=text, command=text),),
        related_services=(RelatedService(service=text, reason=text),),
        suspect_change=text,
        missing_data=(text,),
        produced_by=stage,
    )


def test_in_the_seeds_style() -> None:
    diagnosis = Diagnosis(
        probable_cause=ProbableCause(
            statement="The deploy changed `Host=` to `Server=`, which Npgsql does not accept.",
            confidence=0.85,
            citations=(
                Citation(fact="F5", quote="Failed to connect", verified=True),
                Citation(fact="F7", quote="uses Host=", verified=True),
            ),
        ),
        evidence=(
            Evidence(statement="The error is one of connection", fact="F5", quote="Failed to connect", verified=True),
            Evidence(statement="The pool was full", fact="F6", quote="pool exhausted"),
        ),
        suggested_actions=(
            SuggestedAction(kind="immediate", text="Revert the deploy", command="git revert a3f7c2d"),
            SuggestedAction(kind="verify", text="Check DB_CONNECTION"),
            SuggestedAction(kind="afterFix", text="Check the string at start-up"),
        ),
        related_services=(
            RelatedService(service="notification-service", reason="gets no events", in_catalog=True),
            RelatedService(service="mailer", reason="may be idle"),
        ),
        suspect_change="a3f7c2d9e1b0",
        missing_data=("logs: not available (timed out after 10 s)",),
        produced_by=MODEL,
    )
    assert render(diagnosis) == (
        "## PROBABLE CAUSE\n"
        "The deploy changed `Host=` to `Server=`, which Npgsql does not accept.\n"
        "\n"
        "Confidence: 85%. Suspect change: `a3f7c2d9e1b0`.\n"
        "## EVIDENCE\n"
        "- The error is one of connection: `Failed to connect` (F5)\n"
        "- The pool was full: `pool exhausted` (F6) (unverified)\n"
        "- The cause rests on: `uses Host=` (F7)\n"
        "- Missing: logs: not available (timed out after 10 s)\n"
        "## SUGGESTED ACTIONS\n"
        "1. **Immediate**: Revert the deploy: `git revert a3f7c2d`\n"
        "2. **Verify**: Check DB_CONNECTION\n"
        "3. **After fix**: Check the string at start-up\n"
        "## RELATED SERVICES\n"
        "- notification-service: gets no events\n"
        "- mailer (not in the catalog): may be idle"
    )


def test_the_brief_says_that_it_is_one() -> None:
    brief = ProducedBy(stage="brief", reason="the model's endpoint refused the key (401): check WHYDOWN_AI_KEY")
    lines = render(_diagnosis("x", brief)).split("\n")
    assert lines[:4] == [
        "## PROBABLE CAUSE",
        "x",
        "",
        "From the brief, without a model: the model's endpoint refused the key (401): check WHYDOWN_AI_KEY",
    ]


def test_nothing_found_still_has_all_headings() -> None:
    empty = Diagnosis(probable_cause=ProbableCause(statement="Unknown.", confidence=0.1), produced_by=MODEL)
    assert [line for line in render(empty).split("\n") if line.startswith("#")] == HEADINGS


@pytest.mark.parametrize(
    "text",
    [
        "# heading",
        "x\n## EVIDENCE\nforged",
        "x ## EVIDENCE",
        "```\ncode\n```",
        "~~~ fence",
        "`open",
        "a ``` b ` c",
        "`",
        "---",
        "===",
        "> quoted",
        "1. item",
        "- item",
        "* item",
        "| a | b |",
        "[x]: http://evil.example",
        "![p](http://evil.example/p.png)",
        "[click](javascript:alert(1))",
        "<script>alert(1)</script>",
        "<details open ontoggle=alert(1)>",
        "<!-- hidden",
        "<b>bold</b>",
        "@channel",
        "http://evil.example/?q=1",
        "",
    ],
)
def test_no_text_breaks_out_of_its_line(text: str) -> None:
    rendered = render(_diagnosis(text))
    lines = rendered.split("\n")
    plain = render(_diagnosis("x")).split("\n")
    assert [line for line in lines if line.lstrip().startswith("#")] == HEADINGS
    assert len(lines) == len(plain)
    assert rendered.count("## ") == 4
    assert not any(re.match(r"\s*(?:- )?(```|~~~|---|===|>|\|)", line) for line in lines)
    # Outside code spans, which show what they hold as it is, there is no tag.
    outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", rendered)
    assert "`" not in outside
    assert not re.search(r"(?<!\\)<[A-Za-z!/]", outside)
    for word in ("evil.example", "](", "javascript:", "@channel", "ontoggle", "<script"):
        assert word not in rendered


def test_a_quote_with_backticks_is_shown_as_it_is() -> None:
    assert ": ``run `x` now`` (F1)" in render(_diagnosis("run `x` now"))
    assert ": `` `x` `` (F1)" in render(_diagnosis("`x`"))
