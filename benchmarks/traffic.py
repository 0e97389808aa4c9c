"""The alerts of a run, and a sender that does what Alertmanager does: it sends until it is answered with 2xx."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import requests

from benchmarks.stand_ins import service_name
from shared.moment import now, rfc3339

SENDERS: Final = 16
ANSWER_SECONDS: Final = 10.0
AGAIN_SECONDS: Final = 0.5

_SEVERITIES: Final = ("critical", "high", "warning", "info")


@dataclass(frozen=True, slots=True)
class PlannedAlert:
    """One distinct alert."""

    number: int
    service: str
    group: str
    """Alerts of one service and group are one incident."""
    severity: str
    called_back: bool
    """Whether it is sent as a plain body with a callbackUrl; the others come as Alertmanager sends them."""

    @property
    def fingerprint(self) -> str:
        """Tells it apart."""
        return f"alert-{self.number}"


@dataclass(frozen=True, slots=True)
class Send:
    """One delivery."""

    at: float
    """Seconds after the first alert."""
    alert: PlannedAlert
    resolved: bool = False


def plan(seed: int, alerts: int, services: int, seconds: float) -> tuple[Send, ...]:
    """So many distinct alerts spread over `seconds`, in order of time; a tenth is sent twice, a tenth is resolved
    afterwards, and of the alerts that come as Alertmanager sends them the last fifth joins groups of earlier ones. The
    same for the same arguments.
    """
    chance = random.Random(seed)
    sends = []
    for number in range(alerts):
        first = number - services if number >= alerts * 4 // 5 else number
        called_back = first % 5 == 0  # a plain alert is a group of its own, so these join nothing
        group = f"group-{number if called_back else first}"
        planned = PlannedAlert(number, service_name(number % services), group, chance.choice(_SEVERITIES), called_back)
        at = chance.uniform(0, seconds)
        sends.append(Send(at, planned))
        if chance.random() < 0.1:
            sends.append(Send(at + chance.uniform(0, 5), planned))
        if chance.random() < 0.1:
            sends.append(Send(at + chance.uniform(0.05, 5), planned, resolved=True))
    return tuple(sorted(sends, key=lambda send: send.at))


@dataclass
class Sender:
    """Sends a plan to the receivers in turn, and notes what it was answered."""

    urls: Sequence[str]
    callback_url: str
    answers: dict[int, set[str]] = field(default_factory=dict)
    """Incident ids in the 202s of each firing alert, by its number."""
    retries: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._started = now() - timedelta(minutes=2)
        self._gave_up = threading.Event()

    def run(self, sends: Sequence[Send], last_seconds: float) -> None:
        """Sends everything at its time, and again until it is answered with 202, for at most `last_seconds` more after
        the last one is due. Returns when all is over.
        """
        begin = time.monotonic()
        with ThreadPoolExecutor(SENDERS) as pool:
            for send in sends:
                if self._gave_up.wait(max(0.0, begin + send.at - time.monotonic())):
                    return
                pool.submit(self._deliver, send)
            giving_up = threading.Timer(last_seconds, self._gave_up.set)
            giving_up.start()
        giving_up.cancel()

    def stop(self) -> None:
        """Nothing is sent any more, again or for the first time: `run` returns soon."""
        self._gave_up.set()

    def _deliver(self, send: Send) -> None:
        route, body = self._body(send)
        for turn in range(send.alert.number, 1_000_000):
            try:
                url = self.urls[turn % len(self.urls)]
                answer = requests.post(f"{url}/webhook/{route}", json=body, timeout=ANSWER_SECONDS)
                if answer.status_code == 202:
                    self._note(send, {one["id"] for one in answer.json()["incidents"]})
                    return
            except (requests.RequestException, ValueError):
                pass  # a receiver that died, maybe in the middle of its answer
            with self._lock:
                self.retries += 1
            if self._gave_up.wait(AGAIN_SECONDS):
                return

    def _note(self, send: Send, incidents: set[str]) -> None:
        if not send.resolved:
            with self._lock:
                self.answers.setdefault(send.alert.number, set()).update(incidents)

    def _body(self, send: Send) -> tuple[str, dict[str, Any]]:
        alert = send.alert
        status = "resolved" if send.resolved else "firing"
        if alert.called_back:
            return "alert", {
                "serviceName": alert.service,
                "alertTitle": f"Error rate {alert.number}",
                "severity": alert.severity,
                "startedAt": rfc3339(self._started),
                "endsAt": rfc3339(now()) if send.resolved else None,
                "status": status,
                "fingerprint": alert.fingerprint,
                "callbackUrl": self.callback_url,
            }
        return "alertmanager", alertmanager_body((alert,), self._started, resolved=send.resolved)


def alertmanager_body(alerts: Sequence[PlannedAlert], started: datetime, *, resolved: bool = False) -> dict[str, Any]:
    """Alerts of one service and group as Alertmanager sends them together."""
    status = "resolved" if resolved else "firing"
    first = alerts[0]
    labels = {"alertname": first.group, "service": first.service, "severity": first.severity}
    fired = [
        {
            "status": status,
            "labels": labels | {"instance": str(alert.number)},
            "annotations": {"summary": f"Error rate {alert.number}"},
            "startsAt": rfc3339(started),
            "endsAt": rfc3339(now()) if resolved else "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.example.test/graph",
            "fingerprint": alert.fingerprint,
        }
        for alert in alerts
    ]
    return {
        "version": "4",
        "groupKey": f'{{}}:{{alertname="{first.group}"}}',
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "whydown",
        "groupLabels": {"alertname": first.group},
        "commonLabels": labels,
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example.test",
        "alerts": fired,
    }
