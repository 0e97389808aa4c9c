from __future__ import annotations

import pytest

from worker.investigation.inert import clip, inert, inert_stretch, visible


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("plain words, 50 % of x < y and a > b", "plain words, 50 % of x < y and a > b"),
        ("kubectl logs <pod-name> -n <ns>", "kubectl logs <pod-name> -n <ns>"),
        ("expected <nil>, List<String>", "expected <nil>, List<String>"),
        ("image app@sha256:ab pkg@1.2.3 HEAD@{1}", "image app@sha256:ab pkg@1.2.3 HEAD@{1}"),
        ("a//b and // a comment", "a//b and // a comment"),
        ("two\nlines\tand\ttabs", "two lines and tabs"),
        ("see https://evil.example/a?b=c.", "see [link removed]"),
        ("_https://evil.example_", "_[link removed]"),
        ("https:\\/\\/evil.example", "[link removed]"),
        ("JaVaScRiPt:alert(1)", "[link removed]"),
        ("data:text/html;base64,AA", "[link removed]"),
        ("www.evil.example/x", "[link removed]"),
        ("<//evil.example/x>", ""),
        ("from //evil.example/x", "from [link removed]"),
        ("mail me@evil.example", "mail [link removed]"),
        ("[click](/path)", "[click] (/path)"),
        ("![p](p.png)", "![p] (p.png)"),
        ("@channel @@here hi@ there", "channel here hi@ there"),
        ("<!channel> <@U1> <#C1|general> x", "x"),
        ("a<!-- hidden -->b", "a b"),
        ("<img src=x onerror=alert(1)>", ""),
        ("<x onclick=alert(1)>y", "y"),
        ("</div>", ""),
        ("<script", ""),
        ("<scr<script>ipt>alert(1)", "<scr ipt>alert(1)"),
        ("<x<b y=1> onclick=alert(1)>", ""),
        ("a\u202eb\u200bc\x00d\U000e0041e\ud800f", "abcdef"),
    ],
)
def test_inert(text: str, made: str) -> None:
    assert inert(text, 500) == made


@pytest.mark.parametrize("text", ["x" * 100_000, "<" * 100_000, "a@" * 50_000, "[](" * 30_000, "http://" * 20_000])
def test_inert_is_bounded_and_settles(text: str) -> None:
    made = inert(text, 1_000)
    assert len(made) <= 1_000
    assert inert(made, 1_000) == made


def test_the_longest_inert_stretch() -> None:
    assert inert_stretch("GET http://a/b failed at @once") == "failed at"
    assert inert_stretch("as it is") == "as it is"


def test_visible_keeps_lines() -> None:
    assert visible("a\r\nb\x1b[31m\u2028c\td") == "a\nb[31m\nc d"


def test_clip() -> None:
    assert (clip("abcdef", 6), clip("abcdefg", 6)) == ("abcdef", "abcde…")
