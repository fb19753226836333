"""How a comparison of book and broker looks on a terminal."""

from __future__ import annotations

from rich.table import Table

from api.operations.reconciliations import ReconciliationDetail
from cli.output import out
from domain.actors import spoken
from domain.reconciliation import Difference, Treatment

_STYLES = {"alarmed": "bold red", "adopted": "yellow", "left_alone": "dim", "accepted": "dim"}


def show_reconciliation(found: ReconciliationDetail) -> None:
    verdict = "book and broker agree" if found.clean else f"{found.mismatches} differences need you"
    out.rule(f"{found.as_of:%Y-%m-%d %H:%M:%S} UTC: {verdict}", align="left")
    out.print(
        f"{found.adopted} taken over · {found.left_alone} left alone · broker's cash {found.cash} · "
        f"{found.reconciliation_id}",
        style="dim",
        markup=False,
    )
    if found.differences:
        out.print(_differences(found.differences))
    for each in found.standing:
        if each.treatment is Treatment.ACCEPTED:
            words = f"accepted by {spoken(each.accepted_by or 'nobody')}"
        elif each.acceptance is not None:
            words = f"accepted by {spoken(each.accepted_by)}; somebody else must accept or decline it"
        else:
            words = "stonks reconcile accept ID --reason ... if it is to stay"
        what = f"{each.kind.value.replace('_', ' ')} {each.symbol or each.subject}"
        out.print(f"{each.difference_id}  {what}: {words}", markup=False)
    if found.foreign_positions:
        held = ", ".join(f"{each.symbol} {each.quantity}" for each in found.foreign_positions)
        out.print(f"Not the platform's, never touched: {held}", markup=False)


def _differences(found: list[Difference]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("what", "treatment", "of", "ours", "broker", "detail"):
        table.add_column(name, overflow="fold")
    for each in found:
        table.add_row(
            each.kind.value.replace("_", " "),
            each.treatment.value.replace("_", " "),
            each.symbol or each.subject,
            each.ours,
            each.broker,
            each.detail,
            style=_STYLES[each.treatment.value],
        )
    return table
