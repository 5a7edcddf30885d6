"""What the rules make of a contact: its queue, priority, skills and labels, and the rule that did.

All rules that hold count, from the top: the first to set the queue or the priority wins; skills and
labels add up, the higher level wins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from vaxel_shared import needs
from vaxel_shared.config.routing import Queue, Rule
from vaxel_shared.contracts import commands
from vaxel_triage.core.view import Home, automatic_queue, queue_of

LABELS_MAX = 50
"""On one contact: they are copied into every decision about it."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Where a contact goes and what it asks for. ``rule`` is the one that chose the queue."""

    queue: str
    priority: int
    skills: dict[str, int]
    more: dict[str, Any]
    """What else an agent must or should bring, by the names of ``Requires``."""
    labels: list[str]
    rule: commands.Rule
    automatic: bool


def choose(home: Home, rules: Sequence[Rule], automatic: Sequence[str]) -> Choice:
    """The choice for a contact for which ``rules`` hold, in their order.

    ``automatic`` says why nobody wrote it (codes; empty if somebody did). Such mail goes to the
    pool's automatic queue, or to another automatic one that a rule names; other rules would act on
    text that it only quotes. A rule whose queue the pool doesn't have chooses none.
    """
    queue, rule = _start(home, automatic)
    counted = [
        item
        for item in rules
        if not automatic or _is_automatic(queue_of(home.pool, item.set.queue))
    ]
    for item in counted:
        if (found := queue_of(home.pool, item.set.queue)) is not None:
            queue, rule = found, commands.Rule(id=item.id, at=item.at)
            break
    labels = [*automatic, *(label for item in counted for label in item.set.labels)]
    if home.account is None:
        labels.insert(0, "unknown_account")
    return Choice(
        queue=queue.name,
        priority=next(
            (item.set.priority for item in counted if item.set.priority is not None), queue.priority
        ),
        skills=_merged(counted, "skills", max),
        more=_more(counted),
        labels=list(dict.fromkeys(labels))[:LABELS_MAX],
        rule=rule,
        automatic=bool(automatic) or queue.automatic,
    )


def _start(home: Home, automatic: Sequence[str]) -> tuple[Queue, commands.Rule]:
    """The queue before any rule, and what chose it."""
    special = automatic_queue(home.pool) if automatic else None
    if special is not None:
        return special, commands.Rule(id="automatic-mail", at=special.at)
    queue = queue_of(home.pool, home.queue) or home.pool.queues[0]
    if home.account is None:
        return queue, commands.Rule(id="unknown-account", at=queue.at)
    return queue, commands.Rule(id="account-default", at=home.account.at)


def _is_automatic(queue: Queue | None) -> bool:
    return queue is not None and queue.automatic


def _more(rules: Sequence[Rule]) -> dict[str, Any]:
    """The limits, lapses, wishes and expressions of all rules, the stricter; only what there is."""
    found: dict[str, Any] = {
        "at_most": _merged(rules, "at_most", min),
        "lapse_ms": _merged(rules, "lapse_ms", max),
        "wishes": _merged(rules, "wishes", max),
        "needs": _together(rules),
    }
    return {name: values for name, values in found.items() if values}


def _together(rules: Sequence[Rule]) -> str:
    """The expressions of all rules as one, as far as it isn't too long to be one."""
    some: list[str] = []
    for rule in rules:
        if len(needs.together(*some, rule.set.needs)) <= needs.CONTACT_MAX:
            some.append(rule.set.needs)
    return needs.together(*some)


def _merged(rules: Sequence[Rule], key: str, stricter: Callable[[int, int], int]) -> dict[str, int]:
    """What all rules set under a key, by name: the stricter value of each."""
    found: dict[str, int] = {}
    for rule in rules:
        values: dict[str, int] = getattr(rule.set, key)
        for name, value in values.items():
            found[name] = stricter(value, found.get(name, value))
    return dict(sorted(found.items()))
