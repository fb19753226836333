"""pyarrow, pyiceberg and DuckDB take a second and a hundred megabytes: only who writes or queries the lake waits."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import REPOSITORY, clean_environment

FOLDERS = ("domain", "store", "activities", "workflows", "workers", "api", "cli")
HEAVY = ("pyarrow", "pyiceberg", "duckdb", "psycopg2")
LAKE = "activities.adapters.lake"
LIGHT = {LAKE, f"{LAKE}.settings"}


def test_modules_when_imported_then_none_but_the_lakes_own_loads_what_only_the_lake_needs() -> None:
    found = {
        f"{path.relative_to(REPOSITORY)}: {name}"
        for folder in FOLDERS
        for path in (REPOSITORY / folder).rglob("*.py")
        if not path.is_relative_to(REPOSITORY / LAKE.replace(".", "/"))
        for name in _imported(path)
        if name.partition(".")[0] in HEAVY or (name.startswith(LAKE) and name not in LIGHT)
    }

    assert found == set()


def test_checks_when_the_lake_itself_is_looked_at_then_they_see_its_imports() -> None:
    assert {"pyiceberg.table", "domain.lake"} <= set(_imported(REPOSITORY / "activities/adapters/lake/iceberg.py"))


def test_pandas_when_loaded_by_who_needs_the_calendar_then_without_pyarrow() -> None:
    program = (
        "import sys, activities.adapters.calendar, activities.adapters.alpaca\n"
        f"print('pandas' in sys.modules, [name for name in {HEAVY!r} if name in sys.modules])\n"
        "import pyarrow\n"
        "print(pyarrow.array([1]).to_pylist())\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.splitlines() == ["True []", "[1]"]


def _imported(path: Path) -> Iterator[str]:
    """What a module imports when it is imported: not what its functions do, nor what only types need."""
    waiting: list[ast.stmt] = list(ast.parse(path.read_text(encoding="utf-8")).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
        elif isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.dump(node.test):
            waiting += [*node.body, *node.orelse]
        elif isinstance(node, ast.Try):
            waiting += [
                *node.body,
                *node.orelse,
                *node.finalbody,
                *(each for one in node.handlers for each in one.body),
            ]
        elif isinstance(node, ast.With | ast.ClassDef):
            waiting += node.body
