"""Signed tokens: bearer tokens of the API, links in offers, reply addresses.

``v1.<payload>.<mac>``: payload is base64url JSON, mac 128 bits of HMAC-SHA256 under the key of the
token's purpose, so that a token of one kind is worth nothing as another.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

from vaxel_shared.crypto.keys import Keyring

TOKEN_CHARS_MAX = 2_048


def sign(keyring: Keyring, purpose: str, payload: dict[str, Any]) -> str:
    """A token that carries ``payload`` in the clear and proves that we made it."""
    body = _b64(json.dumps(payload, sort_keys=True, separators=(",", ":")).encode())
    return f"v1.{body}.{_mac(keyring, purpose, body)}"


def verify(keyring: Keyring, purpose: str, token: str) -> dict[str, Any] | None:
    """The payload of a token of ours for this purpose; None for any other string."""
    if len(token) > TOKEN_CHARS_MAX or not token.isascii():
        return None
    version, _, rest = token.partition(".")
    body, _, mac = rest.partition(".")
    if version != "v1" or not hmac.compare_digest(
        mac.encode(), _mac(keyring, purpose, body).encode()
    ):
        return None
    try:
        payload = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except ValueError:
        return None
    return payload if isinstance(payload, dict) else None


def _mac(keyring: Keyring, purpose: str, body: str) -> str:
    key = keyring.derive(f"token:{purpose}")
    return _b64(hmac.digest(key, body.encode(), hashlib.sha256)[:16])


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def api_token(keyring: Keyring, role: str, subject: str) -> str:
    """A bearer token of the API: ``role`` is admin, supervisor, agent, …; ``subject`` who."""
    return sign(keyring, "api", {"role": role, "sub": subject})
