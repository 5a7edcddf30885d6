"""Finds the connectors: every module of this package that defines ``CONNECTOR``."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import MappingProxyType

from vaxel_shared import connectors as package
from vaxel_shared.connectors.connector import Connector


@cache
def connectors() -> MappingProxyType[str, Connector]:
    """All connectors by slug. Raises ``ValueError`` where a file's name isn't its slug."""
    found: dict[str, Connector] = {}
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda item: item.name):
        loaded = importlib.import_module(f"{package.__name__}.{module.name}")
        connector = getattr(loaded, "CONNECTOR", None)
        if not isinstance(connector, Connector):
            continue
        slug = connector.manifest.slug
        if slug != module.name:
            raise ValueError(f"connectors/{module.name}.py calls itself {slug!r}; rename one")
        found[slug] = connector
    return MappingProxyType(found)
