"""Onto the log: what a visitor wrote and what a provider posted, acknowledged by all replicas.

Until then nobody is told that we have it; what is repeated has the same id. Where the log doesn't
acknowledge in time it goes to the spool, and as long as anything waits there everything does, so
that nothing overtakes.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

from vaxel_ingest_chat.core import interactions
from vaxel_ingest_chat.core.protocol import Message, Refused
from vaxel_ingest_chat.core.visitor import Visitor
from vaxel_ingest_chat.shell.turns import Turns
from vaxel_shared.blobs import BlobStore
from vaxel_shared.clock import Clock
from vaxel_shared.contracts.cloudevents import Event
from vaxel_shared.contracts.interaction import INTERACTION_TYPE, Interaction, Kind
from vaxel_shared.errors import Poison, Retryable
from vaxel_shared.kafka.producer import Ack, Outgoing, refuse_too_large
from vaxel_shared.kafka.topics import INTERACTIONS, SIGNALS
from vaxel_shared.obs import metrics, tracing

SOURCE = "vaxel/ingest-chat"
SIGNAL_TYPE = "vaxel.signal.v1"
TEXT_BYTES_MAX = 64 * 1024
"""A longer text stands on the topic by reference."""
GRACE_S = 0.5
"""After the producer's own deadline, which lets go of what hangs."""
TAKEN_MAX = 20_000
"""Ids remembered: an early filter for repeats within minutes. The router ends all others."""


class Sender(Protocol):
    """What appends records; see ``vaxel_shared.kafka.producer``."""

    async def send_many(self, records: Sequence[Outgoing]) -> list[Ack]:
        """Append in order and wait for all acknowledgements."""
        ...


class Keeper(Protocol):
    """Where entries wait for the log; see :class:`.spool.Spool`."""

    @property
    def busy(self) -> bool:
        """Whether anything waits there."""
        ...

    async def put(self, entry: tuple[Outgoing, ...]) -> None:
        """Keep it for good. Raises Retryable where that can't be promised."""
        ...


class Intake:
    """Makes messages durable."""

    def __init__(
        self,
        *,
        sender: Sender,
        blobs: BlobStore,
        clock: Clock,
        send_timeout_ms: int,
        storing_max: int,
        spool: Keeper | None = None,
    ) -> None:
        self._sender = sender
        self._spool = spool
        self._blobs = blobs
        self._clock = clock
        self._send_timeout_s = send_timeout_ms / 1000 + GRACE_S
        self._taken: OrderedDict[str, bytes] = OrderedDict()
        self._signals = 0
        self._turns = Turns(storing_max)

    async def message(self, visitor: Visitor, message: Message, conversation_key: str) -> str:
        """Keep a visitor's message for good; answers its id.

        Raises Retryable where that can't be promised in time, :class:`Refused` for an id that was
        used for another text.
        """
        interaction_id = interactions.message_id(visitor, message.client_id)
        digest = hashlib.sha256(message.text.encode()).digest()
        before = self._taken.get(interaction_id)
        if before is not None and before != digest:
            detail = "make a new id for every message"
            raise Refused("id_reused", detail, fatal=False, about=message.client_id)
        if before is None:
            now_ms = self._clock.wall_ms()
            one = interactions.of_message(visitor, message, conversation_key, now_ms)
            started = time.monotonic()
            await self._append([one])
            metrics.CHAT_ACK_SECONDS.observe(time.monotonic() - started)
            self._remember(interaction_id, digest)
        return interaction_id

    async def hook(self, raw: bytes, found: list[Interaction], timeout_ms: int) -> None:
        """Keep what a provider posted for good. Raises Retryable where that can't be promised.

        Accounts take turns at the disk: what one sent at once doesn't stand before the others.
        """
        new = [one for one in found if one.id not in self._taken]
        if not new:
            return
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                async with self._turns.one(new[0].account):
                    await self._blobs.put("raw", raw)
                    fitting = [await self._fitting(one) for one in new]
                await self._append(fitting)
        except TimeoutError as error:
            raise Retryable("a webhook wasn't stored in time; is the broker slow?") from error
        for one in new:
            self._remember(one.id, b"")

    async def left(self, visitor: Visitor, conversation_key: str) -> None:
        """Keep for good that a visitor left. Raises Retryable."""
        now_ms = self._clock.wall_ms()
        await self._append([interactions.of_leaving(visitor, conversation_key, now_ms)])

    async def signal(self, visitor: Visitor, kind: Kind, conversation_key: str) -> None:
        """Say that a visitor types or has read; lost without harm."""
        now_ms = self._clock.wall_ms()
        self._signals += 1
        one = interactions.of_signal(visitor, kind, self._signals, conversation_key, now_ms)
        event = Event(one.id, SIGNAL_TYPE, SOURCE, now_ms, conversation_key)
        await self._sender.send_many([Outgoing(SIGNALS, conversation_key, one.to_json(), event)])

    async def _append(self, found: Sequence[Interaction]) -> None:
        now_ms = self._clock.wall_ms()
        started_ns = time.time_ns()
        places = [(one, tracing.contact(one.id, "ingest")) for one in found]
        records = [
            Outgoing(
                INTERACTIONS,
                one.conversation_key,
                one.to_json(),
                Event(
                    one.id, INTERACTION_TYPE, SOURCE, now_ms, one.conversation_key, at.traceparent
                ),
            )
            for one, at in places
        ]
        try:
            await self._keep(tuple(records))
        except Poison as error:  # our limits don't allow it; whoever sent it keeps it
            raise Retryable(f"a message's record was refused ({error.code})") from error
        for one, at in places:
            tracing.record(
                f"{one.channel}.receive",
                at,
                start_ns=started_ns,
                end_ns=time.time_ns(),
                interaction_id=one.id,
                channel=one.channel,
                kind=one.kind,
            )

    async def _keep(self, records: tuple[Outgoing, ...]) -> None:
        """On the log or in the spool. Raises Retryable where neither takes it."""
        for record in records:
            refuse_too_large(record)
        if self._spool is not None and self._spool.busy:
            await self._spool.put(records)
            return
        try:
            async with asyncio.timeout(self._send_timeout_s):
                await self._sender.send_many(records)
        except (Retryable, TimeoutError) as error:
            if self._spool is not None:
                await self._spool.put(records)
                return
            raise Retryable("a message wasn't acknowledged in time; is Kafka slow?") from error

    async def _fitting(self, one: Interaction) -> Interaction:
        """With a long text by reference."""
        text = (one.text or "").encode()
        if len(text) <= TEXT_BYTES_MAX:
            return one
        ref = await self._blobs.put("text", text)
        return one.model_copy(update={"text": None, "text_ref": ref})

    def _remember(self, interaction_id: str, digest: bytes) -> None:
        self._taken[interaction_id] = digest
        if len(self._taken) > TAKEN_MAX:
            self._taken.popitem(last=False)
