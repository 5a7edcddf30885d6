"""Makes exactly the situation in which one broken rule of the commit protocol does harm.

A small system on a broker of its own, real processes under ``vaxel up``; contacts come in one by
one, from here, so that nothing depends on luck. Every situation is made on a sound build as well,
where nothing may be wrong afterwards: what is found is the rule's loss, not the situation's.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import smtplib
import time
import uuid
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

from chaos.broken.sitecustomize import WRONG_SEQ
from chaos.checker import Verdict, check
from chaos.shown import shown_cases
from chaos.system import ROOT, System, wait_for

from vaxel_cli.broker import LocalBroker
from vaxel_shared import ids
from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.contracts import cloudevents, commands, wire
from vaxel_shared.contracts.interaction import INTERACTION_TYPE, Interaction, Party
from vaxel_shared.errors import Retryable
from vaxel_shared.kafka import chain, topics
from vaxel_shared.kafka.chain import ChainHalt, ChainState, Header
from vaxel_shared.kafka.log import KafkaPartitionLog, RawRecord, scan
from vaxel_shared.kafka.producer import Outgoing, Producer
from vaxel_shared.kafka.records import ChainRecord, Judge
from vaxel_shared.kafka.snapshots import SnapshotStore
from vaxel_shared.kafka.topics import DECISIONS, INTERACTIONS, SNAPSHOTS, WORK, partition_for
from vaxel_shared.kafka.writer import ChainWriter
from vaxel_shared.settings import Settings
from vaxel_shared.version import ENGINE

POOL, QUEUE = "support", "general"
BROKEN = Path(__file__).parent
SNAPSHOT_RECORDS = 7
"""So often a snapshot and a digest, where the product has 500; none after ``WRONG_SEQ``."""
DECIDED_S_MAX = 20
PATIENCE_S = 6
"""A verdict that is still bad after this is bad."""
MAIL_S_MAX = 2.0
Json = dict[str, Any]
T = TypeVar("T")


class Broker(Protocol):
    """One, or several."""

    @property
    def address(self) -> str:
        """For clients."""
        ...


class Build(System):
    """Some services on a broker that runs, one rule of theirs broken or none."""

    def __init__(
        self, folder: Path, port_offset: int, broker: Broker, services: str, rule: str = ""
    ) -> None:
        folder.mkdir(parents=True)
        self.broker, self.services = broker, services
        prefix = f"{folder.name}."
        path = os.pathsep.join(filter(None, (str(BROKEN), os.environ.get("PYTHONPATH"))))
        environment = {
            "PYTHONPATH": path,
            "VAXEL_TEST_BROKEN": rule,
            "VAXEL_TOPIC_PREFIX": prefix,
            "VAXEL_SNAPSHOT_RECORDS": str(SNAPSHOT_RECORDS),
        }
        super().__init__(folder, port_offset, ROOT / "config", environment)
        self.settings = Settings(
            broker=broker.address,
            security_protocol="PLAINTEXT",
            topic_prefix=prefix,
            data_dir=self.data_dir,
        )
        self.journal = folder / "journal.jsonl"
        self.journal.touch()
        self._count = 0

    def broker_options(self) -> list[str]:
        """Somebody else's broker, and no more services than are needed."""
        return ["--broker", self.broker.address, "--only", f"sink,{self.services}"]

    def start(self) -> None:
        """Topics as on one machine, then the services."""
        asyncio.run(topics.apply(self.settings, local=True))
        self._log_id = asyncio.run(topics.read_log_id(self.settings))
        super().start()
        self.partition = partition_for(POOL.encode(), 4)

    def contacts(self, count: int) -> None:
        """So many customers write, each alone; returns when Kafka has acknowledged it."""
        asyncio.run(self._contacts(count))

    async def _contacts(self, count: int) -> None:
        producer = await Producer.start(self.settings, "vaxel/test")
        try:
            for _ in range(count):
                self._count += 1
                name = f"m{self._count}@load.example"
                contact = ids.event_id("interaction", name)
                ack = (await producer.send_many([_interaction(contact, name)]))[0]
                await producer.send_many([_command(contact, (ack.partition, ack.offset))])
                self._write(name, taken=True)
        finally:
            await producer.close()

    def mail(self, timeout_s: float) -> str | None:
        """One customer's mail server, once; the Message-ID where it was told that we have it."""
        self._count += 1
        name = f"m{self._count}@load.example"
        return name if self._mailed(name, timeout_s) else None

    def mail_until_taken(self) -> None:
        """The same, again and again as a mail server does."""
        self._count += 1
        name = f"m{self._count}@load.example"
        assert wait_for(lambda: self._mailed(name, 5), DECIDED_S_MAX), "mail is taken again"

    def _mailed(self, name: str, timeout_s: float) -> bool:
        smtp, sender = self.run["smtp"], f"c{self._count}@load.example"
        text = (
            f"From: {sender}\r\nTo: {self.run['mailboxes'][0]}\r\nSubject: Hello\r\n"
            f"Message-ID: <{name}>\r\n\r\nMy invoice is wrong, please help me with it.\r\n"
        )
        taken = False
        with suppress(OSError, smtplib.SMTPException):
            with smtplib.SMTP(smtp["host"], smtp["port"], timeout=timeout_s) as client:
                client.sendmail(sender, [self.run["mailboxes"][0]], text)
            taken = True
        self._write(name, taken=taken)
        return taken

    def _write(self, name: str, *, taken: bool) -> None:
        line = {"message_id": name, "acknowledged": taken, "sent_ms": int(time.time() * 1000)}
        with self.journal.open("a") as file:
            file.write(json.dumps(line) + "\n")

    # What stands in the log.

    def log(self, topic: str = DECISIONS) -> KafkaPartitionLog:
        """The busy partition of a topic."""
        return KafkaPartitionLog(self.settings, topic, self.partition)

    def folded(self) -> tuple[ChainState, list[ChainRecord]]:
        """Where the chain stands, and its records."""

        async def fold(log: KafkaPartitionLog) -> tuple[ChainState, list[ChainRecord]]:
            judge, found = Judge(chain.genesis(self._log_id, self.partition)), []

            def visit(raw: RawRecord) -> None:
                if (record := judge.judge(raw)) is not None:
                    found.append(record)

            await scan(log, *await log.bounds(), visit)
            return judge.state, found

        return self._on(DECISIONS, fold)

    def decided(self) -> bool:
        """Whether all that stands on ``vaxel.work`` is decided."""

        async def end(log: KafkaPartitionLog) -> int:
            return (await log.bounds())[1]

        return self.folded()[0].through >= self._on(WORK, end) - 1

    def wait_decided(self, patience_s: float = DECIDED_S_MAX) -> bool:
        """Wait for that; False where it doesn't come, or our own readers refuse the log."""
        try:
            return wait_for(self.decided, patience_s)
        except ChainHalt:
            return False

    def newest_snapshot(self) -> int:
        """The seq of the newest that is kept, -1 for none."""

        async def ask(log: KafkaPartitionLog) -> int:
            blobs = FolderBlobs(self.settings.blobs)
            store = SnapshotStore(log, blobs, log_id=self._log_id, partition=self.partition)
            return max((record.seq for record in await store.candidates()), default=-1)

        return self._on(SNAPSHOTS, ask)

    def _on(self, topic: str, act: Callable[[KafkaPartitionLog], Coroutine[Any, Any, T]]) -> T:
        async def run() -> T:
            log = self.log(topic)
            try:
                return await act(log)
            finally:
                await log.close()

        return asyncio.run(run())

    def judge(self, patience_s: float = PATIENCE_S) -> Verdict:
        """The checker's verdict, as soon as it is good, or when patience ends."""
        deadline = time.monotonic() + patience_s
        while True:
            export = self.folder / f"export-{uuid.uuid4().hex[:8]}"
            late = time.monotonic() > deadline
            done = self.vaxel("log", "export", "--to", str(export))
            if done.returncode != 0:
                verdict = Verdict(broken_chain=[f"log export: {done.stderr.strip()}"])
            else:
                register = "register" in self.services
                verdict = check(
                    export,
                    self.journal,
                    mails=self.data_dir / "sink",
                    shown=shown_cases(self.run) if register else None,
                )
            if not verdict.wrong or late:
                return verdict
            time.sleep(0.5)


def _interaction(contact: str, name: str) -> Outgoing:
    key = f"{POOL}|email|support|{contact}"
    item = Interaction(
        id=contact,
        conversation_key=key,
        channel="email",
        account="support@vaxel.example",
        direction="inbound",
        kind="message",
        sender=Party(external_id="customer@load.example"),
        received_at="2026-11-22T12:00:00Z",
        provider={"message_id": name, "redelivery": False},
        subject="Hello",
        text="Hello",
    )
    event = cloudevents.Event(contact, INTERACTION_TYPE, "vaxel/test", time_ms=0, subject=contact)
    return Outgoing(INTERACTIONS, key, item.to_json(), event)


def _command(contact: str, src: tuple[int, int]) -> Outgoing:
    data = commands.ContactAdd(
        contact_id=contact,
        conversation_key=f"{POOL}|email|support|{contact}",
        customer_id=ids.event_id("customer", contact),
        channel="email",
        account="support",
        queue=QUEUE,
        received_at_ms=int(time.time() * 1000),
        src=src,
    )
    command = commands.Command(
        id=contact,
        type="contact.add",
        pool=POOL,
        actor=commands.Actor(kind="customer", id=data.customer_id),
        via="triage",
        data=data.to_dict(),
    )
    kind = commands.event_type(command.type)
    event = cloudevents.Event(contact, kind, "vaxel/test", time_ms=0, subject=contact)
    return Outgoing(WORK, POOL, command.to_json(), event)


# The situations. Each leaves a system of which the checker can say whether anything is wrong.


def another_owner(build: Build) -> None:
    """Somebody claims the partition while its owner waits for input, and is gone at once."""
    build.contacts(3)
    assert build.wait_decided()

    async def claim(log: KafkaPartitionLog) -> None:
        writer = ChainWriter(
            log, log_id=build._log_id, partition=build.partition, instance="9",
            run_id=uuid.uuid4().hex,
        )  # fmt: skip
        while not writer.claimed:  # the owner's own records may come in between
            with suppress(Retryable):
                await writer.restore(lambda _: None, chain.genesis(build._log_id, build.partition))
                await writer.claim(ENGINE, int(time.time() * 1000))

    build._on(DECISIONS, claim)
    build.contacts(5)


def killed_after_snapshot(build: Build) -> None:
    """The owner is killed when a snapshot may stand of what the log doesn't have.

    What it has to restore is a state that knows of a contact about which nothing was decided.
    """
    while build.folded()[0].seq <= WRONG_SEQ:
        build.contacts(1)
        assert wait_for(lambda: build.decided() or _stands_wrong(build), DECIDED_S_MAX)
        if _stands_wrong(build):
            break
    build.kill("router")
    build.contacts(3)


def _stands_wrong(build: Build) -> bool:
    """Whether there is the snapshot that a sound build doesn't take."""
    return build.folded()[0].seq == build.newest_snapshot() == WRONG_SEQ


def a_void_record(build: Build) -> None:
    """A record of a lost race stands in the log: it looks like any other, and never happened."""
    build.contacts(2)
    assert build.wait_decided()

    raw = _forged(build)

    async def append(log: KafkaPartitionLog) -> None:
        await log.append(str(build.partition).encode(), raw, [("ce_id", b"void")])

    build._on(DECISIONS, append)
    build.contacts(1)


def _forged(build: Build) -> bytes:
    at, records = build.folded()
    opened = next(
        one for record in records for one in record.batch.decisions if one.type == "case.opened"
    )
    resolved = wire.Decision(
        type="case.resolved", at_ms=opened.at_ms, pool=POOL, cause="void", case_id=opened.case_id
    )
    body = wire.encode(wire.Batch(engine=ENGINE, wall_ms=opened.at_ms, decisions=[resolved]))
    header = Header(
        log_id=build._log_id,
        seq=at.seq + 1,
        prev_sha256=hashlib.sha256(b"another record").digest(),
        from_=at.through + 1,
        through=at.through,
        through_sha256=at.through_sha256,
    )
    return chain.pack(header, body)


def frozen_broker(build: Build) -> None:
    """The broker stands still, mail comes in, intake dies with all that it holds."""
    assert isinstance(build.broker, LocalBroker)
    pid = build.broker.pid
    assert pid is not None
    build.mail_until_taken()
    os.kill(pid, signal.SIGSTOP)
    try:
        taken = [build.mail(MAIL_S_MAX) for _ in range(3)]
        intake = build.pid("ingest-email")
        build.kill("ingest-email")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert wait_for(lambda: build.is_back("ingest-email", intake), DECIDED_S_MAX)
    for _ in range(3 - len(list(filter(None, taken)))):
        build.mail_until_taken()
    build.mail_until_taken()
