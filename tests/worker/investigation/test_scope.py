"""Whom to look at, and when."""

from __future__ import annotations

from datetime import timedelta

from shared.settings import Investigation
from tests.worker.investigation.incident import ALERT_AT, INVOICE_API, MATCH, WINDOW
from worker.catalog_model.reach import around
from worker.inquiry import CatalogMatch, Component
from worker.investigation import scope


def test_the_alerted_service_comes_first_then_its_dependencies_then_its_callers() -> None:
    made = scope.make("invoice-api", MATCH, WINDOW)
    assert [(target.service, target.role) for target in made.targets] == [
        ("invoice-api", "alerted"),
        ("invoice-db", "dependency"),
        ("notification-service", "dependent"),
    ]
    assert made.targets[0].repository == "acme/invoice-api"


def test_without_a_catalog_only_the_alerts_own_name_is_looked_at() -> None:
    made = scope.make("checkout", None, WINDOW)
    assert [(target.service, target.log_names) for target in made.targets] == [("checkout", ("checkout",))]


def test_dependencies_are_bounded() -> None:
    greedy = INVOICE_API.model_copy(update={"depends_on": tuple(f"component:default/s{n}" for n in range(99))})
    made = scope.make("invoice-api", CatalogMatch(component=greedy), WINDOW)
    assert len(made.targets) == 1 + scope.MOST_DEPENDENCIES


def test_what_a_dependency_needs_is_looked_at_too_whatever_circles_there_are() -> None:
    def part(name: str, *needs: str) -> Component:
        refs = tuple(f"component:default/{each}" for each in needs)
        return Component(ref=f"component:default/{name}", name=name, kind="Component", system="shop", depends_on=refs)

    parts = [part("web", "cart"), part("cart", "store", "gone"), part("store", "web", "store"), part("mail")]
    known = {each.ref: each for each in parts}
    match = CatalogMatch(component=parts[0], neighbours=around(parts[0], known))
    made = scope.make("web", match, WINDOW)
    assert [(target.service, target.role) for target in made.targets] == [
        ("web", "alerted"),
        ("cart", "dependency"),
        ("store", "dependency"),
        ("gone", "dependency"),
        ("mail", "sibling"),
    ]


def test_the_window_ends_now_and_an_alert_from_the_future_starts_now() -> None:
    spans = scope.window(ALERT_AT + timedelta(days=3), Investigation(), ALERT_AT)
    assert spans.alert_at == spans.until == ALERT_AT
    assert spans.baseline_since < spans.logs_since < spans.until


def test_the_catalogs_own_facts_name_both_directions() -> None:
    facts = scope.catalog_facts(MATCH)
    assert [(fact.kind, fact.service) for fact in facts] == [
        ("service", "invoice-api"),
        ("dependency", "invoice-db"),
        ("dependent", "notification-service"),
    ]
