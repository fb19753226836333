-- Version 4 of the book: splits and dividends that took effect, on the wall clock.
CREATE TABLE applied_actions (
    symbol TEXT NOT NULL,
    ex_date TEXT NOT NULL,
    PRIMARY KEY (symbol, ex_date)
) STRICT;
