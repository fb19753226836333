"""Tables of the lake on orders, money and the market."""

from __future__ import annotations

from domain.lake import LakeTable, Partition
from domain.lake_description import described

TRADING: tuple[LakeTable, ...] = (
    described(
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
        by=Partition.MONTH,
    ),
    described(
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
        by=Partition.MONTH,
    ),
    described(
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
        by=Partition.MONTH,
    ),
    described(
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
    described(
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
    described(
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
        by=Partition.MONTH,
    ),
    described(
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
        by=Partition.MONTH,
        source="cash_entries",
    ),
    described(
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
        by=Partition.YEAR,
    ),
    described(
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
        by=Partition.YEAR,
    ),
    described(
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
        by=Partition.YEAR,
    ),
    described(
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
        by=Partition.YEAR,
    ),
    described(
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
        by=Partition.YEAR,
    ),
    described(
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
        by=Partition.MONTH,
    ),
)

MARKET: tuple[LakeTable, ...] = (
    described(
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
    described(
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
        by=Partition.YEAR,
    ),
    described(
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
        by=Partition.YEAR,
    ),
    described(
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
    described(
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
    described(
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
        by=Partition.YEAR,
        value="value::numeric(38,10)",
    ),
    described(
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
        by=Partition.YEAR,
        value="value::numeric(38,10)",
    ),
)
