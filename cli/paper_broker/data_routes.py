"""The vendor's market-data endpoints for stocks, corporate actions and news."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from cli.paper_broker.broker import PaperBroker
from cli.paper_broker.data_queries import Parameters
from cli.paper_broker.market_data import MarketData


def data_routes(broker: PaperBroker) -> APIRouter:
    """Make the routes: each kind of data for several symbols, and for one symbol in the path."""
    routes = APIRouter()

    def add(path: str, step: Callable[[MarketData, Parameters], dict[str, Any]]) -> None:
        @routes.get(path)
        def look(request: Request) -> Response:
            return JSONResponse(broker.market_data(lambda data: step(data, request.query_params)))

    def add_for_one(path: str, step: Callable[[MarketData, Parameters, str], dict[str, Any]]) -> None:
        @routes.get(path)
        def look(symbol: str, request: Request) -> Response:
            return JSONResponse(broker.market_data(lambda data: step(data, request.query_params, symbol)))

    stocks = "/v2/stocks"
    add(f"{stocks}/bars", MarketData.bars)
    add(f"{stocks}/quotes", MarketData.quotes)
    add(f"{stocks}/trades", MarketData.trades)
    add(f"{stocks}/bars/latest", MarketData.latest_bars)
    add(f"{stocks}/quotes/latest", MarketData.latest_quotes)
    add(f"{stocks}/trades/latest", MarketData.latest_trades)
    add(f"{stocks}/snapshots", MarketData.snapshots)
    add_for_one(f"{stocks}/{{symbol}}/bars", MarketData.bars)
    add_for_one(f"{stocks}/{{symbol}}/quotes", MarketData.quotes)
    add_for_one(f"{stocks}/{{symbol}}/trades", MarketData.trades)
    add_for_one(f"{stocks}/{{symbol}}/bars/latest", lambda data, _, symbol: data.latest_bar(symbol))
    add_for_one(f"{stocks}/{{symbol}}/quotes/latest", lambda data, _, symbol: data.latest_quote(symbol))
    add_for_one(f"{stocks}/{{symbol}}/trades/latest", lambda data, _, symbol: data.latest_trade(symbol))
    add_for_one(f"{stocks}/{{symbol}}/snapshot", lambda data, _, symbol: data.snapshot(symbol))
    add("/v1/corporate-actions", MarketData.corporate_actions)
    add("/v1beta1/news", MarketData.news)
    add("/v1beta1/screener/stocks/most-actives", MarketData.most_actives)

    @routes.get("/v1beta1/screener/{market_type}/movers")
    def movers(market_type: str, request: Request) -> Response:
        return JSONResponse(broker.market_data(lambda data: data.movers(market_type, request.query_params)))

    return routes
