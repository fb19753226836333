"""`stonks backfill`: a file of historical documents into a running platform."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.commands.operate import actor, ask
from cli.commands.stack import DEFAULT_STATE, Json, State
from cli.output import err, out, print_json
from domain.errors import InvalidInput, StonksError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID
    from temporalio.client import WorkflowHandle

    from domain.backfill import BackfillReport, BackfillRequest
    from workers.parts import Parts

ASK_SECONDS = 0.5
LAST_ANSWER_SECONDS = 5.0
_SOURCE_ID = re.compile(r"[a-z0-9][a-z0-9\-]{0,62}")


def register(app: typer.Typer) -> None:
    app.command()(backfill)


def backfill(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, JSONL or a folder of documents")],
    source_id: Annotated[
        str, typer.Option("--source-id", help="The source that they belong to; made where there is none")
    ] = "",
    publisher: Annotated[str, typer.Option(help="Who published them, where the file does not say")] = "",
    credibility: Annotated[
        str, typer.Option(help="official, wire, major_press, trade_press, aggregator, unknown or social")
    ] = "unknown",
    as_published: Annotated[
        bool, typer.Option("--as-published", help="Count them as known from their publication on, and not from now on")
    ] = False,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Read a file of historical documents in bulk, by the rules, and show how far it is.

    It goes on when this command ends, and the same command finds it again. Once it has ended, the same command begins
    anew: known documents are passed over, those that nobody has read yet are read.
    """
    request = _request(file, source_id, publisher, credibility, as_published=as_published)
    try:
        report = ask(state, lambda parts: _follow(parts, request))
    except KeyboardInterrupt:
        err.print(f"It goes on. Watch it with the same command; stop it by cancelling backfill/{request.backfill_id}.")
        raise typer.Exit(130) from None
    rates = {
        "records_per_second": round(report.report.read / max(report.seconds, 0.001), 1),
        "accepted_per_second": round(report.report.registered / max(report.seconds, 0.001), 1),
    }
    if json:
        print_json({**report.model_dump(mode="json"), **rates})
    else:
        _show(report, rates)


def _request(file: Path, source_id: str, publisher: str, credibility: str, *, as_published: bool) -> BackfillRequest:
    """Build the request; its id is a function of the file's content and of every choice.

    Raises:
        InvalidInput: no such file, no such credibility, or an id that a source cannot have.
    """
    from activities.adapters.files.fingerprint import fingerprint
    from domain.backfill import BackfillRequest
    from domain.documents import Credibility
    from domain.ids import digest
    from domain.sources import FileSourceConfig

    if not file.exists():
        raise InvalidInput("FILE_NOT_FOUND", "Check the path", file=file)
    if credibility not in list(Credibility):
        allowed = ", ".join(Credibility)
        raise InvalidInput("CHOICE_INVALID", f"Use one of: {allowed}", option="--credibility", found=credibility)
    source_id = source_id or re.sub(r"[^a-z0-9]+", "-", file.name.split(".")[0].lower()).strip("-")[:63] or "backfill"
    if not _SOURCE_ID.fullmatch(source_id):
        hint = "Use up to 63 lower-case letters, digits and hyphens"
        raise InvalidInput("SOURCE_ID_INVALID", hint, option="--source-id", found=source_id)
    content = fingerprint(file) if file.is_file() else str(file.resolve())
    return BackfillRequest(
        backfill_id=digest("backfill", content, source_id, publisher, credibility, as_published, length=16),
        source_id=source_id,
        config=FileSourceConfig(path=str(file.resolve()), publisher=publisher, credibility=Credibility(credibility)),
        as_published=as_published,
        actor=actor(),
    )


async def _follow(parts: Parts, request: BackfillRequest) -> BackfillReport:
    """Start the backfill, or find it running, and wait for its end.

    Raises:
        StonksError: it failed, or somebody stopped it.
    """
    from temporalio.client import WorkflowFailureError
    from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDConflictPolicy
    from temporalio.exceptions import CancelledError

    from domain.backfill import BackfillState
    from workflows import names
    from workflows.backfill_documents import BackfillDocuments

    handle = await parts.client.start_workflow(
        BackfillDocuments.run,
        BackfillState(request=request),
        id=names.backfill_id(request.backfill_id),
        task_queue=names.Queue.INGEST,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        search_attributes=TypedSearchAttributes(
            [SearchAttributePair(names.STAGE, "backfill"), SearchAttributePair(names.SOURCE, request.source_id)]
        ),
        static_summary=f"backfill {request.source_id}",
    )
    with _bar() as progress:
        ended = asyncio.Event()
        asking = asyncio.create_task(_show_progress(handle, progress, progress.add_task("begins", total=None), ended))
        try:
            return await handle.result()
        except WorkflowFailureError as error:
            if isinstance(error.cause, CancelledError):
                hint = "What was read stays; the same command reads the rest"
                raise StonksError("BACKFILL_CANCELED", hint, workflow=handle.id) from error
            cause: BaseException = error
            while cause.__cause__ is not None:
                cause = cause.__cause__
            hint = f"`stonks dead-letters retry {handle.id}` goes on at the failed batch"
            raise StonksError("BACKFILL_FAILED", hint, reason=str(cause)) from error
        finally:
            ended.set()  # a question on its way is waited for: the client does not like to be left in the middle of one
            await asyncio.wait([asking], timeout=LAST_ANSWER_SECONDS)
            asking.cancel()


def _bar() -> Progress:
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn()
    return Progress(*columns, console=err, transient=True)


async def _show_progress(
    handle: WorkflowHandle[Any, BackfillReport], progress: Progress, task: TaskID, ended: asyncio.Event
) -> None:
    from temporalio.service import RPCError

    from domain.backfill import BackfillStep
    from workflows.backfill_documents import BackfillDocuments

    while True:
        with suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), ASK_SECONDS)
            return
        try:
            found = await handle.query(BackfillDocuments.progress)
        except RPCError:
            continue  # a worker is being started
        reading = found.step is not BackfillStep.REGISTER
        progress.update(
            task,
            total=found.batches if reading else found.records,
            completed=found.batches_read if reading else found.report.read,
            description=found.told(),
        )


def _show(report: BackfillReport, rates: dict[str, float]) -> None:
    from rich.table import Table

    counts, read = report.report, report.read
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(report.reasons.items()))
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column(overflow="fold")
    for name, value, remark in (
        ("read", counts.read, "records of the file"),
        ("registered", counts.registered, "new documents"),
        ("linked", counts.linked, "known documents that gained a symbol"),
        ("copies", counts.copies, "new, but they repeat an earlier story and are not read"),
        ("duplicates", counts.duplicates, "known before"),
        ("rejected", counts.rejected, reasons),
        ("processed", read.processed, "documents"),
        ("needs review", read.needs_review, "documents whose answers the text does not support"),
        ("failed", read.failed, "documents that could not be read"),
        ("events", read.events, ""),
        ("evidence", read.evidence, f"on {report.symbols} symbols"),
    ):
        table.add_row(name, f"{value:,}", remark)
    out.print(table)
    known = "known from their publication on" if report.as_published else "known from now on"
    out.print(
        f"{report.seconds:.1f} s, {rates['records_per_second']:,.0f} records a second, "
        f"{rates['accepted_per_second']:,.0f} of them new; {known}"
    )
