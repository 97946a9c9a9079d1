"""Structured logs: one event a line, with the request id or job id that was bound around it."""

import logging
import sys
from functools import partial
from typing import Any

import structlog

from sysndd_core.settings.log import LogFormat, LogSettings

Logger = structlog.stdlib.BoundLogger


def configure(settings: LogSettings, *, service: str) -> None:
    """Send structlog's and the standard library's records to stderr in one shape.

    Args:
        settings: level and format.
        service: name put into every line, such as ``api``.
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
    if settings.format is LogFormat.JSON:
        last: list[structlog.types.Processor] = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ]
    else:
        last = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(shared, last))
    # Nobody reads them; they are looked up for every line (docs.python.org/3/howto/logging.html).
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.level.upper())
    # arq prints every wake-up at INFO; a wake-up is not an event an operator needs.
    logging.getLogger("arq").setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    # Requests are logged by our own middleware, with the request id and without query strings.
    logging.getLogger("uvicorn.access").disabled = True
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


class _Lines(structlog.stdlib.ProcessorFormatter):
    """Makes a line of an event of ours or of another library's record.

    An event of ours has been through the processors already. The inherited way makes a second record of
    it, and from that the line: a third of what a line costs.

    Args:
        shared: what another library's record goes through first.
        last: makes the text.
    """

    def __init__(
        self, shared: list[structlog.types.Processor], last: list[structlog.types.Processor]
    ) -> None:
        super().__init__(foreign_pre_chain=shared, processors=[self.remove_processors_meta, *last])
        self._last = last

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        if not (isinstance(record.msg, dict) and hasattr(record, "_name")):
            return super().format(record)
        event: Any = dict(record.msg)  # other handlers read it, too
        for processor in self._last:
            event = processor(None, record._name, event)
        return str(event)


def _add_service(
    service: str, _: Any, __: str, event: structlog.types.EventDict
) -> structlog.types.EventDict:
    event["service"] = service
    return event


def _drop_colours(_: Any, __: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    # uvicorn says everything twice, the second time with terminal codes.
    event.pop("color_message", None)
    return event


def get_logger(name: str) -> Logger:
    """Return the logger of a module; usable before ``configure``."""
    logger: Logger = structlog.stdlib.get_logger(name)
    return logger
