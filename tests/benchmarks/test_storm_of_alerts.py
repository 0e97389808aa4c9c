"""The storm: its alerts, and what counts as kept."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace

import pytest

from benchmarks.stand_ins import service_name
from benchmarks.storm_of_alerts import BOUND, FULL, OF_A_GROUP, QUICK, TOGETHER, Outcome, planned
from benchmarks.verdict import Verdict

_VERDICT = Verdict(
    accepted=QUICK.alerts,
    diagnosed=QUICK.alerts,
    cancelled=0,
    lost=(),
    duplicate_diagnoses=(),
    wrongly_merged=(),
    stored=58,
    by_model=58,
    stood_in=Counter(),
    open_pushes=0,
)
_KEPT = Outcome(
    seed=1,
    size=QUICK,
    verdict=_VERDICT,
    deliveries=214,
    refused=0,
    incidents=58,
    most_at_once=BOUND,
    model_calls=58,
    sending_seconds=6,
    last_seconds=9,
    quiet_seconds=7,
    slowest_quiet_seconds=9,
    noisy_seconds=12,
)


def test_the_storm_is_the_seeds_own_and_half_of_it_is_one_service() -> None:
    deliveries = planned(1, FULL)
    assert deliveries == planned(1, FULL)
    assert deliveries != planned(2, FULL)
    alerts = [alert for delivery in deliveries for alert in delivery]
    assert len({alert.fingerprint for alert in alerts}) == FULL.alerts
    services = Counter(alert.service for alert in alerts)
    assert (len(services), services[service_name(0)]) == (FULL.services, FULL.alerts // 2)
    assert max(services.values()) > 40 * min(services.values())
    groups = defaultdict(set)
    for alert in alerts:
        groups[alert.group].add(alert.service)
    assert all(len(services) == 1 for services in groups.values())
    assert max(Counter(alert.group for alert in alerts).values()) == OF_A_GROUP
    assert max(len(delivery) for delivery in deliveries) == TOGETHER
    assert all(len({alert.group for alert in delivery}) == 1 for delivery in deliveries)


@pytest.mark.parametrize(
    "broken",
    [
        replace(_KEPT, verdict=replace(_VERDICT, diagnosed=QUICK.alerts - 1)),
        replace(_KEPT, verdict=replace(_VERDICT, lost=("alert-1: never stored",))),
        replace(_KEPT, refused=1),
        replace(_KEPT, most_at_once=BOUND + 1),
        replace(_KEPT, quiet_seconds=13),
    ],
)
def test_each_part_of_the_goal_counts(broken: Outcome) -> None:
    assert _KEPT.kept
    assert not broken.kept
