"""Browsers: a one-time link becomes a session, a session becomes who asks.

A link's key is a signed token with an id; the id is stored when it is used, so a second use is
seen whatever instance it reaches. A session is a random cookie of which only the hash is stored.
Cookies are named after port and subject, since browsers don't tell ports apart: several people,
and several systems, can be open in tabs of one browser.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from vaxel_register.core.access import Role
from vaxel_register.core.limits import LOGIN_KEY_MS, SESSION_MS, SESSIONS_MAX
from vaxel_register.shell.store import Store
from vaxel_register.shell.tables import LOGIN_KEYS, SESSIONS
from vaxel_shared.clock import Clock
from vaxel_shared.crypto.keys import Keyring
from vaxel_shared.crypto.tokens import verify
from vaxel_shared.errors import VaxelError
from vaxel_shared.sql import answering

WHO_HEADER = "X-Vaxel-As"
"""Names the session that a request means. No other site can send it: that is the guard against
requests forged across sites, beside the cookie's SameSite."""
PURPOSE = "login"
"""The purpose of a link's token: ``{r: role, s: subject, j: id, x: expires_ms}``."""
_SUBJECT = re.compile(r"[A-Za-z0-9._-]{1,80}")
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{16,64}")


class LinkRefused(VaxelError):
    """A link lets nobody in: ``code`` is invalid, expired or used."""

    def __init__(self, code: str) -> None:
        super().__init__(f"the link is {code}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Session:
    """Who a browser speaks for; ``cookie`` where it has just been made."""

    role: Role
    subject: str
    expires_ms: int
    cookie: str | None = None


class Sessions:
    """Lets browsers in, knows them again, and forgets them."""

    def __init__(
        self, *, engine: AsyncEngine, store: Store, keyring: Keyring, clock: Clock, port: int,
        secure: bool,
    ) -> None:  # fmt: skip
        self._engine = engine
        self._store = store
        self._keyring = keyring
        self._clock = clock
        self._port = port
        self._secure = secure

    async def open(self, key: str, request: web.Request) -> Session:
        """The session of a link. Raises :class:`LinkRefused`.

        A browser that opens its own link twice (some load ahead of a click) is let in again.
        """
        payload = verify(self._keyring, PURPOSE, key)
        found = _checked(payload)
        if found is None:
            raise LinkRefused("invalid")
        role, subject, key_id, expires_ms = found
        now_ms = self._clock.wall_ms()
        if expires_ms <= now_ms or expires_ms > now_ms + LOGIN_KEY_MS:
            raise LinkRefused("expired")
        cookie = secrets.token_urlsafe(32)
        session = Session(role, subject, now_ms + SESSION_MS, cookie)
        if await self._take(key_id, expires_ms, session):
            return session
        row = await self._row(request, subject)
        if row is not None and row["key_id"] == key_id:
            return Session(Role(row["role"]), subject, row["expires_ms"])
        raise LinkRefused("used")

    async def find(self, request: web.Request, subject: str) -> Session | None:
        """The live session that the browser has for a subject."""
        row = await self._row(request, subject)
        return None if row is None else Session(Role(row["role"]), subject, row["expires_ms"])

    async def end(self, request: web.Request, subject: str) -> None:
        """Forget a session."""
        cookie = request.cookies.get(self._cookie_name(subject))
        if cookie is not None:
            async with self._store.writing() as connection:
                same = SESSIONS.c.id_sha256 == _sha256(cookie)
                await connection.execute(SESSIONS.delete().where(same))

    def give(self, response: web.StreamResponse, session: Session) -> None:
        """Put a new session's cookie into an answer."""
        if session.cookie is None:
            return
        response.set_cookie(
            self._cookie_name(session.subject),
            session.cookie,
            max_age=SESSION_MS // 1000,
            path="/",
            httponly=True,
            samesite="Strict",
            secure=self._secure,
        )

    def take_back(self, response: web.StreamResponse, subject: str) -> None:
        """Let the browser forget the cookie."""
        response.del_cookie(self._cookie_name(subject), path="/")

    def _cookie_name(self, subject: str) -> str:
        return f"vaxel_{self._port}_{subject}"

    async def _take(self, key_id: str, expires_ms: int, session: Session) -> bool:
        """Use a link up and store its session; False if it was used before."""
        now_ms = self._clock.wall_ms()
        async with self._store.writing() as connection:
            await connection.execute(LOGIN_KEYS.delete().where(LOGIN_KEYS.c.expires_ms <= now_ms))
            await connection.execute(SESSIONS.delete().where(SESSIONS.c.expires_ms <= now_ms))
            used = self._store.upsert(LOGIN_KEYS).values(id=key_id, expires_ms=expires_ms)
            if (await connection.execute(used.on_conflict_do_nothing())).rowcount == 0:
                return False
            newest = select(SESSIONS.c.id_sha256).order_by(SESSIONS.c.expires_ms.desc())
            kept = newest.limit(SESSIONS_MAX - 1).scalar_subquery()
            await connection.execute(SESSIONS.delete().where(SESSIONS.c.id_sha256.not_in(kept)))
            row = {
                "id_sha256": _sha256(session.cookie or ""), "role": session.role.value,
                "subject": session.subject, "key_id": key_id, "expires_ms": session.expires_ms,
            }  # fmt: skip
            await connection.execute(SESSIONS.insert().values(row))
        return True

    async def _row(self, request: web.Request, subject: str) -> dict[str, Any] | None:
        cookie = request.cookies.get(self._cookie_name(subject))
        if cookie is None or not _SUBJECT.fullmatch(subject) or len(cookie) > 200:
            return None
        statement = select(SESSIONS).where(
            SESSIONS.c.id_sha256 == _sha256(cookie),
            SESSIONS.c.subject == subject,
            SESSIONS.c.expires_ms > self._clock.wall_ms(),
        )
        with answering():
            async with self._engine.connect() as connection:
                row = (await connection.execute(statement)).mappings().first()
        return None if row is None else dict(row)


def _checked(payload: dict[str, Any] | None) -> tuple[Role, str, str, int] | None:
    """(role, subject, id, expires_ms) of a token's payload, if it has them."""
    if payload is None:
        return None
    role, subject, key_id = payload.get("r"), payload.get("s"), payload.get("j")
    expires_ms = payload.get("x")
    if role not in set(Role) or not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
        return None
    if not isinstance(key_id, str) or not _KEY_ID.fullmatch(key_id) or type(expires_ms) is not int:
        return None
    return Role(role), subject, key_id, expires_ms


def _sha256(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
