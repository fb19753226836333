"""Documents that went the whole way: registered, parsed, read by the real rules, checked, saved, indexed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from temporalio.testing import ActivityEnvironment

from activities.adapters.agents.document_extractor import DocumentExtractor
from activities.adapters.calendar import ExchangeCalendar
from activities.adapters.files.actions import read_actions
from activities.adapters.files.bars import read_bars
from activities.adapters.files.documents import read_documents
from activities.classification import ClassificationActivities
from activities.documents import DocumentActivities
from activities.extraction import ExtractionActivities
from activities.registration import Origin, Registration
from activities.research import ResearchActivities
from cli.demo_data import actions_path, bars_path, documents_path
from domain.documents import Credibility, DatePrecision, Section, SourceDocument
from domain.ingestion import DocumentRequest, IngestRequest
from domain.market import Bar, CorporateAction
from domain.registry import NameKind, NewAlias, NewCompany
from domain.research import AssessRequest, EconomyNotice, EvidenceNotice
from domain.sources import FileSourceConfig
from store import facts, registry, sources
from tests.api.harness import Platform
from tests.documents.test_processing import Rules

SOURCE = "library"
COMPANIES = {
    "GS": NewCompany(symbol="ZGS", name="The Zoldman Sachs Group, Inc.", sector="Financials"),
    "BA": NewCompany(symbol="ZBA", name="The Zoeing Company", sector="Industrials"),
    "IBM": NewCompany(symbol="ZBM", name="International Zbusiness Machines", sector="Information Technology"),
}
"""Companies of the packaged fortnight, under symbols and names of which no other test speaks."""
NAMES = {"Goldman Sachs": "Zoldman Sachs", "Goldman": "Zoldman", "Boeing": "Zoeing", "IBM": "ZBM"}
ALIASES = {"ZGS": ("Zoldman", "Zoldman Sachs"), "ZBA": ("Zoeing",), "ZBM": ("ZBM",)}
AS_OF = datetime(2014, 7, 16, 13, 0, tzinfo=UTC)


class Nobody:
    """Is told, and does nothing."""

    async def tell_symbol(self, _: EvidenceNotice) -> None:
        return

    async def tell_universe(self, _: EconomyNotice) -> None:
        return


class Library:
    """The activities that read documents, with nobody to be told."""

    def __init__(self, platform: Platform) -> None:
        self._parts = parts = platform.parts
        flows: Any = Nobody()
        self._documents = DocumentActivities(parts.database, parts.objects, flows, parts.resolver)
        self._extraction = ExtractionActivities(
            parts.database,
            parts.objects,
            parts.resolver,
            Rules(),
            parts.desk,
            DocumentExtractor(),
            attempt=lambda: 1,
        )
        self._classification: ClassificationActivities = parts.classification_activities()
        self._research = ResearchActivities(
            parts.database,
            parts.objects,
            flows,
            ExchangeCalendar(today=datetime.now(UTC).date()),
            parts.resolver,
            code_version="1.2.3",
        )

    async def open(self) -> list[str]:
        """Bring the packaged documents on some companies in, with their bars. Returns the documents' ids."""
        found = [
            _renamed(each)
            for each in read_documents(FileSourceConfig(path=str(documents_path())), not_after=datetime.now(UTC))
            if isinstance(each, SourceDocument) and not COMPANIES.keys().isdisjoint(each.tickers)
        ]
        bars = [each for each in read_bars(bars_path(), symbols=frozenset(COMPANIES)) if isinstance(each, Bar)]
        actions = [each for each in read_actions(actions_path()) if isinstance(each, CorporateAction)]
        async with self._parts.database.transaction() as session:
            for wanted in COMPANIES.values():
                row = await registry.create(session, wanted=wanted, actor="test", now=AS_OF)
                for alias in ALIASES[wanted.symbol]:
                    await registry.add_alias(
                        session, row, wanted=NewAlias(alias=alias, kind=NameKind.NAME), actor="test", now=AS_OF
                    )
            await facts.save_bars(
                session, [each.model_copy(update={"symbol": COMPANIES[each.symbol].symbol}) for each in bars]
            )
            await facts.save_actions(
                session,
                [
                    each.model_copy(update={"symbol": COMPANIES[each.symbol].symbol})
                    for each in actions
                    if each.symbol in COMPANIES
                ],
            )
        return [await self.read(each) for each in found]

    async def read(self, document: SourceDocument, *, source: str = SOURCE, answer_key: str = "") -> str:
        """Register one document and read it. Returns its id."""
        doc_id = await self.register(document, source=source, answer_key=answer_key)
        await self.process(doc_id, source=source)
        return doc_id

    async def register(self, document: SourceDocument, *, source: str = SOURCE, answer_key: str = "") -> str:
        parts = self._parts
        async with parts.database.transaction() as session:
            await sources.save(
                session, source_id=source, config=FileSourceConfig(path="library.jsonl"), created_at=AS_OF
            )
            await sources.start_run(
                session, run_id=f"{source}/run", source_id=source, started_at=AS_OF, workflow_id=f"ingest/{source}/run"
            )
            master = await registry.load_master(session)
        request = IngestRequest(source_id=source, run_id=f"{source}/run")
        origin = Origin(
            source_id=source, publisher="Library", credibility=Credibility.WIRE.value, answer_key=answer_key
        )
        registration = Registration(parts.database, parts.objects, request, origin, driven=True)
        await registration.add([document], master, now=datetime.now(UTC))
        return document.doc_id()

    async def process(self, doc_id: str, *, source: str = SOURCE) -> None:
        """Do what the document's workflow does."""
        environment = ActivityEnvironment()
        parsed = await self._documents.parse(DocumentRequest(doc_id=doc_id, source_id=source))
        reference = await environment.run(self._extraction.extract, parsed)
        if parsed.classifier is not None:
            await environment.run(self._classification.classify, parsed)
        await self._documents.save_evidence(reference)

    async def assess(self, symbol: str, as_of: datetime = AS_OF) -> str:
        """Assess a symbol. Returns the recommendation's id."""
        request = AssessRequest(symbol=symbol, as_of=as_of)
        return (await ActivityEnvironment().run(self._research.assess, request)).recommendation_id


async def company(platform: Platform, symbol: str) -> str:
    """Add a company that only the caller speaks of, so that what other tests leave is not about it."""
    async with platform.parts.database.transaction() as session:
        wanted = NewCompany(symbol=symbol, name=f"{symbol.capitalize()} Works")
        await registry.create(session, wanted=wanted, actor="test", now=AS_OF)
    return symbol


def _renamed(document: SourceDocument) -> SourceDocument:
    """Tell the same of a company of the library's own. Its name is as long, so that offsets stay right."""
    title, text = document.title, document.text
    for name, own in NAMES.items():
        title, text = title.replace(name, own), text.replace(name, own)
    tickers = sorted(COMPANIES[each].symbol for each in document.tickers if each in COMPANIES)
    return document.model_copy(update={"title": title, "text": text, "tickers": tuple(tickers)})


def story(
    title: str,
    text: str,
    *,
    at: datetime = AS_OF,
    tickers: Sequence[str] = (),
    sections: Sequence[Section] = (),
) -> SourceDocument:
    return SourceDocument(
        title=title,
        text=text,
        published_at=at,
        precision=DatePrecision.INSTANT,
        tickers=tuple(tickers),
        sections=tuple(sections),
        location="library.jsonl:1",
    )
