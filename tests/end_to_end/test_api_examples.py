"""docs/api.md: every example runs, in its order, as it is written; and no route is left out."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.installation import Installation

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
EXAMPLES = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
TOKEN = "token-of-the-test"

pytestmark = pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="needs curl and jq")


def test_every_example_runs(tmp_path: Path) -> None:
    tokens = {"WHYDOWN_API_TOKEN": TOKEN, "WHYDOWN_WEBHOOK_TOKEN": TOKEN}
    with Installation(tmp_path / "data", tokens) as whydown:
        whydown.start_queue()
        whydown.migrate()
        whydown.start_web()
        whydown.start_worker()
        environment = {**whydown.environment, "WHYDOWN": whydown.url, "TOKEN": TOKEN}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "\n".join(EXAMPLES)],
            env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr + whydown.logs()
    incident = json.loads((tmp_path / "incident.json").read_text())
    assert incident["status"] == "done"
    assert len(incident["attempts"]) == 2, "it was investigated again"
    lines = done.stdout.splitlines()
    assert "304" in lines, "nothing had changed"
    assert incident["id"] in lines, "it is listed"
    assert any(line.startswith('whydown_incidents{status="done"} ') for line in lines)
    assert json.loads((tmp_path / "bundle.json").read_text())["alert"]
    assert len(EXAMPLES) > 8


def test_every_route_is_told(tmp_path: Path) -> None:
    with Installation(tmp_path / "data", {}) as whydown:
        whydown.start_queue()
        whydown.migrate()
        whydown.start_web()
        routes = whydown.get("/openapi.json").json()["paths"]
    page = PAGE.read_text()
    shown = {path: path.replace("{incident_id}", "$INCIDENT").replace("{sender}", "<sender>") for path in routes}
    left_out = {path for path, text in shown.items() if not re.search(re.escape(text) + r"(?![\w/])", page)}
    assert left_out <= {"/", "/sign-in"}
    assert len(routes) > 12
