"""The receiver behind gunicorn: threads that share a process, forked so often as is set.

The application is made before the fork, so that the processes share its memory: docs/decisions/0022-one-import.md.
"""

from __future__ import annotations

import logging
import re
import select
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from itertools import count
from typing import Any, Final

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.util import close_graceful
from gunicorn.workers.gthread import TConn, ThreadWorker

from shared import cores, forking, heaps, log_output, schema, tracing
from shared.database import Database
from shared.redaction.installed import redactor
from shared.settings import Storage
from webhook.access import check_exposure
from webhook.application import create_app
from webhook.body import one_line
from webhook.settings import Access, Serving

LONGEST_LINE: Final = 8_190
"""Characters that gunicorn takes of a request's first line, at most (its `limit_request_line`)."""


def serve(host: str, port: int) -> None:
    """Serves until it is told to end. Raises ConfigurationError when `host` lets others in without tokens."""
    access = Access.read()
    check_exposure(host, access)
    heaps.bound()
    log_output.configure()
    database = _database(2)
    schema.check_at_start(database)
    database.close()
    serving = Serving.read()
    # It opens its first connection when it is first asked something, and so in the process that is asked.
    app = create_app(_database(2 * serving.threads), waiting=serving.threads // 2)
    forking.share_what_is_there()
    _Server(host, port, serving, app).run()


def _database(most_connections: int) -> Database:
    return Database(Storage.read().resolved_database_url(), most_connections)


class Worker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's threads, except that a connection ends on the thread that served it. gunicorn waits up to two seconds
    for the other side to close, and does so on the one thread that accepts everybody else.
    """

    number = 0
    """Among those that live."""

    def init_process(self) -> None:
        """The life of a process, after the fork."""
        cores.keep_to_one(self.number, self.cfg.workers)
        tracing.start("web")
        super().init_process()

    def handle(self, conn: TConn) -> object:
        """Serves one request. False when the connection is over."""
        kept = super().handle(conn)
        if not kept:
            end(conn.sock)
        return kept


def give_place(arbiter: Arbiter, worker: Worker) -> None:
    """Before its fork: a worker that comes for one that died takes its place."""
    taken = {other.number for other in arbiter.WORKERS.values()}
    worker.number = next(free for free in count() if free not in taken)


def end(connection: socket.socket) -> None:
    """Says that nothing more comes. What is still unread must be read first, or the answer would be lost with it:
    RFC 9112, section 9.6.
    """
    with suppress(OSError, ValueError):  # the other side has gone, or it is closed already
        if _readable(connection) and connection.recv(1, socket.MSG_PEEK):
            close_graceful(connection)
        else:
            connection.shutdown(socket.SHUT_RDWR)


def _readable(connection: socket.socket) -> bool:
    looked = select.poll()  # select() refuses descriptors above 1023, of which a storm of connections has some
    looked.register(connection, select.POLLIN)
    return bool(looked.poll(0))


class RequestLog(Logger):  # type: ignore[misc]
    """gunicorn's log, whose line for a request is made of what it says and nothing else: gunicorn takes the whole
    request and answer apart first, for whatever its format might name.
    """

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._lines = log_output.Lines(logging.StreamHandler(sys.stdout))
        self._discreet = redactor()

    def access(self, resp: Any, req: Any, environ: Mapping[str, Any], request_time: timedelta) -> None:
        """The path alone: a token may stand in the query, and the referrer of a page would repeat it."""
        asked = f"{environ.get('REQUEST_METHOD')} {environ.get('PATH_INFO')}"
        asked = self._discreet.value(one_line(asked, LONGEST_LINE))
        status = str(resp.status).partition(" ")[0]
        millis = request_time // timedelta(milliseconds=1)
        self._lines.write(f'{environ.get("REMOTE_ADDR", "-")} "{asked}" {status} {resp.sent} bytes {millis} ms')


class _Server(BaseApplication):  # type: ignore[misc]
    """gunicorn, set up in code (https://docs.gunicorn.org/en/stable/custom.html)."""

    def __init__(self, host: str, port: int, config: Serving, app: Flask) -> None:
        self.settings: dict[str, Any] = {
            "bind": [f"[{host}]:{port}" if ":" in host else f"{host}:{port}"],
            "worker_class": Worker,
            "pre_fork": give_place,
            "workers": config.workers,
            "threads": config.threads,
            # Alertmanager opens a connection for each group at once; kept alive, they would hold up the others.
            "keepalive": 0,
            "backlog": 2048,
            "worker_connections": 2048,
            "graceful_timeout": 20,
            "timeout": 60,
            "logger_class": RequestLog,
            "control_socket_disable": True,
            "proc_name": "whydown-web",
        }
        self.app = app
        super().__init__()

    def load_config(self) -> None:
        """Hands the settings to gunicorn, and to nothing from its own environment variables or files."""
        for name, value in self.settings.items():
            self.cfg.set(name, value)
        logging.getLogger("gunicorn.error").addFilter(without_token)

    def load(self) -> Flask:
        """The application."""
        return self.app


_TOKEN: Final = re.compile(r"(?<=[?&]token=)[^&\s'\"]+")


def without_token(record: logging.LogRecord) -> bool:
    """A log filter: gunicorn writes the whole address of a request that failed under it, with the token in it."""
    record.msg, record.args = _TOKEN.sub("********", record.getMessage()), None
    return True
