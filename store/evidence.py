"""All evidence of a period as columns, for backtests: one query, and no object of a statement that nobody names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.evidence_columns import (
    CLAIM_CODES,
    EVENT_CODES,
    READER_CODES,
    ROLE_CODES,
    TRUST_CODES,
    Codes,
    EvidenceColumns,
    RecordedEvidence,
    Written,
    coded,
    numbered,
    passages,
)
from domain.extraction import ExtractorKind
from domain.packed_texts import PackedTexts
from domain.sources import site_of
from store.database import in_groups

_EVIDENCE = """
    SELECT evidence.symbol, (extract(epoch FROM evidence.available_at) * 1000000)::bigint, evidence.event_type,
           evidence.role, evidence.materiality, documents.credibility, evidence.sentiment, evidence.confidence,
           extractions.quotes_valid, extractions.quotes_total, documents.source_id, sources.kind, evidence.doc_id,
           evidence.evidence_id, documents.shingles, evidence.extraction_id,
           (extract(epoch FROM documents.published_at) * 1000000)::bigint, extractions.extractor,
           documents.content_hash, documents.publisher, documents.title, evidence.quote
    FROM evidence
    JOIN documents ON documents.doc_id = evidence.doc_id
    JOIN sources ON sources.source_id = documents.source_id
    JOIN extractions ON extractions.extraction_id = evidence.extraction_id
    WHERE evidence.available_at > $1 AND evidence.available_at <= $2 AND NOT extractions.superseded
          AND ($3 = '' OR extractions.extractor = $3)
    ORDER BY evidence.symbol, evidence.available_at, evidence.evidence_id
"""


class _Columns(NamedTuple):
    """A column of the query each."""

    symbol: Sequence[str]
    micros: Sequence[int]
    event_type: Sequence[str]
    role: Sequence[str]
    materiality: Sequence[str]
    credibility: Sequence[str]
    sentiment: Sequence[float]
    confidence: Sequence[float]
    quotes_valid: Sequence[int]
    quotes_total: Sequence[int]
    source_id: Sequence[str]
    kind: Sequence[str]
    doc_id: Sequence[str]
    evidence_id: Sequence[str]
    shingles: Sequence[Sequence[int]]
    extraction_id: Sequence[str]
    published: Sequence[int]
    extractor: Sequence[str]
    content_hash: Sequence[str]
    publisher: Sequence[str]
    title: Sequence[str]
    quote: Sequence[str]


async def evidence_between(
    session: AsyncSession, *, after: datetime, until: datetime, only_rules: bool = False
) -> dict[str, RecordedEvidence]:
    """All evidence of a period, also what was taken back, by symbol, ordered by (available_at, evidence id).

    Args:
        only_rules: leave out what models read.
    """
    by = ExtractorKind.RULES.value if only_rules else ""
    groups = in_groups(session, _EVIDENCE, after, until, by)
    return dict(sorted([(symbol, _recorded(symbol, rows)) async for symbol, rows in groups]))


def _recorded(symbol: str, rows: Sequence[Any]) -> RecordedEvidence:
    """One symbol's rows, column by column."""
    of = _Columns(*zip(*rows, strict=True))
    sites = [_site(*each) for each in zip(of.source_id, of.kind, of.publisher, strict=True)]
    valid, total = np.array(of.quotes_valid, dtype=np.float64), np.array(of.quotes_total, dtype=np.float64)
    columns = EvidenceColumns(
        micros=np.array(of.micros, dtype=np.int64),
        event=_codes(EVENT_CODES, of.event_type),
        role=_codes(ROLE_CODES, of.role),
        materiality=_codes(CLAIM_CODES, of.materiality),
        credibility=_codes(TRUST_CODES, of.credibility),
        sentiment=np.array(of.sentiment, dtype=np.float64),
        confidence=np.array(of.confidence, dtype=np.float64),
        validity=np.where(total > 0, valid / np.where(total > 0, total, 1.0), 1.0),
        site=numbered(sites),
        document=numbered(of.doc_id),
        doc_ids=PackedTexts.of(of.doc_id),
        evidence_ids=PackedTexts.of(of.evidence_id),
        **passages(of.shingles),
        plain=True,
    )
    written = Written(
        published=np.array(of.published, dtype=np.int64),
        extractor=_codes(READER_CODES, of.extractor),
        extraction_id=PackedTexts.of(of.extraction_id),
        content_hash=PackedTexts.of(of.content_hash),
        publisher=PackedTexts.of(of.publisher),
        site=PackedTexts.of(sites),
        title=PackedTexts.of(of.title),
        quote=PackedTexts.of(of.quote),
    )
    return RecordedEvidence(symbol, columns, written)


def _codes(codes: Mapping[Any, int], values: Sequence[str]) -> Codes:
    """Look codes up by value: a member of such an enumeration is found as the text that it is."""
    return coded([codes[each] for each in values])


_site = cache(site_of)
