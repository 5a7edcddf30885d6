"""What a platform is: a manifest and pure functions, handed their time, secrets and surroundings.

A platform's file knows nothing of HTTP servers, topics or blobs: it is given a request as it came
over the wire and says whether the signature holds and what the request tells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from vaxel_shared.contracts.interaction import Interaction, Verification

Pseudonym = Callable[[str, str], str]
"""``(purpose, value)`` → the value, hidden (``Keyring.pseudonym``)."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came: ``headers`` by name in lower case, ``body`` untouched bytes.

    ``url`` is the public one that the provider called, query included.
    """

    method: str = "POST"
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The value of a header, by its name in lower case."""
        return self.headers.get(name)

    @property
    def content_type(self) -> str:
        """The media type without parameters, in lower case; empty where none is given."""
        return (self.header("content-type") or "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the provider is told."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


@dataclass(frozen=True, slots=True)
class Answers:
    """How a provider must be answered, so that it keeps what we don't have and nothing else.

    ``accepted``: we have it. ``unverified``: it isn't from the provider. ``malformed``: it can
    never be taken. ``later``: our own trouble; the provider comes back. ``limited``: it sends more
    than its account may, and comes back slower; the status of ``later`` where it would take 429 for
    a last word.
    """

    accepted: Answer = Answer(204)
    unverified: int = 401
    malformed: int = 400
    later: int = 503
    limited: int = 429
    retry_after_s: int = 5


@dataclass(frozen=True, slots=True)
class Manifest:
    """The facts about a platform that its runtime and the documentation need.

    ``slug`` is the file's name, ``channel`` what interactions call it, ``scheme`` the name of its
    signature. ``tolerance_s`` bounds how old a signed instant may be, in both directions; None
    where the scheme signs no time. ``body_bytes_max`` holds before anything is parsed.
    """

    slug: str
    channel: str
    title: str
    scheme: str
    methods: tuple[str, ...] = ("POST",)
    content_types: tuple[str, ...] = ("application/json",)
    body_bytes_max: int = 256 * 1024
    tolerance_s: int | None = None
    answers: Answers = Answers()


@dataclass(frozen=True, slots=True)
class Home:
    """The account that a request came in by, and what the shell lends for normalising."""

    account_id: str
    pool: str
    pseudonym: Pseudonym
    received_at: str
    """ISO 8601, UTC."""
    raw_ref: str
    raw_sha256: str
    verification: Verification

    def conversation_key(self, channel: str, thread: str) -> str:
        """The key of a conversation that the platform calls ``thread``."""
        root = self.pseudonym("conversation", f"{channel}|{self.account_id}|{thread}")
        return f"{self.pool}|{channel}|{self.account_id}|{root}"


Verify = Callable[[Request, Sequence[str], int], Verification]
"""``(request, live secrets, now in ms)``: whether the provider sent it. Never raises."""

Normalize = Callable[[Request, Home], list[Interaction]]
"""What a verified request tells, in order. Never raises: what it can't read is ``unsupported``."""

Handshake = Callable[[Request, Sequence[str]], Answer | None]
"""The answer to a request that only proves that we listen; None for every other request."""


def no_handshake(_request: Request, _secrets: Sequence[str]) -> None:
    """For platforms that have none."""


@dataclass(frozen=True, slots=True)
class Platform:
    """What a platform's file defines as ``PLATFORM``."""

    manifest: Manifest
    verify: Verify
    normalize: Normalize
    handshake: Handshake = no_handshake
