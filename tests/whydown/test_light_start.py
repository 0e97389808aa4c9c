"""What starts often or must be there at once imports nothing that only others need."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    *("openai", "github", "alembic", "worker", "boto3", "azure", "apprise", "flower", "genai_prices", "AntiSSRF"),
    *("rich", "opentelemetry"),
)
"""Clients of vendors, the worker's own code, what only `whydown migrate` needs, and what libraries load unasked."""

NOT_FOR_HELP = (*HEAVY, "sqlalchemy", "pydantic", "flask", "celery", "redis", "structlog", "requests", "webhook")

NOT_FOR_WEB = (*HEAVY, "celery", "kombu")

NOT_FOR_BEAT = (*HEAVY, "sqlalchemy", "flask", "gunicorn", "requests", "webhook")


RUN = """
import sys
from whydown import __main__
sys.argv = ["whydown", "{argument}"]

def just_before_it_runs():
    {patches}

__main__.cli.callback = just_before_it_runs
try:
    __main__.main()
except SystemExit as ended:
    assert not ended.code
print(*{{name.partition(".")[0] for name, loaded in sys.modules.items() if loaded}})
"""
WEB = """
    from shared import schema
    from webhook import server
    schema.check_at_start = lambda database: None
    server._Server.run = server._Server.load
"""
BEAT = """
    from celery.apps.beat import Beat
    Beat.start_scheduler = lambda beat: None
"""


@pytest.mark.parametrize(
    ("argument", "patches", "others"),
    [("--help", "pass", NOT_FOR_HELP), ("web", WEB, NOT_FOR_WEB), ("beat", BEAT, NOT_FOR_BEAT)],
    ids=["help", "web", "beat"],
)
def test_it_imports_nothing_that_only_others_need(argument: str, patches: str, others: tuple[str, ...]) -> None:
    run = [sys.executable, "-c", RUN.format(argument=argument, patches=patches.strip())]
    told = subprocess.run(run, capture_output=True, text=True, check=True)
    imported = set(told.stdout.split("\n")[-2].split())
    assert "shared" in imported, "it ran"
    assert imported & set(others) == set()
