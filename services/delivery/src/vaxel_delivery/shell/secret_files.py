"""Signing secrets: files in the secrets folder, one secret a line, two while one is exchanged."""

from __future__ import annotations

from pathlib import Path

SECRETS_MAX = 2
FILE_BYTES_MAX = 4_096


class SecretMissingError(ValueError):
    """There is no usable secret in a file; the message names the file, never its content."""


def read_secrets(folder: Path, name: str) -> list[str]:
    """The live secrets of a file, read anew each time; raises :class:`SecretMissingError`."""
    try:
        with (folder / name).open("rb") as file:
            raw = file.read(FILE_BYTES_MAX)
    except OSError as error:
        raise SecretMissingError(f"{name} in the secrets folder: {error.strerror}") from error
    lines = [line.strip() for line in raw.decode("ascii", "replace").splitlines()]
    found = [line for line in lines if line and not line.startswith("#")]
    if not 1 <= len(found) <= SECRETS_MAX:
        raise SecretMissingError(
            f"{name} in the secrets folder holds {len(found)} secrets; write one or two lines"
        )
    return found
