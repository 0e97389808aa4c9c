"""A Retry button on Flower's page of a task: it investigates the incident again, as POST /incidents/<id>/retry does.

Flower has none (https://github.com/mher/flower/issues/17). What this leans on are Flower's internals, so its minor
version is fixed in pyproject.toml.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

from flower import urls
from flower.views import BaseHandler
from tornado.template import Loader, Template
from tornado.web import HTTPError, authenticated, url

from shared.database import Database
from shared.settings import Storage
from shared.store import intake
from shared.task_queue import publish

_WORK: Final = re.compile(r"(?P<incident>[a-z0-9]{1,40})\.[0-9]+\.(investigate|gather|diagnose)\b.*")

_PAGE: Final = """\
{% extends "stock_task.html" %}
{% block extra_scripts %}
{% if is_analysis(task.uuid) and not read_only %}
<form id="whydown-retry" method="post" action="{{ reverse_url('whydown-retry', task.uuid) }}">
  {% raw xsrf_form_html() %}
  <button class="btn btn-primary" type="submit">Retry this analysis</button>
</form>
<script>document.querySelector(".detail-actions")?.append(document.getElementById("whydown-retry"));</script>
{% end %}
{% end %}
"""


def install() -> None:
    """Makes the button part of every Flower that this process starts from now on."""
    database = Database(Storage.read().resolved_database_url(), pool_size=2)
    urls.handlers.insert(0, url(r"/whydown/retry/(.+)", RetryAnalysis, {"database": database}, name="whydown-retry"))
    urls.settings["template_loader"] = _Templates(urls.settings["template_path"])


class RetryAnalysis(BaseHandler):  # type: ignore[misc]
    """Investigates an incident again. Flower's own login and token against forged forms are in force."""

    def initialize(self, database: Database, **known: Any) -> None:
        """Where incidents are."""
        super().initialize(**known)
        self._database = database

    @authenticated
    async def post(self, task_id: str) -> None:
        """Asks for another attempt, and leads to the list of tasks."""
        work = _WORK.fullmatch(task_id)
        taken = await asyncio.to_thread(intake.investigate_again, self._database, work["incident"]) if work else None
        if taken is None:
            raise HTTPError(404, "this task belongs to no incident")
        await asyncio.to_thread(publish, taken.work)
        self.redirect(self.reverse_url("tasks"), status=303)


class _Templates(Loader):
    """Flower's templates, its page of a task with the button."""

    def _create_template(self, name: str) -> Template:
        if name == "task.html":
            return Template(_PAGE, name=name, loader=self)
        return super()._create_template("task.html" if name == "stock_task.html" else name)

    def __init__(self, folder: str) -> None:
        super().__init__(folder, namespace={"is_analysis": lambda task_id: bool(_WORK.fullmatch(str(task_id)))})
