"""Finding documents, and following one from its source to the fills."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.commands.operate import ask
from cli.commands.stack import DEFAULT_STATE, Json, State
from cli.instants import read_instant
from cli.output import print_json

if TYPE_CHECKING:
    from api.operations.searching import HitView
    from workers.parts import Parts

MOST = 50


def register(app: typer.Typer) -> None:
    app.command()(search)
    app.command()(lineage)


def search(
    words: Annotated[str, typer.Argument(metavar="WORDS", help='All must occur; "a phrase", this or that, -without')],
    symbol: Annotated[str | None, typer.Option(help="Only documents on this company")] = None,
    source: Annotated[str | None, typer.Option(help="Only documents of this source")] = None,
    first: Annotated[str | None, typer.Option("--from", metavar="TIME", help="Known at or after")] = None,
    last: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Known at or before")] = None,
    newest: Annotated[bool, typer.Option("--newest", help="The newest first instead of the best")] = False,
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="How many at most")] = 10,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Search documents by their titles and texts.

    Example: stonks search '"dividend cut" -rumour' --symbol IBM
    """
    from api.operations.searching import SearchOrder, find
    from cli import reading_views as views

    after = read_instant(first, "--from") if first is not None else None
    until = read_instant(last, "--to") if last is not None else None

    async def read(parts: Parts) -> list[HitView]:
        rows = await find(
            parts.database,
            parts.objects,
            words,
            limit=limit + 1,
            symbol=symbol.upper() if symbol is not None else None,
            source=source,
            first=after,
            last=until,
            order=SearchOrder.TIME if newest else SearchOrder.RANK,
        )
        return [hit for hit, _ in rows]

    found = ask(state, read)
    shown, more = found[:limit], len(found) > limit
    if json:
        print_json({"data": [each.model_dump(mode="json") for each in shown], "has_more": more})
    else:
        views.show_hits(shown, more=more)


def lineage(
    doc_id: Annotated[str, typer.Argument(metavar="ID", help="The document, as the lists show it")],
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Follow a document from the run that brought it to the fills that came of it.

    Example: stonks lineage 0f6e1c94a7b2d3580f6e1c94
    """
    from api.operations import lineage as lineages
    from cli import reading_views as views

    found = ask(state, lambda parts: lineages.lineage(parts.database, doc_id))
    if json:
        print_json(found.model_dump(mode="json"))
    else:
        views.show_lineage(found)
