"""What is sent to /webhook/alertmanager."""

from __future__ import annotations

import pytest

from webhook.grouping import Grouping
from webhook.senders import SENDERS, MalformedBody
from webhook.senders.alertmanager_v4 import AlertmanagerV4


def test_it_is_registered() -> None:
    assert SENDERS.load("alertmanager") is AlertmanagerV4


def test_the_configured_labels_name_the_service() -> None:
    sender = AlertmanagerV4(Grouping(service_labels=("workload",)))
    delivery = sender.parse({"alerts": [{"labels": {"service": "no", "workload": "yes"}}]}, {})
    assert (delivery.sender, [group.service for group in delivery.groups]) == ("alertmanager", ["yes"])


@pytest.mark.parametrize(
    ("body", "route"),
    [
        ({"serviceName": "x", "alertTitle": "y"}, "/webhook/alert."),
        ({"ruleName": "x", "state": "alerting"}, "/webhook/grafana."),
    ],
)
def test_a_neighbours_body_is_sent_to_the_right_route(body: object, route: str) -> None:
    with pytest.raises(MalformedBody, match="alerts is missing") as refusal:
        AlertmanagerV4(Grouping()).parse(body, {})
    assert route in refusal.value.detail
