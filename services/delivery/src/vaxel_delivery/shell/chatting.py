"""From an effect to what is said in a live chat: an interaction, whose append is the delivery.

Nothing is waited for but the text: the decision names the conversation, and the widget reads it.
"""

from __future__ import annotations

from dataclasses import dataclass

from vaxel_delivery.core.automatic import SUPPRESSED
from vaxel_delivery.core.effects import Effect
from vaxel_delivery.core.outbound import Said, chat
from vaxel_delivery.core.texts import texts
from vaxel_delivery.shell.lookups import Lookups, Withheld
from vaxel_delivery.shell.ready import Prepared, Ready
from vaxel_shared.contracts.decisions import CaseReplied, NoticeDue


@dataclass(frozen=True, slots=True)
class Chatting:
    """Builds outbound interactions. Raises ``ValidationError`` or ``Poison`` for bad data."""

    lookups: Lookups

    async def reply(self, effect: Effect, now_ms: int) -> Prepared:
        """An agent's answer."""
        data = CaseReplied.model_validate(effect.data)
        text = await self.lookups.body(data)
        if not isinstance(text, str):
            return text
        case = await self.lookups.store.case(effect.case_id) or {}
        kept = await self.lookups.store.kept(data.answers_contact_id)
        said = Said(
            effect_id=effect.effect_id,
            conversation_key=data.conversation_key,
            account_id=data.account,
            team=self._team(),
            text=text,
            text_ref=data.body_ref,
            language=case.get("language"),
            answers=data.answers_contact_id,
            to=kept.sender_address if kept is not None else None,
            automatic=False,
            at_ms=_at_ms(effect, now_ms),
        )
        return Ready(chat(said))

    async def notice(self, effect: Effect, now_ms: int) -> Prepared:
        """The message that a message has arrived; to no bot, nor where it is switched off."""
        data = NoticeDue.model_validate(effect.data)
        files = self.lookups.files()
        if not files.connectors.chat.acknowledge:
            return Withheld(f"{SUPPRESSED}switched_off")
        kept = await self.lookups.store.kept(data.contact_id)
        if kept is not None and kept.quiet is not None:
            return Withheld(f"{SUPPRESSED}{kept.quiet}")
        words = texts(data.language, files.channels.default_language)
        text = words.chat_full if data.kind == "full" else words.chat_acknowledgement
        said = Said(
            effect_id=effect.effect_id,
            conversation_key=data.conversation_key,
            account_id=data.account,
            team=self._team(),
            text=text.format(number=data.number),
            text_ref=None,
            language=words.language,
            answers=data.contact_id,
            to=kept.sender_address if kept is not None else None,
            automatic=True,
            at_ms=_at_ms(effect, now_ms),
        )
        return Ready(chat(said))

    def _team(self) -> str:
        return self.lookups.files().connectors.mail.from_name


def _at_ms(effect: Effect, now_ms: int) -> int:
    """When it was first said: a repeat is the same record."""
    return effect.first_ms if effect.first_ms is not None else now_ms
