"""Where a rig runs: one broker with two doors, topics under a prefix, an example deployment.

The front door is the broker itself: the feeder, a reader and the checker come in there. Behind the
side door stands the proxy of :mod:`chaos.proxy`; services under test may be sent through it. A
*round* is a prefix of its own with its own data dir: a fresh log on the same broker.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from vaxel_cli.broker import LocalBroker, prepare, process
from vaxel_cli.publish.publisher import publish
from vaxel_shared.config import deployment
from vaxel_shared.crypto.keys import create_key
from vaxel_shared.kafka import topics
from vaxel_shared.kafka.client import admin_client
from vaxel_shared.kafka.topics import partition_for
from vaxel_shared.settings import PORTS, Settings

ROOT = Path(__file__).resolve().parents[2]
PARTITIONS = 4
AGENTS_A_POOL = 6
CAPACITY = 3
OFFSETS = range(14_000, 23_000, 2)
"""Of the services' ports: below what systems hand out by themselves; even, since triage's own port
is the one before the router's."""


@dataclass(frozen=True, slots=True)
class Round:
    """A log of its own: its topics' prefix, its data dir, and what services are told."""

    prefix: str
    folder: Path
    broker: str
    proxied: str
    snapshot_records: int = 20

    @property
    def settings(self) -> Settings:
        """For whoever comes in by the front door."""
        return Settings(
            broker=self.broker,
            topic_prefix=self.prefix,
            data_dir=self.folder / "data",
            config_dir=self.folder / "config",
        )

    def environment(self, *, proxied: bool = False) -> dict[str, str]:
        """What `vaxel up` would tell a service, ports and instances aside."""
        return {
            "PYTHONUNBUFFERED": "1",
            "VAXEL_BROKER": self.proxied if proxied else self.broker,
            "VAXEL_TOPIC_PREFIX": self.prefix,
            "VAXEL_DATA_DIR": str(self.folder / "data"),
            "VAXEL_CONFIG_DIR": str(self.folder / "config"),
            "VAXEL_SNAPSHOT_RECORDS": str(self.snapshot_records),
        }


class Place:
    """The broker and the way to it; ``folder`` holds everything."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ports = free_ports(4)
        self._broker: LocalBroker | None = None
        self._rounds = 0

    @property
    def log_dir(self) -> Path:
        """The broker's log on disk."""
        return self.folder / "kafka" / "log"

    @property
    def side_port(self) -> int:
        """Where the proxy must forward to."""
        return self._ports[2]

    @property
    def proxy_port(self) -> int:
        """Where the proxy must listen."""
        return self._ports[3]

    async def start(self) -> None:
        """Bring the broker up."""
        front, controller, side, proxied = self._ports
        declared = process.server_properties

        def two_doors(*words: object) -> str:
            settings = dict(
                line.split("=", 1)
                for line in declared(*words).splitlines()  # type: ignore[arg-type]
            )
            settings["listeners"] += f",SIDE://127.0.0.1:{side}"
            settings["advertised.listeners"] += f",SIDE://127.0.0.1:{proxied}"
            settings["listener.security.protocol.map"] += ",SIDE:PLAINTEXT"
            return "".join(f"{name}={value}\n" for name, value in settings.items())

        self._broker = LocalBroker(
            await prepare(), self.folder / "kafka", port=front, controller_port=controller
        )
        with mock.patch.object(process, "server_properties", two_doors):
            await self._broker.start()
        await self._broker.wait_ready()

    async def stop(self) -> None:
        """Bring it down."""
        if self._broker is not None:
            await self._broker.stop()

    async def round(self) -> Round:
        """A fresh log with the example deployment of :func:`write_config` published to it."""
        self._rounds += 1
        folder = self.folder / f"round{self._rounds}"
        one = Round(
            prefix=f"r{self._rounds}.",
            folder=folder,
            broker=f"127.0.0.1:{self._ports[0]}",
            proxied=f"127.0.0.1:{self._ports[3]}",
        )
        (folder / "data").mkdir(parents=True)
        write_config(folder / "config")
        create_key(one.settings.secrets)
        await topics.apply(one.settings, local=True)
        await publish(one.settings, deployment.load(folder / "config"))
        return one


async def forget(one: Round) -> None:
    """Delete a round's topics: clients ask for all that there are, whenever one starts."""
    async with admin_client(one.settings) as client:
        await client.delete_topics([one.settings.topic(topic.name) for topic in topics.TOPICS])


def pools() -> list[str]:
    """One pool for each partition, by partition."""
    found: dict[int, str] = {}
    number = 0
    while len(found) < PARTITIONS:
        name = f"pool{number}"
        found.setdefault(partition_for(name.encode(), PARTITIONS), name)
        number += 1
    return [found[partition] for partition in range(PARTITIONS)]


def agents(pool: str) -> list[str]:
    """The ids of a pool's agents."""
    return [f"{pool}-a{number}" for number in range(AGENTS_A_POOL)]


def write_config(folder: Path) -> None:
    """A deployment whose timers are short: offers lapse, cases close, wrap-ups end within seconds.

    JSON is YAML as well.
    """
    folder.mkdir(parents=True)
    names = pools()
    queue = {"name": "desk", "steps": [{"after": "0s", "tiers": [1]}]}
    offer = {"limit": "3s", "bar_after_decline": "2s", "bar_after_miss": "1s"}
    routing = [
        {
            "name": name,
            "letter": "ABCD"[place],
            "reopen_within": "5s",
            "sticky_wait": "1s",
            "wrap_up": "100ms",
            "offer": offer,
            "after_reply": {"email": "waiting"},
            "queues": [queue],
        }
        for place, name in enumerate(names)
    ]
    roster = [
        {
            "id": agent,
            "name": f"Agent {agent}",
            "email": f"{agent}@agents.example",
            "pool": name,
            "tier": 1,
            "languages": {"en": 10},
            "capacity": CAPACITY,
            "channels": {"email": {"cost": 1, "max": CAPACITY}},
            "present": True,
        }
        for name in names
        for agent in agents(name)
    ]
    accounts = [
        {"id": n, "address": f"{n}@rig.example", "channel": "email", "pool": n, "queue": "desk"}
        for n in names
    ]
    files: Mapping[str, object] = {
        "channels": {
            "deployment": "rig",
            "languages": ["en"],
            "default_language": "en",
            "accounts": accounts,
        },
        "routing": {"pools": routing},
        "roster": {"agents": roster},
        "connectors": {"mail": {"relay": {"host": "sink", "port": 25, "tls": "none"}}},
    }
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(json.dumps(content, indent=1))


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on right now, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


class PortOffsets:
    """Offsets for services' ports, none twice until all were used."""

    def __init__(self) -> None:
        self._next = (os.getpid() * 37) % len(OFFSETS)

    def take(self) -> int:
        """An offset whose ports are free."""
        while True:
            offset = OFFSETS[self._next % len(OFFSETS)]
            self._next += 1
            if all(_is_free(PORTS[name] + offset) for name in ("router", "triage")):
                return offset


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


async def vaxel(one: Round, *words: str) -> tuple[int, str]:
    """A command of ours against a round; its exit code and all that it said."""
    command = [sys.executable, "-m", "vaxel_cli", *words, "--broker", one.broker]
    done = await asyncio.create_subprocess_exec(
        *command,
        "--data-dir",
        str(one.folder / "data"),
        env={**os.environ, "VAXEL_TOPIC_PREFIX": one.prefix},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await done.communicate()
    return done.returncode or 0, said.decode()
