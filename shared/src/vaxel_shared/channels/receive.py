"""A webhook request judged: size and form, handshake, signature, then what it tells; pure.

The one way in for the receiver and for ``vaxel normalize webhook``, so that what is tried on the
command line is what a provider gets.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from vaxel_shared.channels.platform import Answer, Home, Manifest, Platform, Pseudonym, Request
from vaxel_shared.contracts.cloudevents import iso_ms
from vaxel_shared.contracts.interaction import Interaction, Verification


@dataclass(frozen=True, slots=True)
class Place:
    """The account that a request came in by."""

    account_id: str
    pool: str
    pseudonym: Pseudonym


@dataclass(frozen=True, slots=True)
class Received:
    """What a request comes to. ``answer`` is for when ``interactions`` are stored, if any."""

    answer: Answer
    interactions: list[Interaction] = field(default_factory=list)
    verification: Verification | None = None


def receive(
    platform: Platform,
    request: Request,
    secrets: Sequence[str],
    place: Place,
    now_ms: int,
    *,
    trust: bool = False,
) -> Received:
    """Judge a request; never raises.

    ``secrets`` are those that are live now; without one nothing is believed. ``trust`` normalises
    what couldn't be verified, for looking at recorded bodies; a receiver never sets it.
    """
    manifest = platform.manifest
    refusal = _misfit(manifest, request)
    if refusal is not None:
        return Received(refusal)
    greeting = platform.handshake(request, secrets)
    if greeting is not None:
        return Received(greeting)
    verification = platform.verify(request, secrets, now_ms)
    if not verification.ok and not trust:
        detail = f"the signature doesn't hold: {verification.reason}"
        code = verification.reason or "unverified"
        return Received(
            refuse(manifest.answers.unverified, code, detail), verification=verification
        )
    digest = hashlib.sha256(request.body).hexdigest()
    home = Home(
        account_id=place.account_id,
        pool=place.pool,
        pseudonym=place.pseudonym,
        received_at=iso_ms(now_ms),
        raw_ref=f"raw/{digest}",
        raw_sha256=digest,
        verification=verification,
    )
    found = platform.normalize(request, home)
    return Received(manifest.answers.accepted, found, verification)


def later(manifest: Manifest, code: str, detail: str) -> Answer:
    """The answer when what we need isn't there: the provider keeps it and comes back."""
    answers = manifest.answers
    refusal = refuse(answers.later, code, detail)
    return with_headers(refusal, {"Retry-After": str(answers.retry_after_s)})


def refuse(status: int, code: str, detail: str) -> Answer:
    """A refusal as ``application/problem+json``."""
    body = {"type": "about:blank", "title": code, "status": status, "detail": detail}
    return Answer(status, {"Content-Type": "application/problem+json"}, json.dumps(body))


def with_headers(answer: Answer, headers: Mapping[str, str]) -> Answer:
    """The answer with more headers."""
    return replace(answer, headers={**answer.headers, **headers})


def _misfit(manifest: Manifest, request: Request) -> Answer | None:
    """Why a request can't be one of the platform's, before anything in it is read."""
    if request.method.upper() not in manifest.methods:
        allowed = ", ".join(manifest.methods)
        refusal = refuse(405, "method_not_allowed", f"send it with {allowed}")
        return with_headers(refusal, {"Allow": allowed})
    if len(request.body) > manifest.body_bytes_max:
        most = manifest.body_bytes_max
        return refuse(413, "body_too_large", f"at most {most} bytes: body_bytes_max")
    if request.header("content-encoding") not in (None, "", "identity"):
        return refuse(415, "content_encoding", "send the body without Content-Encoding")
    if request.body and request.content_type not in ("", *manifest.content_types):
        kinds = ", ".join(manifest.content_types)
        return refuse(415, "content_type", f"send it as {kinds}")
    return None
