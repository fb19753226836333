"""How commands that belong together are listed."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

_WHOLE = 1_000


class Commands(TyperGroup):
    """Lists each command with its whole first sentence, over as many lines as that takes."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # their types are private to Typer
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, each.get_short_help_str(_WHOLE)) for name, each in found if each is not None and not each.hidden]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)
