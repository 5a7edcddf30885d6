"""A batch of interactions in, their commands out, in order and acknowledged before it returns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pydantic import ValidationError

from vaxel_shared.blobs import BlobStore
from vaxel_shared.contracts.cloudevents import Event, header
from vaxel_shared.contracts.commands import Command, event_type
from vaxel_shared.contracts.interaction import Interaction
from vaxel_shared.errors import Poison
from vaxel_shared.kafka.producer import Ack, Outgoing
from vaxel_shared.kafka.topic_reader import Record
from vaxel_shared.kafka.topics import WORK
from vaxel_shared.obs import metrics, tracing
from vaxel_shared.obs.logging import get_logger
from vaxel_triage.core.admission import left, skipped
from vaxel_triage.core.contact import Tools, received_at_ms, to_command, to_end
from vaxel_triage.core.identity import Pseudonym
from vaxel_triage.shell.deployment import Current
from vaxel_triage.shell.texts import with_text

SOURCE = "vaxel/triage"

"""W3C Trace Context, section 3.2; anything else is not passed on."""


class Sender(Protocol):
    """What of a :class:`~vaxel_shared.kafka.producer.Producer` is needed here."""

    async def send_many(self, records: Sequence[Outgoing]) -> list[Ack]:
        """In order; returns when all are acknowledged, raises ``Retryable`` otherwise."""
        ...


@dataclass(frozen=True, slots=True)
class Handler:
    """Handles batches. ``current`` is asked once a batch, so that a batch sees one deployment."""

    sender: Sender
    blobs: BlobStore
    pseudonym: Pseudonym
    current: Callable[[], Current]
    text_budget_ms: int

    async def __call__(self, records: list[Record]) -> None:
        """Handle a batch of one partition; returns when its commands are acknowledged.

        Raises ``Poison`` with the ``record`` that can't be read, once all before it are
        acknowledged; ``Retryable`` when sending failed.
        """
        now = self.current()
        started_ns = time.time_ns()
        ready: list[tuple[Record, Command, Outgoing]] = []
        for record in records:
            try:
                built = await self._build(record, now)
            except Poison as error:
                error.record = record
                await self._send(ready, started_ns)
                raise
            if built is not None:
                ready.append((record, *built))
        await self._send(ready, started_ns)

    async def _build(self, record: Record, now: Current) -> tuple[Command, Outgoing] | None:
        """The command of a record, and how it is sent; None for what is no contact."""
        interaction = decode(record.value)
        if (reason := skipped(interaction)) is not None:
            metrics.SKIPPED.labels(reason).inc()
            get_logger().info(
                "interaction_skipped",
                interaction_id=interaction.id,
                reason=reason,
                partition=record.partition,
                offset=record.offset,
            )
            return None
        if (how := left(interaction)) is not None:
            command = to_end(interaction, how, now.view, self.pseudonym)
            return command, _outgoing(command, received_at_ms(interaction))
        interaction, lacking = await with_text(interaction, self.blobs, self.text_budget_ms)
        command = to_command(
            interaction,
            src=(record.partition, record.offset),
            view=now.view,
            tools=Tools(self.pseudonym, now.detector),
            lacking=lacking,
        )
        return command, _outgoing(command, command.data["received_at_ms"])

    async def _send(
        self, ready: Sequence[tuple[Record, Command, Outgoing]], started_ns: int
    ) -> None:
        if not ready:
            return
        await self.sender.send_many([outgoing for _, _, outgoing in ready])
        for record, command, _ in ready:
            if command.type == "contact.end":
                get_logger().info("contact_ended", contact_id=command.id, pool=command.pool)
                continue
            _trace(record, command, started_ns)
            data = command.data
            metrics.CONTACTS.labels(data["channel"]).inc()
            failed = [code for code in data["missing"] if code.startswith("rule:")]
            metrics.RULE_FAILURES.inc(len(failed))
            get_logger().info(
                "contact_triaged",
                contact_id=command.id,
                channel=data["channel"],
                pool=command.pool,
                queue=data["queue"],
                rule=data["rule"]["id"],
                language=data["language"],
                reason=" ".join(data["missing"]),
                partition=record.partition,
                offset=record.offset,
            )


def _outgoing(command: Command, time_ms: int) -> Outgoing:
    event = Event(
        id=command.id,
        type=event_type(command.type),
        source=SOURCE,
        time_ms=time_ms,
        subject=command.id,
        traceparent=tracing.contact(command.id, "triage").traceparent,
    )
    return Outgoing(WORK, command.pool, command.to_json(), event)


def decode(value: bytes) -> Interaction:
    """The interaction in a record. Raises ``Poison`` where there is none."""
    try:
        interaction = Interaction.model_validate_json(value)
    except ValidationError as error:
        # The error quotes the input: it is neither logged nor kept.
        raise Poison("undecodable", "the record is no interaction; mend its producer") from error
    if not interaction.id or not interaction.conversation_key:
        raise Poison("incomplete", "the interaction has no id or conversation key; mend ingest")
    return interaction


def _trace(record: Record, command: Command, started_ns: int) -> None:
    """Triage's part of the trace that ingest began; a batch's contacts share their times."""
    tracing.record(
        "triage.contact",
        tracing.contact(command.id, "triage"),
        start_ns=started_ns,
        end_ns=time.time_ns(),
        parents=[tracing.Place.of(header(record.headers, "traceparent"))],
        contact_id=command.id,
        channel=command.data["channel"],
        pool=command.pool,
        queue=command.data["queue"],
        language=command.data["language"],
        rule=command.data["rule"]["id"],
        partition=record.partition,
        offset=record.offset,
    )
