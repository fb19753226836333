"""Live sources: cursors and health of sources, links between documents, registry versions, reported and macro figures."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False, server_default="")


def _count(name: str, kind: type[sa.Integer] = sa.Integer) -> sa.Column[int]:
    return sa.Column(name, kind(), nullable=False, server_default="0")


def _flag(name: str, *, default: bool) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.true() if default else sa.false())


def _json_list(name: str) -> sa.Column[object]:
    return sa.Column(name, postgresql.JSONB(), nullable=False, server_default="[]")


def _version() -> sa.Column[int]:
    return sa.Column("version", sa.Integer(), nullable=False, server_default="1")


def upgrade() -> None:
    _sources()
    _documents()
    _registry()
    _figures()


def _sources() -> None:
    op.drop_column("sources", "cursor")
    for column in (
        _text("name"),
        _count("cadence_closed_seconds"),
        _flag("removed", default=False),
        _text("cursor"),
        _count("failures"),
        _text("last_error"),
        sa.Column("last_success_at", INSTANT, nullable=True),
        sa.Column("last_failure_at", INSTANT, nullable=True),
        sa.Column("updated_at", INSTANT, nullable=False, server_default=sa.func.now()),
    ):
        op.add_column("sources", column)
    for column in (
        _text("workflow_id"),
        _count("pages"),
        _count("bytes", sa.BigInteger),
        _count("fetch_ms", sa.BigInteger),
        _count("register_ms", sa.BigInteger),
        _count("copies"),
        _count("facts"),
    ):
        op.add_column("ingestion_runs", column)
    op.create_index(op.f("ix_ingestion_runs_started_at"), "ingestion_runs", ["started_at"])


def _documents() -> None:
    op.add_column("documents", _text("answer_key"))
    op.add_column("documents", sa.Column("story", sa.String(), nullable=False, server_default=""))
    op.add_column("documents", _json_list("sections"))
    op.add_column("documents", _json_list("insights"))
    op.create_index(op.f("ix_documents_story"), "documents", ["story"])
    op.create_table(
        "document_links",
        sa.Column("doc_id", sa.String(), nullable=False),
        sa.Column("original_id", sa.String(), nullable=False),
        sa.Column("relation", sa.String(), nullable=False),
        sa.Column("similarity", sa.Float(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("available_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["doc_id"], ["documents.doc_id"]),
        sa.ForeignKeyConstraint(["original_id"], ["documents.doc_id"]),
        sa.PrimaryKeyConstraint("doc_id", "original_id"),
    )
    op.create_index(op.f("ix_document_links_original_id"), "document_links", ["original_id"])
    op.create_index(op.f("ix_document_links_relation"), "document_links", ["relation"])
    op.create_table(
        "document_bands",
        sa.Column("band", sa.BigInteger(), nullable=False),
        sa.Column("doc_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["doc_id"], ["documents.doc_id"]),
        sa.PrimaryKeyConstraint("band", "doc_id"),
    )


def _registry() -> None:
    op.add_column("companies", _flag("followed", default=True))
    op.add_column("companies", sa.Column("created_at", INSTANT, nullable=True))
    op.add_column("companies", sa.Column("updated_at", INSTANT, nullable=True))
    op.add_column("company_aliases", sa.Column("origin", sa.Text(), nullable=False, server_default="seed"))
    op.add_column("watchlists", _text("description"))
    op.add_column("watchlists", _version())
    op.add_column("exposure_profiles", _text("created_by"))
    for column in (
        _json_list("reasons"),
        sa.Column("updated_at", INSTANT, nullable=True),
        _text("decided_by"),
        _version(),
    ):
        op.add_column("competitor_links", column)
    op.create_table(
        "competitor_inferences",
        sa.Column("inference_id", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("as_of", INSTANT, nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("requested_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.Column("proposals", postgresql.JSONB(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["symbol"], ["companies.symbol"]),
        sa.PrimaryKeyConstraint("inference_id"),
    )
    op.create_index(op.f("ix_competitor_inferences_symbol"), "competitor_inferences", ["symbol"])


def _figures() -> None:
    op.create_table(
        "reported_figures",
        sa.Column("cik", sa.String(), nullable=False),
        sa.Column("taxonomy", sa.String(), nullable=False),
        sa.Column("tag", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False),
        sa.Column("accession", sa.String(), nullable=False),
        sa.Column("value", sa.Numeric(40, 10), nullable=False),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("filed", sa.Date(), nullable=False),
        sa.Column("available_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("cik", "taxonomy", "tag", "unit", "period_start", "period_end", "accession"),
    )
    op.create_index(op.f("ix_reported_figures_filed"), "reported_figures", ["filed"])
    op.create_table(
        "macro_figures",
        sa.Column("series", sa.String(), nullable=False),
        sa.Column("period", sa.Date(), nullable=False),
        sa.Column("known_from", sa.Date(), nullable=False),
        sa.Column("known_to", sa.Date(), nullable=False),
        sa.Column("value", sa.Numeric(30, 10), nullable=True),
        sa.Column("available_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("series", "period", "known_from"),
    )
