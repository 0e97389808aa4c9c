"""Who is told of what; a file of routes that is wrong says where."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shared.errors import ConfigurationError
from worker.inquiry import Component
from worker.notifiers import Occasion
from worker.recipients import Recipients

PAGE = Path(__file__).parents[2] / "docs" / "notifications.md"
HOOK = "https://example.test/workflows/one?sig=c4n4ry"


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Slack and PagerDuty are there; nothing of the surroundings is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WHYDOWN_SLACK_TOKEN", "xoxb-1")
    monkeypatch.setenv("WHYDOWN_SLACK_CHANNEL", "C0DEFAULT")
    monkeypatch.setenv("WHYDOWN_PAGERDUTY_TOKEN", "key")
    monkeypatch.setenv("PAYMENTS_TEAMS_URL", HOOK)


def occasion(
    service: str = "web",
    event: str = "diagnosis",
    severity: str = "critical",
    sender: str = "alertmanager",
    **more: str,
) -> Occasion:
    owner = more.pop("owner", None)
    component = Component(ref=f"component:default/{service}", name=service, kind="component", owner=owner)
    return Occasion(event, service, severity, sender, component=component if owner else None, **more)  # type: ignore[arg-type]


def routed(text: str, monkeypatch: pytest.MonkeyPatch) -> Recipients:
    Path("routes.yaml").write_text(text)
    monkeypatch.setenv("WHYDOWN_NOTIFY", "routes.yaml")
    return Recipients.configured()


def test_without_a_file_everyone_is_told_of_all_that_they_are_for() -> None:
    everyone = Recipients.configured()
    assert everyone.told(occasion()) == ("slack",)
    assert everyone.told(occasion(sender="pagerduty")) == ("slack", "pagerduty")
    assert everyone.told(occasion(callback_url="https://a.test")) == ("callback", "slack")
    assert everyone.told(occasion(event="brief", callback_url="https://a.test")) == ("slack",)
    assert everyone.told(occasion(event="skipped", callback_url="https://a.test")) == ("callback",)


ROUTES = """
recipients:
  payments: {slack: C0PAYMENTS}
  payments-teams: {teams: $PAYMENTS_TEAMS_URL}
routes:
  - service: [payment-*, Till]
    severity: critical
    to: [payments, payments-teams]
    continue: true
  - owner: team-billing
    events: brief
    to: payments
  - service: "*"
    to: [slack]
"""


def test_the_first_route_that_matches_counts_and_those_it_continues_to(monkeypatch: pytest.MonkeyPatch) -> None:
    routes = routed(ROUTES, monkeypatch)
    assert routes.told(occasion("web")) == ("slack",)
    assert routes.told(occasion("payment-gateway")) == ("payments", "payments-teams", "slack")
    assert routes.told(occasion("till", severity="high")) == ("slack",)
    assert routes.told(occasion("till")) == ("payments", "payments-teams", "slack")
    assert routes.told(occasion("web", owner="group:default/team-billing")) == ()
    assert routes.told(occasion("web", "brief", owner="group:default/team-billing")) == ("payments",)
    assert routes.told(occasion("web", "brief", owner="group:default/team-other")) == ("slack",)


def test_the_page_about_it_shows_what_works(monkeypatch: pytest.MonkeyPatch) -> None:
    page = PAGE.read_text()
    for line in re.findall(r"(?m)^(WHYDOWN_(?:SLACK|TEAMS|PAGERDUTY|GITHUB)_[A-Z_]+)=(\S+)", page):
        monkeypatch.setenv(*line)
    monkeypatch.setenv("WHYDOWN_SLACK_TOKEN", "xoxb-1")
    monkeypatch.setenv("GITHUB_TOKEN", "token")
    (example,) = re.findall(r"(?s)```yaml\n(recipients:.*?)```", page)
    routes = routed(example, monkeypatch)
    assert {
        "slack",
        "teams",
        "pagerduty",
        "github",
        "payments",
        "payments-teams",
        "operations",
    } <= routes.notifiers.keys()
    assert routes.told(occasion("payment-gateway")) == ("payments", "payments-teams", "slack")
    assert routes.told(occasion("web", owner="group:default/team-billing")) == ("operations",)


def test_a_callback_url_needs_no_route(monkeypatch: pytest.MonkeyPatch) -> None:
    routes = routed("routes:\n  - {service: other, to: slack}\n", monkeypatch)
    assert routes.told(occasion(callback_url="https://a.test")) == ("callback",)


def test_a_route_leads_only_where_the_incident_can_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    routes = routed("routes:\n  - to: [pagerduty]\n", monkeypatch)
    assert routes.told(occasion()) == ()
    assert routes.told(occasion(sender="pagerduty")) == ("pagerduty",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("routes:\n  - {to: [slack], severity: worst}", r"line 2: routes\[1\]\.severity.*'critical'"),
        ("routes:\n  - to: [slack]\n    servce: x", r"line 3: routes\[1\]\.servce: Extra inputs"),
        ("routes:\n  - service: x", r"line 2: routes\[1\]\.to: Field required"),
        ("routes:\n  - to: [slack]\n    events: [ended]", r"line 3: routes\[1\]\.events\[1\].*'brief'"),
        (
            "routes:\n  - to: [slack, nobody]",
            r"line 2: routes\[1\]\.to\[2\]: no recipient 'nobody'; there is pagerduty, s",
        ),
        ("routes:\n  - to: [callback]", r"routes\[1\]\.to\[1\]: no recipient 'callback'"),
        ("routes:\n  - to: [teams]", r"teams is not configured: set WHYDOWN_TEAMS_WEBHOOK_URL"),
        ("recipients:\n  a: {pager: x}\nroutes: []", r"line 2: recipients\.a\.pager: unknown notifier 'pager'"),
        ("recipients:\n  a: {slack: x y}\nroutes: []", r"line 2: recipients\.a\.slack: a channel of Slack is"),
        ("recipients:\n  a: {teams: 'https://example.test/c4n4ry'}\nroutes: []", r"a URL may be a secret"),
        ("recipients:\n  a: {teams: $NOWHERE}\nroutes: []", r"the environment variable NOWHERE is not set"),
        ("recipients:\n  a: {teams: $WHYDOWN_TEAMS}\nroutes: []", r"does not begin with WHYDOWN_"),
        ("recipients:\n  a: {callback: x}\nroutes: []", r"comes with each alert"),
        ("recipients:\n  a: {pagerduty: x}\nroutes: []", r"the incident that the alert came from"),
        ("recipients:\n  a.b: {slack: C0123456}\nroutes: []", r"line 1: recipients: a\.b: a name is made of"),
        ("recipients:\n  a: {slack: C0123456, teams: $X}\nroutes: []", r"has to be one notifier"),
        ("routes: [", r", line 1: expected the node content"),
        ("- 1", r"line 1: the file"),
        ("", r"line 1: routes: Field required"),
    ],
)
def test_a_wrong_file_stops_start_up_and_says_where(text: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=rf"^WHYDOWN_NOTIFY: routes\.yaml.*{said}") as failure:
        routed(text, monkeypatch)
    assert "c4n4ry" not in str(failure.value)


def test_a_file_that_is_not_there_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHYDOWN_NOTIFY", "nowhere.yaml")
    with pytest.raises(ConfigurationError, match=r"nowhere\.yaml cannot be read"):
        Recipients.configured()
