"""The whole error vocabulary of Vaxel: three kinds, each named for what the caller does next.

    VaxelError
    ├── Poison      this input can never be handled: park it as a dead letter, then go on
    ├── Retryable   the world is in the way: try again after a bounded, growing pause
    └── Fatal       going on would be wrong: exit non-zero and restart clean

Every message is one line that says what is wrong and what to do about it.
"""

from __future__ import annotations

from typing import Any


class VaxelError(Exception):
    """Any error that Vaxel raises on purpose."""


class Poison(VaxelError):
    """An input that can never be handled.

    ``code`` is a short, stable word for metrics and dead letters (never personal text). ``record``
    is the record that it was, where one of several was handled; whoever parks it reads it there.
    """

    record: Any = None

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Retryable(VaxelError):
    """A failure of the surroundings; the same call may succeed later."""


class Fatal(VaxelError):
    """A state in which going on could lose or double something."""
