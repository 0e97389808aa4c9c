"""Every line of every registry loads, and fits the contract that stands above it."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shared.registry import Registry, UnknownName
from webhook.senders import SENDERS, Sender
from worker.catalogs import CATALOGS, Catalog
from worker.llm import PROVIDERS, Provider
from worker.notifiers import NOTIFIERS, Notifier
from worker.sources import SOURCES, Source

CONTRACTS: list[tuple[Registry[Any], type]] = [
    (SENDERS, Sender),
    (SOURCES, Source),
    (CATALOGS, Catalog),
    (PROVIDERS, Provider),
    (NOTIFIERS, Notifier),
]
LINES = [
    pytest.param(registry, contract, name, id=f"{registry.kind} {name}")
    for registry, contract in CONTRACTS
    for name in registry.names()
]


@pytest.mark.parametrize(("registry", "contract", "name"), LINES)
def test_a_connector_fits_its_contract(registry: Registry[Any], contract: type, name: str) -> None:
    loaded = registry.load(name)
    for method, asked in vars(contract).items():
        if callable(getattr(contract, method)) and not method.startswith("_"):
            wanted = inspect.signature(asked.__func__ if isinstance(asked, classmethod) else asked)
            own = inspect.getattr_static(loaded, method)
            found = inspect.signature(own.__func__ if isinstance(asked, classmethod) else own)
            assert list(found.parameters) == list(wanted.parameters), method
    for attribute in inspect.get_annotations(contract):
        assert hasattr(loaded, attribute) or attribute in inspect.get_annotations(loaded) or attribute == "model"


def test_source_names_start_with_their_category() -> None:
    assert {name.partition(".")[0] for name in SOURCES.names()} == {"changes", "heuristics", "logs", "metrics"}


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UnknownName, match=r"did you mean grafana\? Known: alert, alertmanager, azure-monitor, "):
        SENDERS.load("grafanna")


def test_the_receiver_loads_no_vendor_sdk() -> None:
    code = (
        "import sys, tempfile, webhook.application, shared.database as d;"
        "webhook.application.create_app(d.Database('sqlite://'));"
        "print([m for m in ('openai', 'github', 'worker') if m in sys.modules])"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WHYDOWN_")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=kept)
    assert done.stdout.strip() == "[]"


SMOKE = """
from pydantic import SecretStr

from shared.alert import Delivery
from shared.settings import Section, setting
from webhook.senders import Sender


class Config(Section):
    chimney: str | None = setting("WHYDOWN_CHIMNEY", default=None, description="Where the smoke is.")


class Smoke(Sender):
    configure = "WHYDOWN_CHIMNEY"
    aliases = ("smoke-signals",)
    config = Config

    def parse(self, body, headers):
        return Delivery("smoke", (), ignored=f"{len(body)} puffs")
"""


def test_a_sender_of_another_package_needs_an_entry_point_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "smoke.py").write_text(SMOKE)
    (tmp_path / "smoke-1.0.dist-info").mkdir()
    (tmp_path / "smoke-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: smoke\nVersion: 1.0\n")
    (tmp_path / "smoke-1.0.dist-info" / "entry_points.txt").write_text("[whydown.senders]\nsmoke = smoke:Smoke\n")
    code = (
        "import webhook.application, shared.database as d, shared.settings as s, shared.tables as t;"
        "s.check_names();"
        "database = d.Database(s.Storage.read().resolved_database_url());"
        "t.Base.metadata.create_all(database.engine);"
        "app = webhook.application.create_app(database);"
        "ask = app.test_client().post;"
        "print(ask('/webhook/Smoke_Signals', json={}).status_code, app.extensions['whydown'].senders['smoke'])"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WHYDOWN_")}
    env = kept | {"PYTHONPATH": str(tmp_path), "WHYDOWN_CHIMNEY": "here", "WHYDOWN_DATA": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout.startswith("202 <smoke.Smoke")
