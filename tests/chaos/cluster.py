"""Three Kafka brokers and a controller on this machine, to be killed, frozen and moved about.

One controller of its own beside the brokers: two of three brokers can be down and somebody still
says who leads. Nodes are started from the thread that made the cluster, and die with it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError
from aiokafka.protocol.admin import AlterPartitionReassignmentsRequest as Reassign
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Int8, Int16, Int32, Schema, String

from vaxel_cli.broker import Installation, LocalBroker, Node, prepare
from vaxel_cli.broker.process import cluster_id
from vaxel_shared.errors import Retryable
from vaxel_shared.kafka.client import client_options
from vaxel_shared.kafka.topics import declared
from vaxel_shared.settings import Settings

BROKERS = (1, 2, 3)
CONTROLLER = 0
PATIENCE_S = 180
PREFERRED, UNCLEAN = 0, 1
_POLL_S = 0.2
_NOT_NEEDED = 84
"""Kafka's answer where the one that is asked for leads already."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PartitionState:
    """Of one partition: who leads (-1: nobody), who has all of it, and who should, in order."""

    leader: int
    in_sync: tuple[int, ...]
    replicas: tuple[int, ...]


class Cluster:
    """Nodes 1 to 3 are brokers, node 0 the controller; ports from ``port`` on in that order."""

    def __init__(self, folder: Path, port: int) -> None:
        self._port = port
        self._folder = folder
        self.nodes: dict[int, LocalBroker] = {}
        self._frozen: set[int] = set()

    @property
    def address(self) -> str:
        """All brokers, for clients."""
        return ",".join(f"127.0.0.1:{self._port + node}" for node in BROKERS)

    @property
    def settings(self) -> Settings:
        """For clients of ours."""
        return Settings(broker=self.address, security_protocol="PLAINTEXT")

    def start(self) -> None:
        """All of it; the first time its folders are formatted."""
        installation = asyncio.run(prepare())
        cluster = cluster_id(uuid.uuid4())
        for node in (CONTROLLER, *BROKERS):
            self.nodes[node] = self._node(installation, node, cluster)
        asyncio.run(self._start_all())
        self.ready(*BROKERS)

    async def _start_all(self) -> None:
        await asyncio.gather(*(node.start() for node in self.nodes.values()))

    def _node(self, installation: Installation, node: int, cluster: str) -> LocalBroker:
        is_controller = node == CONTROLLER
        settings: dict[str, object] = {
            "node.id": node,
            "process.roles": "controller" if is_controller else "broker",
            "controller.quorum.voters": f"{CONTROLLER}@127.0.0.1:{self._port}",
            "offsets.topic.replication.factor": 3,
            "transaction.state.log.replication.factor": 3,
            "transaction.state.log.min.isr": 2,
            "share.coordinator.state.topic.replication.factor": 3,
            "share.coordinator.state.topic.min.isr": 2,
            # A machine that does much else is late with heartbeats.
            "broker.session.timeout.ms": 3000,
            "broker.heartbeat.interval.ms": 500,
            # A follower that stands still holds acknowledgements up for this long.
            "replica.lag.time.max.ms": 3000,
            # Whoever leads is the harness's to say.
            "auto.leader.rebalance.enable": "false",
            "unclean.leader.election.interval.ms": 1000,
        }
        if is_controller:
            settings["listeners"] = f"CONTROLLER://127.0.0.1:{self._port}"
            settings["advertised.listeners"] = f"CONTROLLER://127.0.0.1:{self._port}"
        else:
            settings["listeners"] = f"PLAINTEXT://127.0.0.1:{self._port + node}"
        memory = ("-Xms96m", "-Xmx192m" if is_controller else "-Xmx384m", "-XX:TieredStopAtLevel=1")
        return LocalBroker(
            installation,
            self._folder / f"node-{node}",
            port=self._port + node,
            controller_port=self._port,
            node=Node(settings, cluster, memory),
        )

    # What is done to nodes.

    def kill(self, *nodes: int) -> None:
        """Kill -9, all at one moment."""
        for node in nodes:
            os.kill(self._pid(node), signal.SIGKILL)
        for node in nodes:
            self.nodes[node].kill()

    def up(self, *nodes: int) -> None:
        """Start nodes that are down and wait until they answer."""
        for node in nodes:
            asyncio.run(self.nodes[node].start())
        self.ready(*nodes)

    def ready(self, *nodes: int) -> None:
        """Wait until these brokers take requests."""
        for node in nodes:
            if node != CONTROLLER:
                asyncio.run(self.nodes[node].wait_ready(PATIENCE_S * 1000))

    def down(self, node: int) -> None:
        """An orderly stop: its partitions get other leaders first."""
        asyncio.run(self.nodes[node].stop())

    def freeze(self, node: int) -> None:
        """SIGSTOP."""
        os.kill(self._pid(node), signal.SIGSTOP)
        self._frozen.add(node)

    def thaw(self, node: int) -> None:
        """SIGCONT."""
        os.kill(self._pid(node), signal.SIGCONT)
        self._frozen.discard(node)

    def _pid(self, node: int) -> int:
        pid = self.nodes[node].pid
        assert pid is not None, "started"
        return pid

    def end(self) -> None:
        """Kill whatever runs."""
        for node in self.nodes.values():
            node.kill()

    # What is asked of the cluster, and told to it.

    def state(self, topic: str) -> dict[int, PartitionState]:
        """Every partition of a topic as a living broker knows it."""

        async def ask(client: AIOKafkaAdminClient) -> dict[int, PartitionState]:
            (row,) = await client.describe_topics([topic])
            return {
                one["partition"]: PartitionState(
                    one["leader"], tuple(one["isr"]), tuple(one["replicas"])
                )
                for one in row["partitions"]
            }

        return self._admin(ask)

    def whole(self, topics: Iterable[str], patience_s: float = PATIENCE_S) -> None:
        """Wait until every partition has a leader and all its copies in step."""
        waiting = list(topics)

        def is_whole() -> bool:
            while waiting:
                states = self.state(waiting[0]).values()
                if not all(len(one.in_sync) == len(BROKERS) and one.leader > 0 for one in states):
                    return False
                waiting.pop(0)
            return True

        until(is_whole, patience_s, lambda: f"{waiting} not whole again")

    def led_by(self, topic: str, partition: int, *nodes: int) -> None:
        """Wait until one of ``nodes`` leads the partition."""
        until(
            lambda: self.state(topic)[partition].leader in nodes,
            PATIENCE_S,
            lambda: f"{topic} {partition} not led by {nodes}",
        )

    def move(self, topic: str, partitions: list[int], to: int) -> None:
        """Another leader in good order: first among the replicas, then elected."""
        states = self.state(topic)
        orders = {
            partition: [to, *(one for one in states[partition].replicas if one != to)]
            for partition in partitions
        }

        async def reassign(client: AIOKafkaAdminClient) -> None:
            rows = [(partition, order, {}) for partition, order in orders.items()]
            await client._send_request(Reassign(10_000, [(topic, rows, {})], {}))

        def reordered() -> bool:
            now = self.state(topic)
            return all(now[partition].replicas[0] == to for partition in partitions)

        self._admin(reassign)
        until(reordered, PATIENCE_S, lambda: "replicas not reordered")
        self.elect(topic, partitions, PREFERRED)
        for partition in partitions:
            self.led_by(topic, partition, to)

    def elect(self, topic: str, partitions: list[int], kind: int) -> None:
        """Hold an election; :data:`UNCLEAN` takes whoever lives, whatever that one lacks."""

        async def ask(client: AIOKafkaAdminClient) -> None:
            answer = await client._send_request(_Elect(kind, [(topic, partitions)]))
            for _, rows in answer.replica_election_results:
                for partition, code, message in rows:
                    if code not in (0, _NOT_NEEDED):
                        raise Retryable(f"{topic} {partition}: election refused: {code} {message}")

        self._admin(ask)

    def configure(self, topic: str, declared_as: str, **changes: str) -> None:
        """Settings of a topic other than declared, e.g. ``unclean_leader_election_enable``."""
        settings = declared(declared_as).configs(len(BROKERS))
        settings |= {name.replace("_", "."): value for name, value in changes.items()}

        async def ask(client: AIOKafkaAdminClient) -> None:
            resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs=settings)
            for answer in await client.alter_configs([resource]):
                for code, message, *_ in answer.resources:
                    if code:
                        raise Retryable(f"{topic}: {message}")

        self._admin(ask)

    def _admin(self, ask: Callable[[AIOKafkaAdminClient], Awaitable[T]]) -> T:
        """One question, asked again until a broker answers it."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return asyncio.run(self._asked(ask))
            except (KafkaError, OSError, Retryable, ValueError) as error:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"the cluster doesn't answer: {error!r}") from error
                time.sleep(_POLL_S)

    async def _asked(self, ask: Callable[[AIOKafkaAdminClient], Awaitable[T]]) -> T:
        alive = [
            node
            for node in BROKERS
            if self.nodes[node].returncode is None and node not in self._frozen
        ]
        servers = ",".join(f"127.0.0.1:{self._port + node}" for node in alive)
        options = client_options(self.settings) | {"bootstrap_servers": servers}
        client = AIOKafkaAdminClient(**options | {"request_timeout_ms": 3_000})
        async with asyncio.timeout(8):
            try:
                await client.start()
                return await ask(client)
            finally:
                await client.close()


def until(condition: Callable[[], bool], seconds: float, what: Callable[[], str]) -> float:
    """Wait until it holds; answers how many seconds it took, raises RuntimeError if too many."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise RuntimeError(f"{what()} after {seconds:.0f} s")
        time.sleep(_POLL_S)
    return time.monotonic() - began


class _Elected(Response):
    """ElectLeaders, answer, version 1."""

    API_KEY = 43
    API_VERSION = 1
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        (
            "replica_election_results",
            Array(
                ("topic", String("utf-8")),
                (
                    "partition_result",
                    Array(
                        ("partition_id", Int32),
                        ("error_code", Int16),
                        ("error_message", String("utf-8")),
                    ),
                ),
            ),
        ),
    )


class _Election(RequestStruct):
    """ElectLeaders, question, version 1."""

    API_KEY = 43
    API_VERSION = 1
    RESPONSE_TYPE = _Elected
    SCHEMA = Schema(
        ("election_type", Int8),
        (
            "topic_partitions",
            Array(("topic", String("utf-8")), ("partitions", Array(Int32))),
        ),
        ("timeout_ms", Int32),
    )


class _Elect(Request[_Election]):
    """aiokafka's admin client knows no elections; Kafka's own documentation has this one."""

    API_KEY = 43

    def __init__(self, kind: int, partitions: list[tuple[str, list[int]]]) -> None:
        self._words = (kind, partitions, 10_000)

    def build(self, request_struct_class: Any) -> Any:
        """In the version that the broker knows."""
        return request_struct_class(*self._words)
