"""``run.json``: how scripts, tests and the other commands find the system that `vaxel up` runs.

It stands in the data dir, mode 0600 (it holds tokens), from the moment everything is ready until
the system stops. A file left by a `vaxel up` that was killed is recognised by its dead process.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from pydantic import BaseModel, ValidationError

from vaxel_cli.console import unreachable, wrong_use
from vaxel_shared.settings import Settings

RUN_FILE = "run.json"
DATA_DIR = ".vaxel"
F = TypeVar("F", bound=Callable[..., Any])

data_dir_option: Callable[[F], F] = click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="VAXEL_DATA_DIR",
    help="Data dir of the system; left out, .vaxel here or beside the sources.",
)
"""``--data-dir D`` for any command; hand its value to :func:`load`."""


class Listener(BaseModel):
    """A host and port; ``url`` where it has a web page."""

    host: str
    port: int
    url: str | None = None


class ServiceInfo(BaseModel):
    """Where a service answers, and its process."""

    url: str
    pid: int | None = None


class Tokens(BaseModel):
    """Bearer tokens of the API."""

    admin: str
    supervisor: str
    agents: dict[str, str] = {}


class RunInfo(BaseModel):
    """The whole file. ``services`` is kept up to date when one is restarted."""

    broker: str
    smtp: Listener
    mailboxes: list[str]
    chats: list[str] = []
    """Ids of the accounts at ``<ingest-chat>/chat/<id>``."""
    webhooks: list[str] = []
    """Ids of the accounts at ``<ingest-chat>/hooks/<id>``; their secrets are in the data dir."""
    sink: Listener
    services: dict[str, ServiceInfo]
    tokens: Tokens
    pid: int | None = None
    """Of `vaxel up`."""
    broker_pid: int | None = None
    data_dir: Path
    config_dir: Path
    port_offset: int = 0
    topic_prefix: str = ""

    def settings(self) -> Settings:
        """Settings for talking to the system's Kafka, blobs and keys."""
        return Settings(
            broker=self.broker,
            data_dir=self.data_dir,
            config_dir=self.config_dir,
            port_offset=self.port_offset,
            topic_prefix=self.topic_prefix,
        )

    def url(self, service: str) -> str:
        """The base address of a service. Raises (exit 3) if it doesn't run here."""
        if service not in self.services:
            raise unreachable(f"{service} doesn't run here; start it: `vaxel up`")
        return self.services[service].url

    def agent_token(self, agent_id: str) -> str:
        """An agent's bearer token. Raises (exit 2) for an unknown agent."""
        if agent_id not in self.tokens.agents:
            known = ", ".join(sorted(self.tokens.agents)[:12]) or "none"
            raise wrong_use(f"no agent {agent_id!r} in roster.yaml; known are {known}")
        return self.tokens.agents[agent_id]


def project_root() -> Path | None:
    """The folder of the sources, where this is installed from them."""
    for folder in Path(__file__).resolve().parents:
        if (folder / "requirements.lock").is_file() and (folder / "config").is_dir():
            return folder
    return None


def find_data_dir(data_dir: Path | None = None) -> Path:
    """The data dir that is meant: as given, else ``.vaxel`` here, else beside the sources."""
    if data_dir is not None:
        return data_dir.absolute()
    if (given := os.environ.get("VAXEL_DATA_DIR")) is not None:
        return Path(given).absolute()
    here = Path.cwd() / DATA_DIR
    root = project_root()
    return here if here.is_dir() or root is None else root / DATA_DIR


def find_config_dir(config_dir: Path | None = None) -> Path:
    """The configuration that is meant: as given, else ``config`` here or beside the sources."""
    if config_dir is not None:
        return config_dir.absolute()
    here = Path.cwd() / "config"
    root = project_root()
    return here if (here / "routing.yaml").is_file() or root is None else root / "config"


def load(data_dir: Path | None = None) -> RunInfo:
    """The running system. Raises (exit 3), with the remedy, where there is none."""
    path = find_data_dir(data_dir) / RUN_FILE
    try:
        info = RunInfo.model_validate(json.loads(path.read_bytes()))
    except FileNotFoundError as error:
        raise unreachable(f"no running system in {path.parent}: `vaxel up` first") from error
    except (OSError, ValueError, ValidationError) as error:
        raise unreachable(f"{path} can't be read; stop the system and `vaxel up` again") from error
    if info.pid is not None and not alive(info.pid):
        raise unreachable(f"{path} is left from a run that was killed: `vaxel up` again")
    return info


def settings_for(data_dir: Path | None = None, broker: str | None = None) -> Settings:
    """Settings to reach Kafka with: of the running system, or of the ``broker`` that is named."""
    if broker is None:
        return load(data_dir).settings()
    return Settings(broker=broker, data_dir=find_data_dir(data_dir), config_dir=find_config_dir())


def write(info: RunInfo) -> Path:
    """Write ``run.json`` atomically, readable by its owner only."""
    path = info.data_dir / RUN_FILE
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(info.model_dump_json(indent=2, exclude_none=True) + "\n")
    partial.replace(path)
    return path


def remove(data_dir: Path) -> None:
    """Take ``run.json`` away."""
    (data_dir / RUN_FILE).unlink(missing_ok=True)


def alive(pid: int) -> bool:
    """Whether a process of this id exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
