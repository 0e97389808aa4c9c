"""The parts as processes of their own, as production runs them: worker, beat, Flower, migrations."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import sys
import threading
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field, SecretStr

from shared.errors import ConfigurationError, WhydownError
from shared.settings import Section, Storage, setting

if TYPE_CHECKING:
    from whydown.siblings import Siblings

_FINISH_SECONDS: Final = 20.0
"""How long a worker that is asked to end may finish what it has begun. Below Docker's and Kubernetes' 30 s."""

_AGAIN_SECONDS: Final = 1.0
"""How often a worker that starts looks for its database."""


_LOADED_LATE: Final = (
    *("celery.apps.worker", "celery.worker.components", "celery.worker.consumer", "celery.concurrency.thread"),
    *("shared.queue_transport", "shared.task_events"),
)
"""What Celery would load when its worker is made, and so in each process for itself."""


class Config(Section):
    """The processes beside the receiver."""

    worker_concurrency: Annotated[int, Field(ge=1, le=1000)] = setting(
        "WHYDOWN_WORKER_CONCURRENCY",
        default=64,
        description="Threads of each worker process: what it looks into at once. A third more are there for pushes.",
    )
    worker_processes: Annotated[int, Field(ge=1, le=64)] = setting(
        "WHYDOWN_WORKER_PROCESSES",
        default=1,
        description="Processes of a `whydown worker`: one for each core that it may use. They share the memory of what "
        "they import.",
    )
    flower_auth: SecretStr | None = setting(
        "WHYDOWN_FLOWER_AUTH",
        default=None,
        description="`user:password` for Flower. Unset: one is made, kept in the data folder and printed.",
    )


def run_worker() -> None:
    """A worker, until it is told to end; exit status 1 when one of its processes died."""
    from celery.signals import worker_shutting_down  # noqa: PLC0415

    from shared import heaps, tracing  # noqa: PLC0415
    from whydown import siblings  # noqa: PLC0415
    from worker.doors import threads_for  # noqa: PLC0415

    config = Config.read()
    heaps.bound()
    # Not by Celery's command line, which loads Flower and a terminal's whole toolkit.
    celery = _celery()
    celery.loader.import_default_modules()
    for name in _LOADED_LATE:
        import_module(name)
    _await_parts()
    if config.worker_processes > 1:
        _close_parts()
    others = siblings.forked(config.worker_processes)
    worker_shutting_down.connect(lambda **_: _bound_the_end(others), weak=False)
    tracing.start("worker")
    # Threads: the work waits for HTTP, and they cost a tenth of processes. The process id keeps node names apart.
    worker = celery.Worker(
        hostname=f"worker-{os.getpid()}@{socket.gethostname()}",
        pool_cls="threads",
        concurrency=threads_for(config.worker_concurrency),
        quiet=True,
        loglevel="INFO",
    )
    worker.start()
    others.end()
    sys.exit(1 if others.died else worker.exitcode)


def _await_parts() -> None:
    """Returns when the worker's parts are made, for which it needs the database, however long that takes. Raises
    SchemaBehind, and what is wrong with any connector's settings.
    """
    import structlog  # noqa: PLC0415
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    from shared import schema  # noqa: PLC0415
    from shared.database import Database, is_away  # noqa: PLC0415
    from worker.parts import parts  # noqa: PLC0415

    database = Database(Storage.read().resolved_database_url())
    while True:
        try:
            schema.check(database)
            parts()
        except (schema.Unreachable, SQLAlchemyError) as failure:
            if not (isinstance(failure, schema.Unreachable) or is_away(failure)):
                raise
            structlog.get_logger(__name__).warning("database_unreachable", reason=type(failure).__name__)
            time.sleep(_AGAIN_SECONDS)
        else:
            database.close()
            return


def _close_parts() -> None:
    """Each process makes its own: a connection must not be shared. They were made to see that they can be."""
    from worker.parts import parts  # noqa: PLC0415

    parts().database.close()
    parts.cache_clear()


def _celery() -> Any:
    """Celery's application, its log in our form."""
    from shared import log_output  # noqa: PLC0415
    from shared.task_application import celery_app  # noqa: PLC0415

    log_output.configure()
    return celery_app


def _bound_the_end(others: Siblings) -> None:
    others.ask(signal.SIGTERM)
    # Celery waits for its threads without limit, on QUIT too: Python can end no thread.
    timer = threading.Timer(_FINISH_SECONDS, _end_now, (others,))
    timer.daemon = True
    timer.start()

    def at_once(*_: object) -> None:
        others.ask(signal.SIGQUIT)
        threading.Thread(target=_end_now, args=(others,), daemon=True).start()

    signal.signal(signal.SIGQUIT, at_once)


def _end_now(others: Siblings) -> None:
    from celery.signals import worker_shutdown  # noqa: PLC0415

    worker_shutdown.send(sender=None)  # hands back what the worker has in hand
    others.end()
    os._exit(1 if others.died else 0)


def run_beat() -> None:
    """The one process that sends periodic work, until it is told to end."""
    # The schedule is kept in memory: its periods are seconds, so there is nothing to remember, and Celery's default
    # file breaks when the process is killed while it writes.
    celery = _celery()
    celery.conf.include = ()  # it sends tasks by their names, and needs nothing of what workers are made of
    celery.Beat(scheduler_cls="celery.beat:Scheduler", loglevel="INFO", quiet=True).run()


def run_flower(host: str, port: int) -> None:
    """Flower, never without a login, until it is told to end."""
    data = Storage.read().data
    login, made = flower_login(data)
    if made:
        print(f"Flower on http://{host}:{port}  login {login}", flush=True)
    from whydown import dashboard  # noqa: PLC0415

    dashboard.install()
    _celery().start(
        [
            "flower",
            f"--address={host}",
            f"--port={port}",
            f"--basic-auth={login}",
            "--persistent=True",
            f"--db={data / 'flower'}",
            "--state-save-interval=10000",
            "--max-tasks=10000",
            f"--tasks-columns={dashboard.COLUMNS}",
            f"--conf={os.devnull}",  # or it would run a flowerconfig.py of the working directory
        ]
    )


def flower_login(data: Path) -> tuple[str, bool]:
    """`user:password` for Flower, and whether it was made up here: then it stays the same for this data folder."""
    if (given := Config.read().flower_auth) is not None:
        login = given.get_secret_value()
        user, _, password = login.partition(":")
        if not user or not password or "," in login or not login.isascii():  # Flower splits at commas
            raise ConfigurationError("WHYDOWN_FLOWER_AUTH: write it as user:password, in ASCII and without a comma")
        return login, False
    kept = data / "flower-login"
    data.mkdir(parents=True, exist_ok=True)
    try:
        with os.fdopen(os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"whydown:{secrets.token_urlsafe(18)}")
    except FileExistsError:
        pass
    return kept.read_text(), True


def migrate(down_to: str | None) -> str:
    """Brings the database's schema up to date, or back to a revision. Gives what was done, in words."""
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    from shared import schema  # noqa: PLC0415
    from shared.database import Database  # noqa: PLC0415

    database = Database(Storage.read().resolved_database_url())
    try:
        if down_to is not None:
            schema.downgrade(database, down_to)
            return f"the database is back at schema {down_to}"
        return f"the database is at schema {schema.upgrade(database)}"
    except SQLAlchemyError as failure:
        reason = str(getattr(failure, "orig", None) or failure).strip().partition("\n")[0]
        raise WhydownError(f"the database could not be migrated: {reason} (check WHYDOWN_DATABASE_URL)") from None
    finally:
        database.close()
