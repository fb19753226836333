"""How an agent's variants did: counted by the database over a window of time, never row by row in memory.

A document counts once for a variant, with what its newest attempt came to. Where the rules took over from a model, that
is no attempt of the model's, and the document counts as one without a usable answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlmodel.ext.asyncio.session import AsyncSession

from domain.agents import BASELINE
from domain.comparison import (
    CONFIDENCE,
    Challenger,
    Comparison,
    PairCounts,
    PairedFigures,
    Quantile,
    VariantFigures,
    paired_difference,
    quantile_of,
    quantile_ranks,
    rate,
    unpaired_difference,
)
from store.database import fetch
from store.tables.agents import AgentVariant

PROBLEM_CODES = 10
"""Of these many problems the figures tell, the most frequent."""
QUANTILES = (0.5, 0.95)

_LOG = """
    WITH log AS (
        SELECT variant_id, doc_id, kind, cached, latency_ms, tokens_in, tokens_out, cost_dollars, valid, problem,
               quotes_total, quotes_valid, recorded_at, attempt, call_id,
               (extractor_version LIKE 'rules%' AND NOT valid) AS taken_over
        FROM agent_performance_log
        WHERE agent = $1 AND variant_id = ANY($2::text[]) AND recorded_at >= $3 AND recorded_at <= $4
              AND doc_id <> '' AND doc_id NOT LIKE 'sentence/%'
    )
"""  # labelled sentences are no documents: they have figures of their own
_NEWEST = """
    newest AS (
        SELECT DISTINCT ON (variant_id, doc_id) variant_id, doc_id, valid, quotes_total, quotes_valid
        FROM log ORDER BY variant_id, doc_id, recorded_at DESC, attempt DESC, call_id
    )
"""
_FIGURES = f"""
    {_LOG}, {_NEWEST}, firsts AS (
        SELECT DISTINCT ON (variant_id, doc_id) variant_id, doc_id, valid
        FROM log WHERE kind = 'first' ORDER BY variant_id, doc_id, recorded_at DESC, attempt DESC, call_id
    ), again AS (
        SELECT DISTINCT variant_id, doc_id FROM log WHERE kind <> 'first'
    ), documents AS (
        SELECT newest.variant_id, count(*) AS documents, count(*) FILTER (WHERE newest.valid) AS valid,
               COALESCE(sum(newest.quotes_total) FILTER (WHERE newest.valid), 0) AS quotes_total,
               COALESCE(sum(newest.quotes_valid) FILTER (WHERE newest.valid), 0) AS quotes_valid,
               count(*) FILTER (WHERE firsts.valid) AS first_valid, count(again.doc_id) AS again,
               count(again.doc_id) FILTER (WHERE newest.valid) AS repaired
        FROM newest LEFT JOIN firsts USING (variant_id, doc_id) LEFT JOIN again USING (variant_id, doc_id)
        GROUP BY newest.variant_id
    ), attempts AS (
        SELECT variant_id, count(*) FILTER (WHERE NOT taken_over) AS attempts,
               count(*) FILTER (WHERE NOT cached AND NOT taken_over) AS timed,
               sum(tokens_in) AS tokens_in, sum(tokens_out) AS tokens_out, sum(cost_dollars) AS cost
        FROM log GROUP BY variant_id
    )
    SELECT * FROM documents JOIN attempts USING (variant_id)
"""  # noqa: S608 - built from the constants above
_LATENCIES = f"""
    {_LOG}, ranked AS (
        SELECT variant_id, latency_ms, row_number() OVER (PARTITION BY variant_id ORDER BY latency_ms) AS rank
        FROM log WHERE NOT cached AND NOT taken_over
    )
    SELECT variant_id, rank, latency_ms FROM ranked
    JOIN unnest($5::text[], $6::bigint[]) AS wanted (variant_id, rank) USING (variant_id, rank)
"""  # noqa: S608 - built from the constants above
_PROBLEMS = f"""
    {_LOG}, told AS (
        SELECT variant_id, COALESCE(substring(problem FROM '^[A-Z][A-Z0-9_]{{2,}}'), 'ANSWER_INVALID') AS code, doc_id
        FROM log WHERE NOT valid
    ), counted AS (
        SELECT variant_id, code, count(DISTINCT doc_id) AS documents,
               row_number() OVER (PARTITION BY variant_id ORDER BY count(DISTINCT doc_id) DESC, code) AS place
        FROM told GROUP BY variant_id, code
    )
    SELECT variant_id, code, documents FROM counted WHERE place <= $5 ORDER BY variant_id, place
"""  # noqa: S608 - built from the constants above
_PAIRS = f"""
    {_LOG}, {_NEWEST}, pairs AS (
        SELECT other.variant_id, other.valid AS one, champion.valid AS two,
               other.valid AND champion.valid AND other.quotes_total > 0 AND champion.quotes_total > 0 AS quoted,
               other.quotes_valid = other.quotes_total AS one_stands,
               champion.quotes_valid = champion.quotes_total AS two_stands
        FROM newest AS champion JOIN newest AS other USING (doc_id)
        WHERE champion.variant_id = $5 AND other.variant_id <> $5
    )
    SELECT variant_id,
           count(*) FILTER (WHERE one AND two) AS both,
           count(*) FILTER (WHERE one AND NOT two) AS challenger,
           count(*) FILTER (WHERE two AND NOT one) AS champion,
           count(*) FILTER (WHERE NOT one AND NOT two) AS neither,
           count(*) FILTER (WHERE quoted AND one_stands AND two_stands) AS quotes_both,
           count(*) FILTER (WHERE quoted AND one_stands AND NOT two_stands) AS quotes_challenger,
           count(*) FILTER (WHERE quoted AND two_stands AND NOT one_stands) AS quotes_champion,
           count(*) FILTER (WHERE quoted AND NOT one_stands AND NOT two_stands) AS quotes_neither
    FROM pairs GROUP BY variant_id
"""  # noqa: S608 - built from the constants above
_SENTENCES = """
    WITH newest AS (
        SELECT DISTINCT ON (variant_id, dataset_hash) variant_id, dataset_hash, "right" AS sentences
        FROM agent_evaluations
        WHERE agent_id = $1 AND variant_id = ANY($2::text[]) AND recorded_at >= $3 AND recorded_at <= $4
        ORDER BY variant_id, dataset_hash, recorded_at DESC, evaluation_id
    ), judged AS (
        SELECT variant_id, dataset_hash, sentence.key, sentence.value = 'true'::jsonb AS good
        FROM newest, jsonb_each(sentences) AS sentence
    ), pairs AS (
        SELECT DISTINCT ON (other.variant_id, key) other.variant_id, other.good AS one, champion.good AS two
        FROM judged AS champion JOIN judged AS other USING (dataset_hash, key)
        WHERE champion.variant_id = $5 AND other.variant_id <> $5
        ORDER BY other.variant_id, key, dataset_hash
    )
    SELECT variant_id,
           count(*) FILTER (WHERE one AND two) AS both,
           count(*) FILTER (WHERE one AND NOT two) AS challenger,
           count(*) FILTER (WHERE two AND NOT one) AS champion,
           count(*) FILTER (WHERE NOT one AND NOT two) AS neither
    FROM pairs GROUP BY variant_id
"""  # a sentence that two samples hold counts once
_ANSWERS = """
    WITH read AS (
        SELECT DISTINCT ON (variant_id, doc_id) variant_id, doc_id, result_key, recorded_at
        FROM extractions
        WHERE agent = $1 AND variant_id = ANY($2::text[]) AND recorded_at >= $3 AND recorded_at <= $4
              AND result_key <> ''
        ORDER BY variant_id, doc_id, recorded_at DESC, extraction_id
    ), pairs AS (
        SELECT other.variant_id, other.result_key AS one, champion.result_key AS two,
               row_number() OVER (PARTITION BY other.variant_id ORDER BY other.recorded_at DESC, doc_id) AS place
        FROM read AS champion JOIN read AS other USING (doc_id)
        WHERE champion.variant_id = $5 AND other.variant_id <> $5
    )
    SELECT variant_id, one, two FROM pairs WHERE place <= $6 ORDER BY variant_id, place
"""


@dataclass(frozen=True)
class Window:
    """Which attempts and evaluations count: both ends included."""

    since: datetime
    until: datetime
    evaluated_since: datetime
    """Evaluations stay good for longer than attempts: they ask the same of everybody."""
    confidence: float = CONFIDENCE


async def figures(
    session: AsyncSession, agent_id: str, variant_ids: Sequence[str], window: Window
) -> dict[str, VariantFigures]:
    """The figures of the variants, those without an attempt among them; names are left empty."""
    given = (agent_id, sorted(set(variant_ids)), window.since, window.until)
    rows = {row["variant_id"]: row for row in await fetch(session, _FIGURES, *given)}
    latencies = await _latencies(session, given, {name: row["timed"] for name, row in rows.items()}, window.confidence)
    problems: dict[str, dict[str, int]] = {}
    for row in await fetch(session, _PROBLEMS, *given, PROBLEM_CODES):
        problems.setdefault(row["variant_id"], {})[row["code"]] = row["documents"]
    found = {name: VariantFigures(variant_id=name) for name in given[1]}
    for name, row in rows.items():
        documents = row["documents"]
        found[name] = VariantFigures(
            variant_id=name,
            attempts=row["attempts"],
            documents=documents,
            valid=rate(row["valid"], documents, window.confidence),
            quotes=rate(min(row["quotes_valid"], row["quotes_total"]), row["quotes_total"], window.confidence),
            first_try=rate(row["first_valid"], documents, window.confidence),
            repaired=rate(row["repaired"], row["again"], window.confidence),
            latency_p50=latencies[name, QUANTILES[0]],
            latency_p95=latencies[name, QUANTILES[1]],
            tokens_in_per_document=row["tokens_in"] / documents,
            tokens_out_per_document=row["tokens_out"] / documents,
            cost_per_document=(row["cost"] / documents).quantize(Decimal("0.000001")),
            cost_total=row["cost"],
            problems=problems.get(name, {}),
        )
    return found


async def compare(
    session: AsyncSession, agent_id: str, *, champion: str, variants: Sequence[AgentVariant], window: Window
) -> Comparison:
    """The champion beside the variants and the agent's own settings; who did nothing and is not active is left out."""
    names = {BASELINE: "the agent's own settings", **{each.variant_id: each.name for each in variants}}
    active = {each.variant_id for each in variants if each.active}
    found = await figures(session, agent_id, list(names), window)
    paired = await _paired(session, agent_id, champion, list(names), window)
    named = {key: each.model_copy(update={"name": names[key]}) for key, each in found.items()}
    first = named.pop(champion)
    return Comparison(
        agent_id=agent_id,
        since=window.since,
        until=window.until,
        confidence=window.confidence,
        champion=first,
        challengers=tuple(
            Challenger(
                figures=each,
                paired=paired.get(key, PairedFigures()),
                valid_unpaired=unpaired_difference(
                    each.valid.count, each.valid.total, first.valid.count, first.valid.total, window.confidence
                ),
            )
            for key, each in named.items()
            if each.attempts or key in active or key in paired
        ),
    )


async def paired_answers(
    session: AsyncSession, agent_id: str, *, champion: str, variant_ids: Sequence[str], window: Window, limit: int
) -> dict[str, list[tuple[str, str]]]:
    """For each variant where its answer and the champion's to the same document lie, the newest `limit` of them."""
    ids = sorted({champion, *variant_ids})
    rows = await fetch(session, _ANSWERS, agent_id, ids, window.since, window.until, champion, limit)
    found: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        found.setdefault(row["variant_id"], []).append((row["one"], row["two"]))
    return found


def nothing(row: AgentVariant) -> VariantFigures:
    """The figures of a variant that has not read yet."""
    return VariantFigures(variant_id=row.variant_id, name=row.name)


async def _latencies(
    session: AsyncSession,
    given: tuple[str, list[str], datetime, datetime],
    timed: dict[str, int],
    confidence: float,
) -> dict[tuple[str, float], Quantile]:
    """The readings that the intervals of the quantiles need, and no others."""
    wanted = {
        (name, rank)
        for name, readings in timed.items()
        if readings
        for quantile in QUANTILES
        for rank in quantile_ranks(readings, quantile, confidence).wanted
    }
    rows = await fetch(session, _LATENCIES, *given, [name for name, _ in wanted], [rank for _, rank in wanted])
    at = {(row["variant_id"], row["rank"]): float(row["latency_ms"]) for row in rows}
    return {
        (name, quantile): quantile_of(lambda rank, name=name: at[name, rank], readings, quantile, confidence)  # type: ignore[misc]
        for name, readings in timed.items()
        for quantile in QUANTILES
    }


async def _paired(
    session: AsyncSession, agent_id: str, champion: str, variant_ids: Sequence[str], window: Window
) -> dict[str, PairedFigures]:
    ids = sorted(set(variant_ids))
    documents = await fetch(session, _PAIRS, agent_id, ids, window.since, window.until, champion)
    sentences = await fetch(session, _SENTENCES, agent_id, ids, window.evaluated_since, window.until, champion)
    found: dict[str, PairedFigures] = {}
    for row in documents:
        valid, quotes = _counts(row), _counts(row, "quotes_")
        found[row["variant_id"]] = PairedFigures(
            documents=valid.total,
            valid=paired_difference(valid, window.confidence),
            quotes=paired_difference(quotes, window.confidence),
        )
    for row in sentences:
        accuracy = paired_difference(_counts(row), window.confidence)
        before = found.get(row["variant_id"], PairedFigures())
        found[row["variant_id"]] = before.model_copy(update={"accuracy": accuracy})
    return found


def _counts(row: dict[str, int], prefix: str = "") -> PairCounts:
    return PairCounts(
        both=row[f"{prefix}both"],
        challenger=row[f"{prefix}challenger"],
        champion=row[f"{prefix}champion"],
        neither=row[f"{prefix}neither"],
    )
