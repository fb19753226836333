"""Documents read in a batch, by the rules: what `ProcessDocument` does with each, without a step between them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from activities.classification import ClassifiedDocument, macro_input
from activities.documents import extraction_input
from activities.extraction import AGENT, extraction_id_of
from domain.agents import RULES_READER
from domain.documents import DocumentStatus
from domain.evidence import evidence_values
from domain.extraction import Extraction, ExtractionInput
from domain.ids import digest
from domain.macro import MacroInput, MacroReading, concerns_economy, validate_macro
from domain.search import indexed_text
from domain.text import strip_invisible
from domain.validation import validate_extraction
from store import documents
from store.backfills import Readings
from store.database import values_as_json
from store.documents import AgentCall, DocumentHead, Reading
from store.objects import Pack, pack_of
from store.registry import SymbolMaster
from store.search import index_values

Extract = Callable[[ExtractionInput], Extraction]
Classify = Callable[[MacroInput], MacroReading]


@dataclass(frozen=True)
class BatchReading:
    """What a batch came to: the rows, and the object in which the readings lie."""

    readings: Readings
    pack: Pack


def call_id(run_id: str, doc_id: str) -> str:
    """A backfill reads a document once: every attempt to makes the same call."""
    return digest("call", run_id, doc_id)


def read_batch(
    heads: Iterable[DocumentHead],
    raw: Mapping[str, bytes],
    master: SymbolMaster,
    extract: Extract,
    classify: Classify,
    *,
    run_id: str,
    now: datetime,
) -> BatchReading:
    """Parse, extract, classify and check documents. One that cannot be read is failed, and no other suffers from it."""
    batch = _Collected()
    for head in heads:
        began = time.monotonic()
        try:
            document = json.loads(raw[head.raw_key])
            source = extraction_input(head, document["title"], document["text"], master)
            began = time.monotonic()
            reading = Reading(
                available_at=head.available_at,
                source=source,
                takes_back=head.takes_back,
                answer=extract(source),
                call=_call(run_id, head.doc_id, began=began, problem="", now=now),
            )
            economy = _classified(reading, classify, run_id=run_id, now=now)
            _add(batch, reading, economy, now=now)
        except Exception as error:  # whatever the text brought about
            problem = strip_invisible(f"{type(error).__name__}: {error}"[:1_000])
            batch.documents.append(_outcome(head.doc_id, DocumentStatus.FAILED, error=f"extract: {problem}"))
            call = _call(run_id, head.doc_id, began=began, problem=problem, now=now)
            batch.calls.append(_call_values(call, head.doc_id, "", 0, 0))
    return batch.packed()


@dataclass
class _Collected:
    """Rows, and the readings of those documents that could be read."""

    bodies: list[bytes] = field(default_factory=list)
    documents: list[dict[str, Any]] = field(default_factory=list)
    extractions: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    evidence: list[dict[str, Any]] = field(default_factory=list)
    classifications: list[dict[str, Any]] = field(default_factory=list)
    macro_events: list[dict[str, Any]] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    found_by: list[dict[str, Any]] = field(default_factory=list)

    def packed(self) -> BatchReading:
        """Give each row the key of its reading, and write the rows as they are sent."""
        pack = pack_of(self.bodies)
        keys = {row["doc_id"]: key for row, key in zip(self.extractions, pack.keys, strict=True)}
        for row in self.extractions:
            row["result_key"] = keys[row["doc_id"]]
        for row in self.documents:
            row["text_key"] = keys.get(row["doc_id"], "")
        readings = Readings(
            extractions=values_as_json([*self.extractions, *self.classifications]),
            macro_events=values_as_json(self.macro_events),
            events=values_as_json(self.events),
            evidence=values_as_json(self.evidence),
            calls=values_as_json(self.calls),
            documents=values_as_json(self.documents),
            found_by=values_as_json(self.found_by),
        )
        return BatchReading(readings, pack)


def _classified(reading: Reading, classify: Classify, *, run_id: str, now: datetime) -> ClassifiedDocument | None:
    if not concerns_economy(reading.source.text):
        return None
    began = time.monotonic()
    source = macro_input(reading)
    answer = classify(source)
    return ClassifiedDocument(
        text=reading,
        valid=validate_macro(answer, source),
        answer=answer,
        variant_id=RULES_READER,
        call_id=digest("call", run_id, source.doc_id, "economy"),
        latency_ms=int((time.monotonic() - began) * 1_000),
        recorded_at=now,
    )


def _add(batch: _Collected, reading: Reading, economy: ClassifiedDocument | None, *, now: datetime) -> None:
    doc_id = reading.source.doc_id
    valid = validate_extraction(reading.answer, reading.source)
    extraction_id = extraction_id_of(doc_id, reading.answer)
    status = documents.status_of(valid, unusable=economy is not None and bool(economy.review))
    found = evidence_values(valid, extraction_id=extraction_id, doc_id=doc_id, available_at=reading.available_at)
    batch.bodies.append(reading.model_dump_json().encode())
    batch.documents.append(_outcome(doc_id, status, error=economy.review if economy is not None else ""))
    batch.extractions.append(
        {
            "extraction_id": extraction_id,
            "doc_id": doc_id,
            "agent": AGENT,
            "variant_id": RULES_READER,
            "experiment": "",
            "shadow": False,
            "superseded": False,
            "extractor": reading.answer.extractor.value,
            "extractor_version": reading.answer.extractor_version,
            "status": status.value,
            "quotes_total": valid.quotes_total,
            "quotes_valid": valid.quotes_valid,
            "dropped": list(valid.dropped),
            "recorded_at": now,
        }
    )
    batch.events += found.events
    batch.evidence += found.evidence
    symbols = sorted({str(values["symbol"]) for values in found.evidence})
    batch.found_by.append(index_values(doc_id, indexed_text(reading.source.text), symbols))
    version = reading.answer.extractor_version
    batch.calls.append(_call_values(reading.call, doc_id, version, valid.quotes_total, valid.quotes_valid))
    if economy is not None:
        batch.classifications.append(economy.extraction())
        batch.macro_events += economy.events()
        batch.calls.append(economy.call())


def _outcome(doc_id: str, status: DocumentStatus, *, error: str = "") -> dict[str, Any]:
    return {"doc_id": doc_id, "status": status.value, "error": error}


def _call(run_id: str, doc_id: str, *, began: float, problem: str, now: datetime) -> AgentCall:
    return AgentCall(
        call_id=call_id(run_id, doc_id),
        agent=AGENT,
        attempt=1,
        latency_ms=int((time.monotonic() - began) * 1_000),
        problem=problem,
        recorded_at=now,
    )


def _call_values(call: AgentCall, doc_id: str, version: str, quotes_total: int, quotes_valid: int) -> dict[str, Any]:
    return {
        **documents.BLANK_CALL,
        "call_id": call.call_id,
        "agent": call.agent,
        "variant_id": RULES_READER,
        "doc_id": doc_id,
        "extractor_version": version,
        "attempt": call.attempt,
        "latency_ms": call.latency_ms,
        "valid": not call.problem,
        "problem": call.problem,
        "quotes_total": quotes_total,
        "quotes_valid": quotes_valid,
        "recorded_at": call.recorded_at,
    }
