"""The base of every payload and value object: frozen, closed, compared by value."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict


class Model(BaseModel):
    """A frozen value. Unknown fields are refused, so that a misspelt name is an error and not a default."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


M = TypeVar("M", bound=Model)
_set = object.__setattr__
_FIELDS: dict[type[Model], set[str]] = {}
"""Names of all fields; instances share the set, as nothing of a frozen model is ever set again."""


def assembled(of: type[M], values: dict[str, Any]) -> M:
    """Make a model of values that are valid for sure, as unpickling does: several times as fast as `model_construct`.

    Args:
        values: of every field, in the order of their declaration; the model keeps the dictionary.
    """
    made = of.__new__(of)
    _set(made, "__dict__", values)
    _set(made, "__pydantic_fields_set__", _FIELDS.get(of) or _FIELDS.setdefault(of, set(of.model_fields)))
    _set(made, "__pydantic_extra__", None)
    _set(made, "__pydantic_private__", None)
    return made


def _require_utc(value: datetime) -> datetime:
    offset = value.utcoffset()
    if offset is None or offset.total_seconds() != 0:
        raise ValueError(f"time must be UTC with an offset of +00:00, found {value.isoformat()}")
    return value


Utc = Annotated[datetime, AfterValidator(_require_utc)]
"""An instant, always UTC and always aware."""
