"""Queues that nobody can serve, steps that add nobody, times that can't pass."""

from __future__ import annotations

from collections.abc import Iterator

from vaxel_cli.policy.deck import Deck, Seat, channels_of
from vaxel_cli.policy.findings import Finding, Severity, at
from vaxel_cli.policy.team import Contact
from vaxel_shared import reasons
from vaxel_shared.config.document import Path_
from vaxel_shared.config.routing import Queue, Step, detours

WINDOW_SHARE = 10
"""So many windows at least go into the shortest promise."""

NAMES_MAX = 6
"""Agents or languages named in a message; more are counted."""


def findings(deck: Deck) -> Iterator[Finding]:
    """Everything about pools, queues and their steps."""
    for seat in deck.seats:
        path: Path_ = ("pools", seat.index)
        name = seat.pool.name
        if not seat.channels:
            text = f"no account of channels.yaml leads to pool {name!r}; add one, or delete it"
            yield at(deck.routing, path, "warning", "pool_without_account", text)
        if not seat.team.agents:
            text = f"pool {name!r} has no agents; add some to roster.yaml"
            yield at(deck.routing, path, "error", "pool_without_agents", text)
        yield from _times(deck, seat)
        for index, queue in enumerate(seat.pool.queues):
            if seat.team.agents:
                yield from _queue(deck, seat, index, queue)
            yield from _reached(deck, seat, index, queue)


def _times(deck: Deck, seat: Seat) -> Iterator[Finding]:
    """Durations that can't do what they say."""
    pool, path = seat.pool, ("pools", seat.index)
    if pool.wrap_up_ms and pool.wrap_up_ms >= pool.reopen_within_ms:
        text = "a resolved case is closed after `reopen_within`, before `wrap_up` is over; shorten"
        yield at(
            deck.routing, (*path, "wrap_up"), "warning", "wrap_up_never_ends", f"{text} wrap_up"
        )
    for key, who in (("bar_after_decline", "declined"), ("bar_after_miss", "let it pass")):
        if getattr(pool.offer, f"{key}_ms") == 0:
            text = f"whoever {who} is offered the same work again at once; make {key} 1m or more"
            yield at(deck.routing, (*path, "offer", key), "warning", "bar_of_nothing", text)
    by_channel: dict[str, Path_] = {name: ("after_reply", name) for name in pool.after_reply}
    leaving = enumerate(pool.give_up_after_leaving)
    by_channel |= {name: ("give_up_after_leaving", place) for place, name in leaving}
    for channel, inner in sorted(by_channel.items()):
        if seat.channels and channel not in seat.channels:
            text = f"no account of pool {pool.name!r} has the channel {channel!r}; "
            text += f"its channels are {', '.join(seat.channels)}"
            place = (*path, *inner)
            if place in deck.routing.lines:  # not the default
                yield at(deck.routing, place, "warning", f"{inner[0]}_unused", text)
    yield from _offers(deck, seat)
    yield from _window(deck, seat)


def _window(deck: Deck, seat: Seat) -> Iterator[Finding]:
    """A window that takes more of a time than whoever is given that time expects."""
    pool, path = seat.pool, ("pools", seat.index, "match", "window")
    if pool.match is None:
        return
    window_ms = pool.match.window_ms
    if window_ms > pool.offer.limit_ms:
        text = "work is collected for longer than an offer of it lasts; make `window` shorter than "
        yield at(deck.routing, path, "warning", "window_too_long", text + "the offer's `limit`")
    promises = [queue.promise.within_ms for queue in pool.queues if queue.promise is not None]
    promises += [pool.order.within_ms] if pool.order.by == "promise" else []
    if promises and window_ms * WINDOW_SHARE > min(promises):
        text = "work is collected for more than a tenth of the shortest promise; make it shorter"
        yield at(deck.routing, path, "warning", "window_too_long", text)
    if len(seat.team.agents) == 1:
        text = "there is one agent, so nothing is gained by collecting; delete `match`"
        yield at(deck.routing, path, "warning", "window_unused", text)


def _offers(deck: Deck, seat: Seat) -> Iterator[Finding]:
    """Leases and ways to offer that nothing comes to."""
    pool, path = seat.pool, ("pools", seat.index)
    for channel in sorted(pool.lease_ms):
        if seat.channels and channel not in seat.channels:
            text = (
                f"no account of pool {pool.name!r} has the channel {channel!r}, so no work of it "
            )
            text += f"is leased; its channels are {', '.join(seat.channels)}"
            yield at(deck.routing, (*path, "lease", channel), "warning", "lease_unused", text)
    for index, queue in enumerate(pool.queues):
        if queue.auto_accept and queue.broadcast > 1:
            text = f"queue {queue.name!r} asks nobody (auto_accept), so `broadcast` does nothing; "
            text += "delete one of them"
            place = (*seat.queue_path(index), "broadcast")
            yield at(deck.routing, place, "warning", "broadcast_unused", text)


def _queue(deck: Deck, seat: Seat, index: int, queue: Queue) -> Iterator[Finding]:
    missing = list(_skills(deck, seat, index, queue))
    yield from missing
    if any(item.severity == "error" for item in missing):
        return  # whatever else there is follows from it
    yield from _served(deck, seat, index, queue)
    yield from _steps(deck, seat, index, queue)
    yield from _fallback(deck, seat, index, queue)


def _skills(deck: Deck, seat: Seat, index: int, queue: Queue) -> Iterator[Finding]:
    """Skills of the queue or of a step that nobody of the pool has, or not so well."""
    places: list[tuple[Path_, dict[str, int], bool]] = [
        (("skills",), queue.skills, any(step.skills is not None for step in queue.steps))
    ]
    for number, step in enumerate(queue.steps):
        later = any(other.skills is not None for other in queue.steps[number + 1 :])
        places.append((("steps", number, "skills"), step.skills or {}, later))
    for inner, skills, relaxed in places:
        for skill, level in skills.items():
            fault = lacking(seat, skill, level)
            if fault is not None:
                code, text = fault
                severity: Severity = "warning" if relaxed else "error"
                path = (*seat.queue_path(index), *inner, skill)
                yield at(deck.routing, path, severity, code, f"queue {queue.name!r}: {text}")


def lacking(seat: Seat, skill: str, level: int) -> tuple[str, str] | None:
    """The code and the sentence, where nobody of the pool has a skill at this level."""
    levels = [agent.skills[skill] for agent in seat.team.agents if skill in agent.skills]
    pool = seat.pool.name
    if not levels:
        text = f"nobody in pool {pool!r} has the skill {skill!r}; "
        return "skill_nobody_has", text + "give it to somebody in roster.yaml, or don't ask for it"
    if max(levels) < level:
        text = f"nobody in pool {pool!r} has {skill!r} at level {level}, the best has {max(levels)}"
        return "skill_level_nobody_has", f"{text}; lower it, or raise somebody in roster.yaml"
    return None


def _served(deck: Deck, seat: Seat, index: int, queue: Queue) -> Iterator[Finding]:
    """Channels and languages of contacts that nobody may ever take here."""
    path = (*seat.queue_path(index), "name")
    channels = channels_of(seat, queue)
    unserved = [one for one in channels if not seat.team.ever(queue.name, Contact(one))]
    for channel in unserved:
        sure = len(unserved) == len(channels) or (queue.name, channel) in seat.defaults
        why = _why(seat.team.reasons(queue.name, Contact(channel)))
        text = f"nobody can ever take {channel} from queue {queue.name!r}: {why}; change its "
        text += "steps, or roster.yaml"
        severity: Severity = "error" if sure and not queue.overflow else "warning"
        yield at(deck.routing, path, severity, "queue_unserved", text)
    if queue.automatic:
        return
    for channel in channels:
        if channel in unserved:
            continue
        mute = [
            tag
            for tag in deck.loaded.channels.languages
            if not seat.team.ever(queue.name, Contact(channel, languages=(tag,)))
        ]
        if mute:
            text = f"nobody who can take {channel} from queue {queue.name!r} speaks "
            text += f"{_listed(mute)}, and no fallback helps: such contacts wait for ever; "
            text += "add a speaker, or `language_fallback`"
            yield at(deck.routing, path, "warning", "language_unserved", text)
            return  # the other channels would say the same


def _why(counts: dict[str, int]) -> str:
    parts = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {reasons.rejection(code)}" for code, count in parts)


def _steps(deck: Deck, seat: Seat, index: int, queue: Queue) -> Iterator[Finding]:
    """Steps that let nobody in, or keep somebody out who was in; tiers that nobody is in."""
    for number, step in enumerate(queue.steps):
        path = (*seat.queue_path(index), "steps", number)
        empty = sorted(set(step.tiers) - seat.team.tiers)
        before = set(queue.steps[number - 1].tiers) if number else set()
        for tier in empty:
            if tier not in before:
                text = f"nobody in pool {seat.pool.name!r} is in tier {tier}; drop it, or give it "
                text += "to somebody in roster.yaml"
                yield at(deck.routing, (*path, "tiers"), "warning", "tier_without_agents", text)
        if number:
            yield from _step(deck, seat, queue, number, path)


def _step(deck: Deck, seat: Seat, queue: Queue, number: int, path: Path_) -> Iterator[Finding]:
    step, earlier = queue.steps[number], queue.steps[number - 1]
    added: set[str] = set()
    lost: set[str] = set()
    for contact in deck.contacts(seat, queue):
        just_before = seat.team.able(queue.name, contact, step.after_ms - 1)
        then = seat.team.able(queue.name, contact, step.after_ms)
        added |= then - just_before
        lost |= just_before - then
    if lost and earlier.skills is not None and step.skills is None:
        text = "without `skills` the queue's own hold again from here, and "
        text += f"{_listed(sorted(lost))} can't take it any more; repeat the step's `skills`"
        yield at(deck.routing, path, "warning", "step_skills_return", text)
    elif lost:
        text = f"from here on {_listed(sorted(lost))} can't take what they could before; a later "
        text += "step should only add"
        yield at(deck.routing, path, "warning", "step_narrows", text)
    elif not added and seat.team.agents:
        text = f"this step lets in nobody{_same(step, earlier)}; delete it, or let it add a tier or"
        text += " ask for less"
        yield at(deck.routing, path, "warning", "step_adds_nobody", text)


def _same(step: Step, earlier: Step) -> str:
    if set(step.tiers) == set(earlier.tiers) and step.skills == earlier.skills:
        return ": it asks for the same as the one before it"
    return " whom the one before it kept out"


def _fallback(deck: Deck, seat: Seat, index: int, queue: Queue) -> Iterator[Finding]:
    fallback = queue.language_fallback
    if fallback is None:
        return
    path = (*seat.queue_path(index), "language_fallback")
    if queue.automatic:
        text = f"queue {queue.name!r} is automatic: its work asks for no language; delete this"
        yield at(deck.routing, path, "warning", "fallback_adds_nobody", text)
        return
    spoken = {tag for agent in seat.team.agents for tag in agent.languages}
    if not spoken & set(fallback.to):
        text = f"nobody in pool {seat.pool.name!r} speaks {_listed(list(fallback.to))}; name a "
        text += "language that somebody does"
        yield at(deck.routing, path, "warning", "fallback_adds_nobody", text)


def _reached(deck: Deck, seat: Seat, index: int, queue: Queue) -> Iterator[Finding]:
    """Queues that no contact comes to, and accounts whose customers get no answer."""
    accounts = {name for name, _ in seat.defaults}
    named = {rule.set.queue for rule in deck.loaded.routing.rules}
    named |= {to for other in seat.pool.queues for _, to in detours(other)}
    if seat.pool.quality is not None:
        named.add(seat.pool.quality.queue)
    if seat.pool.complaints is not None:  # the first stage is reached as any queue is
        named |= {*seat.pool.complaints.stages[1:]}
    first = next((item.name for item in seat.pool.queues if item.automatic), None)
    if queue.name not in accounts | named and queue.name != first:
        text = f"no account and no rule leads to queue {queue.name!r}: only a transfer does; name "
        text += "it in one, or delete it"
        path = (*seat.queue_path(index), "name")
        yield at(deck.routing, path, "warning", "queue_unreached", text)
    if queue.automatic and queue.name in accounts:
        for number, account in enumerate(deck.loaded.channels.accounts):
            if account.pool == seat.pool.name and account.queue == queue.name:
                text = f"queue {queue.name!r} is automatic: whoever writes to {account.id!r} gets "
                text += "no acknowledgement; name another queue"
                path = ("accounts", number, "queue")
                yield at(deck.channels, path, "warning", "account_automatic", text)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - NAMES_MAX} more" if len(names) > NAMES_MAX else ""
    return ", ".join(names[:NAMES_MAX]) + more
