"""`stonks replay`: a past period of real documents and bars through the production workflows."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.commands.backtest import nested
from cli.commands.stack import DEFAULT_STATE, Json, State
from cli.output import err, print_json
from domain.errors import InvalidInput


def register(app: typer.Typer) -> None:
    app.command()(replay)


def replay(
    documents: Annotated[Path, typer.Option(help="CSV, JSONL or a folder of documents")],
    bars: Annotated[Path, typer.Option(help="CSV of daily bars, raw as traded")],
    first: Annotated[str, typer.Option("--from", help="First session, YYYY-MM-DD")],
    last: Annotated[str, typer.Option("--to", help="Last session, YYYY-MM-DD")],
    actions: Annotated[Path | None, typer.Option(help="CSV of splits and dividends")] = None,
    cash: Annotated[str, typer.Option(help="Opening cash in dollars")] = "100000",
    tier: Annotated[str, typer.Option(help="Risk tier: conservative, moderate or aggressive")] = "moderate",
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting unlike the tier's, repeated"),
    ] = None,
    approvals: Annotated[
        str, typer.Option(help="Orders that need approval: grant, decline, or hold_last (ask on the last session)")
    ] = "grant",
    publisher: Annotated[str, typer.Option(help="Who published the documents, where the file does not say")] = "",
    credibility: Annotated[
        str, typer.Option(help="official, wire, major_press, trade_press, aggregator, unknown or social")
    ] = "wire",
    state: State = DEFAULT_STATE,
    report: Annotated[Path | None, typer.Option(help="Also write the report to this file")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack running afterwards, until Ctrl-C")] = False,
    json: Json = False,
) -> None:
    """Replay a period. The same inputs give the same report, byte for byte.

    A replay runs on a stack of its own below the state directory: it never shares a database, a namespace or a
    broker's book with live trading.
    """
    from cli.replaying import Finished, make_request, run_replay
    from cli.summary import print_summary
    from domain.config import Tier, TradingConfig, changed
    from domain.documents import Credibility
    from domain.replay import ReplayApprovals

    request = make_request(
        documents=_existing("documents", documents),
        bars=_existing("bars", bars),
        actions=_existing("actions", actions) if actions else None,
        first=_day("--from", first),
        last=_day("--to", last),
        opening_cash=_cash(cash),
        config=changed(TradingConfig.for_tier(_choice("--tier", tier, Tier)), nested("--set", changes or [])),
        approvals=ReplayApprovals(_choice("--approvals", approvals, ReplayApprovals)),
        credibility=Credibility(_choice("--credibility", credibility, Credibility)),
        publisher=publisher,
    )

    def show(finished: Finished) -> None:
        if report is not None:
            report.write_bytes(finished.report)
        if json:
            print_json(finished.body)
        else:
            print_summary(finished)

    run_replay(request, state / "replays" / request.replay_id[:12], keep=keep, show=show)
    if report is not None:
        err.print(f"The report is in {report}.", markup=False)


def _existing(name: str, path: Path) -> Path:
    if not path.exists():
        raise InvalidInput("FILE_NOT_FOUND", f"Check the path given with --{name}", file=path)
    return path.resolve()


def _day(option: str, value: str) -> date:
    try:
        return datetime.strptime(value, "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        raise InvalidInput("DATE_INVALID", "Write it as YYYY-MM-DD", option=option, found=value) from None


def _cash(value: str) -> Decimal:
    try:
        cash = Decimal(value)
    except InvalidOperation:
        cash = Decimal(0)
    if not cash.is_finite() or not 0 < cash <= 10**12:
        raise InvalidInput("CASH_INVALID", "Write dollars above 0, for example 100000", option="--cash", found=value)
    return cash


def _choice(option: str, value: str, allowed: type[StrEnum]) -> str:
    names = [each.value for each in allowed]
    if value not in names:
        raise InvalidInput("CHOICE_INVALID", f"Use one of: {', '.join(names)}", option=option, found=value)
    return value
