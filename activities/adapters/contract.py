"""What every adapter of a live source is: three functions without I/O, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.fetching import HttpAnswer, Request, SourcePage


@dataclass(frozen=True)
class SourceAdapter:
    """How one kind of source is asked and read.

    first: configuration, cursor and present -> the request that a fetch begins with. An empty cursor is the beginning.
    judge: raise what an answer stands for that is none: refused credentials, throttling, a server that is away. It
        runs before the answer is kept, so that asking again can help; what it lets pass is stored, and then read.
    read: configuration, cursor, answer and present -> what the answer holds. Raises `SourceFormatError` where nothing
        in it can be used; a single bad record is a `Reject`.
    """

    first: Callable[[Any, str, datetime], Request]
    judge: Callable[[HttpAnswer], None]
    read: Callable[[Any, str, HttpAnswer, datetime], SourcePage]
