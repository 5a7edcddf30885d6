"""Options that several commands share, so that they read and behave alike."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import click

from vaxel_cli.console import wrong_use
from vaxel_shared.clock import SystemClock
from vaxel_shared.config.base import duration_ms

F = TypeVar("F", bound=Callable[..., Any])

broker_option: Callable[[F], F] = click.option(
    "--broker",
    metavar="HOST:PORT",
    help="A Kafka to talk to; left out, that of the running system.",
)

json_option: Callable[[F], F] = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document."
)

jsonl_option: Callable[[F], F] = click.option(
    "--jsonl", "as_jsonl", is_flag=True, help="Print one JSON document a line."
)

config_option: Callable[[F], F] = click.option(
    "--config",
    "config_dir",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="VAXEL_CONFIG_DIR",
    help="The deployment's files; left out, ./config.",
)


def until(duration: str) -> str:
    """So long from now, as the API takes it. Raises (exit 2) where it is no duration."""
    try:
        ms = duration_ms(duration)
    except ValueError as error:
        raise wrong_use(str(error)) from error
    now = datetime.fromtimestamp(SystemClock().wall_ms() / 1000, UTC)
    return (now + timedelta(milliseconds=ms)).isoformat()
