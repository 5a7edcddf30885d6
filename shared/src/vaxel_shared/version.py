"""The version of the code, as it stands in decisions and dead letters."""

from __future__ import annotations

from importlib.metadata import version

CODE_VERSION = version("vaxel-shared")
TZDATA_VERSION = version("tzdata")
ENGINE = f"vaxel {CODE_VERSION} tzdata {TZDATA_VERSION}"
"""What decided: it stands in every record of decisions (holidays come with SLA clocks)."""
