"""From an effect to what carries it out, by its carrier: a mail, words in a chat, a signed POST."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pydantic import ValidationError

from vaxel_delivery.config import Files
from vaxel_delivery.core.addresses import BadAddress
from vaxel_delivery.core.effects import HOOK, LOG, MAIL, Effect
from vaxel_delivery.core.mails import OfferFacts
from vaxel_delivery.core.relays import command_of
from vaxel_delivery.shell.chatting import Chatting
from vaxel_delivery.shell.lookups import Lookups, Withheld
from vaxel_delivery.shell.mailing import Mailing
from vaxel_delivery.shell.posting import Posting
from vaxel_delivery.shell.ready import Prepared, Ready
from vaxel_delivery.shell.store import Store
from vaxel_shared.blobs import BlobStore
from vaxel_shared.crypto.keys import Keyring
from vaxel_shared.errors import Poison

Build = Callable[[Effect, int], Awaitable[Prepared]]


async def _relay(effect: Effect, _now_ms: int) -> Prepared:
    """What another pool is told: it is all there."""
    return Ready(command_of(effect))


class Preparer:
    """Builds messages out of the store, the blobs and the configuration of the moment."""

    def __init__(
        self,
        *,
        store: Store,
        blobs: BlobStore,
        files: Callable[[], Files],
        keyring: Keyring,
        base_url: Callable[[], str],
    ) -> None:
        self.lookups = Lookups(store, blobs, files, keyring, base_url)
        mailing, chatting = Mailing(self.lookups), Chatting(self.lookups)
        self._posting = Posting(self.lookups)
        self._builds: dict[tuple[str, str], Build] = {
            (MAIL, "offer"): mailing.offer,
            (MAIL, "assigned"): mailing.assigned,
            (MAIL, "reply"): mailing.reply,
            (MAIL, "notice"): mailing.notice,
            (LOG, "reply"): chatting.reply,
            (LOG, "notice"): chatting.notice,
            (LOG, "relay"): _relay,
        }

    async def prepare(self, effect: Effect, now_ms: int) -> Prepared:
        """The message of an effect. Raises nothing for what an effect may hold."""
        build = self._builds.get((effect.carrier, effect.kind))
        if effect.carrier.startswith(HOOK):
            build = self._posting.event
        if build is None:
            return Withheld("channel_unsupported")
        try:
            return await build(effect, now_ms)
        except BadAddress as error:
            return Withheld(error.code)
        except (ValidationError, Poison):
            return Withheld("invalid_data")

    async def facts(self, offer_id: str) -> OfferFacts | None:
        """What an offer's mail and page show; None for an offer that isn't known."""
        return await self.lookups.facts(offer_id)
