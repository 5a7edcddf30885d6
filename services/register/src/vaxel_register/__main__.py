"""``python -m vaxel_register``."""

from __future__ import annotations

from vaxel_register.bootstrap import build
from vaxel_register.config import RegisterSettings
from vaxel_shared.service import run
from vaxel_shared.settings import from_environment

if __name__ == "__main__":
    settings = from_environment(RegisterSettings)
    run("register", settings, lambda: build(settings))
