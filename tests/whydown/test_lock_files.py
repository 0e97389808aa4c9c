"""The lock files are complete, agree, and tell nothing of the machine that made them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-extras.lock", "requirements-dev.lock")


def pins(name: str) -> dict[str, str]:
    return dict(re.findall(r"(?m)^([a-z0-9][a-z0-9-]*)==(\S+)", (REPOSITORY / name).read_text()))


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_has_hashes_and_no_index_is_named(name: str) -> None:
    text = (REPOSITORY / name).read_text()
    blocks = re.findall(r"(?ms)^[a-z0-9][a-z0-9-]*==.*?(?=^[a-z0-9]|\Z)", text)
    assert len(blocks) == len(pins(name)) > 40
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []
    assert not re.search(r"(?m)^--|https?://|file:", text)


def test_every_declared_dependency_is_locked() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    runtime = project["project"]["dependencies"] + project["build-system"]["requires"]
    optional = project["project"]["optional-dependencies"]
    development = [need for need in optional.pop("dev") if not need.startswith("whydown[")]
    extras = [need for needs in optional.values() for need in needs]
    assert names(runtime) <= set(pins("requirements.lock"))
    assert names(runtime + extras) <= set(pins("requirements-extras.lock"))
    assert names(runtime + extras + development) <= set(pins("requirements-dev.lock"))


def test_the_tests_run_on_what_production_runs_on() -> None:
    runtime, extras, development = map(pins, LOCKS)
    assert {name: extras.get(name) for name in runtime} == runtime
    assert {name: development.get(name) for name in extras} == extras


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=!;\s]", requirement)[0].lower() for requirement in requirements}
