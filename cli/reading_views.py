"""What is read on a terminal: what a search found, a document with its readings, and where it led."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from datetime import datetime

from rich.text import Text

from api.operations.document_texts import DocumentText
from api.operations.documents import DocumentDetail
from api.operations.extractions import EventView, ExtractionView
from api.operations.lineage import Lineage, Node
from api.operations.searching import HitView, SnippetView
from cli.output import err, out

WIDTH = 80
TEXT_SHOWN = 1_200
"""Characters of a document's text; `--text` shows all."""
FOUND = "bold yellow"


def show_hits(found: Sequence[HitView], *, more: bool) -> None:
    if not found:
        err.print("Nothing was found: every word must occur as it is written, in the title or the text.")
        return
    for hit in found:
        about = f"  {', '.join(hit.symbols)}" if hit.symbols else ""
        out.print(Text(f"{hit.doc_id}  {_when(hit.available_at)}{about}", style="dim"), width=WIDTH)
        out.print(Text(_printable(hit.title), style="bold"), width=WIDTH, overflow="fold")
        if hit.snippet is not None:
            out.print(_marked(hit.snippet), width=WIDTH, overflow="fold")
        out.print()
    if more:
        err.print("There is more: raise --limit, or narrow it with --symbol, --source, --from, --to")
    err.print("`stonks documents show ID` shows a document, `stonks lineage ID` where it led", markup=False)


def show_document(
    document: DocumentDetail, content: DocumentText | None, readings: Sequence[ExtractionView], *, whole: bool
) -> None:
    out.print(Text(_printable(document.title), style="bold"), width=WIDTH, overflow="fold")
    _line(f"{document.doc_id}, {document.status}" + (f": {document.error}" if document.error else ""))
    _line(f"{document.publisher or document.source_id}, published {_when(document.published_at)}")
    _line(f"known since {_when(document.available_at)}, brought by {document.run_id}")
    if document.symbols:
        _line(f"about {', '.join(document.symbols)}")
    if document.url:
        out.print(Text(_printable(document.url), style="dim"), soft_wrap=True)
    for other in document.related:
        what = f"{other.doc_id} is a later {other.relation}" if other.later else f"{other.relation} of {other.doc_id}"
        _line(f"{what} ({other.reason})" if other.reason else what)
    if content is None:
        err.print("Its text is gone from the object store.")
    else:
        out.print()
        _text(content.text, whole=whole)
    for reading in readings:
        _reading(reading)
    if not readings:
        out.print("\nNobody has read it yet.")


def show_lineage(found: Lineage) -> None:
    """Each step with what it came from: only what leads on is marked by its origin."""
    before: dict[str, list[str]] = {}
    shares: dict[tuple[str, str], str] = {}
    for edge in found.edges:
        before.setdefault(edge.target, []).append(edge.source)
        if "share" in edge.facts:
            shares[edge.source, edge.target] = edge.facts["share"]
    nodes = {node.id: node for node in found.nodes}
    kind = ""
    for node in found.nodes:
        if node.kind.value != kind:
            kind = node.kind.value
            out.print(f"\n[bold]{kind}[/]")
        _node(node, [(nodes[each], shares.get((each, node.id), "")) for each in before.get(node.id, ())])
    for cut in found.truncated:
        err.print(f"There is more of this kind than is shown: {cut.value}")


def _node(node: Node, origins: Sequence[tuple[Node, str]]) -> None:
    when = f"  {_when(node.at)}" if node.at is not None else ""
    out.print(Text(f"  {_printable(node.label)}{when}"), width=WIDTH, overflow="fold")
    out.print(Text(f"    {_printable(node.key)}", style="dim"), width=WIDTH, overflow="fold")
    for origin, share in origins:
        added = f", {share} of its score" if share else ""
        out.print(
            Text(f"    from {origin.kind.value} {_printable(origin.label)}{added}", style="dim"),
            width=WIDTH,
            overflow="fold",
        )


def _reading(reading: ExtractionView) -> None:
    notes = [name for name, said in (("in shadow", reading.shadow), ("superseded", reading.superseded)) if said]
    quotes = f"{reading.quotes_valid} of {reading.quotes_total} quotes hold"
    out.print()
    out.print(
        Text(f"Read by {reading.extractor_version} for {reading.agent}", style="bold"), width=WIDTH, overflow="fold"
    )
    _line(", ".join([_when(reading.recorded_at), quotes, *notes]))
    for event in reading.events:
        _event(event)
    for said in reading.statements:
        _line(f"  {said.factor} {said.name} {said.direction:+.2f} ({said.topic})")
        for quote in said.quotes:
            _line(f"    “{quote.quote}”")
    for dropped in reading.dropped:
        _line(f"  not kept: {dropped}")


def _event(event: EventView) -> None:
    about = ", ".join(event.symbols) or "nobody in particular"
    _line(f"  {event.type} ({event.materiality}), {about}, confidence {event.confidence:.2f}")
    for quote in event.quotes:
        _line(f"    “{quote.quote}” [{quote.start}:{quote.end}]")


def _marked(snippet: SnippetView) -> Text:
    """The piece with the words that were found in another colour; line ends of the text are blanks here."""
    marked = Text("".join(_shown(char) for char in snippet.text))
    for span in snippet.highlights:
        marked.stylize(FOUND, span.start - snippet.start, span.end - snippet.start)
    return marked


def _text(text: str, *, whole: bool) -> None:
    shown = text if whole else text[:TEXT_SHOWN]
    for paragraph in shown.split("\n"):
        wrapped = textwrap.wrap(_printable(paragraph), WIDTH, break_on_hyphens=False)
        out.print(Text("\n".join(wrapped)))
    if len(shown) < len(text):
        err.print(f"and {len(text) - len(shown):,} characters more: --text shows them all")


def _line(text: str) -> None:
    out.print(Text(_printable(text)), width=WIDTH, overflow="fold")


def _printable(text: str) -> str:
    """Without control characters: a document must not be able to steer the terminal."""
    return "".join(_shown(char) for char in text)


def _shown(char: str) -> str:
    return char if char.isprintable() else " "


def _when(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%d %H:%M UTC")
