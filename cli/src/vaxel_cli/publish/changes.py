"""What changed between two deployments, in words: pure."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel

from vaxel_shared.config.channels import Account
from vaxel_shared.config.deployment import Deployment
from vaxel_shared.config.roster import Agent
from vaxel_shared.config.routing import Pool

NAMES_MAX = 6
"""More than that are counted."""


def describe(before: Deployment, after: Deployment) -> list[str]:
    """One line for each kind of change; empty when nothing that counts changed."""
    lines = _items("agents", _by_id(before.roster.agents), _by_id(after.roster.agents))
    lines += _items("accounts", _by_id(before.channels.accounts), _by_id(after.channels.accounts))
    channels = [name for name in _fields(before.channels, after.channels) if name != "accounts"]
    lines += _line("channels changed", channels)
    lines += _line("connectors changed", _fields(before.connectors, after.connectors))
    old_pools = {pool.name: pool for pool in before.routing.pools}
    new_pools = {pool.name: pool for pool in after.routing.pools}
    lines += _line("pools added", [name for name in new_pools if name not in old_pools])
    lines += _line("pools removed", [name for name in old_pools if name not in new_pools])
    for name, pool in new_pools.items():
        if name in old_pools:
            lines += _pool(old_pools[name], pool)
    old_rules = {rule.id: _plain(rule) for rule in before.routing.rules}
    new_rules = {rule.id: _plain(rule) for rule in after.routing.rules}
    lines += _line("rules added", [name for name in new_rules if name not in old_rules])
    lines += _line("rules removed", [name for name in old_rules if name not in new_rules])
    lines += _line(
        "rules changed",
        [name for name, rule in new_rules.items() if old_rules.get(name, rule) != rule],
    )
    return lines


def _by_id(items: Sequence[Agent] | Sequence[Account]) -> dict[str, BaseModel]:
    return {item.id: item for item in items}


def _items(what: str, old: dict[str, BaseModel], new: dict[str, BaseModel]) -> list[str]:
    lines = _line(f"{what} added", [name for name in new if name not in old])
    lines += _line(f"{what} removed", [name for name in old if name not in new])
    changed = [
        f"{name} ({', '.join(fields)})"
        for name, item in new.items()
        if name in old and (fields := _fields(old[name], item))
    ]
    return lines + _line(f"{what} changed", changed)


def _pool(old: Pool, new: Pool) -> list[str]:
    queues = {queue.name: queue for queue in old.queues}
    lines = _line("queues added", [q.name for q in new.queues if q.name not in queues])
    kept = {queue.name for queue in new.queues}
    lines += _line("queues removed", [name for name in queues if name not in kept])
    changed = [
        queue.name
        for queue in new.queues
        if queue.name in queues and _plain(queue) != _plain(queues[queue.name])
    ]
    lines += _line("queues changed", changed)
    fields = [name for name in _fields(old, new) if name != "queues"]
    return lines + _line(f"pool {new.name} changed", fields)


def _plain(item: BaseModel) -> dict[str, object]:
    """An item without its place in the file, which moves when a line above it does."""
    return {
        name: _without_place(value) for name, value in item.model_dump().items() if name != "at"
    }


def _without_place(value: object) -> object:
    if isinstance(value, dict):
        return {name: _without_place(item) for name, item in value.items() if name != "at"}
    if isinstance(value, (list, tuple)):
        return [_without_place(item) for item in value]
    return value


def _fields(old: BaseModel, new: BaseModel) -> list[str]:
    before, after = _plain(old), _plain(new)
    return [name.removesuffix("_ms") for name in after if before.get(name) != after[name]]


def _line(what: str, names: list[str]) -> list[str]:
    if not names:
        return []
    shown = ", ".join(names[:NAMES_MAX])
    more = f" and {len(names) - NAMES_MAX} more" if len(names) > NAMES_MAX else ""
    return [f"{what}: {shown}{more}"]
