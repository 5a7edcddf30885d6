"""Finds the platforms: every module of this package that defines ``PLATFORM``."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import MappingProxyType

from vaxel_shared import channels
from vaxel_shared.channels.platform import Platform


@cache
def platforms() -> MappingProxyType[str, Platform]:
    """All platforms by slug. Raises ``ValueError`` where a file's name isn't its slug."""
    found: dict[str, Platform] = {}
    for module in sorted(pkgutil.iter_modules(channels.__path__), key=lambda item: item.name):
        loaded = importlib.import_module(f"{channels.__name__}.{module.name}")
        platform = getattr(loaded, "PLATFORM", None)
        if not isinstance(platform, Platform):
            continue
        slug = platform.manifest.slug
        if slug != module.name:
            raise ValueError(f"channels/{module.name}.py calls itself {slug!r}; rename one")
        found[slug] = platform
    return MappingProxyType(found)
