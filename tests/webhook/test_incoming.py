"""Bodies are read in one place only, which redacts them."""

from __future__ import annotations

import ast
from pathlib import Path

import webhook
from shared.database import Database
from shared.store import pushes
from tests.webhook.receivers import receiver_on

READS = {"get_data", "get_json", "form", "json", "stream", "data", "values", "files"}
ALLOWED = {
    ("incoming", "get_data"),
    ("incoming", "form"),
    ("access", "get_data"),  # for the signature
    ("intake_routes", "get_data"),  # for the digest of an idempotent request
    ("sign_in_routes", "form"),  # the token itself
}


def test_no_route_reads_a_body_past_the_redaction() -> None:
    reads = {
        (module.stem, node.attr)
        for module in Path(str(webhook.__file__)).parent.glob("*.py")
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "request"
        and node.attr in READS
    }
    assert reads - ALLOWED == set()


def test_a_callback_keeps_its_token_and_all_else_loses_it(database: Database) -> None:
    url = "https://hooks.example.com/a?token=k3yk3yA9zz0QQ"
    body = {"serviceName": "invoice-api", "alertTitle": f"see {url}", "callbackUrl": url}
    with receiver_on(database).test_client() as client:
        answer = client.post("/webhook/alert", json=body)
        (incident,) = answer.json["incidents"] if answer.json else []
        shown = client.get(f"/incidents/{incident['id']}").text
    assert pushes.addressed(database, incident["id"]).callback_url == url
    assert "k3yk3yA9zz0QQ" not in shown and "[secret:" in shown
