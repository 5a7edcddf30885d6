"""Which way each thing goes: by mail, onto our own log, or to which webhooks.

Chosen when a decision is read, from the configuration of that moment, and kept with the effect.
"""

from __future__ import annotations

from dataclasses import dataclass

from vaxel_delivery.core.effects import HOOK, LOG, MAIL
from vaxel_shared.config.connectors import HookEvent, Webhook

_TO_CUSTOMERS = {"email": MAIL, "chat": LOG}


@dataclass(frozen=True, slots=True)
class Routes:
    """The webhooks there are; without any, everything goes to agents by mail."""

    webhooks: tuple[Webhook, ...] = ()

    def of_offer(self, pool: str, agent_id: str) -> list[str]:
        """The carriers of an offer: a tool that hears of offers takes the place of mail."""
        return self._or_by_mail(self._told("offer", pool, agent_id))

    def of_assigned(self, pool: str, agent_id: str, *, is_news: bool) -> list[str]:
        """The same of an assignment; by mail only where it is news: the agent accepted no offer."""
        hooks = self._told("assigned", pool, agent_id)
        return self._or_by_mail(hooks) if is_news else [f"{HOOK}{hook.name}" for hook in hooks]

    def of_event(self, event: HookEvent, pool: str, agent_id: str) -> list[str]:
        """The carriers of what only tools hear of."""
        return [f"{HOOK}{hook.name}" for hook in self._told(event, pool, agent_id)]

    def _or_by_mail(self, hooks: list[Webhook]) -> list[str]:
        by_mail = not hooks or any(hook.offers_by_mail_too for hook in hooks)
        return [*([MAIL] if by_mail else []), *(f"{HOOK}{hook.name}" for hook in hooks)]

    def _told(self, event: HookEvent, pool: str, agent_id: str) -> list[Webhook]:
        return [
            hook for hook in self.webhooks if event in hook.events and hook.covers(pool, agent_id)
        ]


MAIL_ONLY = Routes()


def to_customer(channel: str) -> str:
    """The carrier of an answer; a channel that has none yet is refused when it is prepared."""
    return _TO_CUSTOMERS.get(channel, MAIL)
