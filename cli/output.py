"""What commands print: answers on standard output, everything else on standard error."""

from __future__ import annotations

import json
import logging
import sys
from decimal import Decimal
from typing import Any

import structlog
from rich.console import Console

from domain.errors import StonksError

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def quiet_libraries() -> None:
    """Show warnings only, on standard error: a command talks to a person, and with `--json` to a program.

    Processes of the platform set their own logging up.
    """
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )


def percent(fraction: float | Decimal, digits: int = 2, *, sign: str = "") -> str:
    """A fraction as people read it: 0.125 -> 12.50 %. With the sign `+`, what is gained has one, too."""
    return f"{fraction * 100:{sign}.{digits}f} %"


def print_json(body: Any) -> None:
    """Print one JSON value, keys sorted, and nothing else on standard output."""
    sys.stdout.write(json.dumps(body, indent=1, sort_keys=True, ensure_ascii=False, default=str) + "\n")


def report_error(error: StonksError) -> None:
    """One line that says what, which and found against allowed; a second with what to do. Never broken by us: a path
    that is cut in two cannot be copied."""
    details = ", ".join(f"{name}={value}" for name, value in error.fields.items())
    err.print(f"[bold red]{error.code}[/]{': ' if details else ''}", end="")
    err.print(details, markup=False, soft_wrap=True)
    if error.hint:
        err.print(f"  {error.hint}", markup=False, soft_wrap=True)
