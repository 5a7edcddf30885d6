"""A real PostgreSQL for tests, from the distribution's packages: one server a run.

It refuses to run as root, so as root it runs as an unprivileged user on a data dir that is theirs.
Nothing is fsynced: what a crash loses is tested by the services' own cursors, not here.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

START_S_MAX = 30
ROLE = "vaxel"


class NoPostgres(Exception):
    """There is none on this machine; the message says what to install."""


def binaries() -> Path:
    """The folder with ``initdb`` and ``postgres``. Raises NoPostgres."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version)
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).parent
    raise NoPostgres("no PostgreSQL here: install the package postgresql")


def _version(path: Path) -> float:
    name = path.parts[-3]
    return float(name) if name.replace(".", "", 1).isdigit() else 0.0


class PostgresServer:
    """Started on construction; listens on loopback only."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._bin = binaries()
        self._folder = Path(tempfile.mkdtemp(prefix="vaxel-postgres-"))
        self._as: list[str] = []
        if os.geteuid() == 0:
            self._as = _unprivileged(self._folder)
        data = self._folder / "data"
        initdb = [self._bin / "initdb", "-D", data, "-U", ROLE, "-A", "trust", "-E", "UTF8"]
        options = ["--locale=C.UTF-8", "--no-sync", "--no-instructions"]
        try:
            self._run([*initdb, *options])
            self._process = subprocess.Popen(
                [*self._as, self._bin / "postgres", "-D", data, "-p", str(port), *_SETTINGS],
                cwd="/", stdout=subprocess.DEVNULL, stderr=(self._folder / "log").open("wb"),
            )  # fmt: skip
            self._wait()
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def url(self, database: str) -> str:
        """The address of a database, for SQLAlchemy."""
        return f"postgresql+asyncpg://{ROLE}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str, template: str = "template0") -> str:
        """Make a database; its address."""
        self.sql(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')
        return self.url(database)

    def drop(self, database: str) -> None:
        """Take a database away, whoever is still connected."""
        self.sql(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def stop(self) -> None:
        """End it and remove its data."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def sql(self, statement: str) -> None:
        """Run a statement as the server's owner."""
        psql = [self._bin / "psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", ROLE]
        self._run([*psql, "-q", "-d", "postgres", "-v", "ON_ERROR_STOP=1", "-c", statement])

    def _run(self, command: list[str | Path]) -> None:
        done = subprocess.run(
            [*self._as, *command], cwd="/", capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{Path(command[0]).name}: {done.stderr.strip()}")

    def _wait(self) -> None:
        ready = [self._bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        deadline = time.monotonic() + START_S_MAX
        while subprocess.run(ready, check=False).returncode:
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._process.kill()
                raise RuntimeError((self._folder / "log").read_text())
            time.sleep(0.05)


_SETTINGS = (
    "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off",
    "-c", "full_page_writes=off", "-c", "synchronous_commit=off", "-c", "max_connections=100",
)  # fmt: skip


def _unprivileged(folder: Path) -> list[str]:
    """Give the folder to an unprivileged user; what runs a command as them."""
    names = [entry.pw_name for entry in pwd.getpwall()]
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    ids = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    return ["setpriv", *ids]
