"""What a decision only names: the offer, the case, the agent, the text; from store and blobs.

A look-up answers what it found, or why not: :class:`Missing` may come yet and is waited for so
long, :class:`Withheld` never will.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vaxel_delivery.config import Files
from vaxel_delivery.core.effects import GIVE_UP_MS, Effect
from vaxel_delivery.core.kept import Kept
from vaxel_delivery.core.links import PURPOSE, Link
from vaxel_delivery.core.mails import CaseFacts, OfferFacts
from vaxel_delivery.shell.store import Store, Told
from vaxel_shared.blobs import BlobStore, sha256_of
from vaxel_shared.contracts.decisions import CaseReplied
from vaxel_shared.crypto.keys import Keyring
from vaxel_shared.crypto.tokens import sign
from vaxel_shared.errors import Retryable

DIRECTORY_MS_MAX = 60_000
DIRECTORIES_MAX = 16
"""Kept read; some pools have several while their rosters change."""
OFFER_CONTACT_MS_MAX = 3_000
"""An offer goes out without subject and first lines rather than late."""


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


@dataclass(frozen=True, slots=True)
class Person:
    """An agent, as the directory has them; ``address`` is empty where it has none."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class OpenOffer:
    """An offer that is worth sending."""

    row: Mapping[str, Any]
    facts: OfferFacts
    link: str


@dataclass(frozen=True, slots=True)
class Lookups:
    """Where everything is looked up."""

    store: Store
    blobs: BlobStore
    files: Callable[[], Files]
    keyring: Keyring
    base_url: Callable[[], str]
    _directories: dict[str, Any] = field(default_factory=dict)

    async def facts(self, offer_id: str) -> OfferFacts | None:
        """What an offer's mail and page show; None for an offer that isn't known."""
        return _offer_facts(await self.store.around_offer(offer_id))

    async def case_facts(self, effect: Effect, now_ms: int) -> CaseFacts | Missing | Withheld:
        """What the agent who has a case is told of it, as long as it isn't over."""
        told = await self.store.around_case(effect.case_id)
        case = told.case
        if case is None or not case.get("number"):
            return Withheld("case_unknown")
        if case.get("closed"):
            return Withheld("case_closed", dropped=True)
        facts = CaseFacts(**_of_case(case, told.kept))
        if not facts.known and _young(effect, now_ms):
            return Missing("contact_unknown", OFFER_CONTACT_MS_MAX + 1)
        return facts

    async def open_offer(self, effect: Effect, now_ms: int) -> OpenOffer | Missing | Withheld:
        """The offer of an effect, as long as somebody could accept it."""
        told = await self.store.around_offer(effect.offer_id or "")
        offer, facts = told.offer, _offer_facts(told)
        if offer is None or facts is None:
            return Withheld("offer_unknown")
        if offer["state"] != "open":
            return Withheld(f"offer_{offer['state']}", dropped=True)
        if offer["expires_ms"] <= now_ms:
            return Withheld("offer_expired")
        if not facts.known and _young(effect, now_ms):
            return Missing("contact_unknown", OFFER_CONTACT_MS_MAX + 1)
        return OpenOffer(offer, facts, f"{self.base_url()}/offers/{self._token(offer)}")

    def _token(self, offer: Mapping[str, Any]) -> str:
        names = ("offer_id", "agent_id", "token", "case_id", "pool", "expires_ms")
        return sign(self.keyring, PURPOSE, Link(**{n: offer[n] for n in names}).payload())

    async def person(self, pool: str, agent_id: str | None) -> Person | Missing | Withheld:
        """The agent, from the directory that the pool's roster names."""
        ref = await self.store.directory_ref(pool)
        if ref is None:
            return Missing("no_directory", DIRECTORY_MS_MAX)
        try:
            directory = await self._directory(ref)
        except Retryable:
            return Missing("directory_missing", GIVE_UP_MS["offer"])
        except ValueError:
            return Withheld("directory_invalid")
        entry = directory.get(agent_id) if isinstance(directory, dict) else None
        if not isinstance(entry, dict):
            return Withheld("no_address")
        return Person(str(entry.get("name") or ""), str(entry.get("email") or ""))

    async def _directory(self, ref: str) -> Any:
        """What a directory holds; a reference never comes to mean another."""
        if ref not in self._directories:
            directory = json.loads(await self.blobs.get(ref))
            if len(self._directories) >= DIRECTORIES_MAX:
                self._directories.clear()
            self._directories[ref] = directory
        return self._directories[ref]

    async def pool_of(self, agent_id: str) -> str | None:
        """The pool in whose roster an agent is; no agent serves two."""
        for pool in await self.store.pools():
            if isinstance(await self.person(pool, agent_id), Person):
                return pool
        return None

    async def body(self, data: CaseReplied) -> str | Missing | Withheld:
        """The text of an agent's answer."""
        if sha256_of(data.body_ref) != data.body_sha256:
            return Withheld("body_mismatch")
        try:
            return (await self.blobs.get(data.body_ref)).decode()
        except Retryable:
            return Missing("body_missing", GIVE_UP_MS["reply"])
        except UnicodeDecodeError:
            return Withheld("body_not_utf8")


def _offer_facts(told: Told) -> OfferFacts | None:
    offer = told.offer
    if offer is None:
        return None
    case = {**(told.case or {}), "number": offer["number"], "queue": offer["queue"]}
    return OfferFacts(
        **_of_case(case, told.kept),
        made_ms=offer["made_ms"],
        expires_ms=offer["expires_ms"],
        explain=offer["explain"],
    )


def _of_case(case: Mapping[str, Any], kept: Kept | None) -> dict[str, Any]:
    return {
        "number": case["number"],
        "queue": case.get("queue") or "",
        "language": case.get("language"),
        "priority": case.get("priority"),
        "since_ms": case.get("since_ms"),
        "subject": kept.subject if kept else "",
        "first_lines": kept.first_lines if kept else "",
        "known": kept is not None,
    }


def _young(effect: Effect, now_ms: int) -> bool:
    """Whether an offer may still wait for the interaction it would quote."""
    since_ms = effect.missing_since_ms
    return since_ms is None or now_ms - since_ms < OFFER_CONTACT_MS_MAX
