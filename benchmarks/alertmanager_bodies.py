"""Bodies as a real Alertmanager sent them, made distinct."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

PAYLOADS: Final = Path(__file__).parent.parent / "tests" / "payloads" / "alertmanager"
SERVICES: Final = 200


def single(number: int) -> bytes:
    """A group of one firing alert, different for each number in group, fingerprint, instance and service."""
    body = json.loads(_recorded("am0.25-single-firing"))
    _renamed(body, body["alerts"][0], number, 0)
    return _sent(body, number)


def of_many(number: int, alerts: int) -> bytes:
    """A group of so many firing alerts of one service."""
    body = json.loads(_recorded("am0.25-single-firing"))
    recorded = json.dumps(body["alerts"][0])
    body["alerts"] = [json.loads(recorded) for _ in range(alerts)]
    for position, alert in enumerate(body["alerts"]):
        _renamed(body, alert, number, position)
    return _sent(body, number)


def singles(start: int) -> Iterator[bytes]:
    """Distinct groups of one, without end."""
    while True:
        yield single(start)
        start += 1


def _renamed(body: dict[str, Any], alert: dict[str, Any], number: int, position: int) -> None:
    service = f"service-{number % SERVICES:03}"
    own = {"service": service, "job": service, "instance": f"10.{number % 200}.0.{position}:8080"}
    alert["labels"] |= own
    alert["annotations"]["summary"] = f"{alert['labels']['alertname']} on {own['instance']}"
    alert["fingerprint"] = f"{number * 1_000 + position:016x}"
    body["commonLabels"] |= {"service": service, "job": service}


def _sent(body: dict[str, Any], number: int) -> bytes:
    name = f"{body['groupLabels']['alertname']}{number}"
    body["groupLabels"] = {"alertname": name}
    body["groupKey"] = f'{{}}:{{alertname="{name}"}}'
    return json.dumps(body, separators=(",", ":")).encode()


@cache
def _recorded(name: str) -> str:
    return (PAYLOADS / f"{name}.json").read_text(encoding="utf-8")
