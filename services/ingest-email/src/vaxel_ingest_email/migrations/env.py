"""Alembic's entry: ingest-email's table, all or nothing."""

from vaxel_ingest_email.shell.tables import METADATA
from vaxel_shared.sql import run_migrations

run_migrations(METADATA)
