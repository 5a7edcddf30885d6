"""``python -m vaxel_register``."""

from __future__ import annotations

from vaxel_register.bootstrap import build
from vaxel_register.config import RegisterSettings
from vaxel_shared.service import run

if __name__ == "__main__":
    settings = RegisterSettings()
    run("register", settings, lambda: build(settings))
