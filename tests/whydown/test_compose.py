"""The deployment files say nothing that the code does not know. (They cannot be run where there is no Docker.)"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.settings import every_setting
from whydown.commands import cli

REPOSITORY = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "whydown"}


def parses(arguments: list[str]) -> None:
    command = cli.commands[arguments[0]]
    command.make_context(arguments[0], arguments[1:])


@pytest.mark.parametrize("name", OURS)
def test_every_service_runs_a_command_that_exists(name: str) -> None:
    parses(OURS[name]["command"])


def test_the_image_runs_a_command_that_exists() -> None:
    (entrypoint,) = re.findall(r"(?m)^ENTRYPOINT (.*)$", DOCKERFILE)
    (command,) = re.findall(r"(?m)^CMD (.*)$", DOCKERFILE)
    assert json.loads(entrypoint) == ["whydown"]
    parses(json.loads(command))


def test_every_part_runs() -> None:
    assert {"migrate", "web", "worker", "beat", "flower"} == set(OURS)
    assert {name for name, service in OURS.items() if service["command"][0] != name} == set()


def test_all_wait_for_the_migrations() -> None:
    for name in set(OURS) - {"migrate"}:
        assert OURS[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert OURS["migrate"]["restart"] == "no"


def test_images_are_pinned() -> None:
    others = [service["image"] for name, service in SERVICES.items() if name not in OURS]
    bases = re.findall(r"(?m)^FROM (\S+)", DOCKERFILE)
    assert len(others) == 2
    for image in (*others, *bases):
        assert re.fullmatch(r"[a-z/]+:\d+\.\d+(\.\d+)?-[a-z0-9-]+", image), image


def test_the_containers_have_no_more_rights_than_they_need() -> None:
    for name, service in SERVICES.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
    assert all(service["read_only"] for service in OURS.values())
    assert re.search(r"(?m)^USER 10001:10001$", DOCKERFILE)


def test_nothing_is_published_beyond_this_machine() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_secret_is_made_once_and_is_a_setting_where_ours_read_it(tmp_path: Path) -> None:
    script = shutil.copy(REPOSITORY / "deploy" / "make-secrets", tmp_path)
    told = subprocess.run([script], check=True, capture_output=True, text=True).stdout
    folder = tmp_path / "secrets"
    made = {path.name: path.read_text() for path in folder.iterdir()}
    assert {f"./deploy/secrets/{name}" for name in made} == {secret["file"] for secret in COMPOSE["secrets"].values()}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert made["WHYDOWN_API_TOKEN"] in told
    assert made["postgres_password"] not in told
    assert made["postgres_password"] in made["WHYDOWN_DATABASE_URL"]
    assert min(map(len, made.values())) >= 48

    subprocess.run([script], check=True, capture_output=True)
    assert {path.name: path.read_text() for path in folder.iterdir()} == made

    known = {line.name for line in every_setting({})}
    for name, service in SERVICES.items():
        assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"]), name
    assert {secret for service in OURS.values() for secret in service["secrets"]} <= known


def test_the_image_is_built_from_the_code_and_nothing_else() -> None:
    kept = {line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for name in kept:
        assert (REPOSITORY / name).exists(), name
    assert {"shared", "webhook", "worker", "migrations", "whydown", "pyproject.toml", "requirements.lock"} <= kept
    assert "tests" not in kept
