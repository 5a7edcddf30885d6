"""Alembic's entry: the monitor's tables, all or nothing."""

from vaxel_shared.sql import run_migrations
from vaxel_sla_monitor.shell.tables import METADATA

run_migrations(METADATA)
