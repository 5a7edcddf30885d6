"""A recorded log against itself under other conditions: read once, played as often as asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from vaxel_cli.commands.recorded import Recorded
from vaxel_cli.console import unreachable
from vaxel_cli.policy.differ import Side
from vaxel_cli.policy.history import fold
from vaxel_cli.policy.interactions import Interactions
from vaxel_cli.whatif.changes import Changes, changed
from vaxel_cli.whatif.figures import Figures, figures
from vaxel_cli.whatif.replayed import Replay
from vaxel_cli.whatif.told import Story, read
from vaxel_router.core.inputs import decode
from vaxel_router.core.policy import Policy
from vaxel_router.core.policy import decode as decode_policy
from vaxel_shared.config.deployment import Deployment
from vaxel_shared.contracts import wire

ASSUMES = """\
contacts, presence, switches and SLA alerts come as recorded; a customer's further message comes \
as long after the message or answer before it as it did
work takes as long as it took, whoever does it; work that the log doesn't end, what others took
an offer that was made then too is answered as it was; any other as its agent usually did, missing \
and declining included
supervisors' acts happen again where the case stands as it did then
whoever is new is there from the first instant, or with whom they copy
SLA alerts that would newly come don't; the router is as late as it was, or not at all
""".splitlines()
"""What is taken for granted; said with every answer."""

_KEPT = frozenset({
    "contact_id", "conversation_key", "customer_id", "channel", "account", "received_at_ms", "src",
    "claims", "begin_ms",
})  # fmt: skip
"""Of a contact, what another policy's rules can't change."""


@dataclass(frozen=True, slots=True)
class Part:
    """One partition's story, with the policies that its commands name."""

    number: int
    story: Story
    library: Mapping[str, Policy]


@dataclass(slots=True)
class Past:
    """A whole log; it is measured from ``since_ms`` on, and until ``until_ms``."""

    log_id: str
    parts: list[Part]
    since_ms: int | None = None
    until_ms: int | None = None

    @property
    def stories(self) -> list[Story]:
        """Of each partition."""
        return [part.story for part in self.parts]

    def recorded(self) -> Figures:
        """What really was."""
        return _together(self.measured(one.decisions, one) for one in self.stories)

    def measured(self, decisions: Sequence[wire.Decision], story: Story) -> Figures:
        """What a partition's decisions amount to within the time that is asked about."""
        end_ms = story.end_ms
        if self.until_ms is not None and self.until_ms < end_ms:
            end_ms = self.until_ms
            decisions = [made for made in decisions if made.at_ms <= end_ms]
        return figures(decisions, end_ms, self.since_ms or 0)

    def contacts(self) -> int:
        """How many came within the time that is asked about."""
        begin_ms, end_ms = self.since_ms or 0, self.until_ms or 1 << 62
        return len({
            made.cause
            for story in self.stories for made in story.decisions
            if begin_ms <= made.at_ms <= end_ms and made.cause in story.matters
        })  # fmt: skip

    def missing(self) -> dict[str, int]:
        """What the log itself doesn't give, by code."""
        return {
            "was_refused": sum(one.refused for one in self.stories),
            "input_missing": sum(one.missing for one in self.stories),
        }


def load(recorded: Recorded) -> Past:
    """Read a log. Raises (exit 1) where its chain is broken, (exit 3) where a part is missing."""
    parts = []
    for number in recorded.partitions:
        inputs = [decode(one.offset, one.timestamp_ms, one.value) for one in recorded.work(number)]
        story = read(fold(recorded, number), inputs)
        if story.decisions:
            parts.append(Part(number, story, _library(story, recorded.policies)))
    return Past(recorded.log_id, parts)


def _library(story: Story, blobs: Mapping[str, bytes]) -> dict[str, Policy]:
    versions = [
        str(act.command.data["version"])
        for act in story.outside
        if act.command.type == "policy.publish"
    ]
    try:
        return {version: decode_policy(blobs[version]) for version in versions}
    except (KeyError, msgspec.MsgspecError) as error:
        raise unreachable(f"policy {error} is missing; is this an export with blobs?") from error


@dataclass(slots=True)
class Outcome:
    """What came of it."""

    figures: Figures
    left_out: Counter[str]

    def plain(self, within_ms: int) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return {
            "result": self.figures.plain(within_ms),
            "left_out": dict(sorted((+self.left_out).items())),
        }


def play(past: Past, changes: Changes, messages: Interactions | None = None) -> Outcome:
    """Let the log happen again. ``messages`` lets another policy's rules look at them."""
    retold = None
    if changes.policy is not None and messages is not None:
        retold = _Retold(changes.policy, messages, changes.since_ms or 0)
    found, left_out = [], Counter[str]()
    for part in past.parts:
        other = changed(part.story, part.library, changes)
        place = (past.log_id, part.number)
        replay = Replay(
            part.story, other.outside, other.library, place, cast=other.cast, retold=retold
        ).run(past.until_ms)  # fmt: skip
        left_out += replay.left_out
        left_out["pool_unknown"] += len(other.unknown_pools)
        found.append(past.measured(replay.decisions, part.story))
    if retold is not None:
        left_out["message_gone"] = retold.gone
    return Outcome(_together(found), left_out)


def _together(parts: Any) -> Figures:
    whole = Figures()
    for one in parts:
        whole.add(one)
    return whole


class _Retold:
    """What triage would make of a contact's message by another policy's rules."""

    def __init__(self, loaded: Deployment, messages: Interactions, since_ms: int) -> None:
        self.gone = 0
        """Contacts whose message isn't there any more: the rules of then hold for them."""
        self._triaged: Callable[..., wire.Command] = Side(loaded).triaged
        self._messages, self._since_ms = messages, since_ms

    def __call__(self, command: wire.Command, now_ms: int) -> wire.Command:
        if now_ms < self._since_ms or "handed" in command.data:
            return command
        partition, offset = command.data["src"]
        message = self._messages.get(int(partition), int(offset), command.id)
        if message is None:
            self.gone += 1
            return command
        made = self._triaged(message, command).data
        kept = {key: value for key, value in command.data.items() if key in _KEPT}
        data = {key: value for key, value in made.items() if key not in _KEPT} | kept
        return msgspec.structs.replace(command, data=data)
