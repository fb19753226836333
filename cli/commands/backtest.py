"""`stonks backtest`: strategies over the past, on what the book knew then."""

from __future__ import annotations

import asyncio
import json as jsonlib
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import acting
from cli.commands.backtest_drift import drift
from cli.commands.operate import ask, links
from cli.commands.stack import DEFAULT_STATE, Json, State
from cli.groups import Commands
from cli.output import err, out, print_json
from domain.errors import InvalidInput

if TYPE_CHECKING:
    from api.operations.backtests import BacktestView, NewBacktest
    from domain.backtest_report import BacktestReport
    from workers.parts import Parts

WATCH_SECONDS = 0.5

BacktestArgument = Annotated[str, typer.Argument(metavar="ID", help="A backtest's id, as `list` shows it")]


def register(app: typer.Typer) -> None:
    commands = typer.Typer(
        cls=Commands,
        no_args_is_help=True,
        help="Play a strategy over the past, on what the book knew then, and judge it.",
    )
    for command in (run, sweep, list_backtests, show, compare, check, drift, cancel):
        commands.command(name=command.__name__.split("_")[0])(command)
    app.add_typer(commands, name="backtest")


def run(
    first: Annotated[str, typer.Option("--from", help="First day, YYYY-MM-DD")],
    last: Annotated[str, typer.Option("--to", help="Last day, YYYY-MM-DD")],
    name: Annotated[str, typer.Option(help="What to call it")] = "",
    cash: Annotated[str, typer.Option(help="Opening cash in dollars")] = "100000",
    tier: Annotated[str, typer.Option(help="Start from a tier's preset: conservative, moderate or aggressive")] = "",
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="A part of the configuration, such as signals.kappa=2; may be given often"),
    ] = None,
    costs: Annotated[
        list[str] | None,
        typer.Option("--cost", help="half_spread_bp, impact, fee_bp, fee_per_share or participation, as NAME=VALUE"),
    ] = None,
    protect: Annotated[
        bool, typer.Option("--protect", help="With stops, breakers, the reserve and risk tiers")
    ] = False,
    rules_only: Annotated[bool, typer.Option("--rules-only", help="Leave out what models read")] = False,
    trades_only: Annotated[
        bool, typer.Option("--trades-only", help="Keep the decisions to buy and to sell alone, which is faster")
    ] = False,
    universe: Annotated[
        Path | None, typer.Option("--universe", help="CSV of symbol,from,to: what may be bought, and when")
    ] = None,
    benchmark: Annotated[str, typer.Option(help="Symbol to compare with")] = "SPY",
    model_cutoff: Annotated[
        str, typer.Option("--model-cutoff", help="Last day that the model's training may have seen")
    ] = "",
    page: Annotated[Path | None, typer.Option("--page", help="Also write the report's page to this file")] = None,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Run a backtest and wait for its figures. Ctrl-C leaves it running; `cancel` ends it.

    It reads the documents, prices and actions that the book holds: `stonks backfill` and `stonks sources` bring them
    in. Decisions are made by the code that trades, before each open, on what was known then; orders fill at the open,
    with spread, impact and a cap on the share of the session's volume. The same request on the same data is not run
    twice.

    Example: stonks backtest run --from 2011-07-05 --to 2011-12-30 --tier aggressive

    Example: stonks backtest run --from 2011-07-05 --to 2011-12-30 --set signals.kappa=2 --cost half_spread_bp=5
    """
    from api.operations import backtests
    from cli import backtest_views as views
    from cli.commands.agents import _checked
    from domain.backtest import Noted, ReadBy

    wanted: NewBacktest = _checked(
        backtests.NewBacktest,
        first=_day("--from", first),
        last=_day("--to", last),
        name=name,
        opening_cash=_number("--cash", cash),
        tier=tier or None,
        changes=nested("--set", changes or []),
        costs=nested("--cost", costs or []),
        protect=protect,
        read_by=ReadBy.RULES if rules_only else ReadBy.ALL,
        noted=Noted.TRADES if trades_only else Noted.CHANGES,
        universe=_memberships(universe) if universe is not None else [],
        benchmark=benchmark,
        model_cutoff=_day("--model-cutoff", model_cutoff) if model_cutoff else None,
    )

    begun = acting.act(state, backtests.BacktestView, "POST", "/v1/backtests", wanted)
    err.print(f"{begun.backtest_id}: {begun.temporal_url}", markup=False)

    async def follow(parts: Parts) -> tuple[BacktestView, BacktestReport, bytes]:
        await _watch(parts, begun)
        found = await backtests.report(parts.database, parts.objects, begun.backtest_id)
        drawn = await backtests.page(parts.database, parts.objects, begun.backtest_id)
        view = await backtests.get(parts.database, parts.client, links(parts), begun.backtest_id)
        return view, found, drawn

    view, report, drawn = ask(state, follow)
    if page is not None:
        page.write_bytes(drawn)
        err.print(f"Written: {page}", markup=False)
    if json:
        print_json(view.model_dump(mode="json"))
    else:
        views.show_report(report)


def sweep(
    first: Annotated[str, typer.Option("--from", help="First day, YYYY-MM-DD")],
    last: Annotated[str, typer.Option("--to", help="Last day, YYYY-MM-DD")],
    grid: Annotated[
        list[str], typer.Option("--grid", help="Values of a part of the configuration: signals.kappa=0.5,1,2")
    ],
    walk_forward: Annotated[
        bool, typer.Option("--walk-forward", help="Choose on a train period, play the chosen on what follows")
    ] = False,
    train_months: Annotated[int, typer.Option(min=1, max=240)] = 36,
    test_months: Annotated[int, typer.Option(min=1, max=60)] = 6,
    purge: Annotated[int, typer.Option(min=0, max=250, help="Sessions left out between train and test")] = 60,
    name: Annotated[str, typer.Option(help="What to call it")] = "",
    cash: Annotated[str, typer.Option(help="Opening cash in dollars")] = "100000",
    tier: Annotated[str, typer.Option(help="Start from a tier's preset: conservative, moderate or aggressive")] = "",
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="A part of the configuration that all of them have")
    ] = None,
    costs: Annotated[list[str] | None, typer.Option("--cost", help="As for `run`")] = None,
    protect: Annotated[
        bool, typer.Option("--protect", help="With stops, breakers, the reserve and risk tiers")
    ] = False,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Try every combination of a grid, each as a backtest that is logged; or walk forward through the period.

    What the best of many tries owes to luck is said with it: every trial counts. Ctrl-C leaves the sweep running.

    Example: stonks backtest sweep --from 2011-07-05 --to 2011-12-30 --grid signals.kappa=0.5,1,2

    Example: stonks backtest sweep --from 2007-01-03 --to 2016-12-30 --grid signals.kappa=1,2 --walk-forward
    """
    from api.operations import backtests
    from api.routes.sweeps import SweepBegun
    from cli import backtest_views as views
    from cli.commands.agents import _checked
    from domain.sweep import WalkForward

    wanted: NewBacktest = _checked(
        backtests.NewBacktest,
        first=_day("--from", first),
        last=_day("--to", last),
        name=name,
        opening_cash=_number("--cash", cash),
        tier=tier or None,
        changes=nested("--set", changes or []),
        costs=nested("--cost", costs or []),
        protect=protect,
    )
    values = dict(_values("--grid", each) for each in grid)
    walk = WalkForward(train_months=train_months, test_months=test_months, purge_sessions=purge)

    body = {
        "backtest": wanted.model_dump(mode="json", exclude_unset=True),
        "grid": values,
        "walk_forward": walk.model_dump(mode="json") if walk_forward else None,
    }
    begun = acting.act(state, SweepBegun, "POST", "/v1/backtests/sweeps", body)
    err.print(begun.workflow_id, markup=False)
    report = ask(state, lambda parts: backtests.wait_sweep(parts.client, begun.sweep_id))
    if json:
        print_json(report.model_dump(mode="json"))
    else:
        views.show_sweep(report)


def list_backtests(
    limit: Annotated[int, typer.Option(min=1, max=1_000)] = 20, state: State = DEFAULT_STATE, json: Json = False
) -> None:
    """List backtests, the newest first."""
    from api.operations import backtests
    from cli import backtest_views as views

    found = ask(state, lambda parts: backtests.list_recent(parts.database, links(parts), limit=limit))
    if json:
        print_json({"data": [each.model_dump(mode="json") for each in found]})
    else:
        views.show_list(found)


def show(
    backtest_id: BacktestArgument,
    page: Annotated[Path | None, typer.Option("--page", help="Also write the report's page to this file")] = None,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Show a backtest's figures, benchmarks, costs and trades; with --json the whole report."""
    from api.operations import backtests
    from cli import backtest_views as views

    async def read(parts: Parts) -> tuple[BacktestReport, bytes]:
        return (
            await backtests.report(parts.database, parts.objects, backtest_id),
            await backtests.page(parts.database, parts.objects, backtest_id) if page is not None else b"",
        )

    report, drawn = ask(state, read)
    if page is not None:
        page.write_bytes(drawn)
        err.print(f"Written: {page}", markup=False)
    if json:
        print_json(report.model_dump(mode="json"))
    else:
        views.show_report(report)


def compare(
    backtest_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Two backtests or more")],
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Put backtests side by side: figures, costs, and what their configurations differ in."""
    from api.operations import backtests
    from cli import backtest_views as views

    if len(backtest_ids) < 2:
        raise InvalidInput("TOO_FEW_BACKTESTS", "Name two or more", found=len(backtest_ids))

    async def read(parts: Parts) -> list[BacktestReport]:
        return [await backtests.report(parts.database, parts.objects, each) for each in backtest_ids]

    reports = ask(state, read)
    if json:
        print_json({"data": [_headline(each) for each in reports], "differences": views.differences(reports)})
    else:
        views.show_comparison(reports)


def check(
    backtest_id: Annotated[
        str, typer.Argument(metavar="ID", help="A backtest whose data and configuration are checked")
    ] = "",
    first: Annotated[str, typer.Option("--from", help="Without an ID: first day, YYYY-MM-DD")] = "",
    last: Annotated[str, typer.Option("--to", help="Without an ID: last day, YYYY-MM-DD")] = "",
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="Without an ID: a part of the configuration, as for `run`")
    ] = None,
    reach: Annotated[int, typer.Option(min=1, help="Sessions before each cut that are played again")] = 20,
    seed: Annotated[int, typer.Option(help="Chooses which names the companies get")] = 0,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Prove on your own data that nothing of the future decides: pass, or the first difference. Exit code 1 if not.

    Another future is put behind several sessions, which must change nothing up to them, bit for bit; the companies get
    each other's names; the fills are booked again at higher costs; every fact's instants are looked at; and decisions
    are computed again from their records. Nothing is written.

    Example: stonks backtest check ID

    Example: stonks backtest check --from 2011-07-05 --to 2011-12-30 --set signals.kappa=2
    """
    from activities.backtests import read_period
    from cli import backtest_views as views
    from domain.backtest import BacktestRequest, ReadBy
    from domain.backtest_checks import run_checks
    from domain.backtest_data import BacktestData
    from domain.config import changed
    from store import backtests as kept
    from store import config
    from workers.parts import CODE_VERSION

    if not backtest_id and not (first and last):
        raise InvalidInput("PERIOD_MISSING", "Name a backtest, or give --from and --to")

    async def read(parts: Parts) -> tuple[BacktestRequest, BacktestData]:
        async with parts.database.transaction() as session:
            if backtest_id:
                request = BacktestRequest.model_validate((await kept.require(session, backtest_id)).request)
            else:
                settings = changed(await config.current(session), nested("--set", changes or []))
                request = BacktestRequest(first=_day("--from", first), last=_day("--to", last), config=settings)
        _, data = await read_period(parts.database, parts.calendar, request, ReadBy(request.read_by))
        return request, data

    request, data = ask(state, read)
    with views.checking(len(data.sessions)) as progress:
        results = run_checks(data, request, code_version=CODE_VERSION, reach=reach, seed=seed, progress=progress)
    if json:
        print_json({"data": [each.model_dump(mode="json") for each in results]})
    else:
        views.show_checks(results)
    if not all(each.passed for each in results):
        raise typer.Exit(1)


def cancel(backtest_id: BacktestArgument, state: State = DEFAULT_STATE, json: Json = False) -> None:
    """Cancel a backtest that runs, or forget the result of one that ended. That it was tried is not forgotten."""
    from api.routes.backtests import Ended

    ended = acting.act(state, Ended, "DELETE", f"/v1/backtests/{acting.segment(backtest_id)}")
    if json:
        print_json(ended.model_dump(mode="json"))
    else:
        out.print(f"{ended.backtest_id}: {ended.outcome}", markup=False)


async def _watch(parts: Parts, begun: BacktestView) -> None:
    """Show how far it is until it ends."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from api.operations import backtests

    ending = asyncio.create_task(backtests.wait(parts.client, begun.backtest_id))
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(*columns, TimeElapsedColumn(), console=err, transient=True) as progress:
        task = progress.add_task("planning", total=None)
        while not ending.done():
            await asyncio.wait([ending], timeout=WATCH_SECONDS)
            seen = (await backtests.get(parts.database, parts.client, links(parts), begun.backtest_id)).progress
            if seen is not None and seen.sessions:
                progress.update(task, description=seen.step, completed=seen.sessions_done, total=seen.sessions)
    await ending


def _headline(report: BacktestReport) -> dict[str, Any]:
    return {
        "backtest_id": report.backtest_id,
        "name": report.request.name,
        "metrics": report.strategy.metrics.model_dump(mode="json"),
        "costs": report.costs.model_dump(mode="json"),
    }


def _day(option: str, value: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise InvalidInput("DATE_INVALID", field=option, found=value, allowed="YYYY-MM-DD") from error


def _number(option: str, value: str) -> Decimal:
    try:
        return Decimal(value.replace(",", "").replace("_", ""))
    except InvalidOperation as error:
        raise InvalidInput("NUMBER_INVALID", field=option, found=value, allowed="dollars, such as 100000") from error


def nested(option: str, given: list[str]) -> dict[str, Any]:
    """Read `signals.kappa=2` as {"signals": {"kappa": 2}}; values are JSON where they can be read so, else text."""
    found: dict[str, Any] = {}
    for each in given:
        path, equals, value = each.partition("=")
        names = path.strip().split(".")
        if not equals or not all(names):
            raise InvalidInput("ASSIGNMENT_INVALID", field=option, found=each, allowed="NAME=VALUE")
        inner = found
        for name in names[:-1]:
            inner = inner.setdefault(name, {})
        inner[names[-1]] = _value(value)
    return found


def _value(text: str) -> Any:
    try:
        return jsonlib.loads(text, parse_float=str)
    except ValueError:
        return text


def _values(option: str, given: str) -> tuple[str, list[Any]]:
    path, equals, values = given.partition("=")
    if not equals or not path.strip() or not values.strip():
        raise InvalidInput("ASSIGNMENT_INVALID", field=option, found=given, allowed="NAME=VALUE,VALUE")
    return path.strip(), [_value(each.strip()) for each in values.split(",")]


def _memberships(path: Path) -> list[dict[str, Any]]:
    """Read what belonged to the universe, and when; an empty last day means that it still does."""
    import csv

    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput("FILE_UNREADABLE", str(error), path=path) from error
    found = []
    for number, row in enumerate(rows, start=2):
        symbol, first = (row.get("symbol") or "").strip().upper(), (row.get("from") or "").strip()
        last = (row.get("to") or "").strip()
        if not symbol or not first:
            raise InvalidInput(
                "UNIVERSE_INVALID", "Every line needs a symbol and a first day", path=path.name, line=number, found=row
            )
        field = f"{path.name}:{number}"
        found.append({"symbol": symbol, "first": _day(field, first), "last": _day(field, last) if last else None})
    return found
