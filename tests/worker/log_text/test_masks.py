"""What of a line is variable, and what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.log_text.masks import LONGEST_VALUE, MOST_TOKENS, masked


def shape(text: str) -> str:
    return " ".join(masked(text).tokens)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("order 1 failed after 18.5ms", "order 20713 failed after 7ms"),
        ("2026-11-23T03:12:00.123Z ERROR boom", "2026-11-23T03:13:07+01:00 ERROR boom"),
        ("charge c0ffee00-0000-4000-8000-000000000001 failed", "charge deadbeef-1111-4000-8000-000000000002 failed"),
        ("handled trace_id=b9f6a60de13cfc8a", "handled trace_id=205fd444b4c8a81b"),
        ("handled request_id=one", "handled request_id=two"),
        ("connect 10.0.1.5:5432: refused", "connect 10.0.1.6:5433: refused"),
        ("lookup db.internal: no such host", "lookup api.example.com: no such host"),
        ("cannot reach redis:6379", "cannot reach postgres:5432"),
        ("GET https://a.example.com/x?y=1 failed", "GET http://b.internal:8080/ failed"),
        ('no such user "alice"', 'no such user "bob smith"'),
        ("missing field 'lat' in record", "missing field 'lon' in record"),
        ("GET /orders/17/items 200", "GET /orders/4711/items 200"),
        ('{"user":"alice","id":3}', '{"user":"bob","id":44}'),
        ("mail to alice@example.com bounced", "mail to bob.x@example.org bounced"),
        ("pod pay-7d9f8b6c5d-x2x4z is gone", "pod pay-5c4d3b2a19-abcde is gone"),
        ("password [secret:password:ab12] refused", "password [secret:password:cd34] refused"),
        ("boom\n  at A.f(A.java:1)\n  at B.g(B.java:2)", "boom\n  at A.f(A.java:7)\n  at C.h(C.java:3)"),
    ],
)
def test_what_varies_is_masked(one: str, other: str) -> None:
    assert shape(one) == shape(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("upstream answered 500", "upstream answered 404"),
        ('"GET /x HTTP/1.1" 200 17', '"GET /x HTTP/1.1" 503 17'),
        ("done status=200", "done status=500"),
        ("call failed error=timeout", "call failed error=refused"),
        ('level=error msg="disk full"', 'level=error msg="disk slow"'),
        ('{"error":"timeout"}', '{"error":"refused"}'),
        ("java.lang.OutOfMemoryError: heap", "java.lang.StackOverflowError: heap"),
        ("boom\n  at A.f(A.java:1)", "boom\n  at B.f(B.java:1)"),
        ("boom\nCaused by: java.io.IOException: x", "boom\nCaused by: java.sql.SQLException: x"),
        ("panic: nil stack=pay/charge.go:118", "panic: nil stack=pay/refund.go:7"),
    ],
)
def test_what_tells_errors_apart_is_kept(one: str, other: str) -> None:
    assert shape(one) != shape(other)


def test_values_are_named_by_the_key_or_word_before_them_else_by_their_kind() -> None:
    values = masked("field 'lat' is 412.7; record_id=geo-evt-8f3a producer=partner at 10.0.0.1:53").values
    assert [(value.name, value.text, value.host) for value in values] == [
        ("field", "lat", False),
        ("number", "412.7", False),
        ("record_id", "geo-evt-8f3a", False),
        ("producer", "partner", False),
        ("ip", "10.0.0.1:53", True),
    ]


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("GET https://user@api.stripe.com:443/v1 failed", ["api.stripe.com:443"]),
        ("dial tcp: lookup smtp.sendgrid.net on 10.96.0.10:53", ["smtp.sendgrid.net", "10.96.0.10:53"]),
        ("url=http://cart:8080/x failed", ["cart:8080"]),
        ("cannot reach redis:6379", ["redis:6379"]),
        ("java.lang.NullPointerException at com.acme.io: charge.go:118 http.route=/x a.b", []),
    ],
)
def test_hosts(text: str, hosts: list[str]) -> None:
    assert [value.text for value in masked(text).values if value.host] == hosts


@given(st.text(alphabet=st.sampled_from(list("ab1 =:/.-\"'`@[]{}\n\x00é\U0001f600"))) | st.text(max_size=3_000))
def test_any_text_has_a_bounded_shape(text: str) -> None:
    found = masked(text)
    assert len(found.tokens) <= MOST_TOKENS
    assert all(len(value.text) <= LONGEST_VALUE for value in found.values)
    assert masked(text) == found
