"""Tables of the lake on what was read and what was concluded from it."""

from __future__ import annotations

from domain.lake import LakeTable, Partition
from domain.lake_description import described

READING: tuple[LakeTable, ...] = (
    described(
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
        by=Partition.MONTH,
    ),
    described(
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
        by=Partition.MONTH,
    ),
    described(
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
        by=Partition.MONTH,
    ),
    described(
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
        by=Partition.MONTH,
    ),
    described(
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
        by=Partition.MONTH,
        dropped="jsonb_array_length(dropped)",
    ),
    described(
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
        by=Partition.MONTH,
        quotes="jsonb_array_length(quotes)",
    ),
    described(
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
        by=Partition.MONTH,
    ),
    described(
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
        by=Partition.MONTH,
    ),
    described(
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
        by=Partition.MONTH,
        source="agent_performance_log",
    ),
    described(
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
        by=Partition.MONTH,
    ),
)

DECIDING: tuple[LakeTable, ...] = (
    described(
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
        by=Partition.MONTH,
        source="signal_snapshots",
        score="score_nano / 1e9::double precision",
    ),
    described(
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
        by=Partition.MONTH,
        gates="coalesce((SELECT jsonb_agg(gate - 'detail') FROM jsonb_array_elements(body->'gates') gate), '[]')::text",
    ),
    described(
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
        by=Partition.MONTH,
    ),
    described(
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
        by=Partition.MONTH,
    ),
    described(
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
        by=Partition.MONTH,
        checks="checks::text",
    ),
    described(
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
        by=Partition.MONTH,
    ),
    described(
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
        by=Partition.MONTH,
    ),
)
