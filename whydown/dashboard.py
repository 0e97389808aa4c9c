"""What Whydown adds to Flower: a login in front of everything, and Retry on what failed, in the list of tasks and on a
task's own page.

Flower has neither a Retry button (https://github.com/mher/flower/issues/17) nor a login for its figures. What this
leans on are Flower's internals, so its minor version is fixed in pyproject.toml.
"""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any, Final

from flower import urls
from flower.views import BaseHandler
from tornado.routing import URLSpec
from tornado.template import Loader, Template
from tornado.web import HTTPError, StaticFileHandler, authenticated, url

from shared.database import Database
from shared.settings import Address, Storage
from shared.store import intake
from shared.task_queue import TASKS, WORK_ID, publish

COLUMNS: Final = "state,args,exception,name,received,runtime,uuid,worker"
"""Of the list of tasks: which service's analysis, and why it failed, come first."""

OPEN: Final = ("/healthcheck",)
"""What needs no login: it says OK to whoever watches the container, and nothing else."""

UNUSED: Final = ("/login/?",)
"""For logins of other kinds than ours."""

_PAGES: Final = Path(__file__).parent / "dashboard_pages"
_ANALYSIS: Final = rf"^{WORK_ID.pattern}$"
_STOCK: Final = "stock/"


def install() -> None:
    """Makes it part of every Flower that this process starts from now on. Raises ConfigurationError."""
    database = Database(Storage.read().resolved_database_url(), most_connections=4)
    retry = url(r"/whydown/retry/(.+)", RetryAnalysis, {"database": database}, name="whydown-retry")
    wanted = [retry, *(rule for rule in map(_rule, urls.handlers) if rule.regex.pattern.rstrip("$") not in UNUSED)]
    urls.handlers[:] = [rule if rule.regex.pattern.rstrip("$") in OPEN else _guarded(rule) for rule in wanted]
    urls.settings["static_handler_class"] = _StaticFiles
    public_url = (Address.read().public_url or "").rstrip("/")
    urls.settings["template_loader"] = _Templates(
        urls.settings["template_path"],
        failed_incidents=f"{public_url}/incidents?status=failed" if public_url else None,
        reason_column=COLUMNS.split(",").index("exception") + 1,
        analysis=json.dumps(_ANALYSIS),
        is_analysis=lambda task_id: re.match(_ANALYSIS, str(task_id)) is not None,
    )


class RetryAnalysis(BaseHandler):  # type: ignore[misc]
    """Investigates an incident again, as POST /incidents/<id>/retry does. Flower's token against forged forms is in
    force.
    """

    def initialize(self, database: Database, **known: Any) -> None:
        """Where incidents are."""
        super().initialize(**known)
        self._database = database

    @authenticated
    async def post(self, task_id: str) -> None:
        """Asks for another attempt, and leads to the list of attempts, the new one first."""
        work = re.match(_ANALYSIS, task_id)
        taken = await asyncio.to_thread(intake.investigate_again, self._database, work[1]) if work else None
        if taken is None:
            raise HTTPError(404, "this task belongs to no incident")
        await asyncio.to_thread(publish, taken.work)
        self.redirect(f"{self.reverse_url('tasks')}?name={TASKS['investigate']}", status=303)


class _Login:
    """Nothing of a page before its reader has given the login. Stands before one of Flower's handlers."""

    async def prepare(self) -> None:
        try:
            # Who it is matters not: Flower answers 401 when it is nobody.
            self.current_user  # type: ignore[attr-defined]  # noqa: B018
        except TypeError:  # it compares ASCII only
            raise HTTPError(401) from None
        super().prepare()  # type: ignore[misc]


class _StaticFiles(_Login, BaseHandler, StaticFileHandler):  # type: ignore[misc]
    """Flower's scripts and styles."""


def _rule(rule: Any) -> URLSpec:
    return rule if isinstance(rule, URLSpec) else url(*rule)


def _guarded(rule: URLSpec) -> URLSpec:
    kind = rule.handler_class
    guarded = _StaticFiles if kind is StaticFileHandler else type(kind.__name__, (_Login, kind), {})
    return url(rule.regex.pattern, guarded, rule.kwargs, rule.name)


class _Templates(Loader):
    """Flower's templates, those that are in our folder before its own; ours extend its own by the name `stock/...`."""

    def __init__(self, folder: str, **namespace: Any) -> None:
        super().__init__(folder, namespace=namespace)

    def resolve_path(self, name: str, parent_path: str | None = None) -> str:
        """A name means the same wherever it is used."""
        return name

    def _create_template(self, name: str) -> Template:
        own = _PAGES / name
        if name.startswith(_STOCK) or not own.is_file():
            return super()._create_template(name.removeprefix(_STOCK))
        return Template(own.read_bytes(), name=name, loader=self)
