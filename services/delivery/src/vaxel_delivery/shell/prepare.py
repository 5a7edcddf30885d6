"""From an effect to the mail that carries it out: looks up what the decision only names.

Answers :class:`Ready`, or why not: :class:`Missing` may come yet and is waited for so long,
:class:`Withheld` never will. The mail is built anew for each attempt, with the same Message-ID.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from vaxel_delivery.config import Files
from vaxel_delivery.core import mails, outbound
from vaxel_delivery.core.addresses import BadAddress, bare
from vaxel_delivery.core.automatic import suppressed_by_message
from vaxel_delivery.core.effects import GIVE_UP_MS, Effect
from vaxel_delivery.core.kept import Kept
from vaxel_delivery.core.links import PURPOSE, Link
from vaxel_delivery.core.mails import Mail, OfferFacts, Sender, Thread
from vaxel_delivery.core.texts import texts
from vaxel_delivery.shell.outbox import AutomaticTo
from vaxel_delivery.shell.store import Store
from vaxel_shared.blobs import BlobStore, sha256_of
from vaxel_shared.contracts.decisions import CaseReplied, NoticeDue
from vaxel_shared.crypto.keys import Keyring
from vaxel_shared.crypto.tokens import sign
from vaxel_shared.errors import Poison, Retryable

CONTACT_MS_MAX = 60_000
"""How long an interaction may be missing: the decision that names it is younger than it."""

OFFER_CONTACT_MS_MAX = 3_000
"""An offer goes out without subject and first lines rather than late."""

DIRECTORY_MS_MAX = 60_000


@dataclass(frozen=True, slots=True)
class Ready:
    """What to send, and what to remember with it."""

    mail: Mail
    outbound: str | None = None
    automatic: AutomaticTo | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """Something isn't there yet; after ``limit_ms`` it is taken for lost."""

    code: str
    limit_ms: int


@dataclass(frozen=True, slots=True)
class Withheld:
    """It can't or mustn't be sent; ``dropped``: because what it announces has ended."""

    code: str
    dropped: bool = False


Prepared = Ready | Missing | Withheld


@dataclass(frozen=True, slots=True)
class Person:
    """Where an agent is reached."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Preparer:
    """Builds mails out of the store, the blobs and the configuration of the moment."""

    store: Store
    blobs: BlobStore
    files: Callable[[], Files]
    keyring: Keyring
    base_url: Callable[[], str]

    async def prepare(self, effect: Effect, now_ms: int) -> Prepared:
        """The mail of an effect. Raises nothing for what an effect may hold."""
        build = {"offer": self._offer, "reply": self._reply, "notice": self._notice}[effect.kind]
        try:
            return await build(effect, now_ms)
        except BadAddress as error:
            return Withheld(error.code)
        except (ValidationError, Poison):
            return Withheld("invalid_data")

    async def _reply(self, effect: Effect, now_ms: int) -> Prepared:
        data = CaseReplied.model_validate(effect.data)
        if data.channel != "email":
            return Withheld("channel_unsupported")
        kept = await self.store.kept(data.answers_contact_id)
        if kept is None:
            return Missing("contact_unknown", CONTACT_MS_MAX)
        if sha256_of(data.body_ref) != data.body_sha256:
            return Withheld("body_mismatch")
        try:
            text = (await self.blobs.get(data.body_ref)).decode()
        except Retryable:
            return Missing("body_missing", GIVE_UP_MS["reply"])
        except UnicodeDecodeError:
            return Withheld("body_not_utf8")
        case = await self.store.case(effect.case_id) or {}
        thread = Thread(
            effect_id=effect.effect_id,
            kept=kept,
            sender=self._sender(data.account, kept),
            number=case.get("number"),
            now_ms=now_ms,
        )
        mail = mails.reply(thread, text)
        said = self._outbound(thread, mail, case.get("language"), data.body_ref)
        return Ready(mail, said)

    async def _notice(self, effect: Effect, now_ms: int) -> Prepared:
        data = NoticeDue.model_validate(effect.data)
        files = self.files()
        if data.channel != "email":
            return Withheld("channel_unsupported")
        kept = await self.store.kept(data.contact_id)
        if kept is None:
            return Missing("contact_unknown", CONTACT_MS_MAX)
        limits = files.connectors.mail.automatic
        code = suppressed_by_message(kept, limits, files.our_addresses())
        if code is not None:
            return Withheld(code)
        thread = Thread(
            effect_id=effect.effect_id,
            kept=kept,
            sender=self._sender(data.account, kept),
            number=data.number,
            now_ms=now_ms,
        )
        words = texts(data.language, files.channels.default_language)
        mail = mails.acknowledgement(thread, words)
        sender = self.keyring.pseudonym("automatic", f"mailto:{bare(kept.sender_address)}")
        said = self._outbound(thread, mail, words.language, None)
        return Ready(mail, said, AutomaticTo(sender, data.conversation_key, limits))

    async def _offer(self, effect: Effect, now_ms: int) -> Prepared:
        offer = await self.store.offer(effect.offer_id or "")
        facts = await self.facts(effect.offer_id or "")
        if offer is None or facts is None:
            return Withheld("offer_unknown")
        over = _over(offer, now_ms)
        if over is not None:
            return over
        person = await self._person(effect)
        if not isinstance(person, Person):
            return person
        if not facts.known and _young(effect, now_ms):
            return Missing("contact_unknown", OFFER_CONTACT_MS_MAX + 1)
        sender = await self._sender_to_agents(effect)
        if sender is None:
            return Withheld("no_account")
        words = texts(None, self.files().channels.default_language)
        mail = mails.offer(
            effect_id=effect.effect_id,
            facts=facts,
            sender=sender,
            to=person.address,
            to_name=person.name,
            link=f"{self.base_url()}/offers/{self._link(offer)}",
            words=words,
            now_ms=now_ms,
        )
        return Ready(mail)

    def _link(self, offer: Mapping[str, Any]) -> str:
        names = ("offer_id", "agent_id", "token", "case_id", "pool", "expires_ms")
        return sign(self.keyring, PURPOSE, Link(**{n: offer[n] for n in names}).payload())

    async def facts(self, offer_id: str) -> OfferFacts | None:
        """What an offer's mail and page show; None for an offer that isn't known."""
        offer = await self.store.offer(offer_id)
        if offer is None:
            return None
        case = await self.store.case(offer["case_id"]) or {}
        kept = await self.store.kept(case.get("contact_id"))
        return OfferFacts(
            number=offer["number"],
            queue=offer["queue"],
            language=case.get("language"),
            priority=case.get("priority"),
            since_ms=case.get("since_ms"),
            made_ms=offer["made_ms"],
            expires_ms=offer["expires_ms"],
            subject=kept.subject if kept else "",
            first_lines=kept.first_lines if kept else "",
            known=kept is not None,
            explain=offer["explain"],
        )

    async def _person(self, effect: Effect) -> Person | Missing | Withheld:
        """Name and address of the agent, from the directory that the roster names."""
        ref = await self.store.directory_ref(effect.pool)
        if ref is None:
            return Missing("no_directory", DIRECTORY_MS_MAX)
        try:
            directory = json.loads(await self.blobs.get(ref))
        except Retryable:
            return Missing("directory_missing", GIVE_UP_MS["offer"])
        except ValueError:
            return Withheld("directory_invalid")
        entry = directory.get(effect.agent_id) if isinstance(directory, dict) else None
        if not isinstance(entry, dict) or not entry.get("email"):
            return Withheld("no_address")
        return Person(str(entry.get("name") or ""), str(entry["email"]))

    async def _sender_to_agents(self, effect: Effect) -> Sender | None:
        """Which of our addresses writes to the agent: the one written to, if it is still ours."""
        case = await self.store.case(effect.case_id) or {}
        kept = await self.store.kept(case.get("contact_id"))
        files = self.files()
        name = files.connectors.mail.from_name
        if kept is not None and bare(kept.account) in files.our_addresses():
            return Sender(kept.account, name)
        account = files.account_of_pool(effect.pool)
        return Sender(account.address, name) if account is not None else None

    def _sender(self, account_id: str, kept: Kept) -> Sender:
        """The account that answers; one that left the configuration still answers its own mail."""
        files = self.files()
        account = files.account_by_id(account_id)
        return Sender(
            account.address if account is not None else kept.account,
            files.connectors.mail.from_name,
        )

    def _outbound(
        self, thread: Thread, mail: Mail, language: str | None, text_ref: str | None
    ) -> str:
        return (
            outbound.interaction(
                effect_id=thread.effect_id,
                kept=thread.kept,
                mail=mail,
                sender=thread.sender,
                automatic=not mail.envelope_from,
                language=language,
                text_ref=text_ref,
                at_ms=thread.now_ms,
            )
            .to_json()
            .decode()
        )


def _over(offer: Mapping[str, Any], now_ms: int) -> Withheld | None:
    """Why an offer isn't worth sending: it has ended, or nobody could accept it in time."""
    if offer["state"] != "open":
        return Withheld(f"offer_{offer['state']}", dropped=True)
    return Withheld("offer_expired") if offer["expires_ms"] <= now_ms else None


def _young(effect: Effect, now_ms: int) -> bool:
    """Whether an offer may still wait for the interaction it would quote."""
    since_ms = effect.missing_since_ms
    return since_ms is None or now_ms - since_ms < OFFER_CONTACT_MS_MAX
