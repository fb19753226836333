"""The page of the lake's tables, made of their description: `python -m tests.lake.docs` writes it."""

from __future__ import annotations

from domain.lake import LakeTable, Partition
from domain.lake_tables import TABLES
from tests.conftest import REPOSITORY

PAGE = REPOSITORY / "docs" / "lake-tables.md"
_HEAD = """# The lake's tables

Made of their description (`domain/lake_tables.py`) by `python -m tests.lake.docs`.
How to read them: [the lake](lake.md). Columns that make a row unique are **bold**.
"""


def page() -> str:
    listed = "\n".join(f"| [{each.name}](#{each.name}) | {each.says} |" for each in TABLES)
    return "\n".join([_HEAD, "| table | what it holds |", "|---|---|", listed, *map(_table, TABLES)]) + "\n"


def _table(table: LakeTable) -> str:
    parts = "whole" if table.partition is Partition.NONE else f"by {table.partition.value} of `{table.event}`"
    rows = "\n".join(
        f"| {f'**{each.name}**' if each.name in table.key else each.name} | `{each.type.value}` | {each.says} |"
        for each in table.columns
    )
    return (
        f"\n## {table.name}\n\n{table.says} Written {parts}.\n\n| column | type | what it says |\n|---|---|---|\n{rows}"
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
