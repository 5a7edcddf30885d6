"""Taking a mail over: blobs, then records, then the answer; the order is what "250" means.

The raw mail is stored first, then what was made of it, then one record for each of our addresses it
was sent to, acknowledged by all replicas. Until then the sender keeps the mail, and tries again
with the same bytes, which give the same ids.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from vaxel_ingest_email.core.fields import Envelope
from vaxel_ingest_email.core.normalize import AccountRef, Parsed, address
from vaxel_ingest_email.shell.seen import key_of
from vaxel_shared.blobs import BlobStore
from vaxel_shared.clock import Clock
from vaxel_shared.contracts.cloudevents import Event
from vaxel_shared.contracts.interaction import INTERACTION_TYPE, Flag, Flags, Interaction
from vaxel_shared.crypto.keys import Keyring
from vaxel_shared.errors import Poison, Retryable
from vaxel_shared.kafka.producer import Ack, Outgoing
from vaxel_shared.kafka.topics import INTERACTIONS
from vaxel_shared.obs import tracing

SOURCE = "vaxel/ingest-email"


class Sender(Protocol):
    """What appends records; see ``vaxel_shared.kafka.producer``."""

    async def send_many(self, records: Sequence[Outgoing]) -> list[Ack]:
        """Append in order and wait for all acknowledgements."""
        ...


class Parser(Protocol):
    """What understands mails; see :class:`.parsing.ParsePool`."""

    async def parse(self, raw: bytes, envelope: Envelope, received_at_ms: int) -> Parsed:
        """A mail understood."""
        ...


class Memory(Protocol):
    """Which message ids were seen; see :class:`.seen.Seen`."""

    async def other_words(self, asked: Mapping[str, str]) -> set[str]:
        """The keys that were seen with other content."""
        ...

    def note(self, key: str, content: str) -> None:
        """A mail with this id was taken."""
        ...


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a mail: an interaction id for each account."""

    ids: list[str]
    kind: str
    limit: str | None


class Intake:
    """Makes mails durable."""

    def __init__(
        self,
        *,
        parser: Parser,
        blobs: BlobStore,
        sender: Sender,
        keyring: Keyring,
        clock: Clock,
        timeout_ms: int,
        seen: Memory | None = None,
    ) -> None:
        self._seen = seen
        self._parser = parser
        self._blobs = blobs
        self._sender = sender
        self._keyring = keyring
        self._clock = clock
        self._timeout_s = timeout_ms / 1000

    async def take(self, raw: bytes, envelope: Envelope, accounts: list[AccountRef]) -> Taken:
        """Keep a mail for good. Raises Retryable where that can't be promised in time."""
        received_at_ms = self._clock.wall_ms()
        started_ns = time.time_ns()
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._blobs.put("raw", raw)
                parsed = await self._parser.parse(raw, envelope, received_at_ms)
                for blob in parsed.blobs:
                    if blob.kind != "raw":
                        await self._blobs.put(blob.kind, blob.data)
                keys = [key_of(account.id, parsed.message_id) for account in accounts]
                reused = await self._reused(keys, parsed.content_sha256)
                made = [
                    address(_flagged(parsed) if key in reused else parsed, account, self._keyring)
                    for key, account in zip(keys, accounts, strict=True)
                ]
                await self._sender.send_many(self._records(made, received_at_ms))
        except TimeoutError as error:
            raise Retryable("a mail wasn't stored in time; is the broker or disk slow?") from error
        except Poison as error:  # our limits should not allow it; the sender keeps the mail
            raise Retryable(f"a mail's record was refused ({error.code})") from error
        if self._seen is not None:
            for key in keys:
                self._seen.note(key, parsed.content_sha256)
        _trace(made, started_ns)
        return Taken([one.id for one in made], parsed.interaction.kind, parsed.limit)

    async def _reused(self, keys: list[str], content: str) -> set[str]:
        """The keys whose id was used for other words before."""
        if self._seen is None:
            return set()
        return await self._seen.other_words(dict.fromkeys(keys, content))

    def _records(self, made: list[Interaction], received_at_ms: int) -> list[Outgoing]:
        return [
            Outgoing(
                INTERACTIONS,
                one.conversation_key,
                one.to_json(),
                Event(
                    id=one.id,
                    type=INTERACTION_TYPE,
                    source=SOURCE,
                    time_ms=received_at_ms,
                    subject=one.conversation_key,
                    traceparent=tracing.contact(one.id, "ingest").traceparent,
                ),
            )
            for one in made
        ]


def _flagged(parsed: Parsed) -> Parsed:
    """With the flag that its Message-ID isn't its own."""
    flag = Flag(value=True, evidence=["message_id_seen_with_other_content"])
    flags = (parsed.interaction.flags or Flags()).model_copy(update={"reused_id": flag})
    return replace(parsed, interaction=parsed.interaction.model_copy(update={"flags": flags}))


def _trace(made: list[Interaction], started_ns: int) -> None:
    """A trace begins here for each account that a mail was sent to."""
    for one in made:
        tracing.record(
            "mail.receive",
            tracing.contact(one.id, "ingest"),
            start_ns=started_ns,
            end_ns=time.time_ns(),
            interaction_id=one.id,
            channel=one.channel,
            kind=one.kind,
        )
