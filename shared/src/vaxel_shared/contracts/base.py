"""What all contract models have in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Contract(BaseModel):
    """A published shape. Readers ignore fields they don't know: within a version fields are added.

    Instances are immutable; a field that doesn't apply is absent from the JSON.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    def to_json(self) -> bytes:
        """UTF-8 JSON, absent fields left out, keys in the order of declaration."""
        return self.model_dump_json(exclude_none=True, by_alias=True).encode()

    def to_dict(self) -> dict[str, Any]:
        """The same as plain JSON types."""
        return self.model_dump(mode="json", exclude_none=True, by_alias=True)
