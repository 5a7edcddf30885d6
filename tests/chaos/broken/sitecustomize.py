"""Breaks one rule of the commit protocol in a real process: for tests of the harness only.

With this folder in PYTHONPATH, ``VAXEL_TEST_BROKEN=<rule>`` chooses a rule by the names below;
Python imports this module at the start of every process, and nothing of the product knows of it.
The rules are those that the checker must notice the loss of.
"""

# ruff: noqa: PLC0415 - imports only what the process to be broken has, and breaks into it
from __future__ import annotations

import asyncio
import os
import smtplib
import sys
from collections.abc import Callable
from typing import Any

WRONG_SEQ = 9
"""Of the record whose snapshot holds what comes after it."""
LINGER_S = 60
"""Longer than it takes to look whether that snapshot stands."""


def unconfirmed_snapshot() -> None:
    """The router saves its state before the log has it, at the position before.

    It lingers between the two: ``provoke.killed_after_snapshot`` has to come in there.
    """
    from vaxel_router.shell.partition import Partition

    commit = Partition._commit

    async def save_first(self: Any, *words: Any) -> None:
        at = self._ports.writer.position
        if at.seq == WRONG_SEQ:
            clock = self._ports.clock
            self._snapshots.take(self.world, at, clock.wall_ms(), clock.now_ms())
            await self._snapshots.settle()
            await asyncio.sleep(LINGER_S)
        await commit(self, *words)

    Partition._commit = save_first


def offset_ignored() -> None:
    """The router takes every acknowledgement for the one that it expected."""
    from vaxel_shared.kafka import writer

    class Anywhere(int):
        def __ne__(self, _other: object) -> bool:
            return False

        __hash__ = int.__hash__

    append = writer.ChainWriter._commit

    async def judge_nothing(self: Any, *words: Any, **more: Any) -> Any:
        log, real = self._log, self._log.append

        async def anywhere(*w: Any) -> Any:
            ack = await real(*w)
            return type(ack)(Anywhere(ack.offset), ack.timestamp_ms)

        log.append = anywhere
        try:
            return await append(self, *words, **more)
        finally:
            del log.append

    writer.ChainWriter._commit = judge_nothing


def reader_without_hash() -> None:
    """A reader takes every record for valid that looks like one."""
    from vaxel_shared.kafka import chain, records

    def accept_all(state: Any, offset: int, raw: bytes) -> Any:
        parts = chain.unpack(raw)
        if parts is None:
            return chain._void(state, -1, "")
        batch = chain.wire.decode_batch(parts[1])
        return chain.Accepted(chain._after(state, parts[0], offset, raw), parts[0], batch)

    chain.accept = records.chain.accept = accept_all


def effects_first() -> None:
    """A mail leaves before the log has what it is about: the router sends it, then appends."""
    from vaxel_router.shell.partition import Partition
    from vaxel_shared.ids import effect_id, event_id

    commit, port = Partition._commit, int(os.environ["VAXEL_TEST_SINK_PORT"])

    def send(name: str) -> None:
        mail = f"Message-ID: <{name}@early.example>\r\nSubject: early\r\n\r\nearly\r\n"
        with smtplib.SMTP("127.0.0.1", port, timeout=5) as client:
            client.sendmail("router@early.example", ["agent@early.example"], mail)

    async def send_first(self: Any, batch: Any, *words: Any) -> None:
        seq = self._ports.writer.next_seq
        for index, decision in enumerate(batch.decisions):
            if decision.type == "offer.made":
                effect = effect_id(self._log_id, self._partition, seq, index)
                await asyncio.to_thread(send, event_id("message", effect))
        await commit(self, batch, *words)

    Partition._commit = send_first


def answered_before_stored() -> None:
    """Intake says 250 without waiting for any broker."""
    from vaxel_shared.kafka import producer

    send_many = producer.Producer.send_many
    under_way: set[Any] = set()

    async def send_later(self: Any, records: Any) -> Any:
        task = asyncio.ensure_future(send_many(self, records))
        under_way.add(task)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return [producer.Ack(0, -1, 0) for _ in records]

    producer.Producer.send_many = send_later


def one_copy() -> None:
    """Intake says 250 when the leader has it (acks=1), whatever its followers have."""
    from vaxel_shared.kafka import producer

    options = producer.producer_options
    producer.producer_options = lambda settings: (
        options(settings)
        | {
            "acks": 1,
            "enable_idempotence": False,
        }
    )


RULES: dict[str, tuple[str, Callable[[], None]]] = {
    "unconfirmed_snapshot": ("vaxel_router", unconfirmed_snapshot),
    "offset_ignored": ("vaxel_router", offset_ignored),
    "reader_without_hash": ("vaxel_register", reader_without_hash),
    "effects_first": ("vaxel_router", effects_first),
    "answered_before_stored": ("vaxel_ingest_email", answered_before_stored),
    "one_copy": ("vaxel_ingest_email", one_copy),
}
"""Name → the program that loses the rule (its module's name stands in the command), and how."""

if (chosen := os.environ.get("VAXEL_TEST_BROKEN")) in RULES:
    program, break_it = RULES[chosen]
    if sys.orig_argv[-1] == program:
        break_it()
