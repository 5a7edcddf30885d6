"""Structured logs: JSON lines on stdout, one canonical line per unit of work, no personal text.

Only fields on the allow-list leave the process; another is replaced by its name in ``dropped``,
so that a careless call shows up in a test instead of leaking somebody's address.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, TextIO, cast

import structlog

from vaxel_shared.obs.output import SteadyOutput

ALLOWED_FIELDS = frozenset({
    "event", "level", "timestamp", "service", "instance", "dropped",
    "account_count", "agent_id", "attempt", "batch_count", "blob_ref", "broker", "bytes", "case_id",
    "cause", "channel", "class", "code", "command", "command_id", "contact_id", "count",
    "duration_ms",
    "effect_id", "engine", "error", "exception_type", "from_offset", "group", "interaction_id",
    "kind", "lag", "language", "limit", "listener", "log_id", "method", "name", "number",
    "offer_id", "offset", "partition", "partitions", "path", "peer_count", "pool", "port",
    "queue", "reason", "route", "remedy", "rule", "run_id", "seq", "sha256", "signal", "state",
    "status", "through", "topic", "type", "url", "version", "wait_ms", "work_id",
})  # fmt: skip
"""Ids, codes, counts and durations. Never a subject, a name, an address or a text."""


def _allow(_logger: Any, _method: str, event: Any) -> Any:
    refused = sorted(name for name in event if name not in ALLOWED_FIELDS)
    for name in refused:
        del event[name]
    if refused:
        event["dropped"] = refused
    return event


def configure(service: str, level: str = "info", instance: int = 0) -> None:
    """Set up logging for a process; third-party loggers are let through from warning on."""
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    logging.basicConfig(
        level=logging.WARNING,
        stream=sys.stdout,
        format='{"event":"library","level":"%(levelname)s","name":"%(name)s"}',
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _allow,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", SteadyOutput(sys.stdout))),
        cache_logger_on_first_use=False,  # a cached one would keep a stream that was replaced
    )
    structlog.contextvars.bind_contextvars(service=service, instance=instance)


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """The logger; event names are snake_case."""
    return cast("structlog.typing.FilteringBoundLogger", structlog.get_logger())
