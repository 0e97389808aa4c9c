from __future__ import annotations

from datetime import timedelta

from shared.deploy import Deploy
from shared.moment import Deadline
from tests.worker.inquiries import ALERT, inquiry
from worker.inquiry import Gathered
from worker.sources.reported_deployments import ReportedDeployments


def gather(*deploys: Deploy) -> Gathered:
    source = ReportedDeployments.from_settings()
    assert source is not None
    return source.gather(inquiry(deploys=deploys), Deadline.after(5))


def test_deploys_become_facts_newest_first() -> None:
    old = Deploy("invoice-api", ALERT - timedelta(hours=2), "v1")
    new = Deploy("ledger", ALERT - timedelta(minutes=4), "v2")
    found = gather(old, new)
    assert [(fact.service, fact.kind, fact.data["version"]) for fact in found.facts] == [
        ("ledger", "deploy", "v2"),
        ("invoice-api", "deploy", "v1"),
    ]
    assert {fact.source for fact in found.facts} == {"changes.deployments"}


def test_a_switched_flag_is_a_fact_of_its_own_kind() -> None:
    switched = Deploy("invoice-api", ALERT - timedelta(minutes=4), actor="ana", flag="new_tax", change="off->on")
    (fact,) = gather(switched).facts
    assert (fact.kind, fact.service, fact.data) == ("flag", "invoice-api", {"flag": "new_tax", "change": "off->on"})
    assert fact.text == "flag new_tax of invoice-api switched off->on at 2026-11-23T03:08:00Z by ana"


def test_without_any_there_is_nothing() -> None:
    assert gather() == Gathered()


def test_a_flood_keeps_the_newest_and_says_how_many_are_left_out() -> None:
    found = gather(*(Deploy("invoice-api", ALERT - timedelta(minutes=number), f"v{number}") for number in range(60)))
    assert (len(found.facts), found.facts[0].data["version"]) == (50, "v0")
    assert found.detail == "10 older deploys left out"
