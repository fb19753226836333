"""What a person decides about trading itself: settings, breakers, the reserve, an order by hand."""

from __future__ import annotations

import uuid
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import acting
from cli.commands.backtest import nested
from cli.commands.operate import ask
from cli.commands.stack import DEFAULT_STATE, Json, State
from cli.groups import Commands
from cli.output import err, out, print_json
from domain.actors import spoken
from domain.errors import InvalidInput

if TYPE_CHECKING:
    from pydantic import BaseModel

    from domain.trading_commands import ConfigReport

_TRADING = "/v1/trading"

ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it stands in the audit log")]
Assignments = Annotated[
    list[str], typer.Argument(metavar="NAME=VALUE...", help="For example limits.name_cap=0.04 signals.kappa=1.5")
]
ProposalId = Annotated[str, typer.Argument(metavar="ID", help="The change, as `stonks config proposals` lists it")]


def register(app: typer.Typer) -> None:
    settings = typer.Typer(
        cls=Commands, no_args_is_help=True, help="The trading configuration: versioned, tightened at once."
    )
    for command in (show, set_values, versions, proposals, approve, decline):
        settings.command(name=command.__name__.split("_")[0])(command)
    app.add_typer(settings, name="config")
    breakers = typer.Typer(
        cls=Commands, no_args_is_help=True, help="Breakers, tier, reserve and stops: what protects the account."
    )
    breakers.command(name="show")(show_breakers)
    breakers.command(name="reset")(reset_breaker)
    breakers.command(name="release-reserve")(release_reserve)
    breakers.command(name="forget")(forget)
    app.add_typer(breakers, name="breakers")
    order = typer.Typer(
        cls=Commands, no_args_is_help=True, help="An order by hand: through every limit, and past another person."
    )
    order.command(name="buy")(buy)
    order.command(name="sell")(sell)
    app.add_typer(order, name="order")


def show(
    path: Annotated[str, typer.Argument(metavar="PATH", help="For example limits, or signals.kappa")] = "",
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Show the configuration, or a part of it.

    Example: stonks config show limits
    """
    from api.operations import protection

    view = ask(state, lambda parts: protection.configuration(parts.database))
    body = view.config.model_dump(mode="json")
    for name in path.split(".") if path else ():
        if not isinstance(body, dict) or name not in body:
            raise InvalidInput("SETTING_UNKNOWN", field="PATH", found=path, allowed=_names(body))
        body = body[name]
    if json:
        print_json({"version": view.version, "config": body})
        return
    out.print(f"version {view.version} · {view.config_hash}", style="dim", markup=False)
    for name, value in _flat(body, path):
        out.print(f"{name} = {value}", markup=False)


def set_values(
    assignments: Assignments, reason: ReasonOption, state: State = DEFAULT_STATE, json: Json = False
) -> None:
    """Change settings. A tightening is in force at once; what loosens a limit waits for a second person.

    Example: stonks config set limits.daily_loss=0.015 --reason "a nervous week"
    """
    from api.operations import protection
    from domain.trading_commands import ConfigReport

    body = {**_because(reason), "changes": nested("NAME=VALUE", assignments)}
    version = ask(state, lambda parts: protection.configuration(parts.database)).version
    _show_report(acting.act(state, ConfigReport, "PATCH", f"{_TRADING}/config", body, version=version), json)


def versions(
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20, state: State = DEFAULT_STATE, json: Json = False
) -> None:
    """List who changed what and why, the newest first."""
    from api.operations import protection

    found = ask(state, lambda parts: protection.versions(parts.database, limit=limit))
    if json:
        print_json([_plain(each) for each in found])
        return
    for each in found:
        head = f"{each.version:>4}  {each.created_at:%Y-%m-%d %H:%M}  {spoken(each.created_by)}"
        out.print(f"{head}: {each.reason}", markup=False)
        for path, (before, after) in each.changed.items():
            out.print(f"      {path}: {before} -> {after}", style="dim", markup=False)
    if not found:
        out.print("Nobody has changed the built-in configuration.")


def proposals(state: State = DEFAULT_STATE, json: Json = False) -> None:
    """List changes that loosen something and wait for a second person."""
    from api.operations import protection

    found = ask(state, lambda parts: protection.proposals(parts.database, status="pending"))
    if json:
        print_json([_plain(each) for each in found])
        return
    for each in found:
        out.print(f"{each.proposal_id}  by {spoken(each.proposed_by)}: {each.reason}", markup=False)
        for loose in each.loosened:
            out.print(f"      {loose.path}: {loose.before} -> {loose.after}", style="yellow", markup=False)
    if not found:
        out.print("Nothing waits.")


def approve(proposal: ProposalId, reason: ReasonOption, state: State = DEFAULT_STATE, json: Json = False) -> None:
    """Approve a change that loosens something. Who proposed it cannot."""
    _review(proposal, True, reason, state, json)


def decline(proposal: ProposalId, reason: ReasonOption, state: State = DEFAULT_STATE, json: Json = False) -> None:
    """Decline a change that loosens something, or take your own back."""
    _review(proposal, False, reason, state, json)


def _review(proposal: str, approved: bool, reason: str, state: Any, json: bool) -> None:
    from domain.trading_commands import ConfigReport

    path = f"{_TRADING}/config/proposals/{acting.segment(proposal)}/review"
    _show_report(acting.act(state, ConfigReport, "POST", path, {**_because(reason), "approved": approved}), json)


def show_breakers(state: State = DEFAULT_STATE, json: Json = False) -> None:
    """Show breakers, tier, reserve and stops after the engine's last look."""
    from api.operations import protection
    from cli.control_views import show_protection

    view = ask(state, lambda parts: protection.standing(parts.database))
    if json:
        print_json(_plain(view))
    else:
        show_protection(view)


def reset_breaker(
    name: Annotated[str, typer.Argument(metavar="NAME", help="For example drawdown")],
    reason: ReasonOption,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Let a breaker go that waits for an operator: the drawdown, after its rest. The others reset themselves."""
    from domain.breaker_state import Breaker
    from domain.trading_commands import DoneReport

    if name not in list(Breaker):
        raise InvalidInput("BREAKER_UNKNOWN", field="NAME", found=name, allowed=", ".join(Breaker))
    done = acting.act(state, DoneReport, "POST", f"{_TRADING}/breakers/{name}/reset", _because(reason))
    _say(done.message, done, json)


def release_reserve(
    amount: Annotated[str, typer.Argument(metavar="DOLLARS")],
    reason: ReasonOption,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Take money out of the reserve pool: from then on it may be invested."""
    from domain.trading_commands import DoneReport

    body = {**_because(reason), "amount": _number("DOLLARS", amount)}
    done = acting.act(state, DoneReport, "POST", f"{_TRADING}/reserve/release", body)
    _say(done.message, done, json)


def forget(reason: ReasonOption, state: State = DEFAULT_STATE, json: Json = False) -> None:
    """Close all breakers of a paper account, and set tier and stops anew. Refused where real money is traded."""
    from domain.trading_commands import DoneReport

    done = acting.act(state, DoneReport, "POST", f"{_TRADING}/reset", _because(reason))
    _say(done.message, done, json)


SymbolArgument = Annotated[str, typer.Argument(metavar="SYMBOL")]
QuantityArgument = Annotated[str, typer.Argument(metavar="SHARES")]
KeyOption = Annotated[
    str, typer.Option("--key", help="Chosen by you: asking again with the same key is the same order")
]


def buy(
    symbol: SymbolArgument,
    quantity: QuantityArgument,
    reason: ReasonOption,
    key: KeyOption = "",
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Buy by hand. Every limit counts, and the approval policy asks another person where it says so.

    Example: stonks order buy MSFT 10 --reason "hedge of the fund"
    """
    _order("buy", symbol, quantity, reason, key, state, json)


def sell(
    symbol: SymbolArgument,
    quantity: QuantityArgument,
    reason: ReasonOption,
    key: KeyOption = "",
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Sell by hand what is held."""
    _order("sell", symbol, quantity, reason, key, state, json)


def _order(side: str, symbol: str, quantity: str, reason: str, key: str, state: Any, json: bool) -> None:
    from domain.trading_commands import OverrideReport

    chosen = key or uuid.uuid4().hex
    body = {
        **_because(reason),
        "symbol": symbol.upper(),
        "side": side,
        "quantity": _number("SHARES", quantity),
        "key": chosen,
    }
    report = acting.act(state, OverrideReport, "POST", "/v1/orders/overrides", body)
    if not json and not key:
        err.print(f"key {chosen}", style="dim")
    known = " (it was asked for before)" if report.known else ""
    _say(
        f"order {report.order.intent_id} is on its way{known}: `stonks status` and `stonks inbox` show it", report, json
    )


def _show_report(report: ConfigReport, json: bool) -> None:
    from domain.trading_commands import ConfigOutcome

    if json:
        print_json(_plain(report))
        return
    if report.outcome is ConfigOutcome.PROPOSED:
        out.print(f"Proposed as {report.proposal_id}: it loosens something, and a second person decides.", markup=False)
        for loose in report.loosened:
            out.print(f"  {loose.path}: {loose.before} -> {loose.after}", style="yellow", markup=False)
        out.print(f"  stonks config approve {report.proposal_id} --reason ...", style="dim", markup=False)
    elif report.outcome is ConfigOutcome.UNCHANGED:
        out.print(f"Nothing differs from version {report.version}.")
    elif report.outcome is ConfigOutcome.DECLINED:
        out.print(f"Declined; version {report.version} stays in force.")
    else:
        out.print(f"Version {report.version} is in force.")


def _because(reason: str) -> dict[str, Any]:
    from api.operations.trading import valid_reason

    return {"reason": valid_reason(reason)}


def _say(message: str, model: BaseModel, json: bool) -> None:
    if json:
        print_json(_plain(model))
    else:
        out.print(message[:1].upper() + message[1:] + ".", markup=False)


def _plain(model: BaseModel) -> Any:
    return model.model_dump(mode="json")


def _number(name: str, given: str) -> Decimal:
    try:
        found = Decimal(given)
    except InvalidOperation:
        found = Decimal(0)
    if not found.is_finite() or found <= 0:
        raise InvalidInput("NUMBER_INVALID", field=name, found=given, allowed="a number above 0, for example 12.5")
    return found


def _names(body: Any) -> str:
    return ", ".join(sorted(body)) if isinstance(body, dict) else "nothing below it"


def _flat(body: Any, path: str) -> list[tuple[str, Any]]:
    if isinstance(body, dict) and body:
        return [
            found for name, value in body.items() for found in _flat(value, f"{path}.{name}" if path else str(name))
        ]
    return [(path, "none" if body is None else body)]
