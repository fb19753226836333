CREATE TABLE IF NOT EXISTS account (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    id TEXT NOT NULL,
    number TEXT NOT NULL,
    created_at TEXT NOT NULL,
    opening_cash INTEGER NOT NULL,
    cash INTEGER NOT NULL,
    last_equity INTEGER NOT NULL,
    balance_as_of TEXT NOT NULL,
    suspended INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS clock (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    now TEXT NOT NULL,
    session TEXT NOT NULL,
    is_open INTEGER NOT NULL,
    opens_at TEXT,
    closes_at TEXT
) STRICT;

CREATE TABLE IF NOT EXISTS sessions (
    session TEXT NOT NULL,
    phase TEXT NOT NULL CHECK (phase IN ('pre_open', 'open', 'close')),
    answer TEXT NOT NULL,
    PRIMARY KEY (session, phase)
) STRICT;

CREATE TABLE IF NOT EXISTS assets (
    symbol TEXT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    exchange TEXT NOT NULL,
    fractionable INTEGER NOT NULL,
    shortable INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS prices (
    symbol TEXT PRIMARY KEY,
    last INTEGER NOT NULL,
    at TEXT NOT NULL,
    session TEXT NOT NULL,
    previous_close INTEGER
) STRICT;

CREATE TABLE IF NOT EXISTS orders (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    client_order_id TEXT NOT NULL,
    symbol TEXT NOT NULL REFERENCES assets (symbol),
    side TEXT NOT NULL,
    type TEXT NOT NULL,
    time_in_force TEXT NOT NULL,
    quantity INTEGER,
    notional INTEGER,
    limit_price INTEGER,
    stop_price INTEGER,
    extended_hours INTEGER NOT NULL,
    order_class TEXT NOT NULL,
    position_intent TEXT NOT NULL,
    status TEXT NOT NULL,
    filled_quantity INTEGER NOT NULL,
    filled_value INTEGER NOT NULL,
    executions INTEGER NOT NULL,
    reserve_price INTEGER,
    triggered INTEGER NOT NULL,
    split TEXT NOT NULL,
    reason TEXT NOT NULL,
    created_at TEXT NOT NULL,
    submitted_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    expires_at TEXT,
    filled_at TEXT,
    canceled_at TEXT,
    expired_at TEXT,
    failed_at TEXT,
    CHECK ((quantity IS NULL) <> (notional IS NULL)),
    CHECK (filled_quantity >= 0),
    CHECK (quantity IS NULL OR filled_quantity <= quantity)
) STRICT;
CREATE INDEX IF NOT EXISTS orders_by_client_id ON orders (client_order_id);
CREATE INDEX IF NOT EXISTS orders_by_time ON orders (submitted_at, sequence);
CREATE INDEX IF NOT EXISTS orders_open ON orders (symbol, sequence)
    WHERE status NOT IN ('filled', 'canceled', 'expired', 'rejected');

CREATE TABLE IF NOT EXISTS positions (
    symbol TEXT PRIMARY KEY REFERENCES assets (symbol),
    quantity INTEGER NOT NULL CHECK (quantity <> 0),
    cost INTEGER NOT NULL,
    day_cost INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS activities (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    at TEXT NOT NULL,
    session TEXT NOT NULL,
    symbol TEXT NOT NULL,
    quantity INTEGER NOT NULL,
    cash INTEGER NOT NULL,
    price INTEGER,
    order_id TEXT REFERENCES orders (id),
    cumulative INTEGER,
    leaves INTEGER,
    order_status TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS activities_by_kind ON activities (kind, sequence);

-- What the trade-update stream has to tell, written in the transaction that made it true.
CREATE TABLE IF NOT EXISTS outbox (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    event TEXT NOT NULL,
    order_id TEXT NOT NULL REFERENCES orders (id),
    status TEXT NOT NULL,
    execution_id TEXT,
    message TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS outbox_by_order ON outbox (order_id, sequence);
