"""Documents: those that need a person's look, one with what was read in it, and having one read again."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import acting
from cli.commands.operate import ReasonOption, ask, links
from cli.commands.stack import DEFAULT_STATE, Json, State
from cli.groups import Commands
from cli.instants import read_instant
from cli.output import err, out, print_json
from domain.errors import InvalidInput

if TYPE_CHECKING:
    from api.operations.documents import DocumentView
    from workers.parts import Parts


READINGS_SHOWN = 20


def register(app: typer.Typer) -> None:
    documents = typer.Typer(
        cls=Commands, help="Documents: list, show, hand one in, have read again.", no_args_is_help=True
    )
    documents.command(name="list")(list_documents)
    documents.command(name="show")(show)
    documents.command(name="reprocess")(reprocess)
    documents.command(name="submit")(submit)
    app.add_typer(documents, name="documents")


def list_documents(
    status: Annotated[
        str, typer.Option(help="registered, released, processed, needs_review, failed or duplicate")
    ] = "needs_review",
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """List documents of a status, the newest first; without one those that need a person's look."""
    from api.operations import documents
    from domain.documents import DocumentStatus

    if status not in {each.value for each in DocumentStatus}:
        raise InvalidInput("STATUS_UNKNOWN", field="--status", found=status, allowed=", ".join(DocumentStatus))

    async def read(parts: Parts) -> list[DocumentView]:
        return await documents.list_documents(parts.database, limit=limit, status=status)

    found = ask(state, read)
    if json:
        kept = {"doc_id", "source_id", "title", "published_at", "status", "error"}
        print_json({"data": [each.model_dump(mode="json", include=kept) for each in found]})
        return
    if not found:
        err.print(f"No document is {status.replace('_', ' ')}.")
    for each in found:
        out.print(f"{each.doc_id}  {each.published_at:%Y-%m-%d %H:%M}  {each.title}", markup=False, overflow="fold")
        if each.error:
            out.print(f"  {each.error}", markup=False, style="red", overflow="fold")


def show(
    doc_id: Annotated[str, typer.Argument(metavar="ID", help="The document, as the lists show it")],
    text: Annotated[bool, typer.Option("--text", help="The whole text, however long")] = False,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Show a document: where it came from, its text, and what was read in it.

    Example: stonks documents show 0f6e1c94a7b2d3580f6e1c94
    """
    from api.operations import document_texts, documents, extractions
    from api.operations.document_texts import DocumentText
    from api.operations.documents import DocumentDetail
    from api.operations.extractions import ExtractionView
    from cli import reading_views as views
    from domain.errors import NotFound

    async def read(parts: Parts) -> tuple[DocumentDetail, DocumentText | None, list[ExtractionView]]:
        found = await documents.document(parts.database, links(parts), doc_id)
        try:
            content = await document_texts.text_of(parts.database, parts.objects, doc_id)
        except NotFound:
            content = None
        return found, content, await extractions.of_document(parts.database, doc_id, limit=READINGS_SHOWN)

    document, content, readings = ask(state, read)
    if json:
        body = document.model_dump(mode="json")
        body["content"] = content.model_dump(mode="json") if content is not None else None
        body["extractions"] = [each.model_dump(mode="json") for each in readings]
        print_json(body)
    else:
        views.show_document(document, content, readings, whole=text)


def reprocess(
    doc_id: Annotated[str, typer.Argument(metavar="ID", help="The document, as the list shows it")],
    reason: ReasonOption,
    by: Annotated[
        str, typer.Option("--by", help="rules, baseline (the extractor's own settings), or an active variant")
    ] = "rules",
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Have a document that needs review, or that failed, read again by somebody else.

    Example: stonks documents reprocess 0f6e1c94a7b2d3580f6e1c94 --by rules --reason "the model cannot read tables"
    """
    from api.operations import documents
    from cli.commands.agents import _checked

    wanted = _checked(documents.Reprocessing, read_by=by, reason=reason)
    path = f"/v1/documents/{acting.segment(doc_id)}/reprocess"
    done = acting.act(state, documents.Reprocessed, "POST", path, wanted)
    if json:
        print_json(done.model_dump(mode="json"))
    else:
        out.print(f"{done.doc_id} is read again by {done.read_by}: {done.workflow_id}", markup=False)


def submit(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A text file; - reads standard input")],
    title: Annotated[str, typer.Option("--title", help="Without one, the first line")] = "",
    published: Annotated[
        str, typer.Option("--published", help="When it was published; without it, when the file was last written")
    ] = "",
    url: Annotated[str, typer.Option("--url", help="Where it stands")] = "",
    publisher: Annotated[str, typer.Option("--publisher")] = "",
    symbol: Annotated[list[str] | None, typer.Option("--symbol", help="Whom it is about; may be repeated")] = None,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Hand in one document. It is read as those of any source are; the same again is the same document.

    Example: stonks documents submit note.txt --symbol AAPL --published 2026-11-26T14:30Z
    """
    from api.operations import submissions
    from cli.commands.agents import _checked

    text, written = _read(file, published)
    first, _, rest = text.strip().partition("\n")
    wanted = _checked(
        submissions.NewDocument,
        title=title or first,
        text=text if title else rest.strip(),
        published_at=written,
        url=url,
        publisher=publisher,
        symbols=[each.upper() for each in symbol or ()],
    )
    done = acting.act(state, submissions.Submitted, "POST", "/v1/documents", wanted)
    if json:
        print_json(done.model_dump(mode="json"))
        return
    known = " (it was known)" if done.duplicate else ""
    if done.copy_of is not None:
        out.print(f"{done.doc_id}{known} tells what {done.copy_of} tells: it is not read.", markup=False)
    else:
        out.print(f"{done.doc_id}{known} is {done.status}: {done.workflow_id}", markup=False, soft_wrap=True)


def _read(file: str, published: str) -> tuple[str, datetime]:
    """The text, and when it was published."""
    if file == "-" and not published:
        raise InvalidInput("TIME_MISSING", "Standard input has no time of its own", option="--published")
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        if published:
            return text, read_instant(published, "--published")
        return text, datetime.fromtimestamp(Path(file).stat().st_mtime, UTC)
    except OSError as error:
        raise InvalidInput("FILE_UNREADABLE", str(error.strerror), field="FILE", found=file) from error
    except UnicodeDecodeError as error:
        raise InvalidInput("FILE_UNREADABLE", "It must be UTF-8 text", field="FILE", found=file) from error
