"""What an operator does with a running platform: look, pause, decide, explain, clear dead letters."""

from __future__ import annotations

import asyncio
import os
import pwd
from collections.abc import Awaitable, Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from pydantic import BaseModel

from cli import acting
from cli.commands.stack import DEFAULT_STATE, Json, State
from cli.groups import Commands
from cli.output import err, print_json
from domain.actors import OWNER
from domain.errors import ConfigurationError, InvalidInput, VendorUnavailable

if TYPE_CHECKING:
    from api.operations.links import TemporalLinks
    from api.operations.trading import CommandReport
    from workers.parts import Parts

T = TypeVar("T")

_DEAD_LETTERS = "/v1/dead-letters"

ReasonArgument = Annotated[str, typer.Argument(metavar="REASON", help="Why; it stands in the audit log")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it stands in the audit log")]
ApprovalId = Annotated[str, typer.Argument(metavar="ID", help="The approval, or the unique beginning of its id")]
TypeOption = Annotated[
    str | None, typer.Option("--type", help="The workflow's type, for example ProcessDocument or IngestSource")
]
StageOption = Annotated[str | None, typer.Option("--stage", help="For example parse, extract, fetch, follow")]
ErrorOption = Annotated[str | None, typer.Option("--error", help="The error's code, as the list shows it")]


def register(app: typer.Typer) -> None:
    for command in (status, pause, resume, halt, inbox, approve, decline, amend, explain):
        app.command()(command)
    letters = typer.Typer(
        cls=Commands, help="Failed work: list, retry from the failed step, discard.", no_args_is_help=True
    )
    letters.command(name="list")(list_dead_letters)
    letters.command(name="retry")(retry_dead_letters)
    letters.command(name="discard")(discard_dead_letter)
    app.add_typer(letters, name="dead-letters")


def status(state: State = DEFAULT_STATE, json: Json = False) -> None:
    """Show the trading state, the account, open work and the newest recommendations."""
    from api.operations import trading
    from api.operations.overview import overview
    from api.remembered import Remembered
    from cli import operator_views as views

    async def read(parts: Parts) -> tuple[Any, Any]:
        mode = parts.settings.mode.value
        return (
            await overview(parts.database, Remembered(), mode=mode),
            await trading.status(parts.database, parts.client, mode=mode, calendar=lambda: parts.calendar),
        )

    seen, engine = ask(state, read)
    if json:
        said = _plain(engine)
        print_json({**_plain(seen), **{name: said[name] for name in ("engine", "reconciliation", "unpriced_orders")}})
    else:
        views.show_status(seen, engine)


def pause(reason: ReasonArgument, state: State = DEFAULT_STATE, json: Json = False) -> None:
    """Open nothing from now on; positions may still be reduced."""
    _stop("pause", reason, state, json)


def resume(reason: ReasonArgument, state: State = DEFAULT_STATE, json: Json = False) -> None:
    """Trade again."""
    _show_command(_command("resume", reason, state), json)


def halt(reason: ReasonArgument, state: State = DEFAULT_STATE, json: Json = False) -> None:
    """Send nothing from now on and cancel what is open."""
    _stop("halt", reason, state, json)


def inbox(state: State = DEFAULT_STATE, json: Json = False) -> None:
    """List the orders that wait for your approval."""
    from api.operations import approvals
    from cli import operator_views as views

    waiting = ask(state, lambda parts: approvals.inbox(parts.database, links(parts)))
    if json:
        print_json({"data": [_plain(each) for each in waiting]})
    else:
        views.show_inbox(waiting)


def approve(approval: ApprovalId, reason: ReasonOption, state: State = DEFAULT_STATE, json: Json = False) -> None:
    """Approve an order that waits, as the inbox shows it."""
    _review(approval, True, reason, state, json)


def decline(approval: ApprovalId, reason: ReasonOption, state: State = DEFAULT_STATE, json: Json = False) -> None:
    """Decline an order that waits."""
    _review(approval, False, reason, state, json)


def amend(
    approval: ApprovalId,
    quantity: Annotated[str, typer.Option("--quantity", help="Shares to ask for instead")],
    reason: ReasonOption,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Change the size of an order that waits; somebody else must approve it then."""
    wanted = _shares(quantity)
    _decide(approval, "amend", {"quantity": str(wanted)}, reason, state, json)


def explain(
    wanted: Annotated[str, typer.Argument(metavar="ID_OR_SYMBOL", help="A recommendation, or a symbol: its newest")],
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Explain a recommendation: evidence, layers, score, gates, size, risk, approval, order."""
    from api.operations import explanation
    from cli import operator_views as views

    found = ask(state, lambda parts: explanation.explain(parts.database, parts.objects, links(parts), wanted.strip()))
    if json:
        print_json(_plain(found))
    else:
        views.show_explanation(found)


def list_dead_letters(
    type: TypeOption = None,
    stage: StageOption = None,
    error: ErrorOption = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many at most")] = 50,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """List failed work, the newest first."""
    from api.operations import dead_letters
    from cli import operator_views as views

    wanted = _filter(type, stage, error)

    async def read(parts: Parts) -> tuple[list[dead_letters.DeadLetter], bool]:
        found: list[dead_letters.DeadLetter] = []
        token, more = b"", True
        while more and len(found) < limit:
            page, token = await dead_letters.list_page(
                parts.client, parts.database, links(parts), wanted=wanted, limit=limit, token=token
            )
            found += page
            more = bool(token)
        return found[:limit], more or len(found) > limit

    letters, more = ask(state, read)
    if json:
        print_json({"data": [_plain(each) for each in letters], "has_more": more})
    else:
        views.show_dead_letters(letters, more=more)


def retry_dead_letters(
    workflow: Annotated[str | None, typer.Argument(metavar="ID", help="The workflow, as the list shows it")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that match --type, --stage and --error")] = False,
    type: TypeOption = None,
    stage: StageOption = None,
    error: ErrorOption = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; it stands in the audit log")] = "",
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Start failed work again at the step that failed; what was done before it is kept."""
    from api.operations import dead_letters
    from cli import operator_views as views

    filtered = any((type, stage, error))
    if (workflow is None) == (not (every or filtered)):
        raise typer.BadParameter("Give one workflow's ID, or --all, or a filter: --type, --stage, --error")
    wanted = _filter(type, stage, error)

    if workflow is None:
        body = {**_plain(wanted), "reason": reason}
        report = acting.act(state, dead_letters.BulkReport, "POST", f"{_DEAD_LETTERS}/actions/retry", body)
    else:
        path = f"{_DEAD_LETTERS}/{acting.workflow(workflow)}/retry"
        one = acting.act(state, dead_letters.Retried, "POST", path, {"reason": reason})
        report = dead_letters.BulkReport(retried=[one], not_retried=[])
    if json:
        print_json(_plain(report))
    else:
        views.show_retries(report)
    if report.not_retried:
        raise typer.Exit(1)


def discard_dead_letter(
    workflow: Annotated[str, typer.Argument(metavar="ID", help="The workflow, as the list shows it")],
    reason: ReasonOption,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Take failed work off the list for good. Its history stays in Temporal.

    An order is brought to its end first: what the broker has is booked, what is open is canceled.
    """
    from api.operations.dead_letters import Discarded
    from api.operations.trading import valid_reason

    path = f"{_DEAD_LETTERS}/{acting.workflow(workflow)}/discard"
    done = acting.act(state, Discarded, "POST", path, {"reason": valid_reason(reason)})
    if json:
        print_json(_plain(done))
    else:
        err.print(f"Discarded {done.workflow_id}." if done.new else f"{done.workflow_id} was discarded before.")
        if done.order_state is not None:
            err.print(f"Its order ended {done.order_state}, {done.filled_quantity} shares filled.")


def _stop(word: str, reason: str, state: Path, json: bool) -> None:
    """Pause or halt, which must not hang on the API: where it does not answer, engine and kill switch are told."""
    from api.operations import trading

    try:
        report = _command(word, reason, state)
    except (VendorUnavailable, ConfigurationError) as error:
        err.print(f"{error.code}: trading is stopped without the API.", style="yellow", markup=False)
        action = {"pause": trading.pause, "halt": trading.halt}[word]
        report = ask(
            state,
            lambda parts: action(
                parts.database, parts.client, mode=parts.settings.mode.value, reason=reason, actor=actor()
            ),
            read_only=False,
        )
    _show_command(report, json)


def _command(word: str, reason: str, state: Path) -> CommandReport:
    from api.operations.trading import CommandReport, valid_reason

    return acting.act(state, CommandReport, "POST", f"/v1/trading/{word}", {"reason": valid_reason(reason)})


def _show_command(report: CommandReport, json: bool) -> None:
    from cli import operator_views as views

    if json:
        print_json(_plain(report))
    else:
        views.show_command(report)


def _review(given: str, granted: bool, reason: str, state: Path, json: bool) -> None:
    _decide(given, "review", {"approve": granted}, reason, state, json)


def _decide(given: str, what: str, decision: dict[str, Any], reason: str, state: Path, json: bool) -> None:
    """Decide about an order as the book has it now."""
    from api.operations import approvals
    from api.operations.trading import valid_reason
    from cli import operator_views as views

    async def read(parts: Parts) -> approvals.ApprovalView:
        return await approvals.detail(parts.database, links(parts), await approvals.resolve(parts.database, given))

    said = valid_reason(reason)
    asked = ask(state, read)
    body = {**decision, "reason": said, "order_hash": asked.order_hash}
    path = f"/v1/approvals/{acting.segment(asked.approval_id)}/{what}"
    done = acting.act(state, approvals.ApprovalView, "POST", path, body)
    if json:
        print_json(_plain(done))
    else:
        views.show_review(done)


def ask(state: Path, question: Callable[[Parts], Awaitable[T]], *, read_only: bool = True) -> T:
    """Connect, ask, close."""
    from cli.connection import connected

    async def work() -> T:
        async with connected(state, read_only=read_only) as parts:
            return await question(parts)

    return asyncio.run(work())


def links(parts: Parts) -> TemporalLinks:
    from api.operations.links import TemporalLinks

    return TemporalLinks(parts.settings.temporal_ui_url, parts.client.namespace)


def _filter(type: str | None, stage: str | None, error: str | None) -> Any:
    from api.operations.dead_letters import TYPES, Filter

    if type is not None and type not in TYPES:
        raise InvalidInput("CHOICE_INVALID", f"Use one of: {', '.join(TYPES)}", option="--type", found=type)
    return Filter(workflow_type=type, stage=stage, error_type=error)


def actor() -> str:
    """How the audit log names who sits at this terminal, where it acts past the API: pausing, halting, backfilling.

    Whoever can read a state directory can do everything with what is in it: that is the installation's owner.
    """
    from cli.connection import servers_are_named

    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a user without an entry, as in a container
        user = str(os.getuid())
    return f"cli:{user}" if servers_are_named() else f"cli:{OWNER}/{user}"


def _shares(given: str) -> Decimal:
    try:
        found = Decimal(given)
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite() or found <= 0:
        raise InvalidInput("QUANTITY_INVALID", "Give a positive number of shares", option="--quantity", found=given)
    return found


def _plain(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(mode="json")
