"""The version of the code, as it stands in decisions and dead letters."""

from __future__ import annotations

from importlib.metadata import version

CODE_VERSION = version("vaxel-shared")
TZDATA_VERSION = version("tzdata")
ENGINE_VERSION = "0.6.0"
"""Of the router's decisions: raised whenever the same inputs may lead to other bytes. Golden
histories hold it (``tests/replay``). A later engine takes over any log: it applies what was
decided and never decides it again."""
ENGINE = f"vaxel {ENGINE_VERSION} tzdata {TZDATA_VERSION}"
"""What decided: it stands in every record of decisions (holidays come with SLA clocks)."""
