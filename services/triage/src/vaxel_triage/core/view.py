"""The deployment as triage sees it: one immutable value, exchanged whole when the files change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vaxel_shared.config.channels import Account, Channels
from vaxel_shared.config.expressions import RuleBook
from vaxel_shared.config.routing import Pool, Queue, Routing


@dataclass(frozen=True, slots=True)
class View:
    """Accounts, pools and checked rules."""

    channels: Channels
    pools: Mapping[str, Pool]
    rules: RuleBook

    @classmethod
    def of(cls, channels: Channels, routing: Routing) -> View:
        """Of files that were checked. Raises ``FaultyRulesError`` where they were not."""
        pools = {pool.name: pool for pool in routing.pools}
        return cls(channels, pools, RuleBook(routing.rules))

    def default_queue(self, pool: Pool) -> str:
        """Where contacts of a pool go when nothing says where: its first account's queue."""
        account = next((item for item in self.channels.accounts if item.pool == pool.name), None)
        return account.queue if account is not None else pool.queues[0].name


def queue_of(pool: Pool, name: str | None) -> Queue | None:
    """The pool's queue of this name."""
    return next((queue for queue in pool.queues if queue.name == name), None)


def automatic_queue(pool: Pool) -> Queue | None:
    """The pool's first queue for mail that nobody wrote."""
    return next((queue for queue in pool.queues if queue.automatic), None)


@dataclass(frozen=True, slots=True)
class Home:
    """Where a conversation belongs before any rule: its pool, its account and that one's queue.

    ``account`` is None where no account of this address is configured any more.
    """

    pool: Pool
    account_id: str
    account: Account | None
    queue: str


UNKNOWN_ACCOUNT = "unknown"


def home_of(view: View, address: str, conversation_key: str) -> Home:
    """The home of a conversation.

    The pool is the one in the conversation's key: an account that moved to another pool takes new
    conversations with it only. An address that was removed after its mail was taken loses nothing:
    the key still names pool and account, and failing that it is the first pool.
    """
    account = view.channels.account(address)
    keyed_pool, keyed_account = _parts_of_key(conversation_key)
    names = (keyed_pool, account.pool if account is not None else "", next(iter(view.pools)))
    pool = next(view.pools[name] for name in names if name in view.pools)
    if account is None:
        return Home(pool, keyed_account or UNKNOWN_ACCOUNT, None, view.default_queue(pool))
    queue = account.queue if account.pool == pool.name else view.default_queue(pool)
    return Home(pool, account.id, account, queue)


def _parts_of_key(conversation_key: str) -> tuple[str, str]:
    """Pool and account id of ``<pool>|<channel>|<account>|<root>``; empty where it is none."""
    parts = conversation_key.split("|")
    return (parts[0], parts[2]) if len(parts) == 4 else ("", "")
