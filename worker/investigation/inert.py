"""Text from outside made inert: nothing in it is a link, an image, a mention or markup, wherever it is shown later."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

REMOVED: Final = "[link removed]"

# Elements that do something without an attribute, or swallow what follows. Others (`<pod-name>`, `<nil>`) are how
# people write placeholders and values, and stay.
_ELEMENTS: Final = (
    "a|applet|audio|base|body|embed|form|frame|frameset|head|html|iframe|img|input|link|marquee|math|meta|noscript|"
    "object|plaintext|script|style|svg|textarea|video|xmp"
)

_ACTIVE: Final = re.compile(
    rf"""
    (?P<markup> < (?: [!@\#/?] | (?:{_ELEMENTS})\b ) [^<>]* >?      # HTML that acts, comments, Slack's <!channel>
              | < [a-z][\w:-]* \s [^<>]* = [^<>]* >? )               # any element with attributes
  | (?P<link>   [a-z][a-z0-9+.-]{{1,20}} : \\? / \\? / [^\s<>"'`]*
              | (?: javascript | vbscript ) : [^\s<>"'`]*
              | (?<! [a-z] ) mailto: [^\s<>"'`]*
              | (?<! [a-z] ) data: [a-z]+ / [^\s<>"'`]*
              | (?<! [a-z0-9] ) www\. [^\s<>"'`]+
              | (?<! [\w:/.] ) // [\w-]+ \. [^\s<>"'`]+
              | [\w.+-]{{1,64}} @ [\w-]+ (?: \. [\w-]+ )* \. [a-z]{{2,24}} \b )
  | (?P<target> \] (?= [(] ) )                                       # the middle of a Markdown link or image
  | (?P<mention> (?<! \w ) @+ (?= [a-z] ) )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_REPLACEMENT: Final = {"markup": " ", "link": REMOVED, "target": "] ", "mention": ""}

# What is left after a removal may be markup again: `<scr<script>ipt>`.
_MOST_PASSES: Final = 4

_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


def visible(text: str) -> str:
    """`text` without the characters that nobody sees (control, format, tag and unassigned ones), newlines as LF."""
    lines = text.splitlines()
    return "\n".join(line if line.isprintable() else "".join(map(_shown, line)) for line in lines)


def inert(text: str, longest: int) -> str:
    """`text` on one line, its links replaced, its markup and mentions taken out, at most `longest` characters."""
    line = " ".join(visible(text[: longest * 4]).split())
    for _ in range(_MOST_PASSES):
        passed = " ".join(_ACTIVE.sub(lambda found: _REPLACEMENT[found.lastgroup or "markup"], line).split())
        if passed == line:
            return clip(line, longest)
        line = passed
    return clip(line.replace("<", ""), longest)


def inert_stretch(text: str) -> str:
    """The longest part of `text` that is inert as it stands, for words that must be shown exactly or not at all."""
    parts, start = [], 0
    for found in _ACTIVE.finditer(text):
        parts.append(text[start : found.start()])
        start = found.end()
    parts.append(text[start:])
    return max(parts, key=len).strip()


def clip(text: str, longest: int) -> str:
    """`text`, cut to `longest` characters with an ellipsis in the last place."""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def _shown(character: str) -> str:
    if character == "\t":
        return " "
    return "" if unicodedata.category(character) in _HIDDEN else character
