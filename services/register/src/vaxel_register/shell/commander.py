"""Writes: a command onto the log, then the router's answer out of the register's own database.

The same id with another body is refused; the same id with the same body is the same command and
gets the same answer, without a second record once the broker has the first.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import dataclass
from typing import Any, Literal

from vaxel_register.core.limits import COMMAND_WAIT_MS
from vaxel_register.core.writes import Stored
from vaxel_register.shell.arrivals import Arrivals
from vaxel_register.shell.queries import Queries, Row
from vaxel_register.shell.sender import SOURCE, Outlet
from vaxel_register.shell.store import Store
from vaxel_shared.blobs import BlobStore
from vaxel_shared.clock import Clock
from vaxel_shared.contracts.cloudevents import Event
from vaxel_shared.contracts.commands import Command, event_type
from vaxel_shared.errors import VaxelError
from vaxel_shared.kafka.topics import WORK
from vaxel_shared.obs import tracing


class KeyReused(VaxelError):
    """An Idempotency-Key came again with another body."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What identifies a request: its key as the client named it, and the hash of its body."""

    key: str
    body_sha256: str
    traceparent: str | None = None


class Commander:
    """Sends commands and waits for what they lead to."""

    def __init__(
        self, *, store: Store, queries: Queries, arrivals: Arrivals, blobs: BlobStore,
        outlet: Outlet, clock: Clock, wait_ms: int = COMMAND_WAIT_MS,
    ) -> None:  # fmt: skip
        self._store = store
        self._queries = queries
        self._arrivals = arrivals
        self._blobs = blobs
        self._outlet = outlet
        self._clock = clock
        self._wait_ms = wait_ms

    async def keep_text(self, kind: Literal["body", "note"], text: str) -> Stored:
        """Store a text before the command that names it. Raises Retryable."""
        raw = text.encode()
        ref = await self._blobs.put(kind, raw)
        return Stored(ref, hashlib.sha256(raw).hexdigest(), len(raw))

    async def submit(self, command: Command, asked: Asked) -> list[Row]:
        """The decisions that the command led to; none if none came within the wait.

        Raises :class:`KeyReused`, or Retryable where the log or the blobs can't be reached.
        """
        known = await self._store.begin_command(self._row(command, asked))
        if known["idempotency_key"] == asked.key and known["body_sha256"] != asked.body_sha256:
            raise KeyReused("the same Idempotency-Key came with another body")
        with self._arrivals.expect(command.id) as arrived:
            found = await self._queries.caused(command.id)
            if found:
                return found
            if not known["acknowledged"]:
                await self._send(command, asked)
            try:
                await asyncio.wait_for(arrived.wait(), self._wait_ms / 1000)
            except TimeoutError:
                return []
        return await self._queries.caused(command.id)

    async def _send(self, command: Command, asked: Asked) -> None:
        at = tracing.command(command.case_id or command.id, command.id)
        started_ns = time.time_ns()
        event = Event(
            id=command.id,
            type=event_type(command.type),
            source=SOURCE,
            time_ms=self._clock.wall_ms(),
            subject=command.case_id or command.agent_id,
            traceparent=at.traceparent,
        )
        await self._outlet.send(WORK, command.pool, command.to_json(), event)
        _trace(command, asked, at, started_ns)
        await self._store.acknowledge_command(command.id)

    def _row(self, command: Command, asked: Asked) -> dict[str, Any]:
        return {
            "id": command.id,
            "type": command.type,
            "pool": command.pool,
            "case_id": command.case_id,
            "actor_id": command.actor.id,
            "idempotency_key": asked.key,
            "body_sha256": asked.body_sha256,
            "created_ms": self._clock.wall_ms(),
            "acknowledged": False,
        }


def _trace(command: Command, asked: Asked, at: tracing.Place, started_ns: int) -> None:
    """What a person asked for follows the offer or assignment that it speaks of."""
    tracing.record(
        "register.command",
        at,
        start_ns=started_ns,
        end_ns=time.time_ns(),
        parents=[
            tracing.by_token(command.case_id or command.id, command.token),
            tracing.Place.of(asked.traceparent),
        ],
        command_id=command.id,
        type=command.type,
        case_id=command.case_id,
        agent_id=command.agent_id,
        pool=command.pool,
    )
