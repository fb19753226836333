"""`stonks lake`: the tables that analysts read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from cli import acting
from cli.commands.operate import ask
from cli.commands.stack import DEFAULT_STATE, Json, State
from cli.groups import Commands
from cli.output import err, print_json
from domain.errors import VendorRejected

if TYPE_CHECKING:
    from activities.adapters.lake.querying import QueryResult
    from api.operations.lake import LakeTableView, PublicationView
    from workers.parts import Parts

ROWS, MOST_ROWS = 100, 100_000


def register(app: typer.Typer) -> None:
    lake = typer.Typer(
        cls=Commands, help="The lake: see its tables, bring it up to date, query it.", no_args_is_help=True
    )
    lake.command(name="tables")(list_tables)
    lake.command()(publish)
    lake.command()(query)
    app.add_typer(lake, name="lake")


def list_tables(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="Show its columns")] = "",
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Show the lake's tables and how far each is behind the book; or one with its columns.

    Example: stonks lake tables fills
    """
    from api.operations import lake
    from cli import lake_views as views
    from domain.lake_tables import require_table

    wanted = require_table(table).name if table else ""

    async def read(parts: Parts) -> list[LakeTableView]:
        return await lake.list_tables(parts.database)

    found = [each for each in ask(state, read) if not wanted or each.table == wanted]
    if json:
        print_json({"data": [each.model_dump(mode="json") for each in found]})
    elif wanted:
        views.show_table(found[0])
    else:
        views.show_tables(found)


def publish(
    table: Annotated[
        list[str] | None, typer.Option("--table", metavar="TABLE", help="Only this one; repeatable")
    ] = None,
    tidy: Annotated[bool, typer.Option("--tidy", help="Also remove snapshots and files that nobody reads")] = False,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Bring the lake up to date with the book, and wait for it. It is done by itself every hour.

    Example: stonks lake publish --table fills --table orders
    """
    from api.operations import lake
    from api.operations.lake import NewPublication, PublicationBegun
    from cli import lake_views as views

    wanted = NewPublication(tables=table or [], tidy=tidy)
    begun = acting.act(state, PublicationBegun, "POST", "/v1/lake/publications", wanted)
    err.print(f"{begun.workflow_id} has begun...", style="dim", markup=False)

    async def read(parts: Parts) -> PublicationView:
        await _finished(parts, begun.workflow_id)
        return await lake.publication(parts.database, begun.publication_id)

    done = ask(state, read)
    if json:
        print_json(done.model_dump(mode="json"))
    else:
        views.show_publication(done)


def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT, in DuckDB's SQL")],
    limit: Annotated[int, typer.Option(min=1, max=MOST_ROWS, help="Rows at the most")] = ROWS,
    seconds: Annotated[float, typer.Option(min=1, max=3_600, help="How long it may take")] = 60.0,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Query the lake. Tables stand under their own names; money is decimal, times are UTC.

    The SQL reads the lake and nothing else: it has no files, no network, and changes nothing.

    Example: stonks lake query "SELECT symbol, sum(quantity * price) FROM fills GROUP BY symbol"
    """
    from cli import lake_views as views
    from domain.lake_tables import BY_NAME

    async def read(parts: Parts) -> QueryResult:
        from activities.adapters.lake.querying import query as run

        return await asyncio.to_thread(run, parts.lake, BY_NAME, sql, limit=limit, seconds=seconds)

    found = ask(state, read)
    if json:
        rows = [dict(zip(found.columns, views.plain(row), strict=True)) for row in found.rows]
        print_json({"columns": views.columns(found), "data": rows, "has_more": found.more})
    else:
        views.show_rows(found)


async def _finished(parts: Parts, workflow_id: str) -> None:
    """Wait for a publication.

    Raises:
        VendorRejected: a table could not be published; the message says which and why.
    """
    from temporalio.client import WorkflowFailureError

    try:
        await parts.client.get_workflow_handle(workflow_id).result()
    except WorkflowFailureError as error:
        raise VendorRejected("PUBLICATION_ENDED", str(error.cause), workflow=workflow_id) from error
