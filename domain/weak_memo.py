"""A pure function of an immutable object, computed once for as long as the object lives."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar
from weakref import ref

K = TypeVar("K")
V = TypeVar("V")


class WeakMemo(Generic[K, V]):
    """Remembers what was computed of each object, and forgets it with the object: it keeps nothing alive.

    Objects are told apart by identity, never by value, so that a changed copy is another object. Threads may share a
    memo: at worst two of them compute the same value.

        text_of = WeakMemo(_text_of)
        text_of(item)
    """

    def __init__(self, compute: Callable[[K], V]) -> None:
        self._compute = compute
        self._known: dict[int, tuple[ref[K], V]] = {}

    def __call__(self, of: K) -> V:
        key = id(of)
        known = self._known.get(key)
        if known is not None and known[0]() is of:
            return known[1]
        value = self._compute(of)
        self._known[key] = (ref(of, partial(self._forget, key)), value)
        return value

    def __len__(self) -> int:
        return len(self._known)

    def _forget(self, key: int, dead: ref[K]) -> None:
        """The id of a dead object may already be another's: then nothing is to be forgotten."""
        known = self._known.get(key)
        if known is not None and known[0] is dead:
            self._known.pop(key, None)
