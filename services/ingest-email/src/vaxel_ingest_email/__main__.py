"""``python -m vaxel_ingest_email``."""

from __future__ import annotations

from functools import partial

from vaxel_ingest_email.bootstrap import NAME, build
from vaxel_ingest_email.config import IngestEmailSettings
from vaxel_shared.service import run
from vaxel_shared.settings import from_environment

if __name__ == "__main__":
    settings = from_environment(IngestEmailSettings)
    run(NAME, settings, partial(build, settings))
