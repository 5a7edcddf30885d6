"""What every service is told by its environment, and nothing else is global.

Names start with ``VAXEL_``. Secrets are files in ``secrets_dir``, never variables or arguments.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import quote, urlsplit

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

PORTS = {
    "register": 8080,
    "ingest-email": 8081,
    "ingest-chat": 8082,
    "triage": 8083,
    "router": 8084,
    "sla-monitor": 8085,
    "delivery": 8086,
    "sink": 8087,
    "smtp": 2525,
    "sink-smtp": 2526,
    "broker": 9092,
    "controller": 9093,
}
"""Every port Vaxel listens on; ``port_offset`` moves them all."""


class Settings(BaseSettings):
    """Common to all services."""

    model_config = SettingsConfigDict(env_prefix="VAXEL_", frozen=True)

    broker: str = "127.0.0.1:9092"
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: str | None = None
    sasl_username: str | None = None
    topic_prefix: str = ""
    """Stands before every topic name: lets systems and tests share one broker."""
    data_dir: Path = Path(".vaxel")
    config_dir: Path = Path("config")
    secrets_dir: Path | None = None
    blob_dir: Path | None = None
    database_url: str | None = None
    """A SQLAlchemy URL; left out, a SQLite file of the service's own in ``data_dir``.

    Name the user but no password: that is the file ``database.password`` among the secrets."""
    router_url: str | None = None
    """Where the router answers live reads, if not on this machine."""
    bind: str = "127.0.0.1"
    port_offset: int = Field(default=0, ge=0, le=40_000)
    instance: int = Field(default=0, ge=0)
    instances: int = Field(default=1, ge=1)
    cold_start: Literal["halt", "genesis"] = "halt"
    """What a reader without a cursor does: halt, or fold the log from its beginning."""
    log_level: str = "info"
    tracing: str = ""
    """Where spans go: a collector's OTLP/HTTP address like ``http://host:4318/v1/traces``."""

    @property
    def secrets(self) -> Path:
        """Where secrets are."""
        return self.secrets_dir or self.data_dir / "secrets"

    @property
    def blobs(self) -> Path:
        """Where blobs are."""
        return self.blob_dir or self.data_dir / "blobs"

    def topic(self, name: str) -> str:
        """The full name of a topic, e.g. of ``vaxel.work``."""
        return f"{self.topic_prefix}{name}"

    def port(self, name: str) -> int:
        """The port of a service or listener, moved by the offset."""
        return PORTS[name] + self.port_offset

    def url(self, name: str) -> str:
        """The base address of a service: on this machine, unless a setting says otherwise."""
        if name == "router" and self.router_url is not None:
            return self.router_url.rstrip("/")
        return f"http://{self.bind}:{self.port(name)}"

    def sql_url(self, service: str) -> str:
        """The database of a service: an async SQLAlchemy URL."""
        if self.database_url is not None:
            return _with_password(self.database_url, self.secrets / "database.password")
        return f"sqlite+aiosqlite:///{(self.data_dir / f'{service}.db').absolute()}"


def _with_password(url: str, file: Path) -> str:
    """``url`` with the password of ``file``, where it names a user without one."""
    parts = urlsplit(url)
    if parts.username is None or parts.password is not None or not file.is_file():
        return url
    password = quote(file.read_text(encoding="utf-8").strip(), safe="")
    return url.replace(f"{parts.username}@", f"{parts.username}:{password}@", 1)


S = TypeVar("S", bound=Settings)


def from_environment(kind: type[S]) -> S:
    """The settings of this process; ends it with a line for each variable that can't be used."""
    try:
        return kind()
    except ValidationError as error:
        prefix = kind.model_config["env_prefix"]
        sys.exit("\n".join(
            f"vaxel: {prefix}{'_'.join(map(str, one['loc'])).upper()}: {one['msg']}"
            for one in error.errors(include_url=False, include_input=False)
        ))  # fmt: skip
    except SettingsError as error:
        sys.exit(f"vaxel: {error}; write it as JSON")
