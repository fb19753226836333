"""Polygon's reference data: who a ticker is, and which tickers a company has had."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated
from urllib.parse import quote

from pydantic import Field

from activities.adapters.json_answers import Day, Instant, Number, VendorRecord, shown
from activities.adapters.polygon.answers import ANSWERS
from activities.adapters.polygon.asking import next_page, read_answer, request
from domain.documents import Reject
from domain.fetching import HttpAnswer, HttpRequest
from domain.model import Model
from domain.sources import PolygonAccount

Text = Annotated[str | None, Field(max_length=20_000)]


class TickerDetails(Model):
    """A ticker as the vendor describes it; empty or None where it says nothing."""

    ticker: str
    name: str = ""
    market: str = ""
    locale: str = ""
    primary_exchange: str = ""
    """Market identifier code: `XNAS`."""
    kind: str = ""
    """The vendor's type: `CS` common stock, `ETF`."""
    active: bool | None = None
    currency: str = ""
    """Upper case: `USD`."""
    cik: str = ""
    """Ten digits, as EDGAR knows the company."""
    composite_figi: str = ""
    share_class_figi: str = ""
    market_cap: Decimal | None = None
    shares_outstanding: Decimal | None = None
    weighted_shares_outstanding: Decimal | None = None
    employees: Decimal | None = None
    sic_code: str = ""
    sic_description: str = ""
    description: str = ""
    homepage_url: str = ""
    listed_on: date | None = None
    delisted_on: date | None = None


class TickersPage(Model):
    tickers: tuple[TickerDetails, ...] = ()
    rejects: tuple[Reject, ...] = ()
    next: HttpRequest | None = None


class TickerChange(Model):
    """From `changed_on` a company trades under `ticker`."""

    ticker: str
    changed_on: date


class TickerHistory(Model):
    name: str = ""
    changes: tuple[TickerChange, ...] = ()
    rejects: tuple[Reject, ...] = ()


class _Ticker(VendorRecord):
    ticker: Annotated[str, Field(min_length=1, max_length=60)]
    name: Text = None
    market: Text = None
    locale: Text = None
    primary_exchange: Text = None
    type: Text = None
    active: bool | None = None
    currency_name: Text = None
    cik: Text = None
    composite_figi: Text = None
    share_class_figi: Text = None
    market_cap: Number | None = None
    share_class_shares_outstanding: Number | None = None
    weighted_shares_outstanding: Number | None = None
    total_employees: Number | None = None
    sic_code: Text = None
    sic_description: Text = None
    description: Text = None
    homepage_url: Text = None
    list_date: Day | None = None
    delisted_utc: Instant | None = None


class _NewTicker(VendorRecord):
    ticker: Annotated[str, Field(min_length=1, max_length=60)]


class _Event(VendorRecord):
    type: str
    date: Day
    ticker_change: _NewTicker | None = None


def details_request(config: PolygonAccount, symbol: str, as_of: date | None = None) -> HttpRequest:
    """Ask who a ticker is, or was on a day."""
    params = {} if as_of is None else {"date": str(as_of)}
    return request(config, f"/v3/reference/tickers/{quote(symbol, safe='')}", params)


def history_request(config: PolygonAccount, symbol: str) -> HttpRequest:
    """Ask which tickers a company has had."""
    return request(config, f"/vX/reference/tickers/{quote(symbol, safe='')}/events", {"types": "ticker_change"})


def read_details(answer: HttpAnswer) -> TickerDetails | Reject:
    """Read who one ticker is.

    Raises:
        VendorError, NotFound: the vendor refused.
        SourceFormatError: the answer as a whole is unusable.
    """
    found = read_answer(answer)
    if not isinstance(found.get("results"), dict):
        raise ANSWERS.unusable(f"results={shown(found.get('results'))}", "an object")
    return _details(found["results"], 1)


def read_tickers(config: PolygonAccount, answer: HttpAnswer) -> TickersPage:
    """Read a page of the list of tickers.

    Raises:
        VendorError, NotFound: the vendor refused.
        SourceFormatError: the answer as a whole is unusable.
    """
    found = read_answer(answer)
    read = [_details(each, place) for place, each in enumerate(ANSWERS.read_list(found, "results"), start=1)]
    return TickersPage(
        tickers=tuple(each for each in read if isinstance(each, TickerDetails)),
        rejects=tuple(each for each in read if isinstance(each, Reject)),
        next=next_page(config, found.get("next_url"), answer),
    )


def read_history(answer: HttpAnswer) -> TickerHistory:
    """Read the tickers that a company has had, in the order that the vendor names them.

    Raises:
        VendorError, NotFound: the vendor refused.
        SourceFormatError: the answer as a whole is unusable.
    """
    results = read_answer(answer).get("results")
    if not isinstance(results, dict):
        raise ANSWERS.unusable(f"results={shown(results)}", "an object")
    changes: list[TickerChange] = []
    rejects: list[Reject] = []
    for place, record in enumerate(ANSWERS.read_list(results, "events"), start=1):
        event = ANSWERS.checked(_Event, record, "ticker events", place)
        if isinstance(event, Reject):
            rejects.append(event)
        elif event.ticker_change is not None:
            changes.append(TickerChange(ticker=event.ticker_change.ticker, changed_on=event.date))
    name = results.get("name")
    return TickerHistory(
        name=name if isinstance(name, str) and name.isprintable() else "",
        changes=tuple(changes),
        rejects=tuple(rejects),
    )


def _details(record: object, place: int) -> TickerDetails | Reject:
    found = ANSWERS.checked(_Ticker, record, "tickers", place)
    if isinstance(found, Reject):
        return found
    return TickerDetails(
        ticker=found.ticker,
        name=found.name or "",
        market=found.market or "",
        locale=found.locale or "",
        primary_exchange=found.primary_exchange or "",
        kind=found.type or "",
        active=found.active,
        currency=(found.currency_name or "").upper(),
        cik=found.cik or "",
        composite_figi=found.composite_figi or "",
        share_class_figi=found.share_class_figi or "",
        market_cap=found.market_cap,
        shares_outstanding=found.share_class_shares_outstanding,
        weighted_shares_outstanding=found.weighted_shares_outstanding,
        employees=found.total_employees,
        sic_code=found.sic_code or "",
        sic_description=found.sic_description or "",
        description=found.description or "",
        homepage_url=found.homepage_url or "",
        listed_on=found.list_date,
        delisted_on=None if found.delisted_utc is None else found.delisted_utc.date(),
    )
