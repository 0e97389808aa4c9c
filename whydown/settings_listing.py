"""The settings as a person reads them: in the terminal with their values, in the README with their meaning."""

from __future__ import annotations

from textwrap import fill

from shared.settings import SettingLine, every_setting


def as_text() -> str:
    """Every setting with its value and where that comes from; secrets masked."""
    return "\n\n".join(_entry(line) for line in every_setting())


def as_markdown() -> str:
    """The README's table."""
    rows = [f"| {_names(line)} | {_cell(line.default)} | {line.meaning} |" for line in every_setting({})]
    return "\n".join(["| setting | default | what it does |", "|---|---|---|", *rows])


def _entry(line: SettingLine) -> str:
    also = f" (or {', '.join(line.also)})" if line.also else ""
    meaning = fill(line.meaning, 110, initial_indent="    ", subsequent_indent="    ")
    return f"{line.name}{also}\n    = {line.value}   [{line.source}]\n{meaning}"


def _names(line: SettingLine) -> str:
    return ", ".join(f"`{name}`" for name in (line.name, *line.also))


def _cell(default: str) -> str:
    return default if default == "unset" else f"`{default}`"
