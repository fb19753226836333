"""Many short texts as one long one: a column of a million of them is two objects, in memory and between processes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Self, overload

import numpy as np
from numpy.typing import NDArray


class PackedTexts(Sequence[str]):
    """Texts one after the other, and where each ends; a text is cut out when it is asked for."""

    __slots__ = ("_ends", "_whole")

    def __init__(self, whole: str, ends: NDArray[np.int64]) -> None:
        self._whole, self._ends = whole, ends

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        found = list(texts)
        return cls("".join(found), np.cumsum(np.fromiter(map(len, found), np.int64, len(found))))

    def __reduce__(self) -> tuple[type[Self], tuple[str, NDArray[np.int64]]]:
        return type(self), (self._whole, self._ends)

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[str]:
        return iter(self[:])

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> list[str]: ...
    def __getitem__(self, at: int | slice) -> str | list[str]:
        if isinstance(at, slice):
            places = range(*at.indices(len(self)))
            if places.step != 1:
                return [self[each] for each in places]
            return self._cut(places)
        if not -len(self) <= at < len(self):
            raise IndexError(at)
        at %= len(self)
        return self._whole[self._begin(at) : self._ends[at]]

    def _cut(self, places: range) -> list[str]:
        if not places:
            return []
        ends = self._ends[places.start : places.stop].tolist()
        return [self._whole[begin:end] for begin, end in pairwise([self._begin(places.start), *ends])]

    def _begin(self, at: int) -> int:
        return int(self._ends[at - 1]) if at else 0
