"""Estimated exposures: proposed from what the book held, accepted by a person, kept with what they were made of."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from sqlmodel import col, select

from api.keys import Scope
from domain.market import Bar, MacroFigure
from store import exposures, facts
from store.tables.platform import AuditEntry
from tests.api.harness import Caller, Platform, assert_problem, caller
from tests.api.test_lists import walk
from tests.layers.prices import bars_of, weekdays

pytestmark = pytest.mark.stack

DAYS = weekdays(420, date(2002, 1, 7))
LATER = weekdays(40, DAYS[-1] + timedelta(days=3))
AS_OF = datetime.combine(DAYS[-1], datetime.min.time(), UTC) + timedelta(days=1)
SECTOR = "Energy"
_numbers = itertools.count(1)


def noise(seed: int, days: Sequence[date] = DAYS) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.random.default_rng(seed).normal(0.0, 0.01, len(days))


def plain(symbol: str, returns: Any, days: Sequence[date] = DAYS) -> list[Bar]:
    return [known.bar for known in bars_of(symbol, returns, days)]


async def keep(platform: Platform, *bars: Sequence[Bar], figures: Sequence[MacroFigure] = ()) -> None:
    async with platform.parts.database.transaction() as session:
        for each in bars:
            await facts.save_bars(session, each)
        await facts.save_macro(session, figures)


def yields(values: Sequence[float], days: Sequence[date] = DAYS) -> list[MacroFigure]:
    """Each known from the day after."""
    return [
        MacroFigure(
            series="DGS10",
            period=day,
            value=Decimal(f"{value:.4f}"),
            known_from=day + timedelta(days=1),
            known_to=date.max,
        )
        for day, value in zip(days, values, strict=True)
    ]


@pytest.fixture(scope="session")
async def economy(platform: Platform) -> Platform:
    """Two factors: an index that moves, and yields that move by themselves."""
    await keep(
        platform,
        plain("SPY", noise(1)),
        figures=yields((3.0 + 10 * np.cumsum(noise(2))).tolist()),
    )
    return platform


async def company(api: Caller, platform: Platform, *, priced: bool = True, **details: Any) -> str:
    symbol = f"ZEX{next(_numbers)}"
    answer = await api("POST", "/v1/companies", json={"symbol": symbol, "name": symbol, **details})
    assert answer.status_code == 201, answer.text
    if priced:
        await keep(platform, plain(symbol, 0.8 * noise(1) - 0.5 * noise(2) + noise(3)))
    return symbol


def path(symbol: str) -> str:
    return f"/v1/companies/{symbol}/exposure-profile"


async def estimated(api: Caller, symbol: str, as_of: datetime = AS_OF) -> Any:
    answer = await api("GET", f"{path(symbol)}/estimate", params={"as_of": as_of.isoformat()})
    assert answer.status_code == 200, answer.text
    assert answer.headers["etag"] == f'"{answer.json()["current"]["version"]}"'
    return answer.json()["proposal"]


async def accepted(api: Caller, symbol: str, version: int, **body: Any) -> Any:
    return await api("POST", f"{path(symbol)}/accept", json=body, headers={"If-Match": f'"{version}"'})


async def test_estimate_when_asked_for_then_it_stands_beside_what_is_in_force_and_nothing_is_written(
    economy: Platform, api: Caller
) -> None:
    symbol, peer = [await company(api, economy, sector=SECTOR) for _ in range(2)]
    for each, profile in ((symbol, {"rates": 0.1, "regulation": -0.3}), (peer, {"rates": -0.4})):
        await api("PUT", path(each), json={"exposures": profile}, headers={"If-Match": '"0"'})
    async with economy.parts.database.transaction() as session:
        since = await exposures.current(session, peer)
        assert since is not None
    found = await estimated(api, symbol)
    assert found["problem"] is None
    rates, index = found["factors"]
    assert (rates["factor"], rates["series"], rates["current"]) == ("rates", "figures DGS10", 0.1)
    assert (index["factor"], index["series"], index["current"]) == ("region:United States", "bars of SPY", None)
    assert rates["proposed"] < -2 * rates["standard_error"] < 0 < 2 * index["standard_error"] < index["proposed"]
    assert rates["prior"] == 0  # the peer's profile was not in force in 2003
    assert (found["weeks"], 0.3 < found["explained"] < 1) == (83, True)
    assert found["prior_weight"] == pytest.approx(52 / (82 + 52), abs=1e-3)
    assert found["profile"] == {
        "rates": rates["proposed"], "region:United States": index["proposed"], "regulation": -0.3
    }  # fmt: skip
    assert {each["factor"] for each in found["left_out"]} >= {"usd", "oil", f"sector:{SECTOR}"}
    assert await estimated(api, symbol) == found
    assert (await api.get(path(symbol)))["version"] == 1


async def test_estimate_when_accepted_then_it_is_in_force_from_then_on_and_says_what_it_was_made_of(
    economy: Platform, api: Caller
) -> None:
    symbol = await company(api, economy)
    found = await estimated(api, symbol)
    body = {"as_of": found["as_of"], "estimate_id": found["estimate_id"]}
    answer = await accepted(api, symbol, 0, **body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["etag"] == '"1"'
    view = answer.json()
    assert view == await api.get(path(symbol))
    assert (view["exposures"], view["created_by"]) == (found["profile"], "api:bootstrap/bootstrap")
    assert view["provenance"].startswith(f"estimated {found['estimate_id']} as of 2003-")
    assert "rates (figures DGS10)" in view["provenance"]
    assert view["estimate"] == {name: value for name, value in found.items() if name not in ("profile", "problem")}
    created = datetime.fromisoformat(view["created_at"])
    async with economy.parts.database.transaction() as session:
        assert await exposures.in_force(session, [symbol], as_of=created - timedelta(microseconds=1)) == {}
        assert await exposures.in_force(session, [symbol], as_of=created) == {symbol: (1, found["profile"])}
        assert (await exposures.histories(session, until=created))[symbol] == [(created, found["profile"])]
        rows = await session.exec(
            select(AuditEntry).where(AuditEntry.subject == symbol).order_by(col(AuditEntry.sequence))
        )
        noted = [entry for entry in rows if entry.action == "exposure_profile_replaced"]
    assert [entry.body["after"]["estimate"]["estimate_id"] for entry in noted] == [found["estimate_id"]]
    same = await accepted(api, symbol, 1, **body)
    assert (same.status_code, same.headers["etag"]) == (200, '"1"')
    given = await api("PUT", path(symbol), json={"exposures": {"rates": 0.5}}, headers={"If-Match": '"1"'})
    assert given.json()["estimate"] == {}
    versions = await walk(api, f"{path(symbol)}/versions", 50)
    assert [bool(row["estimate"]) for row in versions] == [False, True]


async def test_estimate_when_the_profile_or_the_data_changed_meanwhile_then_acceptance_is_refused(
    economy: Platform, api: Caller
) -> None:
    symbol = await company(api, economy)
    found = await estimated(api, symbol)
    body = {"as_of": found["as_of"], "estimate_id": found["estimate_id"]}
    assert_problem(await api("POST", f"{path(symbol)}/accept", json=body), 428, "PRECONDITION_REQUIRED")
    assert_problem(await accepted(api, symbol, 4, **body), 412, "VERSION_MISMATCH")
    other = {**body, "estimate_id": "ee_another"}
    fields = assert_problem(await accepted(api, symbol, 0, **other), 409, "ESTIMATE_CHANGED")["fields"]
    assert fields == {"symbol": symbol, "expected": "ee_another", "found": found["estimate_id"]}
    assert (await api.get(path(symbol)))["version"] == 0
    await api("DELETE", f"/v1/companies/{symbol}", headers={"If-Match": "*"})
    assert_problem(await accepted(api, symbol, 0, **body), 409, "COMPANY_NOT_FOLLOWED")


async def test_estimate_when_of_an_instant_then_nothing_later_has_an_effect(economy: Platform, api: Caller) -> None:
    symbol = await company(api, economy)
    before = await estimated(api, symbol)
    wild = np.full(len(LATER), 0.1)
    revised = [
        figure.model_copy(update={"value": Decimal(99), "known_from": LATER[5]})
        for figure in yields([0.0] * len(DAYS[::3]), DAYS[::3])
    ]
    await keep(
        economy,
        plain(symbol, wild, LATER),
        plain("SPY", noise(8, LATER), LATER),
        figures=[*revised, *yields([9.0 + at % 2 for at in range(len(LATER))], LATER)],
    )
    assert await estimated(api, symbol) == before
    after = await estimated(api, symbol, datetime.combine(LATER[-1], datetime.min.time(), UTC) + timedelta(days=3))
    assert after["weeks"] > before["weeks"]
    assert after["factors"][0]["proposed"] != before["factors"][0]["proposed"]


async def test_estimate_when_there_is_none_then_it_says_why_and_cannot_be_accepted(
    economy: Platform, api: Caller
) -> None:
    unpriced = await company(api, economy, priced=False)
    found = await estimated(api, unpriced)
    assert (found["problem"]["code"], found["factors"], found["profile"]) == ("NO_BARS", [], {})
    assert f"Add daily bars of {unpriced}: 53 weeks at least" in found["problem"]["hint"]
    problem = assert_problem(await accepted(api, unpriced, 0, as_of=found["as_of"]), 409, "NO_BARS")
    assert "polygon_bars" in problem["hint"]
    symbol = await company(api, economy)
    early = datetime.combine(DAYS[100], datetime.min.time(), UTC)
    few = await estimated(api, symbol, early)
    assert few["problem"]["code"] == "TOO_FEW_WEEKS"
    assert few["problem"]["detail"] == "19 weeks of prices, needed are 52"


async def test_estimate_when_wrongly_asked_for_then_it_is_refused(economy: Platform, api: Caller) -> None:
    ahead = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    where = f"{path('AAPL')}/estimate"
    assert_problem(await api("GET", where, params={"as_of": ahead}), 422, "AS_OF_IN_FUTURE")
    for wrong in ({"as_of": "2014-01-01T00:00:00"}, {"as_of": "soon"}, {"when": ahead}):
        assert_problem(await api("GET", where, params=wrong), 422, "REQUEST_INVALID")
    assert_problem(await api("GET", f"{path('NOBODY')}/estimate"), 404, "COMPANY_NOT_FOUND")
    assert_problem(await accepted(api, "NOBODY", 0, as_of=AS_OF.isoformat()), 404, "COMPANY_NOT_FOUND")
    assert_problem(await accepted(api, "AAPL", 0, as_of=ahead), 422, "AS_OF_IN_FUTURE")
    assert_problem(await accepted(api, "AAPL", 0), 422, "REQUEST_INVALID")
    reader = caller(economy, await economy.key(Scope.READ))
    assert (await reader("GET", where)).status_code == 200
    assert_problem(await reader("POST", f"{path('AAPL')}/accept", json={}), 403, "SCOPE_MISSING")
    assert_problem(await caller(economy, "")("GET", where), 401, "KEY_MISSING")
