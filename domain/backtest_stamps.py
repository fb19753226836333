"""Stamps that cannot be: facts that say they were known before they were there, and facts that look like it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from enum import StrEnum

from domain.backtest_data import BacktestData
from domain.documents import NEW_YORK
from domain.model import Model


class StampCode(StrEnum):
    """What is wrong, or looks so."""

    KNOWN_BEFORE_PUBLISHED = "known_before_published"
    ECONOMY_KNOWN_BEFORE_PUBLISHED = "economy_known_before_published"
    BAR_KNOWN_BEFORE_CLOSE = "bar_known_before_close"
    TAKEN_BACK_BEFORE_KNOWN = "taken_back_before_known"
    EVIDENCE_BEFORE_LISTING = "evidence_before_listing"
    ACTION_BEFORE_LISTING = "action_before_listing"
    REPORT_KNOWN_BEFORE_MADE = "report_known_before_made"


IMPOSSIBLE = frozenset(
    {
        StampCode.KNOWN_BEFORE_PUBLISHED,
        StampCode.ECONOMY_KNOWN_BEFORE_PUBLISHED,
        StampCode.BAR_KNOWN_BEFORE_CLOSE,
        StampCode.REPORT_KNOWN_BEFORE_MADE,
    }
)
"""A backtest on such facts sees the future. The others are questions: nothing is decided on what was taken back, and
documents do speak of companies before they are listed."""

_ADVICE = {
    StampCode.KNOWN_BEFORE_PUBLISHED: (
        "Correct the document's dates at its source and ingest it again, or leave it out: it decides before it existed."
    ),
    StampCode.ECONOMY_KNOWN_BEFORE_PUBLISHED: (
        "Correct the document's dates at its source and ingest it again, or leave it out: it decides before it existed."
    ),
    StampCode.BAR_KNOWN_BEFORE_CLOSE: "Load the bars again with the instant of the session's close, or later.",
    StampCode.TAKEN_BACK_BEFORE_KNOWN: (
        "Look up the dates of the document and of its correction; as they are, it is never read."
    ),
    StampCode.EVIDENCE_BEFORE_LISTING: (
        "Confirm that the document means this company: before the first bar the letters may be another's."
    ),
    StampCode.ACTION_BEFORE_LISTING: (
        "Correct the ex-date or the symbol, or add the bars that are missing if the symbol did trade."
    ),
    StampCode.REPORT_KNOWN_BEFORE_MADE: (
        "Correct the dates of the filing at its source and ingest it again: it blocks entries before it existed."
    ),
}


class StampFinding(Model):
    """One fact to look into."""

    code: StampCode
    symbol: str = ""
    fact: str
    """Its id; of a bar or an action its day."""
    doc_id: str = ""
    stamp: str
    """When it says that it was known, or takes effect."""
    earliest: str
    """When it can have been at the earliest; of what was taken back: when it was."""
    advice: str

    @property
    def impossible(self) -> bool:
        """Whether it cannot be, rather than ask for a look."""
        return self.code in IMPOSSIBLE

    def __str__(self) -> str:
        of = f" of {self.symbol}" if self.symbol else ""
        document = f", document {self.doc_id}" if self.doc_id else ""
        limit = "taken back" if self.code is StampCode.TAKEN_BACK_BEFORE_KNOWN else "at the earliest"
        return f"{self.code}: {self.fact}{of}{document}: {self.stamp}, {limit} {self.earliest}. {self.advice}"


def stamp_findings(data: BacktestData) -> tuple[StampFinding, ...]:
    """Look at the stamps of every fact; what cannot be comes first, then by symbol and day."""
    found = [
        finding
        for check in (_documents, _economy, _bars, _taken_back, _before_listing, _reports)
        for finding in check(data)
    ]
    return tuple(sorted(found, key=lambda one: (not one.impossible, one.code, one.symbol, one.stamp, one.fact)))


def facts_of(data: BacktestData) -> int:
    """Count the facts whose stamps are looked at."""
    statements = sum(len(items) for items in data.evidence.values()) + len(data.economy)
    market = sum(len(series.bars) for series in data.bars.values()) + sum(len(one) for one in data.actions.values())
    return statements + market + sum(len(reports) for reports in data.reports.values())


def _finding(
    code: StampCode, fact: str, stamp: datetime | date, earliest: datetime | date, *, symbol: str = "", doc: str = ""
) -> StampFinding:
    return StampFinding(
        code=code,
        symbol=symbol,
        fact=fact,
        doc_id=doc,
        stamp=stamp.isoformat(),
        earliest=earliest.isoformat(),
        advice=_ADVICE[code],
    )


def _documents(data: BacktestData) -> Iterator[StampFinding]:
    for symbol, items in data.evidence.items():
        for item in items:
            if item.available_at < item.published_at:
                yield _finding(
                    StampCode.KNOWN_BEFORE_PUBLISHED,
                    item.evidence_id,
                    item.available_at,
                    item.published_at,
                    symbol=symbol,
                    doc=item.doc_id,
                )


def _economy(data: BacktestData) -> Iterator[StampFinding]:
    """Statements on the economy do not say when they were published; evidence of the same document does."""
    published = {item.doc_id: item.published_at for items in data.evidence.values() for item in items}
    for item in data.economy:
        earliest = published.get(item.doc_id)
        if earliest is not None and item.available_at < earliest:
            yield _finding(
                StampCode.ECONOMY_KNOWN_BEFORE_PUBLISHED,
                item.macro_event_id,
                item.available_at,
                earliest,
                doc=item.doc_id,
            )


def _bars(data: BacktestData) -> Iterator[StampFinding]:
    """Outside the period closes are not known, but no bar is known on a day before its session."""
    closes = {session.date: session.closes_at for session in data.sessions}
    for symbol, series in data.bars.items():
        for known in series.bars:
            day = known.bar.session
            close = closes.get(day)
            if close is not None and known.available_at < close:
                yield _finding(
                    StampCode.BAR_KNOWN_BEFORE_CLOSE, day.isoformat(), known.available_at, close, symbol=symbol
                )
            elif close is None and known.available_at.astimezone(NEW_YORK).date() < day:
                yield _finding(
                    StampCode.BAR_KNOWN_BEFORE_CLOSE, day.isoformat(), known.available_at, day, symbol=symbol
                )


def _taken_back(data: BacktestData) -> Iterator[StampFinding]:
    told = [
        (item.evidence_id, item.doc_id, item.available_at, symbol)
        for symbol, items in data.evidence.items()
        for item in items
    ]
    told += [(item.macro_event_id, item.doc_id, item.available_at, "") for item in data.economy]
    for fact, doc, known, symbol in told:
        since = data.taken_back.get(doc)
        if since is not None and since < known:
            yield _finding(StampCode.TAKEN_BACK_BEFORE_KNOWN, fact, known, since, symbol=symbol, doc=doc)


def _reports(data: BacktestData) -> Iterator[StampFinding]:
    """A date may be known long before its day; that a report was made may not."""
    for symbol, reports in data.reports.items():
        for report in reports:
            if report.made and report.since.astimezone(NEW_YORK).date() < report.day:
                yield _finding(
                    StampCode.REPORT_KNOWN_BEFORE_MADE,
                    report.day.isoformat(),
                    report.since,
                    report.day,
                    symbol=symbol,
                )


def _before_listing(data: BacktestData) -> Iterator[StampFinding]:
    """A listing shows where a symbol's first bar comes later than the first bars of others."""
    first = {symbol: series.bars[0].bar.session for symbol, series in data.bars.items() if series.bars}
    start = min(first.values(), default=None)
    listed = {symbol: day for symbol, day in first.items() if day != start}
    for symbol, day in listed.items():
        for item in data.evidence.get(symbol, ()):
            if item.available_at.astimezone(NEW_YORK).date() < day:
                yield _finding(
                    StampCode.EVIDENCE_BEFORE_LISTING,
                    item.evidence_id,
                    item.available_at,
                    day,
                    symbol=symbol,
                    doc=item.doc_id,
                )
    for ex_date, actions in data.actions.items():
        for action in actions:
            if action.symbol in listed and ex_date < listed[action.symbol]:
                yield _finding(
                    StampCode.ACTION_BEFORE_LISTING,
                    ex_date.isoformat(),
                    ex_date,
                    listed[action.symbol],
                    symbol=action.symbol,
                )
