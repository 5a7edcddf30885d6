"""What a service process is told: everything in ``VAXEL_*``, secrets as files only."""

from __future__ import annotations

import os

from vaxel_cli.up.born import ColdStart
from vaxel_shared.settings import Settings


def environment(settings: Settings, cold_start: ColdStart, *, demo: bool) -> dict[str, str]:
    """Our own environment with the system's settings on top; ``demo``: all mail goes to the sink.

    Each service is instance 0 of 1: a static member of its group, back at once after a restart.
    """
    return {
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        "PYTHONSAFEPATH": "1",  # a folder that is called like a service must not become it
        "VAXEL_BROKER": settings.broker,
        "VAXEL_TOPIC_PREFIX": settings.topic_prefix,
        "VAXEL_DATA_DIR": str(settings.data_dir),
        "VAXEL_CONFIG_DIR": str(settings.config_dir),
        "VAXEL_PORT_OFFSET": str(settings.port_offset),
        "VAXEL_INSTANCE": "0",
        "VAXEL_INSTANCES": "1",
        "VAXEL_COLD_START": cold_start,
        "VAXEL_DEMO": "1" if demo else "0",
    }
