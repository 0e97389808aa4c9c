"""What starts often or must be there at once imports nothing that only others need."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("openai", "github", "alembic", "worker", "boto3", "azure", "apprise", "flower", "genai_prices", "AntiSSRF")
"""Clients of vendors, the worker's own code, and what only `whydown migrate` needs."""

NOT_FOR_HELP = (*HEAVY, "sqlalchemy", "pydantic", "flask", "celery", "redis", "structlog", "requests", "webhook")

NOT_FOR_BEAT = (*HEAVY, "sqlalchemy", "flask", "gunicorn", "requests", "webhook")


def _imported(code: str) -> set[str]:
    told = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(told.stdout.split("\n")[-2].split())


HELP = """
from whydown import __main__
sys.argv = ["whydown", "--help"]
try:
    __main__.main()
except SystemExit as ended:
    assert not ended.code
"""
RECEIVER = """
from shared import schema
from webhook import server
from whydown.commands import cli
schema.check_at_start = lambda database: None
server._Server.run = server._Server.load
cli(["web"], standalone_mode=False)
"""
BEAT = """
from celery.apps.beat import Beat
from whydown.commands import cli
Beat.start_scheduler = lambda beat: None
cli(["beat"], standalone_mode=False)
"""


@pytest.mark.parametrize(
    ("code", "others"),
    [(HELP, NOT_FOR_HELP), (RECEIVER, HEAVY), (BEAT, NOT_FOR_BEAT)],
    ids=["help", "receiver", "beat"],
)
def test_it_imports_nothing_that_only_others_need(code: str, others: tuple[str, ...]) -> None:
    imported = _imported(code)
    assert "shared" in imported, "it ran"
    assert imported & set(others) == set()
