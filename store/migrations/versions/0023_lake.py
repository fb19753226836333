"""The lake: what was exported of each table, and the schema in which its catalog is kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Nothing ever wrote to the table of this name.
    op.drop_index(op.f("ix_lake_exports_table_name"), table_name="lake_exports")
    op.drop_table("lake_exports")
    op.create_table(
        "lake_exports",
        sa.Column("export_id", sa.String(), nullable=False),
        sa.Column("publication_id", sa.Text(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("from_horizon", sa.BigInteger(), nullable=True),
        sa.Column("to_horizon", sa.BigInteger(), nullable=True),
        sa.Column("snapshot_id", sa.Text(), nullable=False),
        sa.Column("schema_version", sa.Text(), nullable=False),
        sa.Column("up_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("rows_written", sa.BigInteger(), nullable=False),
        sa.Column("bytes_written", sa.BigInteger(), nullable=False),
        sa.Column("parts_written", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("export_id"),
    )
    op.create_index("ix_lake_exports_of_publication", "lake_exports", ["publication_id", "table_name"])
    op.create_index("ix_lake_exports_of_table", "lake_exports", ["table_name", "up_to"])
    # Readers of the lake are given this schema alone (docs/lake.md).
    op.execute("CREATE SCHEMA IF NOT EXISTS lake")


def downgrade() -> None:
    op.execute("DROP SCHEMA IF EXISTS lake CASCADE")
    op.drop_index("ix_lake_exports_of_table", table_name="lake_exports")
    op.drop_index("ix_lake_exports_of_publication", table_name="lake_exports")
    op.drop_table("lake_exports")
    op.create_table(
        "lake_exports",
        sa.Column("export_id", sa.String(), nullable=False),
        sa.Column("table_name", sa.String(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("snapshot", sa.Text(), nullable=False),
        sa.Column("up_to", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("export_id"),
    )
    op.create_index(op.f("ix_lake_exports_table_name"), "lake_exports", ["table_name"], unique=False)
