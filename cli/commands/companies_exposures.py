"""`stonks companies exposures`: how far a company moves with the economy, estimated and accepted."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from cli import acting
from cli.commands.operate import ask
from cli.commands.stack import DEFAULT_STATE, Json, State
from cli.instants import read_instant
from cli.output import err, out, percent, print_json
from domain.actors import spoken

if TYPE_CHECKING:
    from pathlib import Path

    from api.operations.companies import ProfileView
    from api.operations.exposures import EstimateView
    from domain.exposure_proposal import ExposureProposal
    from workers.parts import Parts

WIDTH = 80


def exposures(
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="The company's symbol")],
    estimate: Annotated[bool, typer.Option("--estimate", help="Estimate from weekly returns; writes nothing")] = False,
    accept: Annotated[bool, typer.Option("--accept", help="Estimate, and put the estimate in force")] = False,
    as_of: Annotated[str | None, typer.Option(metavar="TIME", help="Read nothing later; now without it")] = None,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Show a company's exposures, beside an estimate with --estimate; --accept puts the estimate in force.

    Example: stonks companies exposures XOM --estimate
    """
    if (estimate and accept) or (as_of is not None and not (estimate or accept)):
        raise typer.BadParameter("Give one of --estimate, --accept, each with --as-of or without")
    company = symbol.upper()
    instant = read_instant(as_of, "--as-of") if as_of is not None else None
    if not estimate and not accept:
        _show_current(ask(state, lambda parts: _current(parts, company)), json)
        return
    view = ask(state, lambda parts: _estimate(parts, company, instant))
    if not accept:
        if json:
            print_json(view.model_dump(mode="json"))
        else:
            _show_estimate(view)
            if view.proposal.problem is None:
                instant = view.proposal.as_of
                err.print(
                    f"Nothing counts before it is accepted: --accept --as-of {instant:%Y-%m-%dT%H:%M:%SZ}", markup=False
                )
        return
    accepted = _accept(state, company, view)
    if json:
        print_json(accepted.model_dump(mode="json"))
    else:
        _show_estimate(view)
        _say(f"Version {accepted.version} is in force.")


async def _current(parts: Parts, symbol: str) -> ProfileView:
    from api.operations import companies

    return await companies.profile(parts.database, symbol)


async def _estimate(parts: Parts, symbol: str, as_of: datetime | None) -> EstimateView:
    from api.operations import exposures

    return await exposures.estimate(parts.database, symbol, as_of=as_of)


def _accept(state: Path, symbol: str, view: EstimateView) -> ProfileView:
    from api.operations.companies import ProfileView
    from api.operations.exposures import Acceptance

    found = view.proposal.require()
    wanted = Acceptance(as_of=found.as_of, estimate_id=found.estimate_id)
    path = f"/v1/companies/{acting.segment(symbol)}/exposure-profile/accept"
    return acting.act(state, ProfileView, "POST", path, wanted, version=view.current.version)


def _show_current(view: ProfileView, json: bool) -> None:
    if json:
        print_json(view.model_dump(mode="json"))
        return
    if not view.version:
        _say(
            f"{view.symbol} has no exposures yet. `stonks companies exposures {view.symbol} --estimate` proposes some."
        )
        return
    _say(f"{view.symbol}, version {view.version} by {spoken(view.created_by)}, {view.created_at:%Y-%m-%d}")
    table = Table(box=None, header_style="dim", padding=(0, 1))
    table.add_column("factor", no_wrap=True, style="bold", overflow="ellipsis")
    table.add_column("exposure", justify="right", no_wrap=True)
    for factor, exposure in view.exposures.items():
        table.add_row(Text(factor), f"{exposure:+.2f}")
    out.print(table, width=WIDTH)
    if view.provenance:
        _say(view.provenance)


def _show_estimate(view: EstimateView) -> None:
    found = view.proposal
    if found.problem is not None:
        _say(f"{found.symbol}: no estimate, {found.problem.detail}.")
        _say(f"{found.problem.hint}.")
        _show_left_out(found)
        return
    _say(f"{found.symbol}: {found.weeks} weeks, {found.first_week} to {found.last_week}, R2 {found.explained:.2f}")
    table = Table(box=None, header_style="dim", padding=(0, 1))
    table.add_column("factor", no_wrap=True, style="bold", overflow="ellipsis", max_width=30)
    for name in ("in force", "proposed", "error", "prior"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("series", overflow="fold")
    for each in found.factors:
        table.add_row(
            Text(each.factor),
            f"{each.current:+.2f}" if each.current is not None else "",
            f"{each.proposed:+.2f}",
            f"{each.standard_error:.2f}",
            f"{each.prior:+.2f}",
            Text(each.series),
        )
    out.print(table, width=WIDTH)
    kept = [key for key in found.profile if key not in {each.factor for each in found.factors}]
    if kept:
        _say(f"Stays as it is: {', '.join(kept)}.")
    _say(_shrinkage(found))
    _show_left_out(found)


def _shrinkage(found: ExposureProposal) -> str:
    lent = f"Returns are above {found.riskless}." if found.riskless else "The book has no riskless rate: 0 was taken."
    if found.prior_weight is None:
        return lent
    weight = f"{percent(found.prior_weight, 0)} of an estimate"
    many = found.prior_companies
    prior = f"The mean of {many} other{'s' if many > 1 else ''} of its sector weighs {weight}."
    if not many:
        prior = f"No company of its sector has exposures: the prior is 0, and weighs {weight}."
    return f"{prior} {lent}"


def _show_left_out(found: ExposureProposal) -> None:
    for each in found.left_out:
        _say(f"  no {each.factor}: {each.reason}")


def _say(words: str) -> None:
    """Print words as they are: `:Japan:` is no picture."""
    out.print(Text(words), width=WIDTH)
