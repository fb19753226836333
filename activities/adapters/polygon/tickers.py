"""What the vendor knows about companies: for each symbol who it is, then which tickers it has had before."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

from activities.adapters.polygon.answers import ANSWERS
from activities.adapters.polygon.asking import is_unknown, unknown
from activities.adapters.polygon.reference import (
    TickerChange,
    TickerDetails,
    details_request,
    history_request,
    read_details,
    read_history,
)
from activities.adapters.polygon.rounds import decoded, encoded
from domain.documents import Reject, RejectReason
from domain.errors import SourceFormatError
from domain.fetching import HttpAnswer, HttpRequest, SourcePage
from domain.model import Model
from domain.registry import Alias, CompanyDetails, NameKind
from domain.sources import PolygonTickersConfig

EXCHANGES = {
    "XNAS": "NASDAQ",
    "XNYS": "NYSE",
    "ARCX": "NYSE Arca",
    "XASE": "NYSE American",
    "XCHI": "NYSE Texas",
    "XCIS": "NYSE National",
    "BATS": "Cboe BZX",
    "BATY": "Cboe BYX",
    "EDGA": "Cboe EDGA",
    "EDGX": "Cboe EDGX",
    "XBOS": "NASDAQ BX",
    "XPHL": "NASDAQ PHLX",
    "IEXG": "IEX",
    "LTSE": "LTSE",
    "MEMX": "MEMX",
    "OTCM": "OTC Markets",
}
"""Market identifier codes, by the names that people use; others stay codes."""
KINDS = {"CS": "stock", "ADRC": "stock", "OS": "stock", "GDR": "stock", "NYRS": "stock", "ETF": "etf", "ETS": "etf"}
"""The vendor's types: common stock, depositary receipts, ordinary and registry shares; funds of many, funds of one."""
_LONGEST = 200
_MOST_ALIASES = 100
_ONE_DAY = timedelta(days=1)


class _Cursor(Model):
    at: str = ""
    """Whose turn it is; empty: the first symbol's."""
    details: CompanyDetails | None = None
    """What is known of it; its former tickers are still to be asked for."""


def first(config: PolygonTickersConfig, cursor: str, now: datetime) -> HttpRequest:
    """Ask for whatever the cursor stands at."""
    return _request(config, _placed(config, cursor))


def read(config: PolygonTickersConfig, cursor: str, answer: HttpAnswer, now: datetime) -> SourcePage:
    """Read who a symbol is, or, once that is known, its former tickers; the company comes with the latter.

    Raises:
        VendorError, NotFound: the vendor refused.
        SourceFormatError: the answer as a whole is unusable.
    """
    at = _placed(config, cursor)
    if at.details is not None:
        aliases, rejects = _aliases(answer, at.at)
        company = at.details.model_copy(update={"aliases": aliases})
        return _page(config, _next_symbol(config, at), (company,), rejects)
    if is_unknown(answer):
        return _page(config, _next_symbol(config, at), (), (unknown("tickers", at.at),))
    found = read_details(answer)
    if isinstance(found, Reject):
        return _page(config, _next_symbol(config, at), (), (found,))
    if found.ticker != at.at:
        detail = f"{found.ticker} found, asked was {at.at}"
        refused = ANSWERS.refused("tickers", 1, "ticker", RejectReason.UNKNOWN_TICKER, detail)
        return _page(config, _next_symbol(config, at), (), (refused,))
    return _page(config, at.model_copy(update={"details": _company(found)}), (), ())


def _company(found: TickerDetails) -> CompanyDetails:
    is_cik = len(found.cik) == 10 and found.cik.isascii() and found.cik.isdigit()
    industry = found.sic_description[:_LONGEST].strip()
    return CompanyDetails(
        symbol=found.ticker,
        name=found.name[:_LONGEST].strip(),
        kind=KINDS.get(found.kind, ""),
        exchange=EXCHANGES.get(found.primary_exchange, found.primary_exchange[:_LONGEST]),
        cik=found.cik if is_cik else "",
        industry=industry.capitalize() if industry.isupper() else industry,
        active_from=found.listed_on,
        active_to=found.delisted_on,
    )


def _aliases(answer: HttpAnswer, symbol: str) -> tuple[tuple[Alias, ...], tuple[Reject, ...]]:
    """The tickers before the symbol's own, each with its days. Not every ticker has a history with the vendor."""
    if is_unknown(answer):
        return (), ()
    try:
        history = read_history(answer)
    except SourceFormatError as error:
        detail = str(error)
        return (), (ANSWERS.refused("ticker events", 0, "", RejectReason.MALFORMED_ROW, detail),)
    changes = sorted(history.changes, key=lambda change: change.changed_on)
    own = max((place for place, change in enumerate(changes) if change.ticker == symbol), default=None)
    if own is None:
        detail = f"no change to {symbol} found, needed to tell its former tickers from others"
        missing = ANSWERS.refused("ticker events", 0, "ticker", RejectReason.UNKNOWN_TICKER, detail)
        return (), (*history.rejects, *((missing,) if changes else ()))
    return _before(changes[: own + 1], symbol), history.rejects


def _before(changes: list[TickerChange], symbol: str) -> tuple[Alias, ...]:
    """A ticker is valid from its own change to the day before the next one."""
    aliases = [
        Alias(
            alias=change.ticker,
            kind=NameKind.TICKER,
            valid_from=change.changed_on,
            valid_to=following.changed_on - _ONE_DAY,
        )
        for change, following in pairwise(changes)
        if change.ticker != symbol and change.changed_on < following.changed_on
    ]
    if aliases:  # before its own change the letters were, or may have been, another company's
        aliases.append(Alias(alias=symbol, kind=NameKind.TICKER, valid_from=changes[-1].changed_on))
    return tuple(aliases[-_MOST_ALIASES:])


def _placed(config: PolygonTickersConfig, cursor: str) -> _Cursor:
    at = decoded(_Cursor, cursor)
    return at if at.at in config.symbols else _Cursor(at=config.symbols[0])


def _request(config: PolygonTickersConfig, at: _Cursor) -> HttpRequest:
    return details_request(config, at.at) if at.details is None else history_request(config, at.at)


def _next_symbol(config: PolygonTickersConfig, at: _Cursor) -> _Cursor:
    symbols = tuple(dict.fromkeys(config.symbols))
    following = symbols[symbols.index(at.at) + 1 :]
    return _Cursor(at=following[0] if following else "")


def _page(
    config: PolygonTickersConfig, moved: _Cursor, companies: tuple[CompanyDetails, ...], rejects: tuple[Reject, ...]
) -> SourcePage:
    following = _request(config, moved) if moved.at else None
    return SourcePage(companies=companies, rejects=rejects, cursor=encoded(moved), next=following)
