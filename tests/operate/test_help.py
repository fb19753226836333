"""What `--help` says of every command, on a terminal of 80 columns."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from cli.main import app


def _helps(command: Any, path: str = "stonks") -> Iterator[Any]:
    yield pytest.param(command, path, id=path)
    for name, each in getattr(command, "commands", {}).items():
        yield from _helps(each, f"{path} {name}")


@pytest.mark.parametrize(("command", "path"), list(_helps(get_command(app))))
def test_help_when_read_then_nothing_is_cut_off_and_every_command_and_argument_is_explained(
    command: Any, path: str
) -> None:
    said = command.get_help(command.context_class(command, info_name=path, terminal_width=80))
    lines = said.splitlines()
    assert command.help, "it says nothing of itself"
    assert not [line for line in lines if re.search(r"[^ \]}]\.\.\.$", line)], "cut off"
    assert not [line for line in lines if line.count("Example: ") > 1]
    assert "[[" not in said
    usage = next(line for line in lines if line.startswith("Usage: "))
    assert not re.search(r"[{[][a-z]", usage), "arguments are written in capitals"
    for each in getattr(command, "commands", {}).values():
        assert each.get_short_help_str(1_000).rstrip(".").split()[-1] in said
