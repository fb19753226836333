"""`stonks companies`: answers on standard output, errors in one clear line."""

from __future__ import annotations

import pytest

from tests.api.harness import Caller, Platform
from tests.operate.conftest import Stonks
from workflows.names import Queue

pytestmark = pytest.mark.stack


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
    decided = {row["competitor"]: row["status"] for row in rows if row["decided_by"].startswith("cli:")}
    assert decided == {"MRK": "confirmed", "JNJ": "rejected"}


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
    ],
)
async def test_command_when_it_cannot_be_done_then_one_line_says_why(
    cli: Stonks, words: tuple[str, ...], message: str
) -> None:
    done = await cli("companies", *words)
    assert (done.code, done.out) == (1, ""), done
    assert done.err.replace("\n", " ").startswith(message)


async def test_command_when_its_options_contradict_then_it_says_so(cli: Stonks) -> None:
    for options in (("--infer", "--confirm", "KO"), ("--confirm", "KO", "--reject", "PG"), ("--as-of", "2014-01-01")):
        done = await cli("companies", "competitors", "AAPL", *options)
        assert done.code == 2
        assert "--infer" in done.err
