"""What the benchmarks of the receiver send, and what they make of the answers."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice

import pytest

from benchmarks.alertmanager_bodies import of_many, single
from benchmarks.ingest import Burst, Compared, Outcome, Traffic
from benchmarks.load import Generator, Load, post
from shared.alert import SERVICE_LABELS
from webhook.alert_list import parse_alert_list


class Receiver(BaseHTTPRequestHandler):
    """Counts what it is sent, and refuses every tenth."""

    seen: list[bytes]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append(body)
        self.send_response(503 if json.loads(body)["number"] % 10 == 9 else 202)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


def test_the_load_sends_every_request_once_and_tells_what_was_refused() -> None:
    Receiver.seen = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        requests = [post("127.0.0.1", port, "/", json.dumps({"number": n}).encode()) for n in range(50)]
        load = Generator("127.0.0.1", port, keep=True).send(iter(requests), 8)
        server.shutdown()
    assert sorted(json.loads(body)["number"] for body in Receiver.seen) == list(range(50))
    assert (len(load.taken), load.refused, set(load.bodies)) == (45, ["503"] * 5, {b"{}"})


def test_bodies_are_alertmanagers_own_and_none_is_another() -> None:
    deliveries = [parse_alert_list("alertmanager", json.loads(single(n)), SERVICE_LABELS) for n in range(300)]
    assert len({group.key for each in deliveries for group in each.groups}) == 300
    assert len({alert.fingerprint for each in deliveries for group in each.groups for alert in group.alerts}) == 300
    (group,) = parse_alert_list("alertmanager", json.loads(of_many(7, 50)), SERVICE_LABELS).groups
    assert len({alert.fingerprint for alert in group.alerts}) == 50
    traffic = Traffic(1)
    assert len(set(islice(traffic.duplicates(), 250))) == 100
    assert not set(islice(traffic.distinct(), 50)) & set(islice(traffic.duplicates(), 100))


def _compared(rate: float, p99: float) -> Compared:
    return Compared(
        ours=Load(seconds=1, taken=[p99] * 100), floor=Load(seconds=1, taken=[1.0] * 100), rates=[0.1, rate, 9.0]
    )


@pytest.mark.parametrize(
    ("rate", "p99", "burst", "reached"),
    [
        (0.6, 1.5, Burst(1.5, 1.0, 0, 0), True),
        (0.4, 1.5, Burst(1.5, 1.0, 0, 0), False),
        (0.6, 2.5, Burst(1.5, 1.0, 0, 0), False),
        (0.6, 1.5, Burst(2.5, 1.0, 0, 0), False),
        (0.6, 1.5, Burst(1.5, 1.0, 1, 0), False),
        (0.6, 1.5, Burst(1.5, 1.0, 0, 1), False),
    ],
)
def test_the_goals(rate: float, p99: float, burst: Burst, reached: bool) -> None:
    outcome = Outcome("sqlite", {1: _compared(0.9, 1.0), 8: _compared(rate, p99)}, {}, burst)
    assert outcome.reached is reached
    assert outcome.wire()["floorRatio"] == min(0.9, rate), "the worst of the medians"
