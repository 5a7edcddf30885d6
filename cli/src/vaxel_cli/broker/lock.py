"""Writes ``jgo.lock.toml`` again after ``jgo.toml`` has changed; for maintainers.

It trusts what it fetches this once: look at the difference before committing it.
"""

from __future__ import annotations

import hashlib
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from jgo.env import LockFile, compute_spec_hash
from jgo.env._lockfile import LockedDependency
from jgo.maven import MavenContext

from vaxel_cli.broker.jars import DEPLOY_DIR


def write_lock(folder: Path = DEPLOY_DIR) -> int:
    """Fetch every artifact that ``jgo.toml`` names and write its hash; answers how many."""
    spec = folder / "jgo.toml"
    coordinates = tomllib.loads(spec.read_text(encoding="utf-8"))["dependencies"]["coordinates"]
    with tempfile.TemporaryDirectory() as cache:
        context = MavenContext(repo_cache=Path(cache))
        locked = [_locked(context, *text.split(":")) for text in coordinates]
    lock = LockFile(
        locked,
        environment_name="vaxel-kafka",
        min_java_version=17,
        spec_hash=compute_spec_hash(spec),
    )
    lock.save(folder / "jgo.lock.toml")
    return len(locked)


def _locked(context: Any, group: str, artifact: str, version: str) -> Any:
    path = Path(context.project(group, artifact).at_version(version).artifact().resolve())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return LockedDependency(group, artifact, version, sha256=digest)
