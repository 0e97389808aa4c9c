"""Settings: each part declares its own section beside its code; this module reads, checks and lists them all.

Values come from the environment, then from `.env` in the working directory, then from files in /run/secrets.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import quote

from dotenv import dotenv_values
from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.errors import ConfigurationError
from shared.registry import Registry, load_target

PREFIX = "WHYDOWN_"

SECRETS = Path("/run/secrets")
"""Where container engines mount secrets: a file named like a setting holds its value."""

LISTED: Final = Path(__file__).with_name("setting_names.txt")
"""The names that our own parts declare, one a line: `make tables` writes them."""

SECTIONS: tuple[str, ...] = (
    "shared.settings:Storage",
    "shared.settings:Address",
    "webhook.settings:Access",
    "webhook.grouping:Grouping",
    "webhook.senders:SENDERS",
    "webhook.settings:Serving",
    "shared.settings:Investigation",
    "shared.redaction.installed:Config",
    "worker.catalogs.catalog_files:Config",
    "worker.catalogs.backstage_catalog:Config",
    "worker.repositories.git_checkouts:Config",
    "worker.repositories.github_access:Config",
    "worker.repositories.gitlab_api:Config",
    "worker.sources.argocd_changes:Config",
    "worker.sources.log_files:Config",
    "worker.sources.loki_logs:Config",
    "worker.sources.appinsights_logs:Config",
    "worker.entra_id:Config",
    "worker.sources.cloudwatch_logs:Config",
    "worker.sources.elasticsearch_logs:Config",
    "worker.sources.kubernetes_logs:Config",
    "worker.sources.prometheus_metrics:Config",
    "worker.llm:Config",
    "worker.recipients:Config",
    "worker.notifiers.callback:Config",
    "worker.notifiers.slack:Config",
    "worker.notifiers.teams:Config",
    "worker.notifiers.pagerduty_note:Config",
    "worker.notifiers.github_issue:Config",
    "worker.notifiers.apprise_urls:Config",
    "whydown.processes:Config",
)
"""Every section, in the order of the documentation. A registry stands for those of its connectors, `config`."""


def _split_words(value: object) -> object:
    return tuple(word for word in re.split(r"[,\s]+", value) if word) if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_words)]
"""A setting that lists words, separated by commas or spaces."""


def _is_http(url: str) -> str:
    if not url.startswith(("https://", "http://")):
        raise ValueError("must start with https:// or http://")
    return url


HttpUrl = Annotated[str, AfterValidator(_is_http)]
"""A setting that is the address of a server."""


def setting(*names: str, default: Any, description: str) -> Any:
    """A field of a section, read from the first of the environment `names` that is set."""
    alias = names[0] if len(names) == 1 else AliasChoices(*names)
    return Field(default, validation_alias=alias, description=description)


class Section(BaseSettings):
    """The settings of one part. Build it without arguments to read the environment, with arguments in tests."""

    model_config = SettingsConfigDict(
        secrets_dir=SECRETS if SECRETS.is_dir() else None,
        env_file=".env",
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )

    @classmethod
    def read(cls) -> Self:
        """This section from the environment. Raises ConfigurationError, naming the setting but never its value."""
        try:
            return cls()
        except ValidationError as invalid:
            raise ConfigurationError("; ".join(_say(cls, dict(error)) for error in invalid.errors())) from None


_LONGEST_SOCKET: Final = 100


class Storage(Section):
    """Where Whydown keeps what it knows and how its work travels."""

    database_url: str | None = setting(
        "WHYDOWN_DATABASE_URL",
        default=None,
        description="SQLAlchemy URL of the database, `postgresql+psycopg://user:password@host/name`. "
        "Unset: SQLite in the data folder.",
    )
    redis_url: str | None = setting(
        "WHYDOWN_REDIS_URL",
        default=None,
        description="URL of Redis or Valkey, `redis://:password@host:6379/0`. "
        "Unset: the embedded server's socket in the data folder.",
    )
    data: Path = setting(
        "WHYDOWN_DATA",
        default=Path(".whydown"),
        description="Folder of everything the embedded default keeps: database, queue, made-up tokens.",
    )

    def resolved_database_url(self) -> str:
        """The database to use; the SQLite file in the data folder when none is named."""
        if self.database_url is None:
            return f"sqlite:///{self.data.absolute() / 'whydown.db'}"
        # Heroku-style URLs name no driver; SQLAlchemy would pick psycopg2, which is not installed.
        return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", self.database_url)

    def resolved_redis_url(self) -> str:
        """The broker to use; the embedded server's socket when none is named."""
        return self.redis_url or f"redis+socket://{quote(str(self.embedded_socket()))}"

    def embedded_socket(self) -> Path:
        """The embedded server's socket: in the data folder, or in the shared temporary folder when its path would be
        longer than a socket's may be (104 bytes on macOS, 108 on Linux: unix(4), unix(7)).
        """
        socket = self.data.absolute() / "queue.sock"
        if len(os.fsencode(socket)) <= _LONGEST_SOCKET:
            return socket
        name = hashlib.sha256(os.fsencode(socket)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"whydown-{os.getuid()}-{name}" / "queue.sock"


class Address(Section):
    """Where people find Whydown."""

    public_url: str | None = setting(
        "WHYDOWN_PUBLIC_URL",
        default=None,
        description="What links to incidents start with, `https://whydown.example.com`. "
        "Unset: the address that was asked.",
    )


class Investigation(Section):
    """How far and how long an investigation looks."""

    unknown_service: Literal["skip", "analyze"] = setting(
        "WHYDOWN_UNKNOWN_SERVICE",
        default="skip",
        description="An alert whose service the catalog does not know: `skip` it, or `analyze` it all the same.",
    )
    concurrent: int = setting(
        "WHYDOWN_CONCURRENT_INVESTIGATIONS",
        default=64,
        description="How many incidents are investigated at once, across all workers; "
        "the others wait, worst severity first.",
    )
    source_timeout_seconds: float = setting(
        "WHYDOWN_SOURCE_TIMEOUT_SECONDS", default=10.0, description="Deadline of each source, in seconds."
    )
    changes_hours: float = setting(
        "WHYDOWN_CHANGES_HOURS", default=48.0, description="How many hours before the alert to look for changes."
    )
    logs_minutes: float = setting(
        "WHYDOWN_LOGS_MINUTES",
        default=30.0,
        description="How many minutes of logs before the alert to read, and after it.",
    )
    baseline_minutes: float = setting(
        "WHYDOWN_BASELINE_MINUTES",
        default=60.0,
        description="How many minutes of logs before those to compare them with.",
    )
    cover_minutes: float = setting(
        "WHYDOWN_COVER_MINUTES",
        default=2.0,
        description="An incident is covered by the analysis of a service that it depends on, if that one's alert came "
        "at most this many minutes before and plainly is the same trouble; 0: each has an analysis of its own.",
    )
    quiet_minutes: float = setting(
        "WHYDOWN_QUIET_MINUTES",
        default=60.0,
        description="A re-fire joins a resolved incident last seen less than this many minutes ago; "
        "later it opens a new one.",
    )
    retention_days: Annotated[float | None, Field(ge=1)] = setting(
        "WHYDOWN_RETENTION_DAYS",
        default=None,
        description="Incidents last heard of more than so many days ago are deleted with all that belongs to them, and "
        "deploys likewise; what the model cost stays. Unset: nothing is deleted.",
    )


@dataclass(frozen=True, slots=True)
class SettingLine:
    """One setting as `whydown settings` and the README show it."""

    name: str
    also: tuple[str, ...]
    """Other names that are honoured."""
    meaning: str
    default: str
    value: str
    """What is in force; masked when it is a secret."""
    source: str
    """`environment`, `.env`, `/run/secrets` or `default`."""


def sections() -> list[type[Section]]:
    """Every declared section."""
    parts: list[Any] = [load_target(target) for target in SECTIONS]
    return [section for part in parts for section in ([part] if isinstance(part, type) else _of_connectors(part))]


def every_setting(environ: Mapping[str, str] | None = None) -> list[SettingLine]:
    """Every setting of every section, in order."""
    env = os.environ if environ is None else environ
    dotenv = dotenv_values(".env")
    return [
        _line(field, env, dotenv) for section in sections() for field in section.model_fields.values() if _names(field)
    ]


def environment() -> dict[str, str | None]:
    """Everything that settings are read from, whatever its name: the environment before `.env` before SECRETS."""
    mounted = (
        {path.name: path.read_text().strip() for path in SECRETS.iterdir() if path.is_file()}
        if SECRETS.is_dir()
        else {}
    )
    return {**mounted, **dotenv_values(".env"), **os.environ}


def check_names(environ: Iterable[str] | None = None) -> None:
    """Raises ConfigurationError for a `WHYDOWN_` name that no part declares, naming the nearest known one."""
    mounted = [path.name for path in SECRETS.iterdir()] if SECRETS.is_dir() else []
    given = {*(os.environ if environ is None else environ), *dotenv_values(".env"), *mounted}
    # To know what is declared every part is imported: that is for a name that is wrong, or a third party's.
    unlisted = sorted({name for name in given if name.startswith(PREFIX)} - set(LISTED.read_text().split()))
    known = declared_names() if unlisted else []
    for name in unlisted:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1, cutoff=0)
            raise ConfigurationError(
                f"unknown setting {name}: did you mean {close[0]}? (`whydown settings` lists them all)"
            )


def declared_names() -> list[str]:
    """Every name that a part declares, sorted."""
    return sorted({name for section in sections() for field in section.model_fields.values() for name in _names(field)})


def _of_connectors(registry: Registry[Any]) -> list[type[Section]]:
    return [kind.config for _, kind in registry if kind.config is not None]


def _names(field: FieldInfo) -> tuple[str, ...]:
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return tuple(choice for choice in alias.choices if isinstance(choice, str))
    return (alias,) if isinstance(alias, str) else ()


def _line(field: FieldInfo, env: Mapping[str, str], dotenv: Mapping[str, str | None]) -> SettingLine:
    names = _names(field)
    source, value = "default", _shown(field.default)
    mounted = {name: "********" for name in names if (SECRETS / name).is_file()}
    for origin, values in (("environment", env), (".env", dotenv), (str(SECRETS), mounted)):
        hit = next((values[name] for name in names if values.get(name)), None)
        if hit is not None:
            source, value = origin, _masked(hit, field)
            break
    return SettingLine(names[0], names[1:], field.description or "", _shown(field.default), value, source)


def _shown(default: object) -> str:
    if default is None or default == ():
        return "unset"
    if isinstance(default, tuple):
        return ",".join(map(str, default))
    return f"{default:g}" if isinstance(default, float) else str(default)


_CREDENTIALS = re.compile(r"(?<=://)[^@/]*@")


def _masked(value: str, field: FieldInfo) -> str:
    """`value` without what must not be shown: secrets whole, and the credentials inside URLs."""
    return "********" if "SecretStr" in str(field.annotation) else _CREDENTIALS.sub("********@", value)


def _say(section: type[Section], error: dict[str, Any]) -> str:
    place = str(error["loc"][0]) if error["loc"] else section.__name__
    field = section.model_fields.get(place)
    name = (_names(field) or (place,))[0] if field else place
    return f"{name}: {str(error['msg']).removeprefix('Value error, ')}"
