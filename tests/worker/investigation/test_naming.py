"""Services named in lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worker.investigation.incident import SCOPE
from worker.investigation.naming import ServiceNames

NAMES = ServiceNames(
    (name, name)
    for name in ("payment-service", "cart", "cart-db", "productcatalogservice", "api", "frontend", "event-enricher-1")
)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("upstream 500 from payment-service", {"payment-service"}),
        ("PaymentService is down, payment_service too", {"payment-service"}),
        ("lookup paymentservice.payments.svc.cluster.local: no such host", {"payment-service"}),
        ("no answer from payment", {"payment-service"}),
        ("http://payment:8080/charge timed out", {"payment-service"}),
        ("payment client timed out", {"payment-service"}),
        ("payment failed", set()),
        ("prepayment-service is another", set()),
        ("pod payment-service-7d9f8b6c5d-x2x4z was killed", {"payment-service"}),
        ("payment-service-mock answered", set()),
        ("cart-db refused, cart_db too", {"cart-db"}),
        ("cart is slow", {"cart"}),
        ("cart-service is slow", {"cart"}),
        ("rpc.method=productcatalog.ListProducts failed", {"productcatalogservice"}),
        ("the api failed", set()),
        ("502 from api", {"api"}),
        ("event_enricher_1 lags, says frontend", {"event-enricher-1"}),
    ],
)
def test_names(text: str, named: set[str]) -> None:
    assert NAMES.within(text, own="frontend") == named


def test_those_of_the_scope_are_known() -> None:
    assert ServiceNames.of(SCOPE).within("invoice-db refused; notification-service waits", "invoice-api") == {
        "invoice-db",
        "notification-service",
    }


@given(st.lists(st.text(max_size=12), max_size=8), st.text(max_size=80))
def test_any_names_and_texts_are_taken(names: list[str], text: str) -> None:
    found = ServiceNames((name, name) for name in names)
    assert found.within(text, "own") <= set(names)
