"""Companies, and one of them whole: prices with what was written and done, signals, exposure, competitors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from fastapi.responses import Response
from markupsafe import Markup

from api.dashboard import formats
from api.dashboard.charts import candles, lines
from api.dashboard.client import at
from api.dashboard.pages import PageRoute
from api.dashboard.visits import Visiting
from api.routing import Router

router = Router(route_class=PageRoute)

BARS = 120
_MARKS = {"document": "document", "recommendation": "decision", "order": "order", "fill": "fill"}


@router.get("/symbols")
async def symbols(visit: Visiting, q: str = "", sector: str = "", cursor: str = "") -> Response:
    listed = await visit.api.get("/v1/companies", limit=50, q=q.strip(), sector=sector, cursor=cursor)
    return await visit.page("symbols.html", section="symbols", listed=listed, q=q.strip(), sector=sector, cursor=cursor)


@router.get("/symbols/{symbol}")
async def symbol(visit: Visiting, symbol: str, cursor: str = "") -> Response:
    base = at("/v1/symbols/{}", symbol)
    found = await visit.api.read(
        company=at("/v1/companies/{}", symbol),
        summary=f"{base}/summary",
        bars=f"{base}/bars?limit={BARS}&adjustment=split",
        timeline=f"{base}/timeline?limit=60" + (f"&cursor={cursor}" if cursor else ""),
        signals=f"{base}/signals?limit=60",
        exposure=f"{base}/exposure",
        position=at("/v1/positions/{}", symbol),
        competitors=at("/v1/companies/{}/competitors?limit=50", symbol),
        decisions=at("/v1/recommendations?symbol={}&limit=12", symbol),
    )
    if found["company"].problem is not None and found["summary"].problem is not None:
        raise found["company"].problem
    entries = (found["timeline"].value or {}).get("data", [])
    bars = list(reversed((found["bars"].value or {}).get("data", [])))
    return await visit.page(
        "symbol.html",
        section="symbols",
        readings=found,
        symbol=symbol,
        history=bars,
        chart=price_chart(symbol, bars, entries),
        scores=score_line(list(reversed((found["signals"].value or {}).get("data", [])))),
        cursor=cursor,
    )


def price_chart(symbol: str, bars: Sequence[Mapping[str, Any]], entries: Sequence[Mapping[str, Any]]) -> Markup | None:
    """Candles with marks; None below two bars."""
    if len(bars) < 2:
        return None
    drawn = [
        candles.Bar(
            session=date.fromisoformat(bar["session"]),
            **{name: float(bar[name]) for name in ("open", "high", "low", "close", "volume")},
        )
        for bar in bars
    ]
    return candles.candle_chart(
        key="prices",
        title=f"Prices of {symbol}",
        description=f"{len(drawn)} sessions from {drawn[0].session} to {drawn[-1].session}, "
        f"from {drawn[0].open:,.2f} to {drawn[-1].close:,.2f}",
        bars=drawn,
        marks=[mark for entry in entries if (mark := _mark(entry)) is not None],
    )


def score_line(signals: Sequence[Mapping[str, Any]]) -> Markup | None:
    """How the score went; None below two signals."""
    if len(signals) < 2:
        return None
    days = [datetime.fromisoformat(signal["as_of"]).date() for signal in signals]
    values = [float(signal["score"]) for signal in signals]
    return lines.line_chart(
        key="scores",
        title="Score",
        description=f"{len(values)} assessments, the last {values[-1]:+.3f}",
        days=days,
        lines=[lines.Line("score", "own", values)],
        label=lambda value: f"{value:+.2f}".replace("-", "\N{MINUS SIGN}"),
        reference=0.0,
    )


def href(entry: Mapping[str, Any]) -> str:
    """Where an entry of a timeline leads within the dashboard; empty where it has no page."""
    if entry["doc_id"]:
        return f"/documents/{entry['doc_id']}"
    if entry["kind"] == "recommendation":
        return f"/decisions/{entry['id']}"
    if entry["kind"] in ("order", "fill"):
        return f"/orders/{entry['id'] if entry['kind'] == 'order' else entry['facts']['order_id']}"
    return ""


def _mark(entry: Mapping[str, Any]) -> candles.Mark | None:
    kind = _MARKS.get(entry["kind"])
    at = formats.moment(entry["at"])
    if kind is None or at is None or (kind == "decision" and entry["facts"].get("action") in ("none", "watch")):
        return None
    text = f"{at:%d %b}: {entry['title']}"
    return candles.Mark(on=at.astimezone(formats.NEW_YORK).date(), kind=kind, text=text, href=href(entry))
