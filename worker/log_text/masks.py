"""The variable parts of a log line told from its words: numbers, ids, times, hosts, quoted values, `key=value`.

Masking what is variable by its form before lines are compared is what makes Drain and its kin work well: He et al.,
"Drain: An Online Log Parsing Approach with Fixed Depth Tree", ICWS 2017, section III-B.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

LONGEST: Final = 1_000
"""Characters of a line that are looked at."""
MOST_TOKENS: Final = 80
LONGEST_VALUE: Final = 80


@dataclass(frozen=True, slots=True)
class Value:
    """A variable part as it stood in a line."""

    name: str
    """The key or the word before it, else the kind of it."""
    text: str
    host: bool = False
    """Whether it names a host: `db.internal`, `10.0.1.5:5432`, that of a URL."""


@dataclass(frozen=True, slots=True)
class Masked:
    """A line with its variable parts named instead of shown."""

    tokens: tuple[str, ...]
    values: tuple[Value, ...]


# What a key of this name holds says what happened; what any other key holds says to whom.
_TELLING: Final = frozenset(
    re.findall(
        r"\w+",
        """
        err error errors errmsg error_message error_type errortype exception cause reason msg message desc description
        detail details event action op operation method level lvl severity type kind class result outcome state phase
        component module logger signal stack caller func function location
        """,
    )
)
_STATUS: Final = frozenset(("status", "status_code", "statuscode", "code", "http_status", "response_code", "sqlstate"))
_BEFORE_STATUS: Final = frozenset(
    ("http", "status", "code", "statuscode", "upstream", "returned", "responded", "answered", "response", "got")
)
_TOP_LEVEL: Final = (
    "com|net|org|io|dev|local|internal|cloud|app|lan|corp|svc|cluster|consul|eu|de|uk|us|fr|ch|ai|co|example|invalid"
    "|intern|home|gov|edu|info"
)
_PORTS: Final = (
    "80|443|1433|1521|2181|2379|3000|3306|4317|5000|5432|5672|6379|6380|8000|8080|8081|8443|8500|9000|9042|9090|9092"
    "|9200|9300|11211|15672|26379|27017|50051"
)

_VARIABLE: Final = re.compile(
    rf"""
    (?P<secret>\[secret:[^\]\s]*\])
  | (?P<pair>(?P<key>[A-Za-z_@][\w.@-]*)["']?=["']?(?P<told>[^\s,;&"'()\[\]{{}}<>|]+))
  | (?P<url>(?i:[a-z][a-z0-9+.-]{{1,15}})://[^\s"'<>|\])}},;]+)
  | (?P<time>(?<!\d)\d{{4}}[-/]\d\d[-/]\d\d(?:T\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?(?!\d)
      |(?<!\d)\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?(?![\d:]))
  | (?P<id>(?i:\b[0-9a-f]{{8}}-[0-9a-f]{{4}}-[0-9a-f]{{4}}-[0-9a-f]{{4}}-[0-9a-f]{{12}}\b))
  | (?P<address>[\w.+-]+@[\w-]+(?:\.[\w-]+)+)
  | (?P<ip>(?<![\d.])\d{{1,3}}(?:\.\d{{1,3}}){{3}}(?::\d{{1,5}})?(?![\d.]*\d)
      |\[?\b(?i:(?:[0-9a-f]{{1,4}}:){{3,7}}[0-9a-f]{{1,4}})\b\]?(?::\d{{1,5}})?)
  | (?P<host>(?<![\w@/.-])(?!(?:com|org|net|io|java|javax)\.)
      (?:(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?:{_TOP_LEVEL})(?::\d{{1,5}})?
      |[a-z][\w-]*(?:\.[\w-]+)*:(?:{_PORTS}))(?![\w-]|\.\w))
  | (?P<pod>(?<=-)[0-9a-f]{{8,10}}-[a-z0-9]{{5}}\b)
  | (?P<hex>(?i:\b0x[0-9a-f]+\b|(?<![A-Za-z0-9])(?=[0-9a-f]*\d)(?=[0-9]*[a-f])[0-9a-f]{{7,}}(?![A-Za-z0-9])))
  | (?P<number>(?<![A-Za-z_\d])[-+]?\d+(?:[.,]\d+)*)
    """,
    re.VERBOSE,
)
_QUOTED: Final = re.compile(
    r"""
    (?P<key>(?<=[{,])\s*"[^"\n]{1,80}"\s*:)
  | (?<![\w\\])"(?P<double>[^"\n]{0,400})"
  | (?<!\w)'(?P<single>[^'\n]{1,200})'(?!\w)
  | `(?P<back>[^`\n]{1,200})`
    """,
    re.VERBOSE,
)
_BEFORE: Final = re.compile(r"([\w.-]+)[\"']?\s*[:=]?\s*[(\[{]?$")
_QUOTED_MASK: Final = "<quoted>"
_A_SENTENCE: Final = 3
"""Words from which a quoted text says something rather than naming something."""

_FRAME: Final = re.compile(r"^\s+(?:at |File \"|from )|^\S+\(.*\)$")
_THROWN: Final = re.compile(r"^(?:Caused by: |[\w.$]*[A-Z]\w*(?:Exception|Error)\b|panic: |\[signal )|^\w+(?:\.\w+)+: ")
_MOST_LINES: Final = 4


def masked(text: str) -> Masked:
    """What `text` says, and the values that it says it of. Of a stack trace what was thrown and where counts."""
    told = _telling_lines(text[: 8 * LONGEST] if "\n" in text else text[:LONGEST])[:LONGEST]
    values: list[Value] = []
    if '"' in told or "'" in told or "`" in told:
        told = _without_quoted(told, values)
    tokens: list[str] = []
    before = ""
    for token in told.split()[:MOST_TOKENS]:
        shape, found = _token(token, not token.isalpha() and _leads_to_status(before))
        if found:
            values += found
        tokens.append(shape)
        before = token
    return Masked(tuple(tokens), tuple(values))


def _telling_lines(text: str) -> str:
    head, cut, rest = text.partition("\n")
    if not cut:
        return head
    lines = rest.split("\n")
    thrown = [line for line in lines if _THROWN.match(line)][-_MOST_LINES:]
    frames = [line for line in lines if _FRAME.match(line)]
    # A Python trace ends where it was thrown; all others begin there.
    where = frames[-1:] if "Traceback (" in text else frames[:1]
    return "\n".join([head, *where, *thrown])


def _without_quoted(text: str, values: list[Value]) -> str:
    def shown(found: re.Match[str]) -> str:
        if found["key"]:
            return found[0]
        quoted = next(part for part in (found["double"], found["single"], found["back"], "") if part is not None)
        before = _BEFORE.search(text, max(0, found.start() - 40), found.start())
        name = before[1] if before else "quoted"
        if _last(name) in _TELLING or _last(name) in _STATUS or quoted.count(" ") >= _A_SENTENCE or "HTTP/" in quoted:
            # The quotes go, so that the words in them are compared one by one.
            return f" {quoted} " if quoted.count(" ") else quoted
        values.append(Value(name, quoted[:LONGEST_VALUE], host=bool(_HOST.fullmatch(quoted))))
        return found[0][0] + _QUOTED_MASK + found[0][-1]

    return _QUOTED.sub(shown, text)


def _leads_to_status(before: str) -> bool:
    word = before.strip("\"'()[]:,=").lower()
    return word in _BEFORE_STATUS or word.startswith("http/")


@lru_cache(maxsize=16_384)
def _token(token: str, after_status: bool) -> tuple[str, tuple[Value, ...]]:
    """The shape of one word of a line, and the values in it."""
    if token.isalpha():
        return token, ()
    values: list[Value] = []
    return _VARIABLE.sub(lambda found: _shape(found, after_status, values), token), tuple(values)


def _shape(found: re.Match[str], after_status: bool, values: list[Value]) -> str:
    kind = found.lastgroup or ""
    text = found[0]
    if kind == "pair":
        return _pair(found["key"], found["told"], text, values)
    if kind == "time":
        return "<time>"
    if kind == "number" and after_status and _is_status(text):
        return text
    if kind == "url":
        values += _hosts(text)
    values.append(Value(kind, text[:LONGEST_VALUE], host=kind in ("ip", "host")))
    return f"<{kind}>"


def _pair(key: str, told: str, text: str, values: list[Value]) -> str:
    name = _last(key)
    if name in _STATUS and (_is_status(told) or told.isalpha()):
        return text
    if name in _TELLING and not told.isdigit():
        shape, found = _token(told, False)
        values += found
        return f"{key}={shape}"
    values += _hosts(told)
    if told != _QUOTED_MASK:
        values.append(Value(key, told[:LONGEST_VALUE]))
    return f"{key}=<value>"


_HOST: Final = re.compile(
    rf"(?:\d{{1,3}}(?:\.\d{{1,3}}){{3}}|(?:[a-z0-9-]+\.)+(?:{_TOP_LEVEL}))(?::\d{{1,5}})?|[a-z][\w.-]*:(?:{_PORTS})"
)
_URL_HOST: Final = re.compile(
    r"(?i:[a-z][a-z0-9+.-]{1,15})://(?:[^/@\s]*@)?([\w.-]+(?::\d{1,5})?|\[[0-9a-fA-F:]+\](?::\d+)?)"
)


def _hosts(text: str) -> Iterator[Value]:
    if found := _URL_HOST.search(text):
        yield Value("host", found[1][:LONGEST_VALUE], host=True)
    elif _HOST.fullmatch(text):
        yield Value("host", text[:LONGEST_VALUE], host=True)


def _is_status(text: str) -> bool:
    return len(text) == 3 and text.isdigit() and "1" <= text[0] <= "5"


def _last(key: str) -> str:
    """`code` of `grpc.response.code`, in lower case."""
    return key.lower().replace("-", "_").rpartition(".")[2]
