"""Rules that can't hold, or that set what nobody can meet."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vaxel_cli.policy.deck import Deck, Seat, channels_of, demand
from vaxel_cli.policy.findings import Finding, Severity, at
from vaxel_cli.policy.lint_queues import lacking
from vaxel_cli.policy.team import Contact
from vaxel_shared.config.document import Path_
from vaxel_shared.config.expressions import constant
from vaxel_shared.config.routing import Queue, Rule

_COMPARED = re.compile(r"\b(account|channel|language)\s*==\s*(?P<quote>[\"'])([^\"']*)(?P=quote)")
_STRING = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'")


def findings(deck: Deck) -> Iterator[Finding]:
    """Everything about rules."""
    yield from _order(deck)
    for index, rule in enumerate(deck.loaded.routing.rules):
        yield from _values(deck, index, rule)
        yield from _skills(deck, index, rule)
        if not (rule.set.queue or demand(rule) != ({}, None) or rule.set.labels or rule.final) and (
            rule.set.priority is None
        ):
            text = f"rule {rule.id!r} sets nothing; delete it, or set a queue, a priority, skills"
            path = ("rules", index, "set")
            yield at(deck.routing, path, "warning", "rule_sets_nothing", f"{text} or labels")


def _order(deck: Deck) -> Iterator[Finding]:
    """Rules that an earlier one always keeps from being tried or from choosing the queue."""
    end: Rule | None = None
    seen: dict[str, Rule] = {}
    for index, rule in enumerate(deck.loaded.routing.rules):
        path = ("rules", index, "when")
        always, same = constant(rule.when), seen.get(squeezed(rule.when))
        if end is not None:
            text = f"rule {rule.id!r} is never tried: {end.id!r} ({end.at}) above always holds and "
            text += "is final; move it up, or delete it"
            yield at(deck.routing, path, "warning", "rule_never_tried", text)
        elif always is False:
            text = f"rule {rule.id!r} never holds; mend `when`, or delete it"
            yield at(deck.routing, path, "warning", "rule_never_holds", text)
        elif same is not None and same.final:
            text = f"rule {rule.id!r} is never tried: {same.id!r} ({same.at}) has the same `when` "
            text += "and is final; join them"
            yield at(deck.routing, path, "warning", "rule_never_tried", text)
        elif same is not None and same.set.queue is not None and rule.set.queue is not None:
            text = f"rule {rule.id!r} never chooses the queue: {same.id!r} ({same.at}) has the same"
            text += " `when` and chooses first; join them"
            yield at(deck.routing, path, "warning", "rule_queue_never_wins", text)
        seen.setdefault(squeezed(rule.when), rule)
        if always is True and rule.final and end is None:
            end = rule


def squeezed(source: str) -> str:
    """An expression without the white space that means nothing: what stands in quotes is kept."""
    parts: list[str] = []
    last = 0
    for found in _STRING.finditer(source):
        parts += ["".join(source[last : found.start()].split()), found[0]]
        last = found.end()
    return "".join(parts) + "".join(source[last:].split())


def _values(deck: Deck, index: int, rule: Rule) -> Iterator[Finding]:
    """Comparisons with an account, channel or language that there isn't: false, whatever comes."""
    channels = deck.loaded.channels
    known: dict[str, list[str]] = {
        "account": [item.id for item in channels.accounts],
        "channel": sorted({item.channel for item in channels.accounts}),
        "language": [*channels.languages, "und"],
    }
    for name, _, value in _COMPARED.findall(rule.when):
        if value not in known[name]:
            text = f"rule {rule.id!r}: {name} is never {value!r}; it is one of "
            text += ", ".join(known[name])
            path = ("rules", index, "when")
            yield at(deck.routing, path, "warning", f"rule_{name}_unknown", text)


def _skills(deck: Deck, index: int, rule: Rule) -> Iterator[Finding]:
    """Skills that nobody has, or that together with the queue's nobody can meet."""
    for seat in deck.seats:
        targets = [queue for queue in seat.pool.queues if rule.set.queue in (None, queue.name)]
        if demand(rule) == ({}, None) or not targets or not seat.team.agents:
            continue
        path: Path_ = ("rules", index, "set", "skills")
        faults = [
            (skill, fault)
            for skill, level in rule.set.skills.items()
            if (fault := lacking(seat, skill, level)) is not None
        ]
        sure = rule.set.queue is not None and not _relaxed(targets)
        severity: Severity = "error" if sure else "warning"
        for skill, (code, text) in faults:
            said = f"rule {rule.id!r}: {text}"
            yield at(deck.routing, (*path, skill), severity, code, said)
        if rule.set.queue is not None and not faults:
            yield from _together(deck, seat, targets[0], rule, path)


def _relaxed(queues: list[Queue]) -> bool:
    """Whether every one of them comes to ask for something else in the end."""
    return all(any(step.skills is not None for step in queue.steps) for queue in queues)


def _together(deck: Deck, seat: Seat, queue: Queue, rule: Rule, path: Path_) -> Iterator[Finding]:
    skills, own = demand(rule)
    for channel in channels_of(seat, queue):
        alone = seat.team.ever(queue.name, Contact(channel))
        if alone and not seat.team.ever(queue.name, Contact(channel, skills, own=own)):
            text = f"nobody can take what rule {rule.id!r} sends to queue {queue.name!r}: no single"
            text += " agent of its tiers has all that rule and queue ask for; ask for less"
            yield at(deck.routing, path, "error", "rule_unserved", text)
            return
