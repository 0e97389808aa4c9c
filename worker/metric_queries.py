"""What Prometheus is asked: queries in a file, with places for the services, their label and a span of time.

PromQL: https://prometheus.io/docs/prometheus/latest/querying/basics/.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final, Self

import yaml

from shared.errors import ConfigurationError
from worker.inquiry import Window

MOST_QUERIES: Final = 40

STEPS: Final = (15, 30, 60, 120, 300, 600, 1800, 3600, 21600, 86400)
"""Seconds between two points."""
ENOUGH_POINTS: Final = 300
LEAST_INTERVAL: Final = 120
"""Seconds that a rate looks back: two scrapes at Prometheus' default of one a minute."""

QUERIES: Final = Path(__file__).with_name("metric_queries.yaml")
"""What is asked unless WHYDOWN_PROMETHEUS_QUERIES says otherwise."""

_SETTING: Final = "WHYDOWN_PROMETHEUS_QUERIES"
_PLACES: Final = frozenset(("label", "services", "interval"))


@dataclass(frozen=True, slots=True)
class Span:
    """The points that are asked for."""

    start: int
    """Seconds since 1970, a multiple of the step: two questions about one incident get the same points."""
    end: int
    step: int

    @classmethod
    def of(cls, window: Window) -> Self:
        """From the baseline to the end of the window, in about ENOUGH_POINTS points."""
        seconds = (window.until - window.baseline_since).total_seconds()
        step = next((each for each in STEPS if seconds / each <= ENOUGH_POINTS), STEPS[-1])
        return cls(math.floor(window.baseline_since.timestamp() / step) * step, int(window.until.timestamp()), step)

    @property
    def interval(self) -> str:
        """What a rate looks back, as a PromQL duration."""
        return f"{max(LEAST_INTERVAL, self.step)}s"


def read_queries(file: Path) -> dict[str, str]:
    """The queries in a YAML file by name. Raises ConfigurationError that names what is wrong."""
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as failure:
        reason = failure.strerror if isinstance(failure, OSError) else "no YAML"
        raise ConfigurationError(f"{_SETTING}: {file} cannot be read ({reason})") from None
    if not isinstance(found, dict) or not found or not all(isinstance(each, str) for each in found.values()):
        raise ConfigurationError(f"{_SETTING}: {file} has to map names to PromQL expressions")
    if len(found) > MOST_QUERIES:
        raise ConfigurationError(f"{_SETTING}: {file} has {len(found)} queries, more than {MOST_QUERIES}")
    for name, text in found.items():
        places = Template(text)
        if not places.is_valid() or not {"services"} <= set(places.get_identifiers()) <= _PLACES:
            raise ConfigurationError(
                f"{_SETTING}: {name}: needs $services, and knows only $label and $interval beside it ($$ for a $)"
            )
    return {str(name): text for name, text in found.items()}


def alternatives(names: Iterable[str]) -> str:
    """A regular expression that is the same in each kind of PromQL's quotes. The names have passed the allow-list: only
    the dot has a meaning. OpenTelemetry's namespace may stand before a name (`shop/cart`).
    """
    return f"(?:.+/)?(?:{'|'.join(name.replace('.', '[.]') for name in names)})"


def filled(text: str, label: str | None, names: Iterable[str], span: Span) -> str:
    """A query ready to be asked about services with these names."""
    return Template(text).substitute(label=label or "", services=alternatives(names), interval=span.interval)
