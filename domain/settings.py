"""What parts of the configuration are made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from domain.model import Model

Unit = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
"""A weight in [0, 1]."""
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Settings(Model, validate_default=True):
    """A part of the configuration. Defaults pass the validators too, so that they are in the same canonical form."""
