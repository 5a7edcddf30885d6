"""What a connector is: a manifest that says what a tool can do, and pure functions beside it.

A connector's file knows nothing of sessions, topics or databases; the service that carries things
out lends it those.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Verb = Literal[
    "presence", "next", "accept", "decline", "note", "draft", "reply", "wait", "transfer",
    "consult", "answer", "escalate", "resolve", "wrap", "elsewhere",
]  # fmt: skip
"""All that an agent does with work; ``elsewhere`` is to say what else there is in hand."""

VERBS: tuple[Verb, ...] = get_args(Verb)

How = Literal["native", "button", "link", "inferred", "none"]
"""``native``: in the tool itself; ``button``: one of ours in it; ``link``: a signed link that
leads to us; ``inferred``: from what is done there; ``none``: not from there."""

Told = Literal["offer", "assigned", "ended"]
"""What a tool hears of its agents' work."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The facts about a tool. A verb that ``verbs`` doesn't name is ``none``.

    ``authority`` says who may own the assignee; ``bound`` what an answer is bound to, in words.
    """

    slug: str
    title: str
    told: tuple[Told, ...]
    verbs: Mapping[Verb, How]
    authority: tuple[Literal["vaxel", "tool"], ...]
    bound: str

    def how(self, verb: Verb) -> How:
        """How an agent does it from there."""
        return self.verbs.get(verb, "none")


@dataclass(frozen=True, slots=True)
class Connector:
    """What a connector's file defines as ``CONNECTOR``."""

    manifest: Manifest
