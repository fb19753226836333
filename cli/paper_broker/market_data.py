"""The market's data in the vendor's shapes, as far as the broker's clock lets them be known.

Prices are JSON numbers here. The book knows one price at a time, so a quote's bid and ask are that price, and sizes are
a round lot where none is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any

from cli.paper_broker.amounts import DOLLAR
from cli.paper_broker.assets import Exchange
from cli.paper_broker.data_queries import (
    PageQuery,
    Parameters,
    Placed,
    Timeframe,
    paged,
    read_adjustments,
    read_count,
    read_date,
    read_sort,
    read_symbols,
)
from cli.paper_broker.exchange import FIRST_DAY, NEW_YORK
from cli.paper_broker.ledger import Ledger, stamp
from cli.paper_broker.listing import names_in
from cli.paper_broker.records import MarketState
from cli.paper_broker.refusals import bad_request, missing
from cli.paper_broker.tape import Span, StoredAction, StoredBar, Tape, Tick, midnight

_TAPES = {Exchange.NYSE: ("N", "A"), Exchange.NASDAQ: ("Q", "C"), Exchange.OTC: ("U", "O")}
_REGIONAL = ("P", "B")
_MAX_ACTIONS, _MAX_NEWS = 1000, 50


@dataclass(frozen=True)
class MarketData:
    """Answers at one instant of the market, inside one reading of the book."""

    ledger: Ledger
    market: MarketState

    @property
    def _tape(self) -> Tape:
        return Tape(self.ledger)

    # history

    def bars(self, parameters: Parameters, symbol: str | None = None) -> dict[str, Any]:
        timeframe = Timeframe.read(parameters.get("timeframe", ""))
        adjustments = read_adjustments(parameters)
        query = self._query(parameters, symbol)
        points = {
            name: [
                Placed(bar.start, 0, _bar(bar))
                for bar in self._aggregated(name, timeframe, adjustments, query)
                if query.start <= bar.start <= query.end
            ]
            for name in query.symbols
        }
        return _page("bars", query, points, symbol)

    def quotes(self, parameters: Parameters, symbol: str | None = None) -> dict[str, Any]:
        query = self._query(parameters, symbol)
        return _page("quotes", query, self._ticks(query, self._quote), symbol)

    def trades(self, parameters: Parameters, symbol: str | None = None) -> dict[str, Any]:
        query = self._query(parameters, symbol)
        return _page("trades", query, self._ticks(query, self._trade), symbol)

    def _query(self, parameters: Parameters, symbol: str | None) -> PageQuery:
        symbols = read_symbols(parameters) if symbol is None else (symbol.upper(),)
        return PageQuery.read(parameters, symbols, self.market.now)

    def _ticks(self, query: PageQuery, shown: Any) -> dict[str, list[Placed[dict[str, Any]]]]:
        return {
            symbol: [
                Placed(tick.at, tick.sequence, shown(tick))
                for tick in self._tape.ticks(symbol, first=query.start, last=min(query.end, self.market.now))
            ]
            for symbol in query.symbols
        }

    def _aggregated(
        self, symbol: str, timeframe: Timeframe, adjustments: set[str], query: PageQuery
    ) -> Iterable[StoredBar]:
        span = Span.MINUTE if timeframe.intraday else Span.DAY
        last = query.end + timedelta(days=1 if timeframe.intraday else 31 * timeframe.amount)
        bars = self._tape.bars(symbol, span, first=timeframe.floor(query.start), last=last, now=self.market.now)
        if adjustments:
            bars = self._adjusted(symbol, bars, adjustments)
        for start, group in groupby(bars, key=lambda bar: timeframe.floor(bar.start)):
            yield _merged(start, list(group))

    def _adjusted(self, symbol: str, bars: list[StoredBar], adjustments: set[str]) -> list[StoredBar]:
        """Bars as if the corporate actions since had always been in force.

        A split divides the prices before it by its ratio; a dividend multiplies them by one less its share of the
        close before the ex-date.
        """
        actions = self._tape.actions(first=FIRST_DAY, last=_day(self.market.now), symbols=[symbol])
        factors = [
            (action.ex_date, *self._factors(action))
            for action in actions
            if ("split" if action.ratio is not None else "dividend") in adjustments
        ]
        adjusted = []
        for bar in bars:
            price = volume = 1.0
            for ex_date, of_prices, of_volume in factors:
                if _day(bar.start) < ex_date:
                    price, volume = price * of_prices, volume * of_volume
            adjusted.append(_scaled(bar, price, volume))
        return adjusted

    def _factors(self, action: StoredAction) -> tuple[float, float]:
        """What prices and volumes before the ex-date are multiplied by."""
        if action.ratio is not None:
            return float(1 / action.ratio), float(action.ratio)
        before = midnight(action.ex_date) - timedelta(microseconds=1)
        closes = self._tape.bars(
            action.symbol, Span.DAY, first=before - timedelta(days=10), last=before, now=self.market.now
        )
        if not closes or not action.dividend or action.dividend >= closes[-1].close:
            return 1.0, 1.0
        return 1 - action.dividend / closes[-1].close, 1.0

    # latest

    def latest_bars(self, parameters: Parameters) -> dict[str, Any]:
        return {"bars": self._for_each(parameters, self._latest_bar)}

    def latest_quotes(self, parameters: Parameters) -> dict[str, Any]:
        return {"quotes": self._for_each(parameters, self._latest_quote)}

    def latest_trades(self, parameters: Parameters) -> dict[str, Any]:
        return {"trades": self._for_each(parameters, self._latest_trade)}

    def snapshots(self, parameters: Parameters) -> dict[str, Any]:
        return self._for_each(parameters, self._snapshot)

    def latest_bar(self, symbol: str) -> dict[str, Any]:
        return self._one("bar", symbol, self._latest_bar)

    def latest_quote(self, symbol: str) -> dict[str, Any]:
        return self._one("quote", symbol, self._latest_quote)

    def latest_trade(self, symbol: str) -> dict[str, Any]:
        return self._one("trade", symbol, self._latest_trade)

    def snapshot(self, symbol: str) -> dict[str, Any]:
        found = self._snapshot(symbol.upper())
        if found is None:
            raise missing(f"no snapshot found for {symbol}")
        return {"symbol": symbol.upper()} | found

    def _for_each(self, parameters: Parameters, shown: Any) -> dict[str, Any]:
        found = {symbol: shown(symbol) for symbol in read_symbols(parameters)}
        return {symbol: answer for symbol, answer in found.items() if answer is not None}

    def _one(self, name: str, symbol: str, shown: Any) -> dict[str, Any]:
        found = shown(symbol.upper())
        if found is None:
            raise missing(f"no {name} found for {symbol}")
        return {"symbol": symbol.upper(), name: found}

    def _latest_bar(self, symbol: str) -> dict[str, Any] | None:
        """The last minute's bar, or the last day's where no minutes are known."""
        for span in (Span.MINUTE, Span.DAY):
            found = self._tape.latest_bars(symbol, span, now=self.market.now, count=1)
            if found:
                return _bar(found[0])
        return None

    def _latest_quote(self, symbol: str) -> dict[str, Any] | None:
        tick = self._tape.latest_tick(symbol)
        return None if tick is None else self._quote(tick)

    def _latest_trade(self, symbol: str) -> dict[str, Any] | None:
        tick = self._tape.latest_tick(symbol)
        return None if tick is None else self._trade(tick)

    def _snapshot(self, symbol: str) -> dict[str, Any] | None:
        now = self.market.now
        minutes = self._tape.latest_bars(symbol, Span.MINUTE, now=now, count=1)
        days = self._tape.latest_bars(symbol, Span.DAY, now=now, count=2)
        shown = {
            "latestTrade": self._latest_trade(symbol),
            "latestQuote": self._latest_quote(symbol),
            "minuteBar": _bar(minutes[0]) if minutes else None,
            "dailyBar": _bar(days[0]) if days else None,
            "prevDailyBar": _bar(days[1]) if len(days) > 1 else None,
        }
        return {name: value for name, value in shown.items() if value is not None} or None

    def _quote(self, tick: Tick) -> dict[str, Any]:
        venue, tape = self._venue(tick.symbol)
        price = _number(tick.price)
        side = {"bp": price, "bs": tick.size, "bx": venue, "ap": price, "as": tick.size, "ax": venue}
        return {"t": stamp(tick.at), "c": ["R"], "z": tape} | side

    def _trade(self, tick: Tick) -> dict[str, Any]:
        venue, tape = self._venue(tick.symbol)
        head = {"t": stamp(tick.at), "x": venue, "p": _number(tick.price), "s": tick.size}
        return head | {"c": ["@"], "i": tick.sequence, "z": tape}

    def _venue(self, symbol: str) -> tuple[str, str]:
        asset = self.ledger.asset(symbol)
        return _REGIONAL if asset is None else _TAPES.get(Exchange(asset.exchange), _REGIONAL)

    # lists about the market

    def most_actives(self, parameters: Parameters) -> dict[str, Any]:
        """Symbols of the last session with bars, by volume or by number of trades."""
        count = read_count(parameters, "top", 10, 100)
        by = parameters.get("by") or "volume"
        if by not in ("volume", "trades"):
            raise bad_request(f"invalid by: {by}")
        bars = [pair[0] for pair in self._last_days().values()]
        key = (lambda bar: (-bar.volume, bar.symbol)) if by == "volume" else (lambda bar: (-bar.trades, bar.symbol))
        shown = [
            {"symbol": bar.symbol, "volume": bar.volume, "trade_count": bar.trades} for bar in sorted(bars, key=key)
        ]
        return {"most_actives": shown[:count], "last_updated": stamp(self.market.now)}

    def movers(self, market_type: str, parameters: Parameters) -> dict[str, Any]:
        """Symbols that gained and lost most from the close before to the last one."""
        if market_type not in ("stocks", "crypto"):
            raise bad_request(f"invalid market_type: {market_type}")
        count = read_count(parameters, "top", 10, 50)
        moved = []
        for symbol, days in self._last_days().items() if market_type == "stocks" else ():
            if len(days) > 1:
                change = days[0].close - days[1].close
                percent = round(100 * change / days[1].close, 2)
                price = _number(days[0].close)
                moved.append({"symbol": symbol, "price": price, "change": _number(change), "percent_change": percent})
        ranked = sorted(moved, key=lambda mover: (-float(str(mover["percent_change"])), mover["symbol"]))
        return {
            "gainers": [mover for mover in ranked if float(str(mover["change"])) > 0][:count],
            "losers": [mover for mover in reversed(ranked) if float(str(mover["change"])) < 0][:count],
            "market_type": market_type,
            "last_updated": stamp(self.market.now),
        }

    def _last_days(self) -> dict[str, list[StoredBar]]:
        """The last two daily bars of every symbol that has one of the last session."""
        found = {
            asset.symbol: self._tape.latest_bars(asset.symbol, Span.DAY, now=self.market.now, count=2)
            for asset in self.ledger.list_assets()
        }
        last = max((days[0].start for days in found.values() if days), default=None)
        return {symbol: days for symbol, days in found.items() if days and days[0].start == last}

    def corporate_actions(self, parameters: Parameters) -> dict[str, Any]:
        """Dividends and splits by ex-date, which is also when they are processed here."""
        today = _day(self.market.now)
        newest = read_sort(parameters)
        limit = read_count(parameters, "limit", 100, _MAX_ACTIONS)
        ids = [name.lower() for name in names_in(parameters, "ids")]
        if ids:
            listed = [action for action in map(self._tape.action, ids) if action is not None]
        else:
            listed = self._tape.actions(
                first=read_date(parameters, "start", today),
                last=min(read_date(parameters, "end", today), today),
                symbols=names_in(parameters, "symbols"),
            )
        types = {name.lower() for name in names_in(parameters, "types")}
        kinds = [(action, _kind(action)) for action in listed if not types or _kind(action) in types]
        kinds.sort(key=lambda pair: (pair[0].ex_date, pair[0].id), reverse=newest)
        token = parameters.get("page_token", "")
        if token:
            places = [place for place, (action, _) in enumerate(kinds) if action.id == token]
            if not places:
                raise bad_request("invalid page_token")
            kinds = kinds[places[0] + 1 :]
        shown: dict[str, list[dict[str, Any]]] = {}
        for action, kind in kinds[:limit]:
            shown.setdefault(f"{kind}s", []).append(_action(action, kind))
        following = kinds[limit - 1][0].id if len(kinds) > limit else None
        return {"corporate_actions": shown, "next_page_token": following}

    def news(self, parameters: Parameters) -> dict[str, Any]:
        """The broker knows no news; the parameters are checked all the same."""
        read_count(parameters, "limit", 10, _MAX_NEWS)
        read_sort(parameters, "desc")
        return {"news": [], "next_page_token": None}


def _page(
    name: str, query: PageQuery, points: dict[str, list[Placed[dict[str, Any]]]], symbol: str | None
) -> dict[str, Any]:
    page = paged(query, points)
    if symbol is None:
        return {name: page.points, "next_page_token": page.token}
    return {name: page.points.get(symbol.upper(), []), "next_page_token": page.token, "symbol": symbol.upper()}


def _merged(start: datetime, bars: Sequence[StoredBar]) -> StoredBar:
    """One bar of several that follow each other; without volumes every bar counts alike in the average."""
    weights = [bar.volume for bar in bars] if any(bar.volume for bar in bars) else [1] * len(bars)
    vwap = sum(bar.vwap * weight for bar, weight in zip(bars, weights, strict=True)) / sum(weights)
    return replace(
        bars[0],
        start=start,
        high=max(bar.high for bar in bars),
        low=min(bar.low for bar in bars),
        close=bars[-1].close,
        volume=sum(bar.volume for bar in bars),
        trades=sum(bar.trades for bar in bars),
        vwap=round(vwap),
    )


def _scaled(bar: StoredBar, price: float, volume: float) -> StoredBar:
    prices = {name: round(getattr(bar, name) * price) for name in ("open", "high", "low", "close", "vwap")}
    return replace(bar, volume=round(bar.volume * volume), **prices)


def _bar(bar: StoredBar) -> dict[str, Any]:
    return {
        "t": bar.start.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "o": _number(bar.open),
        "h": _number(bar.high),
        "l": _number(bar.low),
        "c": _number(bar.close),
        "v": bar.volume,
        "n": bar.trades,
        "vw": _number(bar.vwap),
    }


def _number(price: int) -> float:
    return price / DOLLAR


def _day(at: datetime) -> date:
    return at.astimezone(NEW_YORK).date()


def _kind(action: StoredAction) -> str:
    if action.ratio is None:
        return "cash_dividend"
    return "forward_split" if action.ratio > 1 else "reverse_split"


def _action(action: StoredAction, kind: str) -> dict[str, Any]:
    day = action.ex_date.isoformat()
    head = {"id": action.id, "symbol": action.symbol, "process_date": day, "ex_date": day}
    if action.ratio is None:
        rate = _number(action.dividend or 0)
        return head | {"cusip": "", "rate": rate, "special": False, "foreign": False}
    rates = {"new_rate": float(action.ratio.numerator), "old_rate": float(action.ratio.denominator)}
    names = {"cusip": ""} if kind == "forward_split" else {"old_cusip": "", "new_cusip": ""}
    return head | rates | names
