"""From a document of the corpus to answers, through the code that reads real ones."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from importlib import resources

from activities.adapters.agents.document_extractor import DocumentExtractor
from activities.adapters.agents.frame import mark_for
from activities.adapters.feeds import feed
from activities.adapters.pages.page import parse_page
from activities.adapters.rules import RulesExtractor
from activities.documents import extraction_input
from activities.registration import compared_text, resolve_labels
from domain.cross_check import claim_limit, tempered
from domain.decisions import EvidenceItem
from domain.documents import DatePrecision, Section, SourceDocument
from domain.evidence import evidence_values
from domain.extraction import Extraction, ExtractionInput, ExtractorKind, ValidatedExtraction
from domain.fetching import HttpAnswer
from domain.ids import digest
from domain.novelty import shingles
from domain.sources import FeedConfig
from domain.validation import validate_extraction
from store.documents import DocumentHead
from store.registry import SymbolMaster
from store.tables.registry import Company, CompanyAlias
from tests.redteam.corpus import HostileDocument, named

PUBLISHED = datetime(2024, 5, 13, 14, 5, tzinfo=UTC)
SITE = "tips.example"
MARK = "@MARK@"

_URL = f"https://{SITE}/story"
_TYPES = {"html": "text/html", "mail": "message/rfc822", "filing": "text/plain"}
_RULES = RulesExtractor()


@dataclass(frozen=True)
class Read:
    """A document as it reaches an extractor, and what the rules say of it."""

    document: SourceDocument
    source: ExtractionInput
    rules: ValidatedExtraction


def doc_id_of(hostile: HostileDocument) -> str:
    """An id that the document can know, so that one whose author guessed its mark can be in the corpus."""
    return digest("redteam", hostile.id)


def read(hostile: HostileDocument) -> Read:
    return _read(hostile.id)


@cache
def _read(hostile_id: str) -> Read:
    hostile = named(hostile_id)
    document = source_document(hostile)
    master = packaged_master()
    labels, _ = resolve_labels(document, master)
    head = DocumentHead(
        doc_id=doc_id_of(hostile),
        raw_key="",
        language=document.language,
        published_at=document.published_at,
        available_at=document.published_at,
        symbols=tuple(sorted(symbol for symbol, _ in labels)),
        sections=tuple(section.model_dump() for section in document.sections),
    )
    source = extraction_input(head, document.title, document.text, master)
    return Read(document, source, validate_extraction(_RULES.extract(source), source))


def source_document(hostile: HostileDocument) -> SourceDocument:
    """The document as its source's adapter yields it."""
    body = "\n".join(hostile.body).replace(MARK, mark_for(doc_id_of(hostile)))
    if hostile.form == "rss":
        return _entry(body)
    title, text = hostile.title, body
    sections: tuple[Section, ...] = ()
    if hostile.form in _TYPES:
        page = parse_page(body.encode(), _TYPES[hostile.form], _URL)
        title, text, sections = page.title, page.text, page.sections
    return SourceDocument(
        title=title,
        text=text,
        published_at=PUBLISHED,
        precision=DatePrecision.INSTANT,
        tickers=hostile.tickers,
        publisher=SITE,
        language=hostile.language,
        sections=sections,
        location=SITE,
    )


def _entry(item: str) -> SourceDocument:
    body = f"<?xml version='1.0'?><rss version='2.0'><channel><title>{SITE}</title>{item}</channel></rss>"
    config = FeedConfig(url=f"https://{SITE}/feed")
    answer = HttpAnswer(status=200, url=config.url, body=body.encode(), headers={}, fetched_at=PUBLISHED)
    (document,) = feed.read(config, "", answer, PUBLISHED).documents
    return document


def talked_over(hostile: HostileDocument) -> Extraction | None:
    """What the model's adapter makes of the answer; None where it refuses it.

    The one place that knows how the adapter reads an answer.
    """
    return DocumentExtractor().judge(hostile.answer_text(), read(hostile).source, version="talked-over").value


def obeyed(hostile: HostileDocument) -> ValidatedExtraction:
    """What is left of a talked-over model's answer: after its adapter, the hard checks and the rules' witness.

    Nothing where the adapter refuses it: the document is then for a person.
    """
    found = read(hostile)
    nothing = Extraction(doc_id=found.source.doc_id, extractor=ExtractorKind.MODEL, extractor_version="talked-over")
    said = talked_over(hostile) or nothing
    valid = validate_extraction(claim_limit(said), found.source)
    return valid.model_copy(update={"extraction": tempered(valid.extraction, found.rules.extraction).extraction})


def evidence_of(
    hostile: HostileDocument, valid: ValidatedExtraction, *, minute: int = 0, site: str = SITE
) -> list[EvidenceItem]:
    """The evidence as the book would give it back, of the document published `minute` minutes past two."""
    document = read(hostile).document
    at = PUBLISHED.replace(minute=minute)
    doc_id = valid.extraction.doc_id
    rows = evidence_values(valid, extraction_id=doc_id, doc_id=doc_id, available_at=at).evidence
    columns = ("evidence_id", "doc_id", "extraction_id", "symbol", "event_type", "role", "materiality", "sentiment")
    return [
        EvidenceItem.model_validate(
            {
                **{name: row[name] for name in columns},
                "confidence": row["confidence"],
                "quote": row["quote"],
                "available_at": at,
                "published_at": at,
                "quote_validity": valid.quote_validity,
                "credibility": hostile.credibility,
                "extractor": valid.extraction.extractor,
                "content_hash": document.content_hash(),
                "publisher": site,
                "title": document.title,
                "shingles": shingles(compared_text(document)),
            }
        )
        for row in rows
    ]


@cache
def packaged_master() -> SymbolMaster:
    """The registry as it is packaged."""
    folder = resources.files("store") / "seeds"

    def rows(name: str) -> list[dict[str, str]]:
        with (folder / name).open(encoding="utf-8") as file:
            return list(csv.DictReader(file))

    companies = {
        row["symbol"]: Company(
            symbol=row["symbol"], name=row["name"], cik=row["cik"], active_from=_day(row["active_from"])
        )
        for row in rows("companies.csv")
    }
    names = {symbol: {company.name} for symbol, company in companies.items()}
    tickers: dict[str, list[CompanyAlias]] = {}
    spoken = []
    for row in rows("aliases.csv"):
        alias = CompanyAlias(
            alias_id=digest(row["symbol"], row["alias"], row["kind"]),
            symbol=row["symbol"],
            alias=row["alias"],
            kind=row["kind"],
            valid_from=_day(row["valid_from"]),
            valid_to=_day(row["valid_to"]),
        )
        if alias.kind == "ticker":
            tickers.setdefault(alias.alias, []).append(alias)
            continue
        spoken.append(alias)
        if alias.kind != "name_ambiguous":
            names[alias.symbol].add(alias.alias)
    return SymbolMaster(
        companies=companies,
        tickers={label: tuple(found) for label, found in tickers.items()},
        names={symbol: tuple(sorted(found, key=lambda n: (-len(n), n))) for symbol, found in names.items()},
        spoken=tuple(spoken),
    )


def _day(value: str) -> date | None:
    return date.fromisoformat(value) if value else None
