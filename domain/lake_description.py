"""How a table of the lake is written down: a line a column."""

from __future__ import annotations

from domain.lake import LakeColumn, LakeTable, LakeType, Partition

_TYPES = {
    "text": LakeType.TEXT,
    "flag": LakeType.FLAG,
    "whole": LakeType.WHOLE,
    "number": LakeType.NUMBER,
    "day": LakeType.DAY,
    "instant": LakeType.INSTANT,
    "dollars": LakeType.DOLLARS,
    "exact": LakeType.EXACT_DOLLARS,
    "shares": LakeType.SHARES,
    "figure": LakeType.FIGURE,
}


def _columns(text: str, **sources: str) -> tuple[LakeColumn, ...]:
    """Columns from lines of `type name: what it says`; `sources` computes those that are no column of the book."""
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        head, _, says = line.partition(": ")
        kind, name = head.split()
        found.append(LakeColumn(name=name, type=_TYPES[kind], says=says, source=sources.pop(name, "")))
    if sources:
        raise ValueError(f"computed but not declared: {sorted(sources)}")
    return tuple(found)


def described(
    name: str,
    says: str,
    columns: str,
    *,
    key: str,
    event: str = "",
    by: Partition = Partition.NONE,
    source: str = "",
    **sources: str,
) -> LakeTable:
    """Describe a table: its columns line by line, its key and what computes a column as words."""
    return LakeTable(
        name=name,
        source=source or name,
        says=says,
        key=tuple(key.split()),
        columns=_columns(columns, **sources),
        partition=by,
        event=event,
    )
