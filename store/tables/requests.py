"""Requests that may be sent again: what was answered to each."""

from datetime import datetime

from sqlalchemy import LargeBinary
from sqlmodel import Field, SQLModel

from store.tables.columns import Json, instant, json_object, text


class KeptAnswer(SQLModel, table=True):
    """A request with an idempotency key, and its answer once there is one.

    Neither the key nor the body is kept: the id is a hash of the key, the fingerprint one that only the key can check.
    """

    __tablename__ = "kept_answers"

    request_id: str = Field(primary_key=True)
    """Of the principal, the route and the key."""
    fingerprint: str = text()
    """Of the address and the body."""
    actor: str = text()
    route: str = text()
    attempt: str = text()
    """Which attempt holds it: one whose time was over may not write its answer over a later one's."""
    status: int = 0
    """0: it is under way."""
    headers: Json = json_object()
    body: bytes = Field(default=b"", sa_type=LargeBinary)
    begun_at: datetime = instant()
    expires_at: datetime = instant(index=True)
    """Under way: when the attempt counts as dead and the request may run again. Answered: when it is forgotten."""
