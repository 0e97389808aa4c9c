"""The log of a real process: one JSON object per line, without secrets, whoever writes it and however."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]

WRITES = """
import logging, sys
import structlog
from shared import log_output

log_output.configure()
own = structlog.get_logger("own")
own.info("started", password="hunter2pass", url="redis://:hunter2pass@cache/0", where={"api_key": ["k3yk3yA9zz0QQ"]})
own.info("object", thing=type("Odd", (), {"__repr__": lambda _: "token=k3yk3yA9zz0QQ"})())
logging.getLogger("library").warning("retry with %s", "pwd=hunter2pass")
logging.getLogger("library").warning("arguments %s %s do not fit pwd=hunter2pass", 1)
try:
    raise ValueError("refused: password=hunter2pass")
except ValueError:
    own.exception("failed")
    logging.getLogger("library").exception("failed too")
server = logging.getLogger("server")
server.propagate = False
server.addHandler(logging.StreamHandler(sys.stdout))
try:
    raise ValueError("refused: password=hunter2pass")
except ValueError:
    server.exception("GET /?access_token=%(token)s", {"token": "k3yk3yA9zz0QQ"})
"""


def test_nothing_secret_is_logged(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WRITES],
        cwd=tmp_path,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "hunter2pass" not in done.stderr + done.stdout
    assert "k3yk3yA9zz0QQ" not in done.stderr + done.stdout
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"].split()[0] for line in lines] == [
        "started", "object", "retry", "arguments", "failed", "failed",
    ]  # fmt: skip
    assert all("Traceback" in line["exception"] and "ValueError" in line["exception"] for line in lines[4:])
    assert "Traceback" in done.stdout and "[secret:password:" in done.stdout
    assert (done.stderr + done.stdout).count("[secret:") >= 10
