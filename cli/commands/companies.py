"""Companies: list, add, name, resolve, competitors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from cli import acting
from cli.commands.companies_earnings import earnings
from cli.commands.companies_exposures import exposures
from cli.commands.operate import ask, links
from cli.commands.stack import DEFAULT_STATE, Json, State
from cli.groups import Commands
from cli.instants import read_instant
from cli.output import err, out, print_json
from domain.actors import spoken
from domain.errors import InvalidInput, NotFound, StonksError, VendorUnavailable

if TYPE_CHECKING:
    from api.operations.companies import Candidates, CompanyView
    from api.operations.competitors import InferenceView, LinkChangeView, LinkView
    from workers.parts import Parts

WIDTH = 80
SEARCH_SECONDS = 60.0
"""How long a search for competitors is waited for."""
MOST = 1_000

Symbol = Annotated[str, typer.Argument(metavar="SYMBOL", help="The company's symbol")]
From = Annotated[str | None, typer.Option("--from", metavar="DATE", help="First day, as 2009-05-04; open without it")]
To = Annotated[str | None, typer.Option("--to", metavar="DATE", help="Last day; open without it")]


def register(app: typer.Typer) -> None:
    companies = typer.Typer(
        cls=Commands, help="Who is followed, under which names, against whom.", no_args_is_help=True
    )
    companies.command(name="list")(list_companies)
    companies.command(name="add")(add)
    companies.command(name="alias")(add_alias)
    companies.command(name="resolve")(resolve)
    companies.command(name="competitors")(competitors)
    companies.command(name="exposures")(exposures)
    companies.command(name="earnings")(earnings)
    app.add_typer(companies, name="companies")


def list_companies(
    text: Annotated[str | None, typer.Argument(metavar="TEXT", help="Part of a symbol, a name or an alias")] = None,
    sector: Annotated[str | None, typer.Option(help="Exactly as the list shows it")] = None,
    watchlist: Annotated[str | None, typer.Option(help="Id of a watchlist")] = None,
    every: Annotated[bool, typer.Option("--all", help="Those that were taken off too")] = False,
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="How many at most")] = 200,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """List the companies that are followed.

    Example: stonks companies list bank --all
    """
    from api.operations import companies

    found = ask(
        state,
        lambda parts: companies.list_companies(
            parts.database,
            limit=limit + 1,
            text=text,
            sector=sector,
            watchlist_id=watchlist,
            followed=None if every else True,
        ),
    )
    shown, more = found[:limit], len(found) > limit
    if json:
        print_json({"data": [each.model_dump(mode="json") for each in shown], "has_more": more})
        return
    _show_companies(shown)
    if more:
        err.print("There are more: raise --limit, or give a part of the name")


def add(
    symbol: Symbol,
    name: Annotated[str, typer.Argument(metavar="FULL_NAME", help="Its full name")],
    sector: Annotated[str, typer.Option(help="For example Industrials")] = "",
    industry: Annotated[str, typer.Option(help="For example Machinery")] = "",
    cik: Annotated[str, typer.Option(help="Central index key, with or without leading zeros")] = "",
    exchange: Annotated[str, typer.Option(help="For example NYSE")] = "",
    etf: Annotated[bool, typer.Option("--etf", help="It is a fund")] = False,
    first: From = None,
    last: To = None,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Add a company and follow it. Refused where its ticker is another company's on one of its days.

    Example: stonks companies add WM 'Waste Management, Inc.' --sector Industrials --from 2009-05-04
    """
    from api.operations.companies import CompanyView
    from domain.registry import CompanyKind, NewCompany

    wanted = _checked(
        NewCompany,
        symbol=symbol.upper(),
        name=name,
        kind=CompanyKind.ETF if etf else CompanyKind.STOCK,
        sector=sector,
        industry=industry,
        cik=cik,
        exchange=exchange,
        active_from=first,
        active_to=last,
    )
    view = acting.act(state, CompanyView, "POST", "/v1/companies", wanted)
    _say(view, json, f"Added {view.symbol}: {view.name}.")


def add_alias(
    symbol: Symbol,
    alias: Annotated[str, typer.Argument(metavar="NAME", help="What it is or was called")],
    kind: Annotated[
        str, typer.Option(help="name, former_name, brand, ticker, or name_ambiguous: a word with other meanings")
    ] = "name",
    first: From = None,
    last: To = None,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Add a name, or a ticker with its days.

    Example: stonks companies alias META FB --kind ticker --from 2012-05-18 --to 2022-06-08
    """
    from api.operations.companies import AliasView
    from domain.registry import NewAlias

    wanted = _checked(NewAlias, alias=alias, kind=kind, valid_from=first, valid_to=last)
    path = f"/v1/companies/{acting.segment(symbol.upper())}/aliases"
    view = acting.act(state, AliasView, "POST", path, wanted)
    _say(view, json, f"{view.alias} is a {view.kind.replace('_', ' ')} of {view.symbol}.")


def resolve(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="A text, a name or a ticker")],
    on: Annotated[str | None, typer.Option(metavar="DATE", help="The day it was written; today without it")] = None,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Find whom a text names on a day, and why it is taken so.

    Example: stonks companies resolve 'Shares of Target (NYSE: TGT) fell' --on 2016-03-01
    """
    from api.operations import companies

    day = read_instant(on, "--on").date() if on is not None else None
    found = ask(state, lambda parts: companies.resolve(parts.database, text, on=day))
    if json:
        print_json(found.model_dump(mode="json"))
    else:
        _show_candidates(found)


def competitors(
    symbol: Symbol,
    search: Annotated[bool, typer.Option("--infer", help="Search for them first, and wait for the result")] = False,
    as_of: Annotated[
        str | None, typer.Option(metavar="TIME", help="With --infer: read nothing later; now without it")
    ] = None,
    confirm: Annotated[str | None, typer.Option(metavar="SYMBOL", help="Confirm this one: it counts")] = None,
    reject: Annotated[str | None, typer.Option(metavar="SYMBOL", help="Reject this one, for good")] = None,
    history: Annotated[
        bool, typer.Option("--history", help="From when each link held, the newest change first")
    ] = False,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """List a company's competitors, search for them, confirm or reject one.

    Example: stonks companies competitors KO --infer, then stonks companies competitors KO --confirm PEP
    """
    if sum((search, confirm is not None, reject is not None, history)) > 1 or (as_of is not None and not search):
        raise typer.BadParameter("Give one of --infer (with --as-of), --confirm, --reject, --history")
    company = symbol.upper()
    if history:
        _show_history(company, _changes(state, company), json)
        return

    inference = _search(state, company, as_of) if search else None
    if decided := confirm or reject:
        _decide(state, company, decided.upper(), confirmed=confirm is not None)
    rows = _links(state, company)
    if json:
        body: dict[str, Any] = {"data": [row.model_dump(mode="json") for row in rows]}
        print_json(body | ({"inference": inference.model_dump(mode="json")} if inference else {}))
    else:
        _show_links(company, rows)


def _changes(state: Path, symbol: str) -> list[LinkChangeView]:
    from api.operations import competitors

    return ask(state, lambda parts: competitors.list_changes(parts.database, symbol, limit=MOST))


def _links(state: Path, symbol: str) -> list[LinkView]:
    from api.operations import competitors

    return ask(state, lambda parts: competitors.list_links(parts.database, symbol, limit=MOST))


def _search(state: Path, symbol: str, as_of: str | None) -> InferenceView:
    from api.operations.competitors import InferenceView, Search

    wanted = Search(as_of=read_instant(as_of, "--as-of") if as_of is not None else None)
    path = f"/v1/companies/{acting.segment(symbol)}/competitors/infer"
    begun = acting.act(state, InferenceView, "POST", path, wanted)
    return ask(state, lambda parts: _found(parts, begun.inference_id))


async def _found(parts: Parts, inference_id: str) -> InferenceView:
    from api.operations import competitors
    from workflows import names

    handle = parts.client.get_workflow_handle(names.infer_competitors_id(inference_id))
    try:
        async with asyncio.timeout(SEARCH_SECONDS):
            await asyncio.gather(handle.result(), return_exceptions=True)  # what went wrong stands at the search
    except TimeoutError:
        raise VendorUnavailable(
            "SEARCH_NOT_FINISHED",
            "It goes on. Does a worker of the queue `ops` run? `stonks doctor` tells",
            inference_id=inference_id,
            waited_seconds=SEARCH_SECONDS,
        ) from None
    found = await competitors.inference(parts.database, links(parts), inference_id)
    if found.error:
        raise StonksError("SEARCH_FAILED", found.error, inference_id=inference_id)
    return found


def _decide(state: Path, symbol: str, competitor: str, *, confirmed: bool) -> None:
    from api.operations.competitors import LinkView
    from domain.registry import LinkChange, LinkStatus

    link = next((row for row in _links(state, symbol) if row.competitor == competitor), None)
    if link is None:
        raise NotFound(
            "COMPETITOR_LINK_NOT_FOUND", "The list shows what there is", symbol=symbol, competitor=competitor
        )
    change = LinkChange(status=LinkStatus.CONFIRMED if confirmed else LinkStatus.REJECTED)
    acting.act(state, LinkView, "PATCH", f"/v1/competitor-relationships/{acting.segment(link.link_id)}", change)


def _show_companies(found: Sequence[CompanyView]) -> None:
    if not found:
        out.print("No company matches.")
        return
    table = Table(box=None, header_style="dim", padding=(0, 1))
    table.add_column("symbol", no_wrap=True, style="bold")
    table.add_column("name", overflow="ellipsis", no_wrap=True)
    table.add_column("sector", overflow="ellipsis", no_wrap=True)
    table.add_column("", no_wrap=True)
    for each in found:
        off = "" if each.followed else "taken off"
        table.add_row(each.symbol, Text(each.name), Text(each.sector or each.kind), off)
    out.print(table, width=WIDTH)


def _show_candidates(found: Candidates) -> None:
    if not found.data:
        out.print(f"It names no company of the registry on {found.on}.")
        return
    table = Table(box=None, header_style="dim", padding=(0, 1))
    table.add_column("symbol", no_wrap=True, style="bold")
    table.add_column("score", justify="right", no_wrap=True)
    for name in ("why", "named as", "name"):
        table.add_column(name, overflow="ellipsis", no_wrap=True)
    for each in found.data:
        why = each.reason.replace("_", " ")
        table.add_row(each.symbol, f"{each.score:.2f}", why, Text(each.surface), Text(each.name))
    out.print(table, width=WIDTH)


def _show_links(symbol: str, rows: Sequence[LinkView]) -> None:
    if not rows:
        out.print(f"{symbol} has none yet. `stonks companies competitors {symbol} --infer` searches.", markup=False)
        return
    table = Table(box=None, header_style="dim", padding=(0, 1))
    table.add_column("competitor", no_wrap=True, style="bold")
    table.add_column("strength", justify="right", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("moves", no_wrap=True)
    table.add_column("why", overflow="fold")
    styles = {"confirmed": "green", "rejected": "red"}
    for row in sorted(rows, key=lambda row: (-row.strength, row.competitor)):
        status = Text(row.status, style=styles.get(row.status, "yellow"))
        moves = f"{row.comovement.rho:+.2f} of {row.comovement.events}" if row.comovement is not None else ""
        table.add_row(row.competitor, f"{row.strength:.2f}", status, moves, Text("\n".join(row.reasons)))
    out.print(table, width=WIDTH)
    if any(row.status == "proposed" for row in rows):
        err.print("Only confirmed ones count: --confirm SYMBOL, or --reject SYMBOL", markup=False)


def _show_history(symbol: str, rows: Sequence[LinkChangeView], json: bool) -> None:
    if json:
        print_json({"data": [row.model_dump(mode="json") for row in rows]})
        return
    if not rows:
        out.print(f"No link of {symbol} was ever in force.", markup=False)
        return
    table = Table(box=None, header_style="dim", padding=(0, 1))
    table.add_column("since", no_wrap=True)
    table.add_column("competitor", no_wrap=True, style="bold")
    table.add_column("strength", justify="right", no_wrap=True)
    table.add_column("by", overflow="ellipsis", no_wrap=True)
    for row in rows:
        strength = f"{row.strength:.2f}" if row.strength is not None else "taken back"
        table.add_row(f"{row.since:%Y-%m-%d %H:%MZ}", row.competitor, strength, Text(spoken(row.actor)))
    out.print(table, width=WIDTH)


def _say(view: Any, json: bool, done: str) -> None:
    if json:
        print_json(view.model_dump(mode="json"))
    else:
        out.print(done, markup=False)


def _checked(model: Callable[..., Any], **values: Any) -> Any:
    from pydantic import ValidationError

    try:
        return model(**values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidInput("OPTION_INVALID", str(first["msg"]), field=place, found=first["input"]) from None
