"""From an empty installation to the first recommendation: each step shows its own state, and has its own button."""

from __future__ import annotations

import json
from typing import Any

from fastapi.responses import Response

from api.dashboard.client import ApiProblem, at
from api.dashboard.pages import PageRoute
from api.dashboard.visits import Visit, Visiting, act, refused, send
from api.routing import Router

router = Router(route_class=PageRoute)

WATCHLIST = "Sample universe"
SAMPLE = (
    ("AAPL", "Apple Inc.", "Information Technology"),
    ("AMZN", "Amazon.com, Inc.", "Consumer Discretionary"),
    ("CAT", "Caterpillar Inc.", "Industrials"),
    ("GS", "The Goldman Sachs Group, Inc.", "Financials"),
    ("JNJ", "Johnson & Johnson", "Health Care"),
    ("JPM", "JPMorgan Chase & Co.", "Financials"),
    ("KO", "The Coca-Cola Company", "Consumer Staples"),
    ("MSFT", "Microsoft Corporation", "Information Technology"),
    ("SBUX", "Starbucks Corporation", "Consumer Discretionary"),
    ("XOM", "Exxon Mobil Corporation", "Energy"),
)
"""Large companies of several sectors; those that the registry knows already are taken as they are."""
KINDS = ("feed", "page", "file", "edgar_current", "edgar_filings", "fed", "fred", "polygon_news", "alpaca_news", "imap")


@router.get("/welcome")
async def welcome(visit: Visiting) -> Response:
    return await _page(visit)


@router.post("/welcome/sample")
async def sample(visit: Visiting) -> Response:
    """Put ten companies on a watchlist, adding those that are not known yet."""
    result = await act(visit, _add_sample(visit))
    return result if isinstance(result, Response) else visit.see("/welcome", "added")


@router.post("/welcome/companies")
async def add_company(visit: Visiting) -> Response:
    form = visit.form
    body = {"symbol": form["symbol"].upper(), "name": form["name"], **form.present("sector", "exchange")}
    result = await send(visit, "POST", "/v1/companies", body)
    return result if isinstance(result, Response) else visit.see("/welcome", "added")


@router.post("/welcome/source")
async def source(visit: Visiting) -> Response:
    """Look at a source without keeping anything, or add it; the form says which."""
    form = visit.form
    try:
        config = source_config(form["kind"], form["address"], form["more"])
    except ApiProblem as problem:
        return await refused(visit, problem)
    if form["what"] == "test":
        path = at("/v1/sources/{}/test", form["source_id"])
        try:
            return await _page(visit, report=await visit.api.send("POST", path, {"config": config}, key=form.key))
        except ApiProblem as problem:
            if problem.status == 401:
                raise
            return await _page(visit, failure=problem)
    body: dict[str, Any] = {"source_id": form["source_id"], "config": config}
    if form["every"]:
        body["cadence_seconds"] = form["every"]
    result = await send(visit, "POST", "/v1/sources", body)
    return result if isinstance(result, Response) else visit.see("/welcome", "added")


@router.post("/welcome/run")
async def run(visit: Visiting) -> Response:
    path = at("/v1/sources/{}/runs", visit.form["source_id"])
    result = await send(visit, "POST", path)
    return result if isinstance(result, Response) else visit.see("/welcome", "started")


def source_config(kind: str, address: str, more: str) -> dict[str, Any]:
    """A source's configuration from the form: its kind, its one address, and the rest as JSON.

    Raises:
        ApiProblem: the rest is not a JSON object.
    """
    config: dict[str, Any] = {"kind": kind}
    if more:
        try:
            given = json.loads(more)
        except ValueError as error:
            given = str(error)
        if not isinstance(given, dict):
            raise ApiProblem(
                422,
                "SETTINGS_INVALID",
                f"found={str(given)[:120]}",
                'Write one JSON object, such as {"publisher": "Wire"}',
            )
        config |= given
    if address:
        config |= {"urls": [address]} if kind == "page" else {"path": address} if kind == "file" else {"url": address}
    return config


async def _add_sample(visit: Visit) -> None:
    for symbol, name, sector in SAMPLE:
        try:
            await visit.api.get(at("/v1/companies/{}", symbol))
        except ApiProblem as problem:
            if problem.status != 404:
                raise
            body = {"symbol": symbol, "name": name, "sector": sector}
            await visit.api.send("POST", "/v1/companies", body, key=f"{visit.form.key}-{symbol}")
    lists = await visit.api.get("/v1/watchlists", limit=200)
    known = next((each for each in lists["data"] if each["name"] == WATCHLIST), None)
    if known is None:
        body = {"name": WATCHLIST, "description": "Ten large companies of several sectors"}
        known = await visit.api.send("POST", "/v1/watchlists", body, key=f"{visit.form.key}-list")
    for symbol, _, _ in SAMPLE:
        await visit.api.send("PUT", at("/v1/watchlists/{}/members/{}", known["watchlist_id"], symbol))


async def _page(visit: Visit, *, report: Any = None, failure: ApiProblem | None = None) -> Response:
    found = await visit.api.read(
        companies="/v1/companies?limit=12&followed=true",
        watchlists="/v1/watchlists?limit=20",
        sources="/v1/sources",
        documents="/v1/documents?limit=5",
        decisions="/v1/recommendations?limit=3",
    )
    return await visit.page(
        "welcome.html",
        section="welcome",
        readings=found,
        report=report,
        failure=failure,
        kinds=KINDS,
        sample=[symbol for symbol, _, _ in SAMPLE],
        typed=visit.form.fields,
    )
