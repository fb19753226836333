-- Version 3 of the book: bars of finished sessions that orders have met, on the wall clock.
CREATE TABLE finished_sessions (
    symbol TEXT PRIMARY KEY,
    session TEXT NOT NULL
) STRICT;
