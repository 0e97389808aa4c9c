"""The redactor of this installation: the rules of rules.toml, the operator's own, and the secrets of the settings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

import re2
from pydantic import field_validator

from shared.redaction.redactor import Redactor
from shared.redaction.rules import Rule, RuleSet, built_in
from shared.settings import PREFIX, Section, environment, setting

SHORTEST_OWN: Final = 6
"""Characters of a secret setting below which its value is not looked for: it would be found in words."""

_SECRET_NAMES: Final = re.compile(r"(?:TOKEN|SECRET|KEY|PASSWORD|PASSWD|AUTH|CREDENTIALS|WEBHOOK_URL)$|_SECRET_[A-Z]+$")
_OF_EACH_SENDER: Final = "WHYDOWN_WEBHOOK_TOKENS"
_OF_SERVICES: Final = "WHYDOWN_APPRISE_URLS"
_URL_PASSWORD: Final = re.compile(r"://[^\s/:@]*:([^\s/@]+)@")


class Config(Section):
    """What else is redacted."""

    patterns: str | None = setting(
        "WHYDOWN_REDACT_PATTERNS",
        default=None,
        description="More patterns of secrets, one RE2 expression per line, or the path of a file of them; the first "
        "group is the secret, without one the whole match.",
    )

    @field_validator("patterns")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        operator_rules(value)
        return value


def redactor(key: bytes | None = None) -> Redactor:
    """The redactor as the settings say; `key` makes its placeholders. Raises ConfigurationError."""
    return Redactor(_rules(Config.read().patterns, own_secrets(environment())), key)


def operator_rules(patterns: str | None) -> list[Rule]:
    """The operator's patterns, compiled. Raises ValueError, naming the line and what is wrong with it."""
    rules = []
    for number, line in enumerate(_lines(patterns), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            pattern = re2.compile(line.strip(), _quiet())
        except re2.error as broken:
            reason = broken.args[0].decode() if isinstance(broken.args[0], bytes) else broken
            raise ValueError(f"pattern {number} `{line.strip()}` is no RE2 expression: {reason}") from None
        if pattern.search(b""):
            raise ValueError(
                f"pattern {number} `{line.strip()}` matches the empty text, and so would redact everything"
            )
        rules.append(Rule("operator-pattern", pattern, check=None))
    return rules


def own_secrets(environment: Mapping[str, str | None]) -> set[str]:
    """The values of our own secret settings, and the passwords in our own URLs, also as URLs write them."""
    found: set[str] = set()
    for name, value in environment.items():
        if not value or not (name.startswith(PREFIX) or name in _FOREIGN_NAMES):
            continue
        found.update(unquote(password) for password in _URL_PASSWORD.findall(value))
        if _SECRET_NAMES.search(name):
            found.add(value)
            if name.endswith("AUTH"):
                found.add(value.partition(":")[2])
        if name == _OF_EACH_SENDER:
            found.update(re.findall(r"=([^,\s]+)", value))
        if name == _OF_SERVICES:
            found.update(value.split())
    found |= {quote(secret, safe="") for secret in found}
    return {secret for secret in found if len(secret) >= SHORTEST_OWN}


_FOREIGN_NAMES: Final = (
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_CLIENT_SECRET",
    "GITHUB_TOKEN",
    "GITLAB_TOKEN",
    "OPENAI_API_KEY",
)
"""Settings that are honoured under names of others."""


def _rules(patterns: str | None, own: Iterable[str]) -> RuleSet:
    known = [Rule("own-setting", re2.compile(re2.escape(secret)), None, keywords=(secret,)) for secret in sorted(own)]
    return built_in().with_rules([*known, *operator_rules(patterns)])


def _lines(patterns: str | None) -> list[str]:
    if not patterns:
        return []
    if "\n" not in patterns and patterns.startswith(("/", "./", "../", "~")):
        try:
            return Path(patterns).expanduser().read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as unreadable:
            raise ValueError(f"the file {patterns} cannot be read ({type(unreadable).__name__})") from None
    return patterns.splitlines()


def _quiet() -> Any:
    options = re2.Options()
    options.log_errors = False  # RE2 would write its own complaint to stderr
    return options
