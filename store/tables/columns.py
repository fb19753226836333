"""Column types used by every table."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Numeric, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field

Json = dict[str, Any]


def instant(*, nullable: bool = False, index: bool = False, primary_key: bool = False) -> Any:
    """A UTC instant (`timestamptz`)."""
    options: dict[str, Any] = {"sa_type": DateTime(timezone=True), "index": index, "primary_key": primary_key}
    if nullable:
        return Field(default=None, nullable=True, **options)
    return Field(nullable=False, **options)


def dollars(*, nullable: bool = False) -> Any:
    """Dollars, to the micro-dollar."""
    if nullable:
        return Field(default=None, nullable=True, sa_type=Numeric(20, 6))
    return Field(nullable=False, sa_type=Numeric(20, 6))


def exact_dollars() -> Any:
    """Dollars of any product of shares and a price: to 1e-15, nothing is rounded."""
    return Field(nullable=False, sa_type=Numeric(38, 15))


def shares(*, nullable: bool = False) -> Any:
    """Shares, to 1e-9 of a share."""
    if nullable:
        return Field(default=None, nullable=True, sa_type=Numeric(24, 9))
    return Field(nullable=False, sa_type=Numeric(24, 9))


def text(default: str | None = None, *, index: bool = False) -> Any:
    """Text without a length limit."""
    if default is None:
        return Field(sa_type=Text, nullable=False, index=index)
    return Field(default=default, sa_type=Text, nullable=False, index=index)


def json_object() -> Any:
    """A JSON object, `{}` by default."""
    return Field(default_factory=dict, sa_column=Column(JSONB, nullable=False))


def json_list() -> Any:
    """A JSON array, `[]` by default."""
    return Field(default_factory=list, sa_column=Column(JSONB, nullable=False))


def text_array() -> Any:
    return Field(default_factory=list, sa_column=Column(ARRAY(Text), nullable=False))


def bigint_array() -> Any:
    return Field(default_factory=list, sa_column=Column(ARRAY(BigInteger), nullable=False))
