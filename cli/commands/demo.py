"""`stonks demo`: a real past fortnight, packaged with the project, through the whole pipeline."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

import typer

from cli.commands.stack import DEFAULT_STATE, Json, State
from cli.output import print_json


def register(app: typer.Typer) -> None:
    app.command()(demo)


def demo(
    state: State = DEFAULT_STATE,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack running afterwards, until Ctrl-C")] = False,
    json: Json = False,
) -> None:
    """Replay 14 to 25 July 2014: real bars, documents about real events, filled orders, approvals waiting."""
    from cli.demo_data import FIRST_SESSION, LAST_SESSION, actions_path, bars_path, documents_path
    from cli.replaying import Finished, make_request, run_replay
    from cli.summary import print_summary
    from domain.config import TradingConfig
    from domain.documents import Credibility
    from domain.replay import ReplayApprovals

    config = TradingConfig.for_tier("aggressive")
    approval = config.approval.model_copy(update={"notional_above": APPROVAL_ABOVE, "expires_after_seconds": 86_400})
    request = make_request(
        documents=documents_path(),
        bars=bars_path(),
        actions=actions_path(),
        first=FIRST_SESSION,
        last=LAST_SESSION,
        opening_cash=OPENING_CASH,
        config=config.model_copy(update={"approval": approval}),
        approvals=ReplayApprovals.HOLD_LAST,
        credibility=Credibility.WIRE,
        publisher="",
    )

    def show(finished: Finished) -> None:
        if json:
            print_json(_object(finished))
        else:
            print_summary(finished)

    run_replay(request, state / "demo", keep=keep, show=show)


OPENING_CASH = Decimal(100_000)
APPROVAL_ABOVE = Decimal(5_000)


def _object(finished: Any) -> dict[str, Any]:
    result = finished.result
    return {
        "documents": result.documents,
        "signals": result.signals,
        "recommendations": result.recommendations,
        "orders_filled": result.orders_filled,
        "approvals_pending": result.approvals_pending,
        "equity": result.equity,
        "addresses": finished.addresses,
        "report": finished.body,
        "state_dir": str(finished.state_dir),
    }
