"""`stonks companies`: answers on standard output, errors in one clear line."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from domain.actors import BOOTSTRAP_ACTOR, spoken
from domain.comovement import CoMovement
from domain.comovement_measurement import MeasuredPair
from store import competitor_history
from tests.api.harness import Caller, Platform
from tests.api.test_competitors import linked
from tests.api.test_exposures import AS_OF, company, path
from tests.operate.conftest import Stonks
from workflows.names import Queue

pytestmark = pytest.mark.stack

ADD = ("--add", "2026-10-29")


async def test_companies_when_added_and_named_then_they_are_listed_and_resolve(cli: Stonks, api: Caller) -> None:
    added = await cli.json(
        "companies", "add", "zcli", "Zirkon Looms Inc.", "--sector", "Industrials", "--from", "2009-05-04"
    )
    assert (added["symbol"], added["active_from"], added["version"]) == ("ZCLI", "2009-05-04", 1)
    assert added == await api.get("/v1/companies/ZCLI")
    said = await cli.text("companies", "alias", "zcli", "ZOLD", "--kind", "ticker", "--to", "2009-05-03")
    assert said == "ZOLD is a ticker of ZCLI.\n"
    assert "Zirkon Looms Inc." in await cli.text("companies", "list", "zold")
    assert [row["symbol"] for row in (await cli.json("companies", "list", "zirkon"))["data"]] == ["ZCLI"]
    assert "No company matches" in await cli.text("companies", "list", "zirkonium")
    few = await cli.json("companies", "list", "--limit", "2", "--all")
    assert (len(few["data"]), few["has_more"]) == (2, True)
    shown = await cli.text("companies", "resolve", "Zirkon Looms Inc. opened a plant", "--on", "2016-03-01")
    assert "ZCLI" in shown
    assert "full name" in shown
    assert (await cli.json("companies", "resolve", "ZOLD", "--on", "2009-05-03"))["data"][0]["symbol"] == "ZCLI"
    assert "names no company" in await cli.text("companies", "resolve", "ZOLD", "--on", "2009-05-04")


async def test_competitors_when_searched_for_then_one_is_confirmed_and_another_rejected(
    platform: Platform, cli: Stonks, api: Caller
) -> None:
    assert "has none yet" in await cli.text("companies", "competitors", "pfe")
    async with platform.working(Queue.OPS):
        found = await cli.json("companies", "competitors", "pfe", "--infer", "--as-of", "2014-07-16T20:00Z")
    assert found["inference"]["status"] == "finished"
    assert found["inference"]["as_of"] == "2014-07-16T20:00:00Z"
    assert {"BMY", "JNJ", "MRK"} <= {row["competitor"] for row in found["data"]}
    assert "confirmed" in await cli.text("companies", "competitors", "PFE", "--confirm", "mrk")
    await cli.text("companies", "competitors", "PFE", "--reject", "JNJ")
    rows = (await api.get("/v1/companies/PFE/competitors"))["data"]
    decided = {row["competitor"]: row["status"] for row in rows if row["decided_by"] == BOOTSTRAP_ACTOR}
    assert decided == {"MRK": "confirmed", "JNJ": "rejected"}
    history = (await cli.json("companies", "competitors", "PFE", "--history"))["data"]
    assert [(row["competitor"], row["number"]) for row in history] == [("MRK", 1)]
    assert history[0]["strength"] == next(row["strength"] for row in rows if row["competitor"] == "MRK")
    await cli.text("companies", "competitors", "PFE", "--reject", "MRK")
    shown = await cli.text("companies", "competitors", "PFE", "--history")
    assert "taken back" in shown.splitlines()[1]
    assert spoken(BOOTSTRAP_ACTOR) in shown
    assert "was ever in force" in await cli.text("companies", "competitors", "JNJ", "--history")


async def test_competitors_when_they_were_measured_then_the_list_says_how_they_move(
    platform: Platform, cli: Stonks, api: Caller
) -> None:
    await linked(api, "WMT", "COST")
    pair = MeasuredPair(
        symbol="WMT",
        competitor="COST",
        as_of=datetime(2014, 7, 12, tzinfo=UTC),
        comovement=CoMovement(rho=-0.314, n=24),
        told=30,
        benchmark="SPY",
    )
    async with platform.parts.database.transaction() as session:
        await competitor_history.save_comovements(session, [pair], now=datetime(2014, 7, 12, 13, tzinfo=UTC))
    assert "-0.31 of 24" in await cli.text("companies", "competitors", "WMT")


async def test_exposures_when_estimated_then_they_are_shown_beside_and_count_once_accepted(
    economy: Platform, cli: Stonks, api: Caller
) -> None:
    symbol = await company(api, economy)
    assert "has no exposures yet" in await cli.text("companies", "exposures", symbol.lower())
    instant = AS_OF.isoformat()
    shown = await cli.text("companies", "exposures", symbol, "--estimate", "--as-of", instant)
    assert f"{symbol}: 83 weeks, " in shown
    assert "No company of its sector has exposures" in shown
    assert "figures DGS10" in shown
    assert "weighs 39 % of an estimate" in " ".join(shown.split())
    assert "no oil: not in the book: figures DCOILWTICO, figures DCOILBRENTEU" in shown
    assert "no region:Japan: not in the book: bars of EWJ" in shown
    found = await cli.json("companies", "exposures", symbol, "--estimate", "--as-of", instant)
    assert found["current"]["version"] == 0
    rates = next(each for each in found["proposal"]["factors"] if each["factor"] == "rates")
    assert f"{rates['proposed']:+.2f}" in shown
    assert f"{rates['standard_error']:.2f}" in shown
    assert (await api.get(path(symbol)))["version"] == 0
    accepted = await cli.json("companies", "exposures", symbol, "--accept", "--as-of", instant)
    assert (accepted["version"], accepted["exposures"]) == (1, found["proposal"]["profile"])
    assert accepted["created_by"] == BOOTSTRAP_ACTOR
    assert accepted == await api.get(path(symbol))
    current = await cli.text("companies", "exposures", symbol)
    assert current.startswith(f"{symbol}, version 1 by {spoken(BOOTSTRAP_ACTOR)}")
    assert f"{rates['proposed']:+.2f}" in current
    again = await cli("companies", "exposures", symbol, "--accept", "--as-of", instant)
    assert again.out.endswith("Version 1 is in force.\n")
    assert again.err == ""


async def test_exposures_when_there_is_no_estimate_then_it_says_what_to_add(
    economy: Platform, cli: Stonks, api: Caller
) -> None:
    symbol = await company(api, economy, priced=False)
    shown = " ".join((await cli.text("companies", "exposures", symbol, "--estimate")).split())
    assert shown.startswith(f"{symbol}: no estimate, no bars. Add daily bars of {symbol}: 53 weeks at least")
    refused = await cli("companies", "exposures", symbol, "--accept")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith(f"NO_BARS: symbol={symbol}, found=no bars")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("add", "x y", "Name"), "OPTION_INVALID: field=symbol"),
        (("add", "AAPL", "Apple"), "COMPANY_EXISTS: symbol=AAPL"),
        (("add", "GOOG", "Alphabet", "--from", "2014-04-02"), "TICKER_IN_USE: ticker=GOOG, symbol=GOOG"),
        (("add", "ZZZZ", "Name", "--from", "soon"), "OPTION_INVALID: field=active_from"),
        (("alias", "NOBODY", "Name"), "COMPANY_NOT_FOUND: symbol=NOBODY"),
        (("alias", "AAPL", "Name", "--kind", "nick"), "OPTION_INVALID: field=kind"),
        (("resolve", "AAPL", "--on", "soon"), "TIME_INVALID: option=--on"),
        (("competitors", "NOBODY"), "COMPANY_NOT_FOUND: symbol=NOBODY"),
        (("competitors", "AAPL", "--confirm", "KO"), "COMPETITOR_LINK_NOT_FOUND: symbol=AAPL, competitor=KO"),
        (("competitors", "AAPL", "--infer", "--as-of", "2999-01-01"), "AS_OF_IN_FUTURE: found=2999-01-01"),
        (("exposures", "NOBODY"), "COMPANY_NOT_FOUND: symbol=NOBODY"),
        (("earnings", "NOBODY"), "COMPANY_NOT_FOUND: symbol=NOBODY"),
        (("earnings", "AAPL", "--add", "soon"), "TIME_INVALID: option=--add"),
        (("earnings", "AAPL", "--add", "2199-01-04"), "EARNINGS_DATE_INVALID: field=date"),
        (("earnings", "AAPL", "--remove", "2019-01-04"), "EARNINGS_DATE_NOT_FOUND: symbol=AAPL"),
        (("exposures", "AAPL", "--estimate", "--as-of", "soon"), "TIME_INVALID: option=--as-of"),
        (("exposures", "AAPL", "--accept", "--as-of", "2999-01-01"), "AS_OF_IN_FUTURE: found=2999-01-01"),
    ],
)
async def test_command_when_it_cannot_be_done_then_one_line_says_why(
    cli: Stonks, words: tuple[str, ...], message: str
) -> None:
    done = await cli("companies", *words)
    assert (done.code, done.out) == (1, ""), done
    assert done.err.replace("\n", " ").startswith(message)


async def test_earnings_when_a_date_is_added_moved_and_taken_back_then_the_list_follows(
    cli: Stonks, api: Caller
) -> None:
    await cli.json("companies", "add", "zearn", "Zircon Earnings Inc.")
    assert "No date is known" in await cli.text("companies", "earnings", "zearn")
    added = await cli.json("companies", "earnings", "zearn", "--add", "2026-10-29", "--timing", "amc")
    assert added["data"] == (await api.get("/v1/companies/ZEARN/earnings-dates"))["data"]
    assert [(row["date"], row["timing"]) for row in added["data"]] == [("2026-10-29", "amc")]
    assert "after the close" in await cli.text("companies", "earnings", "zearn")
    moved = await cli.json("companies", "earnings", "zearn", "--add", "2026-11-03", "--remove", "2026-10-29")
    assert [(row["date"], row["timing"]) for row in moved["data"]] == [("2026-11-03", "unknown")]
    then = await cli.json("companies", "earnings", "zearn", "--as-of", added["data"][0]["known_at"])
    assert then["data"] == added["data"]


async def test_command_when_its_options_contradict_then_it_says_so(cli: Stonks) -> None:
    for options in (
        ("--infer", "--confirm", "KO"),
        ("--confirm", "KO", "--reject", "PG"),
        ("--history", "--infer"),
        ("--as-of", "2014-01-01"),
    ):
        done = await cli("companies", "competitors", "AAPL", *options)
        assert done.code == 2
        assert "--infer" in done.err
    for options in (("--estimate", "--accept"), ("--as-of", "2014-01-01")):
        done = await cli("companies", "exposures", "AAPL", *options)
        assert done.code == 2
        assert "--estimate" in done.err
    for options in (("--timing", "amc"), ("--add", "2026-10-29", "--timing", "noon"), ("--as-of", "2026-01-01", *ADD)):
        done = await cli("companies", "earnings", "AAPL", *options)
        assert done.code == 2
