"""The clocks on a Faust stream of ``vaxel.clocks``; nobody but this and ``buffer`` knows Faust.

At least once: a step's events are acknowledged, then its state is written to the table, then (some
time later) the place is committed. A kill repeats steps; repeats are recognised by the case's last
place or say what was said under the same ids. Windows carry no clock, nothing here needs Kafka's
transactions, and the table is written in the agent only: a timer sends what came due to the
partition that it is of, and the agent judges it again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import faust
import msgspec
from pydantic import TypeAdapter, ValidationError

from vaxel_shared import ids
from vaxel_shared.clock import Clock
from vaxel_shared.contracts.cloudevents import Event
from vaxel_shared.contracts.sla import DUE_TYPE, Due, Mark, Move
from vaxel_shared.errors import Fatal, Retryable, VaxelError
from vaxel_shared.kafka.admin import Offsets
from vaxel_shared.kafka.client import client_options
from vaxel_shared.kafka.deadletters import PoisonLimit
from vaxel_shared.kafka.producer import Outgoing
from vaxel_shared.kafka.retry import Backoff
from vaxel_shared.kafka.topic_reader import Record
from vaxel_shared.kafka.topics import CLOCKS, CLOCKS_TABLE, partition_count, partition_for
from vaxel_shared.obs import metrics
from vaxel_shared.obs.logging import get_logger
from vaxel_sla_monitor.config import MonitorSettings
from vaxel_sla_monitor.core.deadlines import Deadline, Deadlines
from vaxel_sla_monitor.core.moves import ENDINGS
from vaxel_sla_monitor.core.rules import Rules
from vaxel_sla_monitor.core.state import Case, decode, encode
from vaxel_sla_monitor.core.step import step
from vaxel_sla_monitor.shell import buffer
from vaxel_sla_monitor.shell.flow import Places, SteadyFlow
from vaxel_sla_monitor.shell.projector import SOURCE, Sender
from vaxel_sla_monitor.shell.teller import Teller

APP = "vaxel.sla-monitor"
TABLE = "clocks"
SENT_AT_ONCE_MAX = 200
"""Deadlines in one send: ten thousand at one instant are told in fifty."""
BROKER_GONE_MS_MAX = 120_000
STORE_OPTIONS = {
    # RocksDB's own defaults are a cache of 2 GB and three buffers of 64 MB a partition.
    "block_cache_size": 8 << 20,
    "write_buffer_size": 4 << 20,
    "max_write_buffer_number": 2,
}
_RECORDS: TypeAdapter[Move | Due | Mark] = TypeAdapter(Move | Due | Mark)

Park = Callable[[Record, str], Any]
"""Write a dead letter; awaited until it is acknowledged."""


class ClockStream:
    """Folds ``vaxel.clocks`` into the table, and sends back to it what came due."""

    def __init__(
        self, settings: MonitorSettings, *, sender: Sender, teller: Teller, park: Park,
        rules: Callable[[], Rules], clock: Clock,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._sender = sender
        self._teller = teller
        self._park = park
        self._rules = rules
        self._clock = clock
        self.read_ms = clock.monotonic_ms()
        """When the last record was read, or the table; monotonic."""
        self._places = Places()
        self._begins: dict[int, int] = {}
        self._limit = PoisonLimit(CLOCKS)
        self._deadlines = Deadlines()
        self._known: dict[int, dict[int, int]] = {}
        """By partition of ``vaxel.clocks``: the marks that were read there."""
        self._open: dict[str, Counter[tuple[str, str]]] = {}
        self._count = 0
        self._failed: asyncio.Future[None] | None = None
        self._marked_ms = self._marked_at_ms = 0
        self.recovered = False
        """Whether the table was read."""
        self._app, self._table = self._make()

    @property
    def blind_ms(self) -> int | None:
        """Since when no newer mark was read; None before the first.

        By the monotonic clock: how this machine's wall clock stands to the broker's says nothing.
        """
        return self._clock.monotonic_ms() - self._marked_at_ms if self._marked_ms else None

    async def run(self, stop: asyncio.Event) -> None:
        """A task. Raises ``Fatal`` where the stream can't go on; a new process can."""
        await self._check()
        loop = asyncio.get_running_loop()
        self._failed = loop.create_future()
        self._app.finalize()
        starting = asyncio.ensure_future(self._app.start())
        crashed = asyncio.ensure_future(self._app._crashed.wait())  # noqa: SLF001 - no other way
        stopping = asyncio.ensure_future(stop.wait())
        try:
            done = await _first(starting, crashed, stopping, self._failed)
            if starting in done:
                starting.result()
                done = await _first(crashed, stopping, self._failed)
            if self._failed in done:
                self._failed.result()
            if crashed in done:
                reason = self._app.crash_reason
                raise Fatal(f"the stream of clocks broke down ({type(reason).__name__})")
            await self._app.consumer.commit()  # stopping alone would have half of it read again
        finally:
            for task in (starting, crashed, stopping):
                task.cancel()
            await self._stop()

    async def _stop(self) -> None:
        """Let go of Kafka and the store, in bounded time: a kill is as safe."""
        try:
            await asyncio.wait_for(self._app.stop(), timeout=5)
        except TimeoutError:
            get_logger().warning("close_timed_out", name="faust")

    async def _check(self) -> None:
        """Raise Fatal for topics on which Faust would look ready and do nothing."""
        self._count = await partition_count(self._settings, CLOCKS)
        table = await partition_count(self._settings, CLOCKS_TABLE)
        if table != self._count:
            raise Fatal(
                f"{CLOCKS} has {self._count} partitions, {CLOCKS_TABLE} {table}; they must be as "
                "many: recreate the latter with `vaxel topics apply`"
            )
        offsets = Offsets(self._settings)
        try:
            self._begins = await offsets.begins(CLOCKS, range(self._count))
        finally:
            await offsets.close()

    def _make(self) -> tuple[Any, Any]:
        settings = self._settings
        folder = settings.data_dir.absolute() / "sla-monitor" / str(settings.instance)
        folder.mkdir(parents=True, exist_ok=True)
        buffer.install()
        app = faust.App(
            settings.topic(APP),
            broker=[f"kafka://{one.strip()}" for one in settings.broker.split(",")],
            broker_credentials=_credentials(settings),
            datadir=str(folder),
            store="rocksdb://",
            web_enabled=False,
            autodiscover=False,
            topic_allow_declare=False,
            topic_disable_leader=True,
            table_standby_replicas=0,
            key_serializer="raw",
            value_serializer="raw",
            producer_linger=0.005,
            consumer_metadata_max_age_ms=5_000,
            consumer_auto_offset_reset="earliest",
            consumer_group_instance_id=f"sla-{settings.instance}",
            broker_session_timeout=10,
            broker_commit_interval=settings.commit_ms / 1000,
            origin="vaxel_sla_monitor",
        )
        app.flow_control = SteadyFlow()  # before anything has a queue
        source = app.topic(settings.topic(CLOCKS), key_type=bytes, value_type=bytes)
        table = app.Table(
            TABLE, key_type=bytes, value_type=bytes, default=None, options=dict(STORE_OPTIONS)
        )
        app.agent(source, name="clocks")(self._agent)
        app.timer(settings.tick_ms / 1000)(self._tick)
        table.on_recover(self._on_recover)
        return app, table

    async def _agent(self, stream: Any) -> None:
        """Fold every record; one that can't be becomes a dead letter, and is never skipped."""
        async for event in stream.events():
            try:
                await self._handle(event)
            except Exception as error:  # noqa: BLE001 - Faust would acknowledge and drop it
                self._fail(error)
                await asyncio.Event().wait()  # unacknowledged, until the process ends

    async def _handle(self, event: Any) -> None:
        message = event.message
        self.read_ms = self._clock.monotonic_ms()
        partition, key = message.partition, message.key or b""
        committed = self._app.consumer._committed_offset.get(message.tp)  # noqa: SLF001 - no other way
        if committed is not None:  # before the log's beginning there is nothing to be read
            committed = max(committed, self._begins.get(partition, 0))
        self._places.read(partition, message.offset, committed)
        try:
            record = _RECORDS.validate_json(message.value or b"")
        except ValidationError:
            headers = tuple((message.headers or {}).items())
            at_ms = int((message.timestamp or 0) * 1000)
            plain = Record(
                CLOCKS, partition, message.offset, at_ms, key, message.value or b"", headers
            )
            self._limit.note(partition, message.offset, "unreadable_clock_record")
            await self._patiently("park", lambda: self._park(plain, "unreadable_clock_record"))
            return
        self._limit.note(partition, message.offset, None)
        if isinstance(record, Mark):
            known = self._known.setdefault(partition, {})
            for source, at_ms in record.known_ms.items():
                known[source] = max(at_ms, known.get(source, 0))
            newest = max(record.known_ms.values(), default=0)
            if newest > self._marked_ms:
                self._marked_ms, self._marked_at_ms = newest, self.read_ms
            return
        await self._fold(partition, key, record)

    async def _fold(self, partition: int, key: bytes, record: Move | Due) -> None:
        if isinstance(record, Due):
            self._deadlines.judged(record)
        raw = self._table.get(key)
        case = decode(raw) if raw else None
        outcome = step(case, record, self._rules())
        if outcome.events:
            await self._patiently("tell", lambda: self._teller.tell(outcome.events))
        if outcome.case is not None:
            # Also when nothing changed: a repeat makes sure that the table's topic has it, too.
            self._table[key] = encode(outcome.case)
        elif raw is not None:
            del self._table[key]
        elif isinstance(record, Move) and record.type in ENDINGS:
            self._table[key] = b""  # the same for what was deleted here and perhaps not there
            del self._table[key]
        self._note(partition, record.case_id, outcome.case)

    async def _patiently(self, what: str, call: Callable[[], Any]) -> None:
        """Call until it works; raises ``Fatal`` when the broker stays away."""
        backoff, never = Backoff(BROKER_GONE_MS_MAX), asyncio.Event()
        while True:
            try:
                await call()
            except Retryable as error:
                await backoff.pause(what, error, never)
            else:
                return

    async def _tick(self) -> None:
        """Send back what is known to be due; the agent judges it again and tells."""
        if not self.recovered or self._app.rebalancing or self._app.tables.recovery.in_recovery:
            metrics.SLA_SKIPPED.labels("recovering").inc()
            return
        topic = self._settings.topic(CLOCKS)
        own = sorted(tp.partition for tp in self._app.consumer.assignment() if tp.topic == topic)
        for partition in own:
            known = self._known.get(partition, {})
            while taken := list(
                self._deadlines.take(partition, known, SENT_AT_ONCE_MAX, self._case)
            ):
                if not await self._send(partition, taken):
                    return
        metrics.SLA_TIMERS.set(len(self._deadlines))

    def _case(self, case_id: str) -> Case | None:
        raw = self._table.get(case_id.encode())
        return decode(raw) if raw else None

    async def _send(self, partition: int, taken: list[tuple[Deadline, int]]) -> bool:
        try:
            await self._sender.send_many([_due(partition, *one) for one in taken])
        except Retryable:
            metrics.SLA_SKIPPED.labels("broker_away").inc()
            for entry, _known in taken:
                self._deadlines.again(partition, entry)
            return False
        except VaxelError as error:
            self._fail(error)
            return False
        return True

    async def _on_recover(self) -> None:
        """Find every deadline again. An error here would go unseen, so it ends the process."""
        try:
            self._places.clear()
            self._deadlines.clear()
            self._open.clear()
            own = self._own_partitions()
            for key, raw in self._table.items():
                partition = partition_for(key, self._count)
                if raw and partition in own:  # the store may still have others' keys
                    self._note(partition, key.decode(), decode(raw))
        except (msgspec.DecodeError, UnicodeDecodeError, RuntimeError, OSError) as error:
            self._fail(error)
            return
        self.recovered, self.read_ms = True, self._clock.monotonic_ms()
        get_logger().info("clocks_recovered", count=len(self._open), partitions=sorted(own))

    def _own_partitions(self) -> set[int]:
        changelog = self._settings.topic(CLOCKS_TABLE)
        assigned = self._app.assignor.assigned_actives()
        return {tp.partition for tp in assigned if tp.topic == changelog}

    def _note(self, partition: int, case_id: str, case: Case | None) -> None:
        """Keep deadlines and gauges as the case is now."""
        self._deadlines.set(partition, case_id, case)
        before = self._open.pop(case_id, Counter())
        clocks = case.clocks.items() if case is not None else ()
        after = Counter((name, clock.state) for name, clock in clocks if clock.open)
        if after:
            self._open[case_id] = after
        for (name, state), number in (after - before).items():
            metrics.SLA_CLOCKS.labels(name, state).inc(number)
        for (name, state), number in (before - after).items():
            metrics.SLA_CLOCKS.labels(name, state).dec(number)

    def _fail(self, error: BaseException) -> None:
        """End the process: what is wrong here doesn't pass."""
        if self._failed is not None and not self._failed.done():
            ours = isinstance(error, VaxelError)
            text = str(error) if ours else f"a clock could not be kept ({type(error).__name__})"
            self._failed.set_exception(Fatal(text))


def _due(partition: int, entry: Deadline, known_ms: int) -> Outgoing:
    value = Due(
        case_id=entry.case_id,
        clock=entry.clock,
        cycle=entry.cycle,
        stage=entry.stage,
        due_ms=entry.at_ms,
        known_ms=known_ms,
    )
    parts = (entry.case_id, entry.clock, str(entry.cycle), entry.stage, str(entry.at_ms))
    head = Event(ids.event_id("due", *parts), DUE_TYPE, SOURCE, known_ms, entry.case_id)
    return Outgoing(CLOCKS, entry.case_id, value.to_json(), head, partition)


def _credentials(settings: MonitorSettings) -> Any:
    """Faust's way to say what :func:`client_options` says."""
    options = client_options(settings)
    tls = options.get("ssl_context")
    if "sasl_mechanism" in options:
        return faust.SASLCredentials(
            username=options["sasl_plain_username"],
            password=options["sasl_plain_password"],
            mechanism=options["sasl_mechanism"],
            ssl_context=tls,
        )
    return faust.SSLCredentials(context=tls) if tls is not None else None


async def _first(*waits: asyncio.Future[Any]) -> set[asyncio.Future[Any]]:
    done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    return done
