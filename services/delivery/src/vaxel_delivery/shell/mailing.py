"""From an effect to the mail that carries it out.

The mail is built anew for each attempt, with the same Message-ID.
"""

from __future__ import annotations

from dataclasses import dataclass

from vaxel_delivery.core import mails, outbound
from vaxel_delivery.core.addresses import bare
from vaxel_delivery.core.automatic import suppressed_by_message
from vaxel_delivery.core.effects import Effect
from vaxel_delivery.core.kept import Kept
from vaxel_delivery.core.mails import CaseFacts, Mail, Sender, Thread, ToAgent
from vaxel_delivery.core.texts import texts
from vaxel_delivery.shell.lookups import Lookups, Missing, OpenOffer, Person, Withheld
from vaxel_delivery.shell.outbox import AutomaticTo
from vaxel_delivery.shell.ready import Prepared, Ready
from vaxel_shared.contracts.decisions import CaseReplied, NoticeDue

CONTACT_MS_MAX = 60_000
"""How long an interaction may be missing: the decision that names it is younger than it."""


@dataclass(frozen=True, slots=True)
class Mailing:
    """Builds mails. Raises ``ValidationError``, ``Poison`` or ``BadAddress`` for bad data."""

    lookups: Lookups

    async def reply(self, effect: Effect, now_ms: int) -> Prepared:
        """An agent's answer, in the customer's thread."""
        data = CaseReplied.model_validate(effect.data)
        if data.channel != "email":
            return Withheld("channel_unsupported")
        kept = await self.lookups.store.kept(data.answers_contact_id)
        if kept is None:
            return Missing("contact_unknown", CONTACT_MS_MAX)
        text = await self.lookups.body(data)
        if not isinstance(text, str):
            return text
        case = await self.lookups.store.case(effect.case_id) or {}
        thread = self._thread(effect, kept, data.account, case.get("number"), now_ms)
        mail = mails.reply(thread, text)
        said = _outbound(thread, mail, case.get("language"), data.body_ref)
        return Ready(mail, said)

    async def notice(self, effect: Effect, now_ms: int) -> Prepared:
        """The message that a message has arrived."""
        data = NoticeDue.model_validate(effect.data)
        files = self.lookups.files()
        if data.channel != "email":
            return Withheld("channel_unsupported")
        kept = await self.lookups.store.kept(data.contact_id)
        if kept is None:
            return Missing("contact_unknown", CONTACT_MS_MAX)
        limits = files.connectors.mail.automatic
        code = suppressed_by_message(kept, limits, files.our_addresses())
        if code is not None:
            return Withheld(code)
        thread = self._thread(effect, kept, data.account, data.number, now_ms)
        words = texts(data.language, files.channels.default_language)
        mail = mails.acknowledgement(thread, words, full=data.kind == "full")
        address = f"mailto:{bare(kept.sender_address)}"
        sender = self.lookups.keyring.pseudonym("automatic", address)
        said = _outbound(thread, mail, words.language, None)
        return Ready(mail, said, AutomaticTo(sender, data.conversation_key, limits))

    async def offer(self, effect: Effect, now_ms: int) -> Prepared:
        """An offer to an agent."""
        offer = await self.lookups.open_offer(effect, now_ms)
        if not isinstance(offer, OpenOffer):
            return offer
        to_agent = await self._to_agent(effect, now_ms)
        if not isinstance(to_agent, ToAgent):
            return to_agent
        return Ready(mails.offer(to_agent, offer.facts, offer.link))

    async def assigned(self, effect: Effect, now_ms: int) -> Prepared:
        """Work that came to an agent without a question."""
        facts = await self.lookups.case_facts(effect, now_ms)
        if not isinstance(facts, CaseFacts):
            return facts
        to_agent = await self._to_agent(effect, now_ms)
        if not isinstance(to_agent, ToAgent):
            return to_agent
        return Ready(mails.assigned(to_agent, facts, str(effect.data.get("via"))))

    async def _to_agent(self, effect: Effect, now_ms: int) -> ToAgent | Missing | Withheld:
        person = await self.lookups.person(effect.pool, effect.agent_id)
        if not isinstance(person, Person):
            return person
        if not person.address:
            return Withheld("no_address")
        sender = await self._sender_to_agents(effect)
        if sender is None:
            return Withheld("no_account")
        return ToAgent(
            effect_id=effect.effect_id,
            sender=sender,
            to=person.address,
            to_name=person.name,
            words=texts(None, self.lookups.files().channels.default_language),
            now_ms=now_ms,
        )

    def _thread(
        self, effect: Effect, kept: Kept, account_id: str, number: str | None, now_ms: int
    ) -> Thread:
        """What is answered, and as whom: an account that left still answers its own mail."""
        files = self.lookups.files()
        account = files.account_by_id(account_id)
        ours = account.address if account is not None else kept.account
        return Thread(
            effect_id=effect.effect_id,
            kept=kept,
            sender=Sender(ours, files.connectors.mail.from_name),
            number=number,
            now_ms=now_ms,
        )

    async def _sender_to_agents(self, effect: Effect) -> Sender | None:
        """Which of our addresses writes to the agent: the one written to, if it is still ours."""
        case = await self.lookups.store.case(effect.case_id) or {}
        kept = await self.lookups.store.kept(case.get("contact_id"))
        files = self.lookups.files()
        name = files.connectors.mail.from_name
        if kept is not None and bare(kept.account) in files.our_addresses():
            return Sender(kept.account, name)
        account = files.account_of_pool(effect.pool)
        return Sender(account.address, name) if account is not None else None


def _outbound(thread: Thread, mail: Mail, language: str | None, text_ref: str | None) -> str:
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
