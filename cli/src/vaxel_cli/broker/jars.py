"""Apache Kafka's jars: which ones, where they are kept, and fetching what is missing.

``deploy/kafka/jgo.toml`` names the artifacts and ``jgo.lock.toml`` the SHA-256 of each; jgo knows
where to get them, from the user's own settings for it. Nothing is resolved: what isn't listed isn't
used. A jar reaches the cache under its final name only after its hash has been checked.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import tempfile
import threading
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vaxel_shared.errors import Fatal, Retryable

DEPLOY_DIR = Path(__file__).parents[4] / "deploy" / "kafka"
DOWNLOADS = 12
"""At once: most of the jars are small, so the time goes into round trips."""
ATTEMPTS = 3
TIMEOUT_S = 20
REMEDY = (
    "connect to a network and try again, or name an unpacked Kafka in KAFKA_HOME, "
    "or a running one with --broker HOST:PORT, or use docker compose up"
)


@dataclass(frozen=True, slots=True)
class Jar:
    """One locked artifact; ``sha256`` is hexadecimal."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def name(self) -> str:
        """Its file name."""
        return f"{self.artifact}-{self.version}.jar"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the fetching is: whole files, and bytes of all files so far."""

    files_done: int
    files_total: int
    bytes_done: int


OnProgress = Callable[[Progress], None]


def locked_jars(folder: Path = DEPLOY_DIR) -> list[Jar]:
    """The jars of the lock file; raises Fatal where it can't be read or lacks a hash."""
    path = folder / "jgo.lock.toml"
    try:
        rows = tomllib.loads(path.read_text(encoding="utf-8"))["dependencies"]
        return [
            Jar(row["groupId"], row["artifactId"], row["version"], row["sha256"]) for row in rows
        ]
    except (OSError, tomllib.TOMLDecodeError, KeyError) as error:
        raise Fatal(
            f"{path}: {type(error).__name__} {error}; restore it from the repository"
        ) from (error)


def kafka_version(jars: list[Jar]) -> str:
    """The version of the broker among the jars."""
    return next(jar.version for jar in jars if jar.artifact == "kafka_2.13")


def cache_folder(version: str) -> Path:
    """Where the jars of one version are kept for this user, across checkouts and data dirs."""
    base = os.environ.get("VAXEL_CACHE_DIR")
    if base is None:
        base = str(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vaxel")
    return Path(base) / f"kafka-{version}"


def missing(jars: list[Jar], folder: Path) -> list[Jar]:
    """The jars that aren't in the cache."""
    return [jar for jar in jars if not (folder / jar.name).is_file()]


async def fetch(jars: list[Jar], folder: Path, on_progress: OnProgress) -> None:
    """Bring all ``jars`` into ``folder``; quick when they are there.

    ``on_progress`` is called in the event loop. Raises Retryable where one can't be had, Fatal
    where the bytes aren't the locked ones.
    """
    wanted = missing(jars, folder)
    if not wanted:
        return
    loop = asyncio.get_running_loop()

    def report(step: Progress) -> None:
        loop.call_soon_threadsafe(on_progress, step)

    counter = _Counter(len(jars), len(jars) - len(wanted), report)
    staging = await asyncio.to_thread(_staging, folder)
    pool = ThreadPoolExecutor(DOWNLOADS, thread_name_prefix="jars")
    try:
        context = _maven_context(staging, counter)
        await asyncio.gather(
            *(loop.run_in_executor(pool, _fetch_one, context, jar, folder) for jar in wanted)
        )
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        shutil.rmtree(staging, ignore_errors=True)


def _staging(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=".fetching-", dir=folder))
    except OSError as error:
        raise Fatal(
            f"can't write to {folder}: {error.strerror}; name another folder in VAXEL_CACHE_DIR"
        ) from error


class _Counter:
    """Counts files and bytes of several threads."""

    def __init__(self, total: int, done: int, report: OnProgress) -> None:
        self._lock = threading.Lock()
        self._total, self._done, self._bytes = total, done, 0
        self._report = report

    @contextmanager
    def file(self, _name: str, _size: int) -> Iterator[Callable[[int], None]]:
        """What jgo's resolver calls around each download."""
        yield lambda count: self._add(0, count)
        self._add(1, 0)

    def _add(self, files: int, count: int) -> None:
        with self._lock:
            self._done += files
            self._bytes += count
            step = Progress(self._done, self._total, self._bytes)
        self._report(step)


def _maven_context(staging: Path, counter: _Counter) -> Any:
    try:
        # Only the local mode needs jgo, and only the first time.
        from jgo.config import GlobalSettings  # noqa: PLC0415
        from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415
    except ImportError as error:
        raise Fatal(
            f"Kafka's jars aren't in the cache and {error.name} isn't installed: install "
            "vaxel[local], or name a running Kafka with --broker HOST:PORT"
        ) from error
    own = GlobalSettings.load()
    context = MavenContext(
        resolver=PythonResolver(progress_callback=counter.file),
        repo_cache=staging,
        timeout=TIMEOUT_S,
    )
    context.remote_repos.update(own.repositories)
    context.local_repos.append(own.repo_cache)  # read only: what another build has brought
    return context


def _fetch_one(context: Any, jar: Jar, folder: Path) -> None:
    artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
    for attempt in range(1, ATTEMPTS + 1):
        try:
            path = Path(artifact.resolve())
        except (OSError, RuntimeError) as error:  # requests' own errors are OSErrors
            artifact.cached_path.unlink(missing_ok=True)
            if attempt == ATTEMPTS:
                raise Retryable(
                    f"can't fetch Apache Kafka ({jar.name}: {type(error).__name__}): {REMEDY}"
                ) from error
        else:
            break
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != jar.sha256:
        raise Fatal(f"{jar.name}: its bytes aren't those of jgo.lock.toml; {REMEDY}")
    partial = folder / f".{jar.name}.{os.getpid()}"
    partial.write_bytes(data)
    partial.replace(folder / jar.name)
