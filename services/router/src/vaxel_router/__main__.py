"""``python -m vaxel_router``."""

from __future__ import annotations

from functools import partial

from vaxel_router.bootstrap import NAME, build
from vaxel_router.config import RouterSettings
from vaxel_shared import heap
from vaxel_shared.service import run
from vaxel_shared.settings import from_environment

if __name__ == "__main__":
    heap.expect_much()
    settings = from_environment(RouterSettings)
    run(NAME, settings, partial(build, settings))
