"""What each body that a sender really sent is taken to say, as the table of docs/senders/bodies.md.

`python -m tests.webhook.senders.body_table` prints it; `--write` puts it there.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from shared.alert import AlertGroup, Delivery
from shared.moment import rfc3339
from tests.webhook.senders.bodies import PAYLOADS, payload
from webhook.grouping import Grouping
from webhook.senders import SENDERS, canonical

PAGE: Final = Path(__file__).parents[3] / "docs" / "senders" / "bodies.md"

ROUTES: Final = {
    "elastic-kibana": "generic",
    "grafana-legacy": "grafana",
    "grafana-unified": "grafana",
    "other": "generic",
}
"""Where the bodies of a folder go that is no sender's name."""

_START: Final = """# What real bodies are taken to say

Each row is one incident that a body opens, joins or resolves, with the default settings; the bodies, and where each of
them is from, are in [tests/payloads](../../tests/payloads/SOURCES.md).
`python -m tests.webhook.senders.body_table --write` makes this page, and a test holds it.

| body | route | becomes | service | title | severity | startedAt | fingerprint |
|---|---|---|---|---|---|---|---|
"""


def files() -> list[str]:
    """Every body, by folder and name."""
    return sorted(str(file.relative_to(PAYLOADS)) for file in PAYLOADS.glob("*/*.json"))


def route_of(file: str) -> str:
    """The sender whose route the body belongs to."""
    folder = file.partition("/")[0]
    return canonical(ROUTES.get(folder, folder))


def read(file: str, route: str | None = None) -> Delivery:
    """What its sender, or the one of another route, makes of a body."""
    return SENDERS.load(route or route_of(file))(Grouping()).parse(payload(file), {})


def page() -> str:
    """The whole page."""
    return _START + "".join(f"| {' | '.join(map(_cell, row))} |\n" for file in files() for row in _rows(file))


def _rows(file: str) -> Iterator[tuple[str, ...]]:
    delivery = read(file)
    if not delivery.groups:
        yield (file, route_of(file), f"ignored: {delivery.ignored}", *[""] * 5)
    for group in delivery.groups:
        first, severities = group.alerts[0], {alert.severity.value for alert in group.alerts}
        yield (
            file,
            route_of(file),
            _state(group),
            group.service,
            group.title,
            ", ".join(sorted(severities)),
            rfc3339(first.starts_at) or "when it came",
            first.fingerprint + (f" and {len(group.alerts) - 1} more" if len(group.alerts) > 1 else ""),
        )


def _state(group: AlertGroup) -> str:
    firing = sum(alert.firing for alert in group.alerts)
    counts = {"firing": firing, "resolved": len(group.alerts) - firing, "left out": group.truncated}
    told = {word: count for word, count in counts.items() if count}
    return next(iter(told)) if sum(told.values()) == 1 else ", ".join(f"{told[word]} {word}" for word in told)


def _cell(shown: str) -> str:
    return shown.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


if __name__ == "__main__":
    if "--write" in sys.argv:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        sys.stdout.write(page())
