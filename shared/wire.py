"""The one base of every value that users can see as JSON."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Wire(BaseModel):
    """A frozen value written as camelCase JSON.

    Unknown fields are ignored when read, so that rows written by a newer version can still be shown.
    """

    model_config = ConfigDict(
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        ser_json_inf_nan="null",
    )

    def wire(self) -> dict[str, Any]:
        """This value as JSON-ready data, keys in camelCase."""
        return self.model_dump(mode="json", by_alias=True)
