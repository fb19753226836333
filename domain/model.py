"""The base of every payload and value object: frozen, closed, compared by value."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict


class Model(BaseModel):
    """A frozen value. Unknown fields are refused, so that a misspelt name is an error and not a default."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


def _require_utc(value: datetime) -> datetime:
    offset = value.utcoffset()
    if offset is None or offset.total_seconds() != 0:
        raise ValueError(f"time must be UTC with an offset of +00:00, found {value.isoformat()}")
    return value


Utc = Annotated[datetime, AfterValidator(_require_utc)]
"""An instant, always UTC and always aware."""
