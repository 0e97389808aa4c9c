"""Reading the fields of a sender's JSON."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from webhook.fields import MAX_LABEL_VALUE, MAX_LABELS, MAX_LINKS, MAX_URL, NOTE, Fields, http_url, other_route
from webhook.senders import MalformedBody


@pytest.mark.parametrize("value", [None, True, 1, "x", []])
def test_what_is_no_object_is_named(value: object) -> None:
    with pytest.raises(MalformedBody, match=r"alerts\[3\] must be a JSON object") as refusal:
        Fields(value, "alerts[3]")
    assert refusal.value.field == "alerts[3]"


def test_names_and_texts_are_told_faithfully() -> None:
    given = {"text": " kept ", "number": 5, "flag": True, "nothing": None, "list": [1, "a"]}
    assert Fields({"labels": given}).pairs("labels") == {
        "text": " kept ",
        "number": "5",
        "flag": "true",
        "nothing": "",
        "list": '[1,"a"]',
    }
    assert Fields({"labels": None}).pairs("labels") == Fields({}).pairs("labels") == {}


@pytest.mark.parametrize("value", ["x", 1, True, [], False])
def test_labels_that_are_no_object_are_named(value: object) -> None:
    with pytest.raises(MalformedBody) as refusal:
        Fields({"labels": value}, "alerts[0]").pairs("labels")
    assert refusal.value.field == "alerts[0].labels"


def test_a_time_is_read_or_noted() -> None:
    fields = Fields({"good": "2026-11-23T10:00:00+02:00", "zero": "0001-01-01T00:00:00Z", "bad": "yesterday", "n": 5})
    assert fields.time("good") == datetime(2026, 11, 23, 8, tzinfo=UTC)
    assert [fields.time(name) for name in ("zero", "bad", "n", "missing")] == [None] * 4
    assert fields.notes == [
        "bad 'yesterday' was left out: it is no RFC 3339 time",
        "n '5' was left out: it is no RFC 3339 time",
    ]


def test_what_is_cut_is_said() -> None:
    fields = Fields({})
    pairs = {f"l{number}": "v" for number in range(MAX_LABELS + 2)} | {"l0": "x" * (MAX_LABEL_VALUE + 1)}
    kept = fields.kept("label", pairs)
    assert (len(kept), kept["l0"][-1], len(kept["l0"])) == (MAX_LABELS, "…", MAX_LABEL_VALUE)
    assert fields.noted({"a": "b"}) == {
        "a": "b",
        NOTE: "2 of 258 labels were left out; label 'l0' was cut to its beginning",
    }


def test_nothing_cut_is_nothing_said() -> None:
    fields = Fields({})
    assert fields.kept("label", {"a": "b" * MAX_LABEL_VALUE}) == {"a": "b" * MAX_LABEL_VALUE}
    assert fields.noted({"a": "b"}) == {"a": "b"}


@pytest.mark.parametrize(
    "url", ["http://a", "https://grafana.example.com:3000/d/x?a=1&b=%20#c", "HTTP://[::1]/", "https://bücher.example/ä"]
)
def test_links_that_may_be_shown(url: str) -> None:
    assert http_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        None,
        5,
        "",
        "dontcare",
        "/relative",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "http://",
        "http:///path",
        "http://user:secret@host/",
        "http://host:99999/",
        "http://[::1",
        "http://host/a b",
        "http://host/\u202egpj",
        'http://host/"onclick',
        "http://host/{app}",
        "http://host/\n",
        "http://host/" + "x" * MAX_URL,
    ],
)
def test_links_that_may_not(url: object) -> None:
    assert http_url(url) is None


def test_links_are_gathered_once_each() -> None:
    fields = Fields({"dashboardURL": "http://grafana/d", "panelURL": "", "silenceURL": "javascript:alert(1)"})
    titles = {"dashboardURL": "Dashboard", "panelURL": "Panel", "silenceURL": "Silence it"}
    annotations = {"runbook_url": " http://runbooks/x ", "again": "http://grafana/d", "text": "see http://x"}
    links = fields.links(titles, annotations)
    assert [(link.title, link.url) for link in links] == [
        ("Dashboard", "http://grafana/d"),
        ("Runbook", "http://runbooks/x"),
    ]
    assert [note.split()[0] for note in fields.notes] == ["silenceURL"]


def test_links_are_bounded() -> None:
    assert len(Fields({}).links({}, {f"a{n}": f"http://h/{n}" for n in range(MAX_LINKS + 1)})) == MAX_LINKS


def test_a_body_for_another_route_is_recognized() -> None:
    assert "/webhook/alert." in other_route({"serviceName": "x"})
    assert "/webhook/grafana." in other_route({"evalMatches": []})
    assert "/webhook/alertmanager" in other_route({"alerts": []})
    assert other_route({"event": {}}) == ""
