"""Every table of the lake, as data. The pages of the documentation, the API and the exports are made from it.

Left out on purpose: texts of documents, what models were asked and answered, what people wrote as their reasons, and
whatever lets somebody in. Money stays the decimal that it is in the book.
"""

from __future__ import annotations

from collections.abc import Mapping

from domain.lake import LakeColumn, LakeTable, LakeType, Partition, unknown_table

_TYPES = {
    "text": LakeType.TEXT,
    "flag": LakeType.FLAG,
    "whole": LakeType.WHOLE,
    "number": LakeType.NUMBER,
    "day": LakeType.DAY,
    "instant": LakeType.INSTANT,
    "dollars": LakeType.DOLLARS,
    "exact": LakeType.EXACT_DOLLARS,
    "shares": LakeType.SHARES,
    "figure": LakeType.FIGURE,
}


def _columns(text: str, **sources: str) -> tuple[LakeColumn, ...]:
    """Columns from lines of `type name: what it says`; `sources` computes those that are no column of the book."""
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        head, _, says = line.partition(": ")
        kind, name = head.split()
        found.append(LakeColumn(name=name, type=_TYPES[kind], says=says, source=sources.pop(name, "")))
    if sources:
        raise ValueError(f"computed but not declared: {sorted(sources)}")
    return tuple(found)


def _table(
    name: str,
    says: str,
    columns: str,
    *,
    key: str,
    event: str = "",
    by: Partition = Partition.NONE,
    source: str = "",
    **sources: str,
) -> LakeTable:
    return LakeTable(
        name=name,
        source=source or name,
        says=says,
        key=tuple(key.split()),
        columns=_columns(columns, **sources),
        partition=by,
        event=event,
    )


_MONTH, _YEAR = Partition.MONTH, Partition.YEAR

_READING = (
    _table(
        "documents",
        "What came in, without titles and texts: `GET /v1/documents/{id}/content` has those.",
        """
        text doc_id: the document: a hash of its content
        text source_id: where it came from
        text run_id: the run that brought it
        text publisher: who published it, as the source says
        text language: of its text
        text credibility: of its source when it came
        instant published_at: when it was published, as the source says
        text precision: of that: an instant, or a day alone
        instant available_at: when it could first be known; the key to look back by
        instant recorded_at: when the book took it
        text story: documents that tell one story share it
        text status: registered, processed, duplicate, needs_review, ...
        """,
        key="doc_id",
        event="available_at",
        by=_MONTH,
    ),
    _table(
        "document_symbols",
        "Companies that sources attached to documents.",
        """
        text doc_id: the document
        text symbol: today's symbol of the company
        text label: the source's own ticker
        instant available_at: the document's
        """,
        key="doc_id symbol",
        event="available_at",
        by=_MONTH,
    ),
    _table(
        "document_links",
        "What a document is to an earlier one: a copy, a correction, a retraction.",
        """
        text doc_id: the later document
        text original_id: the earlier one
        text relation: what the later one is to it
        number similarity: share of five-word runs in common, 0 to 1
        instant available_at: the later document's
        """,
        key="doc_id original_id",
        event="available_at",
        by=_MONTH,
    ),
    _table(
        "ingestion_runs",
        "Each time a source was read.",
        """
        text run_id: the run
        text source_id: the source
        text status: running, finished, failed or superseded
        instant started_at: when it began
        instant finished_at: when it ended
        whole pages: answers read
        whole bytes: their size
        whole read: records seen
        whole registered: documents that were new
        whole duplicates: documents known already
        whole copies: new documents that repeat an earlier story
        whole rejected: records refused
        whole facts: bars, actions and figures that were new
        """,
        key="run_id",
        event="started_at",
        by=_MONTH,
    ),
    _table(
        "extractions",
        "Who read a document, and how that went.",
        """
        text extraction_id: the reading
        text doc_id: the document
        text agent: which agent read
        text variant_id: its variant; empty: its own settings
        flag shadow: read for comparison alone
        flag superseded: the document was read again since
        text extractor: rules or the model's engine
        text extractor_version: what it is identified by
        text status: how it ended
        whole quotes_total: quotes that it gave
        whole quotes_valid: of these, those that occur in the text word for word
        whole dropped: statements that the text did not support
        instant recorded_at: when the book took it
        """,
        key="extraction_id",
        event="recorded_at",
        by=_MONTH,
        dropped="jsonb_array_length(dropped)",
    ),
    _table(
        "events",
        "What happened, as it was read in a document.",
        """
        text event_id: the event
        text extraction_id: the reading
        text doc_id: the document
        instant available_at: the document's
        text type: of the event
        text materiality: how much it matters
        text horizon: for how long
        number confidence: of the reader, 0 to 1
        whole quotes: how many quotes it rests on
        """,
        key="event_id",
        event="available_at",
        by=_MONTH,
        quotes="jsonb_array_length(quotes)",
    ),
    _table(
        "evidence",
        "One document's word on one company: what scores are made of.",
        """
        text evidence_id: the statement
        text event_id: the event
        text extraction_id: the reading
        text doc_id: the document
        text symbol: the company
        instant available_at: the document's
        text event_type: of the event
        text role: the company's in it
        text materiality: how much it matters
        number sentiment: -1 to 1
        number confidence: 0 to 1
        """,
        key="evidence_id",
        event="available_at",
        by=_MONTH,
    ),
    _table(
        "macro_events",
        "One document's word on the economy.",
        """
        text macro_event_id: the statement
        text extraction_id: the reading
        text doc_id: the document
        text topic: what it is about
        text factor: what moves
        number direction: how far it goes up, -1 to 1
        number confidence: 0 to 1
        text region: where
        instant available_at: the document's
        """,
        key="macro_event_id",
        event="available_at",
        by=_MONTH,
    ),
    _table(
        "agent_calls",
        "Every attempt of an agent: calls of models, and readings by the rules.",
        """
        text call_id: the attempt
        text agent: the agent
        text variant_id: its variant
        text doc_id: the document, or the recommendation that a thesis is for
        text extractor_version: what read
        whole attempt: which one
        text kind: first, more-room or repair
        flag shadow: for comparison alone
        flag cached: the answer was known: nothing was asked
        whole latency_ms: how long it took
        whole tokens_in: tokens of the question
        whole tokens_out: tokens of the answer
        dollars cost_dollars: what it cost
        flag valid: whether the answer could be used
        text problem: what was wrong with it
        whole quotes_total: quotes that it gave
        whole quotes_valid: of these, those that occur word for word
        instant recorded_at: when the book took it
        """,
        key="call_id",
        event="recorded_at",
        by=_MONTH,
        source="agent_performance_log",
    ),
    _table(
        "model_calls",
        "Questions to models, by day, without question and answer.",
        """
        text call_key: the question to these weights
        text agent_id: who asked
        day day: whose budget it is taken from, UTC
        text model: the model
        text model_digest: its weights
        whole reserved_tokens: set aside
        whole tokens_in: tokens of the question
        whole tokens_out: tokens of the answer
        flag cut: the answer was cut off
        whole elapsed_ms: how long the server took
        instant reserved_at: when it was asked
        instant answered_at: when it was answered
        """,
        key="call_key",
        event="reserved_at",
        by=_MONTH,
    ),
)

_DECIDING = (
    _table(
        "signals",
        "The three layers and the score of a company at an instant.",
        """
        text snapshot_id: the signal
        text symbol: the company
        instant as_of: the instant it was assessed for
        number score: the layers together, -1 to 1
        number company: the layer of its own news
        number macro: the layer of the economy
        number competitive: the layer of its competitors
        number confirmation: of the market
        number conviction: -1 to 1
        number contradiction: how much the evidence disagrees, 0 to 1
        whole evidence_count: statements in it
        """,
        key="snapshot_id",
        event="as_of",
        by=_MONTH,
        source="signal_snapshots",
        score="score_nano / 1e9::double precision",
    ),
    _table(
        "recommendations",
        "What should be done with a company, and the gates that decided it.",
        """
        text recommendation_id: the recommendation
        text symbol: the company
        instant as_of: the instant it was decided for
        text action: what should be done
        text previous_action: what should have been done before
        number score: the layers together
        number conviction: -1 to 1
        number edge_bp: return expected over the horizon, basis points
        number cost_bp: of entering and leaving, basis points
        text gates: a JSON list of each gate's name, value, limit, and whether it passed
        text config_version: the configuration
        text record_hash: the decision record
        """,
        key="recommendation_id",
        event="as_of",
        by=_MONTH,
        gates="coalesce((SELECT jsonb_agg(gate - 'detail') FROM jsonb_array_elements(body->'gates') gate), '[]')::text",
    ),
    _table(
        "decision_records",
        "The record that each recommendation can be computed from again.",
        """
        text record_hash: the record: the hash of its bytes
        text recommendation_id: the recommendation
        text symbol: the company
        instant as_of: the instant it was decided for
        text decided_by: the workflow that assessed
        instant recorded_at: when the book took it
        """,
        key="record_hash",
        event="as_of",
        by=_MONTH,
    ),
    _table(
        "order_intents",
        "What we wished to trade, before risk had spoken.",
        """
        text intent_id: the wish
        text recommendation_id: what it follows from
        text symbol: the company
        text side: buy or sell
        shares quantity: how many shares
        dollars reference_price: the price it was decided at
        dollars notional: quantity at that price
        number target_weight: share of equity wanted
        instant as_of: the instant it was decided for
        text state: open, or how it ended
        text proposed_by: engine, or who made it by hand
        """,
        key="intent_id",
        event="as_of",
        by=_MONTH,
    ),
    _table(
        "risk_decisions",
        "What risk said of a wish, check by check.",
        """
        text decision_id: the decision
        text intent_id: the wish
        text outcome: allow, clamp or deny
        shares allowed_quantity: shares that may be traded
        flag needs_approval: whether people are asked
        text approval_reason: why
        text checks: a JSON list of each check with the value found and the limit
        text stage: first, or recheck
        dollars price: what a share was judged at
        whole people: how many must approve
        instant as_of: when
        """,
        key="decision_id",
        event="as_of",
        by=_MONTH,
        checks="checks::text",
    ),
    _table(
        "approvals",
        "Questions to people, and how they were decided.",
        """
        text approval_id: the question
        text intent_id: the wish
        text symbol: the company
        text side: buy or sell
        shares quantity: shares asked for
        dollars notional: their value
        text status: pending, approved, declined, expired, withdrawn
        whole people: how many must approve
        flag solo: one person runs the house
        dollars price: of a share when it was asked
        dollars band_low: below it the question is asked anew
        dollars band_high: above it too
        instant requested_at: when it was asked
        instant expires_at: until when it may be answered
        instant decided_at: when it was decided
        text decided_by: by whom
        whole ask: which question about the wish it is
        """,
        key="approval_id",
        event="requested_at",
        by=_MONTH,
    ),
    _table(
        "approval_votes",
        "One person's word on one question.",
        """
        text vote_id: the vote
        text approval_id: the question
        text person: who
        flag approved: yes or no
        text via: by which way it came
        instant voted_at: when
        """,
        key="vote_id",
        event="voted_at",
        by=_MONTH,
    ),
)

_TRADING = (
    _table(
        "orders",
        "Orders at the broker, as they stand.",
        """
        text order_id: the order
        text intent_id: the wish
        text client_order_id: what the broker knows it by
        text broker_order_id: what the broker calls it
        text symbol: the company
        text side: buy or sell
        text type: market or limit
        text time_in_force: how long it holds
        shares quantity: shares ordered
        dollars limit_price: of a limit order
        text status: how it stands
        shares filled_quantity: shares traded
        dollars filled_average_price: at this price
        text reason: why it stands so, in codes
        instant created_at: when it was noted
        instant submitted_at: when the broker took it
        instant closed_at: when it was final
        """,
        key="order_id",
        event="created_at",
        by=_MONTH,
    ),
    _table(
        "order_events",
        "Each step of an order.",
        """
        text event_id: the step
        text order_id: the order
        text status: how it stood from then on
        shares filled_quantity: shares traded by then
        dollars filled_average_price: at this price
        text reason: why, in codes
        instant at: when
        """,
        key="event_id",
        event="at",
        by=_MONTH,
    ),
    _table(
        "fills",
        "Executions.",
        """
        text fill_id: the broker's id of the execution
        text order_id: the order
        text symbol: the company
        text side: buy or sell
        shares quantity: shares
        dollars price: of one
        dollars fee: what it cost
        instant filled_at: when
        """,
        key="fill_id",
        event="filled_at",
        by=_MONTH,
    ),
    _table(
        "positions",
        "What is held now, and what was.",
        """
        text symbol: the company
        shares quantity: shares, signed
        dollars average_price: paid for one
        dollars last_price: when it was last marked
        dollars realized_pnl: result of what was sold
        day opened_session: since when
        day closed_session: until when
        instant updated_at: when the row last changed
        """,
        key="symbol",
    ),
    _table(
        "lots",
        "What each purchase still holds.",
        """
        text lot_id: the purchase: its execution
        text symbol: the company
        instant opened_at: when
        shares bought: shares then
        dollars price: of one
        shares quantity: shares still held
        exact cost: of these
        """,
        key="lot_id",
    ),
    _table(
        "lot_closings",
        "Parts of purchases that were sold: the realized result, to the cent.",
        """
        text closing_id: the sale of this part
        text lot_id: the purchase
        text symbol: the company
        shares quantity: shares
        exact proceeds: what came in
        exact cost: what they had cost
        instant opened_at: when they were bought
        instant closed_at: when they were sold
        """,
        key="closing_id",
        event="closed_at",
        by=_MONTH,
    ),
    _table(
        "cash_ledger",
        "Every movement of money. The sum is the cash.",
        """
        text entry_id: the entry
        text kind: opening, trade, fee, dividend, ...
        text symbol: the company, where there is one
        exact amount: dollars, signed
        instant occurred_at: when
        instant recorded_at: when the book took it
        """,
        key="entry_id",
        event="occurred_at",
        by=_MONTH,
        source="cash_entries",
    ),
    _table(
        "account_snapshots",
        "The account at each session's close.",
        """
        instant as_of: when
        text phase: close, or another named instant
        dollars cash: dollars
        dollars equity: cash and what is held
        dollars peak_equity: the highest so far
        dollars gross_exposure: all that is held, unsigned
        dollars net_exposure: signed
        whole positions: how many
        dollars realized_pnl: result of what was sold
        dollars unrealized_pnl: of what is held
        dollars reserve: never deployed
        dollars paid_in: capital that came from outside
        """,
        key="as_of",
        event="as_of",
        by=_YEAR,
    ),
    _table(
        "reserve_ledger",
        "Movements of the reserve.",
        """
        text entry_id: the entry
        instant as_of: when
        dollars amount: signed
        dollars balance: after it
        text reason: why
        """,
        key="entry_id",
        event="as_of",
        by=_YEAR,
    ),
    _table(
        "stop_events",
        "Stops, targets and time stops that were reached.",
        """
        text event_id: the event
        text symbol: the company
        instant as_of: when
        text kind: what was reached
        dollars price: of a share then
        dollars level: where it stood
        shares share: of the position that is sold
        """,
        key="event_id",
        event="as_of",
        by=_YEAR,
    ),
    _table(
        "breaker_events",
        "Circuit breakers that changed.",
        """
        text event_id: the event
        text breaker: which one
        text state: armed, tripped or half-open
        instant as_of: when
        text value: found
        text limit: against
        """,
        key="event_id",
        event="as_of",
        by=_YEAR,
    ),
    _table(
        "tier_events",
        "Changes of the risk tier.",
        """
        text event_id: the event
        instant as_of: when
        text from_tier: before
        text to_tier: after
        text reason: why
        """,
        key="event_id",
        event="as_of",
        by=_YEAR,
    ),
    _table(
        "reconciliations",
        "Comparisons of the book with the broker's.",
        """
        text reconciliation_id: the comparison
        text trigger: what asked for it
        instant as_of: when
        flag clean: nothing differed
        whole mismatches: what differed
        whole adopted: what the book took over
        dollars cash: the broker's
        dollars equity: the broker's
        """,
        key="reconciliation_id",
        event="as_of",
        by=_MONTH,
    ),
)

_MARKET = (
    _table(
        "companies",
        "Who is followed.",
        """
        text symbol: today's symbol
        text name: of the company
        text kind: stock, fund, ...
        text sector: its sector
        text industry: its industry
        text cik: its number at the SEC
        text exchange: where it trades
        day active_from: its first day
        day active_to: its last
        flag followed: whether anything new is concluded
        """,
        key="symbol",
    ),
    _table(
        "bars",
        "One session of one company, raw as traded.",
        """
        text symbol: the company
        day session: the day
        dollars open: first price
        dollars high: highest
        dollars low: lowest
        dollars close: last
        whole volume: shares traded
        instant available_at: the session's close
        """,
        key="symbol session",
        event="session",
        by=_YEAR,
    ),
    _table(
        "corporate_actions",
        "Splits and dividends.",
        """
        text symbol: the company
        day ex_date: from this day on without
        dollars cash_dividend: for a share
        shares split_ratio: new shares for one
        """,
        key="symbol ex_date",
        event="ex_date",
        by=_YEAR,
    ),
    _table(
        "corporate_action_entries",
        "Splits and dividends that were applied to what was held.",
        """
        text symbol: the company
        day ex_date: from this day on without
        shares quantity_before: shares held
        shares quantity_after: shares then
        shares split_ratio: new shares for one
        dollars cash: dividend received
        instant applied_at: when the book took it
        """,
        key="symbol ex_date",
    ),
    _table(
        "earnings_dates",
        "When companies report, as was said; a change is a further row.",
        """
        text symbol: the company
        day report_date: the day
        whole number: counts what was said of it
        text timing: before the open, after the close, or unknown
        flag removed: taken back
        instant available_at: when it was said
        """,
        key="symbol report_date number",
    ),
    _table(
        "reported_figures",
        "Figures of filings; restatements stand beside what they restate.",
        """
        text cik: the company's number at the SEC
        text taxonomy: of the tag
        text tag: what the figure is
        text unit: of the figure
        day period_start: first day
        day period_end: last day
        text accession: the filing
        figure value: the figure
        text form: of the filing
        day filed: when
        instant available_at: when it could first be known
        """,
        key="cik taxonomy tag unit period_start period_end accession",
        event="available_at",
        by=_YEAR,
        value="value::numeric(38,10)",
    ),
    _table(
        "macro_figures",
        "Figures of the economy, with the days on which each was the one known.",
        """
        text series: the series
        day period: which period
        day known_from: first day
        day known_to: last day
        figure value: the figure
        instant available_at: when it could first be known
        """,
        key="series period known_from",
        event="available_at",
        by=_YEAR,
        value="value::numeric(38,10)",
    ),
)

TABLES: tuple[LakeTable, ...] = (*_READING, *_DECIDING, *_TRADING, *_MARKET)
BY_NAME: Mapping[str, LakeTable] = {each.name: each for each in TABLES}


def require_table(name: str) -> LakeTable:
    """A table by its name.

    Raises:
        InvalidInput: there is none of that name.
    """
    if (found := BY_NAME.get(name)) is None:
        raise unknown_table(name, sorted(BY_NAME))
    return found
