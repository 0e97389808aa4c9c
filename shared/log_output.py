"""The log: one JSON object per line on stderr, with the incident's id wherever there is one, and without secrets."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Mapping
from typing import Any, Final, TextIO

import structlog

from shared.redaction.installed import redactor
from shared.redaction.redactor import Redactor


def configure(level: int = logging.INFO) -> None:
    """Sends our own log and that of the libraries to stderr in one form. Raises ConfigurationError."""
    discreet = redactor()
    named: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
    ]
    written: list[structlog.typing.Processor] = [
        structlog.processors.format_exc_info,
        _Redacting(discreet),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _as_json,
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=named,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *written],
        )
    )
    lines = Lines(handler)
    structlog.configure(
        processors=[*named, *written],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda name: _Logger(name, lines),
        cache_logger_on_first_use=True,
    )
    # Libraries that bring handlers of their own, as gunicorn does, get their records redacted too.
    logging.setLogRecordFactory(_RecordFactory(discreet))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)


_CHATTY: Final = (
    # These tell every connection and every query,
    "httpx", "httpx2", "httpcore", "urllib3", "github", "kombu", "amqp",
    # and these each message, which Flower knows as well.
    "celery.worker.strategy", "celery.app.trace",
)  # fmt: skip


class Lines:
    """Writes lines between those of a handler. A record of `logging` takes as long again as a line itself."""

    def __init__(self, handler: logging.StreamHandler[TextIO]) -> None:
        """The handler's lock keeps lines whole."""
        self._handler = handler

    def write(self, line: str) -> None:
        """Never raises: a log that is gone stops no work."""
        self._handler.acquire()
        try:
            self._handler.stream.write(line + "\n")
            self._handler.flush()
        except (OSError, ValueError):
            pass
        finally:
            self._handler.release()


class _Logger:
    """What structlog gives its lines to."""

    def __init__(self, name: str, lines: Lines) -> None:
        self.name = name
        self.debug = self.info = self.warning = self.error = self.critical = lines.write


def _as_json(_logger: Any, _method: str, event: structlog.typing.EventDict) -> str:
    return json.dumps(event)


class _Redacting:
    """Redacts an event of the log, whatever its values are."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def __call__(self, _logger: Any, _method: str, event: Any) -> dict[str, Any]:
        redacted: dict[str, Any] = self._redactor.value(_plain(event))
        return redacted


def _plain(value: Any) -> Any:
    """A value of an event as JSON has it; what JSON does not know is told by its repr."""
    if isinstance(value, str) or value is None:
        return value and str(value)
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return repr(value)


class _RecordFactory:
    """Makes records whose message and traceback are redacted already."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = logging.LogRecord(*args, **kwargs)
        try:
            record.msg, record.args = self._redactor.text(record.getMessage()), None
        except (TypeError, ValueError):
            record.msg, record.args = self._redactor.text(str(record.msg)), None  # its arguments do not fit
        if record.exc_info:
            record.exc_text = self._redactor.text("".join(traceback.format_exception(*record.exc_info)).rstrip())
        return record
