-- Version 2 of the book: order groups, replacement, trailing stops, account settings, market data, watchlists.
ALTER TABLE orders ADD COLUMN parent_id TEXT REFERENCES orders (id);
ALTER TABLE orders ADD COLUMN replaces TEXT REFERENCES orders (id);
ALTER TABLE orders ADD COLUMN replaced_by TEXT REFERENCES orders (id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE orders ADD COLUMN replaced_at TEXT;
ALTER TABLE orders ADD COLUMN trail_price INTEGER;
ALTER TABLE orders ADD COLUMN trail_percent INTEGER;
ALTER TABLE orders ADD COLUMN hwm INTEGER;
DROP INDEX orders_open;
CREATE INDEX orders_working ON orders (symbol, sequence)
    WHERE status NOT IN ('filled', 'canceled', 'expired', 'rejected', 'replaced');
CREATE INDEX orders_by_parent ON orders (parent_id, sequence) WHERE parent_id IS NOT NULL;

-- The update as the stream sends it; rows written before version 2 have none.
ALTER TABLE outbox ADD COLUMN payload TEXT NOT NULL DEFAULT '';

CREATE TABLE configurations (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    no_shorting INTEGER NOT NULL DEFAULT 0,
    fractional_trading INTEGER NOT NULL DEFAULT 1,
    max_margin_multiplier TEXT NOT NULL DEFAULT '1',
    trade_confirm_email TEXT NOT NULL DEFAULT 'all',
    ptp_no_exception_entry INTEGER NOT NULL DEFAULT 0,
    max_options_trading_level INTEGER NOT NULL DEFAULT 0,
    disable_overnight_trading INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO configurations (only) VALUES (1);

-- What the account was worth, at most once a minute.
CREATE TABLE equity_marks (
    at TEXT PRIMARY KEY,
    session TEXT NOT NULL,
    equity INTEGER NOT NULL
) STRICT;

-- Prices and vwap in millionths of a dollar. A bar is shown to clients from `known_at` on.
CREATE TABLE bars (
    symbol TEXT NOT NULL,
    span TEXT NOT NULL CHECK (span IN ('day', 'minute')),
    start TEXT NOT NULL,
    open INTEGER NOT NULL,
    high INTEGER NOT NULL,
    low INTEGER NOT NULL,
    close INTEGER NOT NULL,
    volume INTEGER NOT NULL,
    trades INTEGER NOT NULL,
    vwap INTEGER NOT NULL,
    known_at TEXT NOT NULL,
    PRIMARY KEY (symbol, span, start)
) STRICT, WITHOUT ROWID;

-- Every price the broker has seen: what it shows as trades and quotes.
CREATE TABLE ticks (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    symbol TEXT NOT NULL,
    at TEXT NOT NULL,
    price INTEGER NOT NULL,
    size INTEGER NOT NULL
) STRICT;
CREATE INDEX ticks_by_symbol ON ticks (symbol, at, sequence);

-- Dividends a share in millionths of a dollar, split ratios as new shares over old.
CREATE TABLE corporate_actions (
    id TEXT PRIMARY KEY,
    symbol TEXT NOT NULL,
    ex_date TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('cash_dividend', 'split')),
    dividend INTEGER,
    ratio TEXT
) STRICT;
CREATE INDEX corporate_actions_by_symbol ON corporate_actions (symbol, ex_date);

CREATE TABLE watchlists (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    symbols TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
