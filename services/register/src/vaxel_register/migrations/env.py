"""Alembic's entry: the register's tables, all or nothing."""

from vaxel_register.shell.tables import METADATA
from vaxel_shared.sql import run_migrations

run_migrations(METADATA)
