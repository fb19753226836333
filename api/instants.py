"""Instants and days as they are given in requests: written out (RFC 3339), never as a number of seconds."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator
from pydantic_core import PydanticCustomError

_NUMBER = re.compile(r"\s*[+-]?\d+(\.\d*)?\s*")


def _written_out(given: Any) -> Any:
    """Refuse a bare number: `20140716` would be a day in August 1970."""
    if isinstance(given, int | float) or (isinstance(given, str) and _NUMBER.fullmatch(given)):
        raise PydanticCustomError("written_out", "write it out, as 2014-07-16 or 2014-07-16T14:30:00Z")
    return given


Instant = Annotated[AwareDatetime, BeforeValidator(_written_out)]
Day = Annotated[date, BeforeValidator(_written_out)]
