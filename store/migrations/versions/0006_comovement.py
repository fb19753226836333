"""When each link between competitors held, how pairs move together, and what exposures were estimated from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)

_LINKS = (
    "SELECT link_id, symbol, competitor, strength, status, decided_by, created_at, updated_at FROM competitor_links"
)
_NOTED = """
    SELECT subject, recorded_at, actor, body FROM audit_log
    WHERE action IN ('competitor_added', 'competitor_changed', 'competitor_proposed', 'competitor_confirmed',
                     'competitor_rejected', 'competitor_removed')
    ORDER BY sequence
"""


def upgrade() -> None:
    op.add_column(
        "exposure_profiles", sa.Column("estimate", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'"))
    )
    changes = op.create_table(
        "competitor_link_changes",
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("competitor", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("strength", sa.Float(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["competitor"], ["companies.symbol"]),
        sa.ForeignKeyConstraint(["symbol"], ["companies.symbol"]),
        sa.PrimaryKeyConstraint("symbol", "competitor", "number"),
    )
    op.create_table(
        "competitor_comovements",
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("competitor", sa.String(), nullable=False),
        sa.Column("as_of", INSTANT, nullable=False),
        sa.Column("known_at", INSTANT, nullable=False),
        sa.Column("rho", sa.Float(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("told", sa.Integer(), nullable=False),
        sa.Column("first_event", sa.Date(), nullable=True),
        sa.Column("last_event", sa.Date(), nullable=True),
        sa.Column("benchmark", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["competitor"], ["companies.symbol"]),
        sa.ForeignKeyConstraint(["symbol"], ["companies.symbol"]),
        sa.PrimaryKeyConstraint("symbol", "competitor", "as_of"),
    )
    connection = op.get_bind()
    links = [dict(row) for row in connection.execute(sa.text(_LINKS)).mappings()]
    noted = [dict(row) for row in connection.execute(sa.text(_NOTED)).mappings()]
    rows = history_of(links, noted)
    if rows:
        op.bulk_insert(changes, rows)


def downgrade() -> None:
    op.drop_table("competitor_comovements")
    op.drop_table("competitor_link_changes")
    op.drop_column("exposure_profiles", "estimate")


def history_of(links: Sequence[Mapping[str, Any]], noted: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Tell from the audit log when each link was confirmed, weighed and taken back.

    An entry has what differed, before and after; so the states are found from the present one backwards. A confirmed
    link that the log knows nothing of counts from when it was last written.
    """
    by_link: dict[str, list[Mapping[str, Any]]] = {}
    for entry in noted:
        by_link.setdefault(entry["subject"], []).append(entry)
    present = {link["link_id"]: link for link in links}
    found: dict[tuple[str, str], list[tuple[datetime, float | None, str]]] = {}
    for link_id, link in present.items():
        if link_id not in by_link and link["status"] == "confirmed":
            since = link["updated_at"] or link["created_at"]
            found.setdefault((link["symbol"], link["competitor"]), []).append(
                (since, link["strength"], link["decided_by"])
            )
    for link_id, entries in by_link.items():
        state = present.get(link_id) or entries[-1]["body"].get("before") or {}
        if not {"symbol", "competitor"} <= state.keys():
            continue
        pair = state["symbol"], state["competitor"]
        alive = link_id in present
        steps: list[tuple[datetime, float | None, str]] = []
        for entry in reversed(entries):
            confirmed = alive and state["status"] == "confirmed"
            steps.append((entry["recorded_at"], state["strength"] if confirmed else None, entry["actor"]))
            state, alive = {**state, **(entry["body"].get("before") or {})}, entry["body"].get("before") is not None
        found.setdefault(pair, []).extend(reversed(steps))
    return [row for pair, steps in sorted(found.items()) for row in _rows(pair, sorted(steps, key=lambda one: one[0]))]


def _rows(pair: tuple[str, str], steps: Sequence[tuple[datetime, float | None, str]]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    last: float | None = None
    for since, strength, actor in steps:
        if strength != last:
            rows.append(
                {
                    "symbol": pair[0],
                    "competitor": pair[1],
                    "number": len(rows) + 1,
                    "since": since,
                    "strength": strength,
                    "actor": actor,
                }
            )
        last = strength
    return rows
