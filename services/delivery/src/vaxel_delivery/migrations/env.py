"""Alembic's entry: delivery's tables, all or nothing."""

from vaxel_delivery.shell.tables import METADATA
from vaxel_shared.sql import run_migrations

run_migrations(METADATA)
