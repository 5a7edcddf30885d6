"""``python -m vaxel_triage``."""

from __future__ import annotations

from functools import partial

from vaxel_shared.service import run
from vaxel_shared.settings import from_environment
from vaxel_triage.bootstrap import NAME, build
from vaxel_triage.config import TriageSettings

if __name__ == "__main__":
    settings = from_environment(TriageSettings)
    run(NAME, settings, partial(build, settings))
