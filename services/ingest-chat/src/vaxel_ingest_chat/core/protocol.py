"""The frames between widget and server: JSON objects with a ``type``.

From the widget: ``hello`` (first; token, cursor), ``message`` (id, text, language, locale,
name, email), ``typing``, ``read``, ``ping``. To it: ``welcome`` and ``history`` (messages, cursor,
more), ``message``, ``cursor``, ``ack``, ``not_sent``, ``error``, ``bye``, ``pong``. A message's
``id`` is the widget's own, made once: whatever is repeated under it is the same message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from vaxel_shared.channels import reading

EMAIL_CHARS_MAX = 254
"""RFC 5321, 4.5.3.1.3."""

Frame = dict[str, Any]

_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_EMAIL = re.compile(r"[^\s@<>,;]{1,64}@[^\s@<>,;]{1,189}")


class Refused(Exception):
    """A frame that can't be taken: an answer to the visitor, not an error of ours.

    ``code`` is stable; ``fatal`` closes the socket;
    ``about`` is the id of the message that it is about, where it is about one.
    """

    def __init__(
        self, code: str, detail: str, *, fatal: bool = True, about: str | None = None
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.fatal = fatal
        self.about = about

    def frame(self) -> Frame:
        """The refusal as the visitor gets it."""
        more = {"id": self.about} if self.about is not None else {}
        return error(self.code, self.detail, **more)


@dataclass(frozen=True, slots=True)
class Hello:
    """Who comes, and what the widget has seen; both are judged by whoever reads them."""

    token: object = None
    cursor: object = None


@dataclass(frozen=True, slots=True)
class Message:
    """What a visitor wrote. ``language`` is what they chose, ``locale`` what their browser says."""

    client_id: str
    text: str
    language: str | None = None
    locale: str | None = None
    name: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """``typing`` or ``read``: passing, best effort."""

    kind: str


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks whether the line is alive."""


Said = Hello | Message | Signal | Ping


def parse(raw: str | bytes, *, bytes_max: int, text_chars_max: int) -> Said:
    """A frame understood. Raises :class:`Refused`."""
    size = len(raw) if isinstance(raw, bytes) else len(raw.encode("utf-8", "replace"))
    if size > bytes_max:
        raise Refused("frame_too_large", f"at most {bytes_max} bytes: chat_frame_bytes_max")
    frame = reading.decoded(raw if isinstance(raw, bytes) else raw.encode("utf-8", "replace"))
    if not isinstance(frame, dict):
        raise Refused("frame_malformed", "a frame is a JSON object with a type")
    kind = frame.get("type")
    if kind == "hello":
        return Hello(frame.get("token"), frame.get("cursor"))
    if kind == "message":
        return message(frame, text_chars_max)
    if kind in ("typing", "read"):
        return Signal(str(kind))
    if kind == "ping":
        return Ping()
    raise Refused("frame_unknown", "known types are hello, message, typing, read and ping")


def message(frame: Frame, text_chars_max: int) -> Message:
    """The message in a frame or request. Raises :class:`Refused`."""
    client_id, given = frame.get("id"), frame.get("text")
    if not isinstance(client_id, str) or not _CLIENT_ID.fullmatch(client_id):
        raise Refused("id_malformed", "id is 8 to 64 of A-Z a-z 0-9 _ -, made once a message")
    if isinstance(given, str) and len(given) > text_chars_max:
        raise Refused(
            "text_too_long",
            f"at most {text_chars_max} characters: chat_text_chars_max",
            fatal=False,
            about=client_id,
        )
    text = reading.text(given, text_chars_max)
    if text is None or not text.strip():
        raise Refused(
            "text_missing", "text is what the visitor wrote", fatal=False, about=client_id
        )
    email = reading.line(frame.get("email"), EMAIL_CHARS_MAX)
    return Message(
        client_id=client_id,
        text=text,
        language=reading.language(frame.get("language")),
        locale=reading.language(frame.get("locale")),
        name=reading.line(frame.get("name"), reading.NAME_CHARS_MAX),
        email=email if email is not None and _EMAIL.fullmatch(email) else None,
    )


def error(code: str, detail: str, **more: Any) -> Frame:
    """What went wrong; ``code`` names a limit or a rule."""
    return {"type": "error", "code": code, "detail": detail, **more}


def acknowledged(client_id: str, interaction_id: str) -> Frame:
    """We have it, for good."""
    return {"type": "ack", "id": client_id, "message_id": interaction_id}


def not_sent(client_id: str, retry_after_ms: int) -> Frame:
    """We don't have it for sure: repeat it under the same id."""
    return {
        "type": "not_sent",
        "id": client_id,
        "code": "later",
        "detail": "it couldn't be stored just now; send it again with the same id",
        "retry_after_ms": retry_after_ms,
    }
