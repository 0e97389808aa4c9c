"""The files that install Whydown elsewhere start commands that there are, and keep to what it needs."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from whydown.commands import cli

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
PARTS = {"migrate", "web", "worker", "beat", "flower"}


def _runs(command: list[str]) -> str:
    """The command that a line of arguments starts; its options are parsed, nothing is run."""
    name, *arguments = command
    cli.commands[name].make_context(name, arguments)
    return name


def test_every_part_has_a_unit() -> None:
    started = [re.search(r"^ExecStart=\S+/whydown (.+)$", unit.read_text(), re.MULTILINE) for unit in UNITS]
    assert {_runs(command[1].split()) for command in started if command} == PARTS
    wanted = (DEPLOY / "systemd" / "whydown.target").read_text()
    assert all(re.search(rf"{unit.stem.rstrip('@')}[@1]*\.service", wanted) for unit in UNITS)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_understands_the_units(tmp_path: Path) -> None:
    for unit in (*UNITS, DEPLOY / "systemd" / "whydown.target"):
        (tmp_path / unit.name).write_text(unit.read_text().replace("/opt/whydown/.venv/bin/whydown", "/bin/true"))
    command = ["systemd-analyze", "verify", "--man=no", *map(str, sorted(tmp_path.iterdir()))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert str(tmp_path) not in done.stderr and "whydown" not in done.stderr, done.stderr


def test_the_pods_start_what_there_is_without_rights() -> None:
    items = yaml.safe_load((DEPLOY / "kubernetes.yaml").read_text())["items"]
    pods = [item["spec"]["template"]["spec"] for item in items if "template" in item.get("spec", {})]
    containers = [container for pod in pods for container in pod["containers"]]
    assert {_runs(container["args"]) for container in containers} == PARTS - {"flower"}
    for pod, container in zip(pods, containers, strict=True):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        volumes = {volume["name"] for volume in pod["volumes"]}
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
    (web,) = (container for container in containers if container["name"] == "web")
    assert web["readinessProbe"]["httpGet"]["path"] == "/readyz"
