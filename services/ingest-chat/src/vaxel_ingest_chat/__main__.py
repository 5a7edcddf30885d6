"""``python -m vaxel_ingest_chat``."""

from __future__ import annotations

from functools import partial

from vaxel_ingest_chat.bootstrap import NAME, build
from vaxel_ingest_chat.config import IngestChatSettings
from vaxel_shared.service import run
from vaxel_shared.settings import from_environment

if __name__ == "__main__":
    settings = from_environment(IngestChatSettings)
    run(NAME, settings, partial(build, settings))
