"""A delivery in a box: the real store on SQLite, real blobs and files, a relay that remembers."""

import itertools
import json
import textwrap

from msgspec import structs
from sqlalchemy import select

from vaxel_delivery.bootstrap import MIGRATIONS
from vaxel_delivery.config import LiveFiles
from vaxel_delivery.core.effects import Outcome
from vaxel_delivery.core.kept import keep
from vaxel_delivery.core.project import Place, Unreadable, changes
from vaxel_delivery.shell.carriers import Carriers, Way, log_way
from vaxel_delivery.shell.dispatch import Dispatcher
from vaxel_delivery.shell.hooks import hook_way
from vaxel_delivery.shell.outbox import Outbox
from vaxel_delivery.shell.prepare import Preparer
from vaxel_delivery.shell.publish import Publisher
from vaxel_delivery.shell.relay import relay_gate
from vaxel_delivery.shell.store import Store
from vaxel_delivery.shell.tables import EFFECTS
from vaxel_shared import ids
from vaxel_shared.blobs import FolderBlobs, sha256_of
from vaxel_shared.clock import ManualClock
from vaxel_shared.contracts.interaction import Interaction
from vaxel_shared.contracts.wire import Batch, Decision
from vaxel_shared.crypto.keys import Keyring
from vaxel_shared.settings import Settings
from vaxel_shared.sql import make_engine, migrate

LOG_ID = "0" * 31 + "1"
CASE = ids.case_id("contact-1")
NUMBER = "S7K-00042-P"
CONVERSATION = "support|email|support|abc"
CHAT = "support|chat|web|def"
CHANNELS = """\
deployment: test
languages: [en, fi, sv, de, et, fr]
default_language: en
accounts:
  - {id: support, address: support@vaxel.example, pool: support, queue: general}
  - {id: web, channel: chat, pool: support, queue: general}
"""
CONNECTORS = """\
mail:
  relay: {host: sink, tls: none}
  from_name: Example Support
  automatic: {per_sender_max: 3, per_sender_window: 2h, per_conversation_window: 24h}
public_url: https://desk.example/
"""
DIRECTORY = {"anna": {"name": "Anna Åberg", "email": "anna@desk.example", "role": "agent"}}


def interaction(contact_id="contact-1", **changes):
    """A mail from a customer, as ingest would have written it."""
    plain = {
        "id": contact_id,
        "conversation_key": CONVERSATION,
        "channel": "email",
        "account": "support@vaxel.example",
        "direction": "inbound",
        "kind": "message",
        "sender": {"external_id": "maija@customer.example", "name": "Maija Meikäläinen"},
        "recipients": [{"role": "to", "external_id": "Support@vaxel.example"}],
        "subject": "Lasku on väärin",
        "text": "Hei,\nlasku 7 on väärin.\n",
        "relations": {"references": ["root@customer.example"]},
        "provider": {"message_id": "m1@customer.example"},
        "received_at": "2026-11-22T10:00:00.000Z",
    }
    return Interaction.model_validate(plain | changes)


class Relay:
    """A far side that takes what it is given, or does what ``answers`` says, one a mail."""

    def __init__(self):
        self.mails = []
        self.answers = []

    async def send(self, mail):
        answer = self.answers.pop(0) if self.answers else Outcome("done")
        if answer.verdict in {"done", "lost"}:
            self.mails.append(mail)
        return answer


class Topics:
    """A producer that remembers what was acknowledged."""

    def __init__(self):
        self.records = []
        self.failures = []

    async def send(self, topic, key, value, event):
        if self.failures:
            raise self.failures.pop(0)
        self.records.append((topic, key, json.loads(value), event))

    def of(self, topic):
        return [value for name, _, value, _ in self.records if name == topic]

    @property
    def results(self):
        return [
            (value["data"]["effect"], value["data"]["state"], value["data"].get("code"))
            for value in self.of("vaxel.work")
            if value["type"] == "delivery.result"
        ]


class Box:
    """One delivery over a data dir; ``run`` names the process."""

    def __init__(self, settings, relay=None, topics=None, run="run-1", clock=None, hook=None):
        self.settings = settings
        self.relay = relay or Relay()
        self.topics = topics or Topics()
        self.clock = clock or ManualClock()
        self.keyring = Keyring(b"k" * 32)
        self.blobs = FolderBlobs(settings.blobs)
        self.files = LiveFiles(settings.config_dir)
        self.store = Store(make_engine(settings, "delivery"))
        self.outbox = Outbox(self.store, run)
        self.publisher = Publisher(self.topics, self.clock)
        self.preparer = Preparer(
            store=self.store,
            blobs=self.blobs,
            files=lambda: self.files.now,
            keyring=self.keyring,
            base_url=lambda: "https://desk.example",
        )
        self.hook = hook or Relay()
        self.dispatcher = self.make_dispatcher()
        self.seq = itertools.count()

    def make_dispatcher(self):
        return Dispatcher(
            outbox=self.outbox,
            preparer=self.preparer,
            carriers=Carriers(
                mail=Way(self.relay, relay_gate()),
                log=log_way(self.publisher),
                hooks=lambda name: hook_way(name, self.hook),
            ),
            publisher=self.publisher,
            clock=self.clock,
            ready=lambda: True,
        )

    async def decide(self, *decisions):
        """Fold one batch of decisions; answers its seq."""
        seq = next(self.seq)
        batch = Batch(engine="test", wall_ms=self.clock.wall_ms(), decisions=list(decisions))
        found = changes(Place(LOG_ID, 0, seq, self.files.now.routes()), batch)
        assert not [item for item in found if isinstance(item, Unreadable)], "the kit's own mistake"
        await self.store.fold(found, [])
        return seq

    async def keep(self, *items):
        kept = [item for item in map(keep, items) if item is not None]
        await self.store.keep(kept, [], self.clock.wall_ms())

    async def work(self, rounds=6, advance_ms=0):
        """Let the dispatcher carry out what is due, as often as something is."""
        for _ in range(rounds):
            await self.dispatcher.step()
            self.clock.advance(advance_ms)

    async def roster(self, directory=None):
        ref = await self.blobs.put("roster", json.dumps(directory or DIRECTORY).encode())
        await self.decide(roster_adopted(ref))

    async def rows(self):
        query = select(EFFECTS).order_by(EFFECTS.c.id)
        rows = await self.store.read(lambda connection: connection.execute(query).mappings().all())
        return [dict(row) for row in rows]


def database_url(_folder):
    """Where a box over a folder keeps its state; None: a SQLite file in it."""


def make_settings_for(folder, **changes):
    changes.setdefault("database_url", database_url(folder))
    config = folder / "config"
    config.mkdir(exist_ok=True)
    (config / "channels.yaml").write_text(textwrap.dedent(CHANNELS))
    (config / "connectors.yaml").write_text(textwrap.dedent(CONNECTORS))
    return Settings(data_dir=folder / "data", config_dir=config, **changes)


async def make_box(folder, *, database_url=None, **kwargs):
    changes = {} if database_url is None else {"database_url": database_url}
    settings = make_settings_for(folder, **changes)
    await migrate(settings, "delivery", MIGRATIONS)
    return Box(settings, **kwargs)


def decision(type_, data, *, at_ms=1_700_000_000_000, **ids_):
    return Decision(
        type=type_, at_ms=at_ms, pool="support", cause="cause-1", case_id=CASE, data=data, **ids_
    )


def case_opened(contact_id="contact-1", **changes):
    data = {
        "number": NUMBER,
        "contact_id": contact_id,
        "conversation_key": CONVERSATION,
        "channel": "email",
        "account": "support",
        "language": "fi",
        "queue": "billing",
        "priority": 2,
    }
    return decision("case.opened", data | changes)


def work_queued():
    data = {
        "number": 1,
        "queue": "billing",
        "requires": {},
        "language": "fi",
        "priority": 2,
        "tiers": [1],
        "since_ms": 1_700_000_000_000 - 125_000,
        "clock_ms": 1_700_000_000_000 - 125_000,
        "asks": {},
        "floor": 1,
        "step": 0,
        "step_at": "routing.yaml:1",
        "reason": "new",
    }
    return decision("work.queued", data)


def case_handed_over(to_pool="sales"):
    handed = {
        "from_pool": "support", "case_id": CASE, "number": NUMBER, "opened_ms": 1, "since_ms": 2,
        "conversations": [CONVERSATION], "note_ref": "note/0", "note_sha256": "0", "note_size": 1,
    }  # fmt: skip
    contact = {
        "contact_id": "contact-1", "conversation_key": CONVERSATION, "customer_id": "customer",
        "channel": "email", "account": "support", "queue": "billing", "received_at_ms": 1,
        "src": [0, -1], "handed": handed,
    }  # fmt: skip
    data = {"to_pool": to_pool, "contacts": ["contact-1"], "contact": contact}
    return decision("case.handed_over", data)


def chat_message(contact_id="contact-1", **changes):
    """A visitor's message in a live chat, as ingest would have written it."""
    plain = {
        "id": contact_id,
        "conversation_key": CHAT,
        "channel": "chat",
        "account": "web",
        "direction": "inbound",
        "kind": "message",
        "sender": {"external_id": "visitor-1", "name": "Maija"},
        "text": "Missä pakettini on?",
        "received_at": "2026-11-22T10:00:00.000Z",
    }
    return Interaction.model_validate(plain | changes)


def in_chat(decision_):
    """The same decision about the chat instead of the mail."""
    where = {"conversation_key": CHAT, "channel": "chat", "account": "web"}
    return structs.replace(decision_, data=decision_.data | where)


def notice_due(contact_id="contact-1", language="fi", conversation=CONVERSATION):
    data = {
        "kind": "received",
        "number": NUMBER,
        "contact_id": contact_id,
        "conversation_key": conversation,
        "channel": "email",
        "account": "support",
        "language": language,
    }
    return decision("notice.due", data)


def offer_made(offer_id="offer-1", agent_id="anna", expires_ms=1_700_000_600_000):
    data = {
        "number": NUMBER,
        "queue": "billing",
        "attempt": 1,
        "cost": 1,
        "limit_ms": 600_000,
        "expires_ms": expires_ms,
        "explain": {
            "candidates": 12,
            "eligible": 3,
            "by_code": {"skill_missing": 9},
            "rejected": [{"agent_id": "bertil-secret", "code": "skill_missing"}],
            "terms": [
                {"code": "sticky", "value": 0},
                {"code": "tier", "value": 1},
                {"code": "idle_since_ms", "value": 5},
            ],
        },
    }
    return decision("offer.made", data, offer_id=offer_id, agent_id=agent_id, work_id=f"{CASE}.1")


def offer_ended(outcome, offer_id="offer-1", cause="cause-1"):
    return Decision(
        type="offer.ended",
        at_ms=1_700_000_000_500,
        pool="support",
        cause=cause,
        case_id=CASE,
        offer_id=offer_id,
        agent_id="anna",
        data={"outcome": outcome},
    )


def roster_adopted(ref):
    data = {
        "source": "file",
        "version": "1",
        "directory_ref": ref,
        "directory_sha256": sha256_of(ref),
        "agents": 1,
    }
    return decision("roster.adopted", data)


def case_replied(ref, contact_id="contact-1", reply_id="reply-1"):
    data = {
        "reply_id": reply_id,
        "body_ref": ref,
        "body_sha256": sha256_of(ref),
        "body_size": 1,
        "then": "waiting",
        "conversation_key": CONVERSATION,
        "channel": "email",
        "account": "support",
        "answers_contact_id": contact_id,
    }
    return decision("case.replied", data, agent_id="anna")


def effect_reported(effect_id, state="sent", **changes):
    data = {"effect_id": effect_id, "effect": "offer", "state": state, **changes}
    return decision("effect.reported", data, offer_id="offer-1")


async def follow(box, relay=None):
    """The run after ``box``, a minute later, before topics that remember what they got."""
    topics = Topics()
    topics.records = box.topics.records
    successor = Box(box.settings, relay=relay, topics=topics, run="run-2")
    successor.clock.now_ms = box.clock.now_ms + 60_000
    await successor.outbox.recover(successor.clock.wall_ms())
    return successor
