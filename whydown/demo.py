"""The demonstration: everything running, one incident sent as Alertmanager would, and its diagnosis on the terminal."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from dotenv import dotenv_values

from shared.errors import WhydownError
from shared.moment import now
from shared.settings import PREFIX, Storage, every_setting
from whydown.client import Client, show
from whydown.demo_incident import Scene, lay_out
from whydown.supervision import StopRequested
from whydown.up import Installation, Running, locked, running

_MARK: Final = ".whydown-demo"
"""Says that a folder is a demonstration's, and may be emptied."""
_MODEL: Final = ("WHYDOWN_AI_", "OPENAI_")


def run(port: int, data: Path, once: bool) -> int:
    """Shows the incident; then, on a terminal and without `once`, stays until a signal. Gives the exit status: 0 for a
    diagnosis. Raises WhydownError when something does not start.
    """
    data = data.absolute()
    status = 1
    with suppress(StopRequested), locked(data):
        _empty(data)
        scene = lay_out(data / "scene", now().replace(microsecond=0))
        environment = environment_of(scene)
        storage = Storage(data=data, database_url=None, redis_url=None)
        environment |= {"WHYDOWN_DATA": str(data), "WHYDOWN_PUBLIC_URL": f"http://127.0.0.1:{port}"}
        installation = Installation(storage, port, environment, data)
        with running(installation) as site:
            status = _show(installation, site, scene)
            if sys.stdout.isatty() and not once:
                print(
                    f"\nFlower: {site.flower_url}  login: {site.flower_login}\nCtrl-C ends the demonstration.",
                    flush=True,
                )
                site.supervisor.watch()
    return status


def _show(installation: Installation, site: Running, scene: Scene) -> int:
    client = Client(installation.url)
    for deployment in scene.deployments:
        client.call("POST", "/deployments", deployment)
    print(f"\nAlertmanager reports: {scene.title}")
    if not any(name.startswith(_MODEL) for name in installation.environment):
        print("No model is configured (WHYDOWN_AI_ENDPOINT, WHYDOWN_AI_KEY): the brief, which needs none, answers.")
    accepted = client.call("POST", "/webhook/alertmanager", scene.alert)
    return show(client, accepted["incidents"][0]["id"], site.supervisor.pause)


def _empty(data: Path) -> None:
    entries = [entry for entry in data.iterdir() if entry.name != _MARK]
    if entries and not (data / _MARK).exists():
        raise WhydownError(f"{data} holds something else than a demonstration: name another folder with --data")
    (data / _MARK).touch()
    for entry in entries:
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def environment_of(scene: Scene) -> dict[str, str]:
    """What the demonstration's processes see: the scene and the user's model, and none of the user's other systems."""
    known = {name for line in every_setting({}) for name in (line.name, *line.also)}
    given = {name: value for name, value in {**dotenv_values(".env"), **os.environ}.items() if value}
    model = {name: value for name, value in given.items() if name.startswith(_MODEL)}
    plain = {name: value for name, value in os.environ.items() if name not in known and not name.startswith(PREFIX)}
    return plain | model | scene.settings
