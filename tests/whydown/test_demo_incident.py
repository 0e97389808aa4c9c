"""The demonstration's scene holds what the story needs."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from shared.errors import WhydownError
from shared.moment import parse_time
from whydown.demo_incident import Scene, lay_out

AT = datetime(2031, 5, 6, 3, 12, tzinfo=UTC)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return lay_out(tmp_path, AT)


def git(scene: Scene, *arguments: str) -> str:
    folder = Path(scene.settings["WHYDOWN_REPOSITORIES"]) / "acme" / "invoice-api"
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


def test_the_guilty_commit_changes_the_connection_string_and_was_deployed(scene: Scene) -> None:
    shown = git(scene, "show", "--format=%s|%an|%ae|%cI", scene.guilty_commit)
    assert shown.startswith("refactor config to use Server= syntax|demo|demo@example.test|2031-05-06T02:48:00")
    assert '-        $"Host=' in shown
    assert '+        $"Server=' in shown
    deploy = scene.deployments[-1]
    assert (deploy["service"], deploy["commit"], deploy["startedAt"]) == (
        "invoice-api",
        scene.guilty_commit,
        "2031-05-06T03:08:00Z",
    )


def test_it_stands_among_harmless_commits(scene: Scene) -> None:
    history = git(scene, "log", "--format=%H").split()
    assert len(history) > 4
    assert history.index(scene.guilty_commit) == 1
    assert git(scene, "status", "--porcelain") == ""


def test_errors_begin_with_the_deploy(scene: Scene) -> None:
    lines = (Path(scene.settings["WHYDOWN_LOG_FILES"]) / "invoice-api.log").read_text().splitlines()
    times = [parse_time(line.split(" ", 1)[0]) for line in lines]
    failed = [at for at, line in zip(times, lines, strict=True) if "Failed to connect to 10.0.1.5:5432" in line]
    assert None not in times
    assert times == sorted(times, key=str)
    assert len(failed) > 20
    assert failed[0] is not None
    assert timedelta(0) < failed[0] - (AT - timedelta(minutes=4)) < timedelta(minutes=1)
    assert max(filter(None, times)) <= AT
    assert min(filter(None, times)) <= AT - timedelta(minutes=90)


def test_the_catalog_knows_the_services_and_how_they_hang_together(scene: Scene) -> None:
    text = (Path(scene.settings["WHYDOWN_CATALOG"]) / "catalog-info.yaml").read_text()
    entities = {entity["metadata"]["name"]: entity for entity in yaml.safe_load_all(text)}
    assert "resource:default/invoice-db" in entities["invoice-api"]["spec"]["dependsOn"]
    assert entities["notification-service"]["spec"]["dependsOn"] == ["component:default/invoice-api"]
    assert entities["invoice-api"]["metadata"]["annotations"] == {"github.com/project-slug": "acme/invoice-api"}


def test_the_heuristics_are_in_the_repository(scene: Scene) -> None:
    heuristics = git(scene, "show", "HEAD:GOTCHA.md").partition("## HEURISTICS\n")[2].partition("\n## ")[0]
    assert "No secrets in code" in heuristics
    assert "Npgsql wants `Host=`" in heuristics


def test_without_git_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WhydownError, match="needs git: install it"):
        lay_out(tmp_path / "scene", AT)


def test_the_users_own_git_has_no_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = tmp_path / "gitconfig"
    hostile.write_text("[commit]\n gpgsign = true\n[core]\n hooksPath = /nonexistent\n[init]\n defaultBranch = trunk\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(hostile))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    scene = lay_out(tmp_path / "scene", AT)
    assert len(scene.guilty_commit) == 40
