"""From an effect to the signed POST that tells an agent's tool of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vaxel_delivery.core.effects import GIVE_UP_MS, HOOK, Effect
from vaxel_delivery.shell.lookups import Lookups, Missing, OpenOffer, Person, Withheld
from vaxel_delivery.shell.ready import Prepared, Ready
from vaxel_shared.connectors.webhook import Post, event
from vaxel_shared.contracts.cloudevents import iso_ms


@dataclass(frozen=True, slots=True)
class Posting:
    """Builds events. Raises ``ValidationError`` or ``Poison`` for bad data."""

    lookups: Lookups

    async def event(self, effect: Effect, now_ms: int) -> Prepared:
        """An offer, an assignment, or the end of one; old news is withheld."""
        news = effect.kind != "offer"  # an offer has a limit of its own
        if news and now_ms - effect.made_ms >= GIVE_UP_MS[effect.kind]:
            return Withheld("too_old")
        name = effect.carrier.removeprefix(HOOK)
        if self.lookups.files().connectors.webhook(name) is None:
            return Withheld("hook_unknown")
        told = await self._agent(effect)
        if not isinstance(told, dict):
            return told
        if effect.kind == "offer":
            offer = await self._offer(effect, now_ms)
            if not isinstance(offer, dict):
                return offer
            what, said = "offer", offer
        else:
            what, said = await self._news(effect)
        # The offer's own token or the assignment's: what an answer has to bring along.
        base = {"case_id": effect.case_id, "pool": effect.pool, "agent": told}
        body = event(what, effect.made_ms, {**base, **said, "answers_url": self._answers_url()})
        return Ready(Post(name, effect.effect_id, body))

    def _answers_url(self) -> str:
        return f"{self.lookups.base_url()}/hooks/answers"

    async def _agent(self, effect: Effect) -> dict[str, str] | Missing | Withheld:
        """Whom it concerns, by the id and by what the tool may know them by."""
        person = await self.lookups.person(effect.pool, effect.agent_id)
        if isinstance(person, Missing):
            return person
        known = person if isinstance(person, Person) else Person("", "")
        fields = {"id": effect.agent_id or "", "name": known.name, "email": known.address}
        return {name: value for name, value in fields.items() if value}

    async def _offer(self, effect: Effect, now_ms: int) -> dict[str, Any] | Missing | Withheld:
        offer = await self.lookups.open_offer(effect, now_ms)
        if not isinstance(offer, OpenOffer):
            return offer
        facts = offer.facts
        return {
            "offer_id": effect.offer_id,
            "token": offer.row["token"],
            "number": facts.number,
            "queue": facts.queue,
            "language": facts.language,
            "priority": facts.priority,
            "waiting_since": None if facts.since_ms is None else iso_ms(facts.since_ms),
            "expires_at": iso_ms(facts.expires_ms),
            "subject": facts.subject,
            "first_lines": facts.first_lines,
            "why": facts.explain,
            "link": offer.link,
        }

    async def _news(self, effect: Effect) -> tuple[str, dict[str, Any]]:
        """An assignment, or what ended: an offer or an agent's work."""
        data = effect.data
        if effect.kind == "ended":
            fields = ("offer_id", "work_id", "outcome", "reason")
            ended = {name: data.get(name) for name in fields}
            return ("offer_ended" if data.get("offer_id") else "work_ended"), ended
        case = await self.lookups.store.case(effect.case_id) or {}
        kept = await self.lookups.store.kept(case.get("contact_id"))
        since_ms = case.get("since_ms")
        return "assigned", {
            "work_id": data.get("work_id"),
            "token": data.get("token"),
            "number": case.get("number"),
            "queue": case.get("queue"),
            "language": case.get("language"),
            "priority": case.get("priority"),
            "waiting_since": None if since_ms is None else iso_ms(since_ms),
            "subject": kept.subject if kept else None,
            "first_lines": kept.first_lines if kept else None,
        }
