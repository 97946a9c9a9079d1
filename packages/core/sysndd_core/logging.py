"""Structured logs: one event per line, with the bound request ID or job ID."""

import logging
import sys
from functools import partial
from typing import Any

import structlog

from sysndd_core.settings.log import LogFormat, LogSettings

Logger = structlog.stdlib.BoundLogger


def configure(settings: LogSettings, *, service: str) -> None:
    """Send the records of structlog and of the standard library to stderr in one format.

    Args:
        settings: Level and format.
        service: Name of the service, such as ``api``; added to every line.
    """
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        partial(_add_service, service),
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        _drop_colours,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    _configure_standard_library(settings, shared)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _configure_standard_library(
    settings: LogSettings, shared: list[structlog.types.Processor]
) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_LineFormatter(shared, _renderers(settings.format)))
    # Not used, and looked up for every line otherwise (docs.python.org/3/howto/logging.html).
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.level.upper())
    # arq logs every wake-up at INFO, which operators do not need.
    logging.getLogger("arq").setLevel(logging.WARNING)
    # httpx logs each URL at INFO, and the URL of a restore hook can contain a token.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    # The API's middleware logs requests, with the request ID and without query strings.
    logging.getLogger("uvicorn.access").disabled = True


def _renderers(log_format: LogFormat) -> list[structlog.types.Processor]:
    if log_format is LogFormat.JSON:
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]


class _LineFormatter(structlog.stdlib.ProcessorFormatter):
    """Formats structlog events and records of other libraries.

    A structlog event has already passed the shared processors. The inherited method would copy its
    record first, which takes a third of the time of a line.

    Args:
        shared: Processors for records of other libraries.
        last: Processors that produce the text.
    """

    def __init__(
        self, shared: list[structlog.types.Processor], last: list[structlog.types.Processor]
    ) -> None:
        super().__init__(foreign_pre_chain=shared, processors=[self.remove_processors_meta, *last])
        self._last = last

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for a record."""
        if not (isinstance(record.msg, dict) and hasattr(record, "_name")):
            return super().format(record)
        event: Any = dict(record.msg)  # other handlers read it too
        for processor in self._last:
            event = processor(None, record._name, event)
        return str(event)


def _add_service(
    service: str, _: Any, __: str, event: structlog.types.EventDict
) -> structlog.types.EventDict:
    event["service"] = service
    return event


def _drop_colours(_: Any, __: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    # uvicorn adds each message again, with terminal codes.
    event.pop("color_message", None)
    return event


def get_logger(name: str) -> Logger:
    """Return the logger of a module. It can be created before ``configure`` is called."""
    logger: Logger = structlog.stdlib.get_logger(name)
    return logger
