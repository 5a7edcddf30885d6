"""What it takes to run a broker: a class path and a Java."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from vaxel_cli.broker.jars import (
    OnProgress,
    Progress,
    cache_folder,
    fetch,
    kafka_version,
    locked_jars,
)
from vaxel_cli.broker.java import Java, find_java
from vaxel_shared.errors import Fatal


@dataclass(frozen=True, slots=True)
class Installation:
    """Ready to run; ``label`` says for people what it is."""

    java: Java
    classpath: str
    label: str


async def prepare(on_progress: OnProgress | None = None) -> Installation:
    """Find or fetch Apache Kafka and a Java; the first time takes about 12 s and 45 MB.

    A distribution named by ``KAFKA_HOME`` is taken as it is. Raises Fatal or Retryable with one
    line that says what is missing and the other ways.
    """
    java = await asyncio.to_thread(find_java)
    home = os.environ.get("KAFKA_HOME")
    if home:
        return _distribution(Path(home), java)
    jars = locked_jars()
    folder = cache_folder(kafka_version(jars))
    await fetch(jars, folder, on_progress or _silent)
    classpath = os.pathsep.join(str(folder / jar.name) for jar in jars)
    return Installation(java, classpath, f"Apache Kafka {kafka_version(jars)}, Java {java.major}")


def _distribution(home: Path, java: Java) -> Installation:
    if not list((home / "libs").glob("kafka-clients-*.jar")):
        raise Fatal(f"KAFKA_HOME={home} holds no libs/kafka-clients-*.jar: name an unpacked Kafka")
    return Installation(java, f"{home}/libs/*", f"Apache Kafka of {home}, Java {java.major}")


def _silent(_step: Progress) -> None:
    pass
