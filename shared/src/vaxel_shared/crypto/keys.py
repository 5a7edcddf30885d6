"""The deployment's key, and one derived key for each purpose.

``deployment.key`` is made once and never rotated: conversation keys and customer ids are HMACs
under it (a thread can be a phone number, and plain hashes of phone numbers can be tried out).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from vaxel_shared.errors import Fatal

KEY_FILE = "deployment.key"
KEY_BYTES = 32


class Keyring:
    """Derives keys; never shows the root."""

    def __init__(self, root: bytes) -> None:
        if len(root) != KEY_BYTES:
            raise Fatal(
                f"the deployment key has {len(root)} bytes instead of {KEY_BYTES}; restore it"
            )
        self._root = root

    @classmethod
    def load(cls, folder: Path) -> Keyring:
        """From ``deployment.key``, hexadecimal. Raises Fatal where it is missing or damaged."""
        path = folder / KEY_FILE
        try:
            return cls(bytes.fromhex(path.read_text().strip()))
        except OSError as error:
            raise Fatal(
                f"{path.name} in the secrets folder: {error.strerror}; `vaxel up` makes one"
            ) from error
        except ValueError as error:
            raise Fatal(
                f"{path.name} in the secrets folder is not hexadecimal; restore it"
            ) from error

    def derive(self, purpose: str) -> bytes:
        """The key of a purpose: HMAC-SHA256 under the root."""
        return hmac.digest(self._root, purpose.encode(), hashlib.sha256)

    def pseudonym(self, purpose: str, value: str) -> str:
        """``value`` hidden: 128 bits of its HMAC, hexadecimal; equal values stay equal."""
        return hmac.digest(self.derive(purpose), value.encode(), hashlib.sha256)[:16].hex()


def create_key(folder: Path) -> bool:
    """Make ``deployment.key`` (mode 0600) unless it is there; says whether it was made."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(folder / KEY_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    return True
