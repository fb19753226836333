"""Companies: create, change with the version that was read, take off; names over time; exposures."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from sqlmodel import col, select

from api.keys import Scope
from store import audit, exposures, registry
from store.tables.platform import AuditEntry
from tests.api.harness import Caller, Platform, assert_problem, caller
from tests.api.test_lists import walk

pytestmark = pytest.mark.stack

_numbers = itertools.count(1)


async def made(api: Caller, **details: Any) -> dict[str, Any]:
    """Create a company that no other test knows."""
    body = {"symbol": f"ZC{next(_numbers)}", "name": "Zephyr Cranes Inc.", **details}
    answer = await api("POST", "/v1/companies", json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def changed(api: Caller, company: str, version: int, /, **changes: Any) -> Any:
    headers = {"If-Match": f'"{version}"'}
    return await api("PATCH", f"/v1/companies/{company}", json=changes, headers=headers)


async def alias(api: Caller, symbol: str, alias: str, kind: str = "ticker", **days: str) -> Any:
    return await api("POST", f"/v1/companies/{symbol}/aliases", json={"alias": alias, "kind": kind, **days})


async def entries(platform: Platform, subject: str) -> list[AuditEntry]:
    async with platform.parts.database.transaction() as session:
        rows = await session.exec(
            select(AuditEntry).where(AuditEntry.subject == subject).order_by(col(AuditEntry.sequence))
        )
        assert await audit.first_broken(session) is None
        return list(rows.all())


async def resolved(api: Caller, text: str, on: str = "2020-01-02") -> list[str]:
    found = await api.get("/v1/companies/resolve", text=text, on=on)
    return [each["symbol"] for each in found["data"]]


# -- companies --------------------------------------------------------------------------------------------------------


async def test_company_when_created_then_it_is_read_back_with_its_version(platform: Platform, api: Caller) -> None:
    answer = await api(
        "POST",
        "/v1/companies",
        json={
            "symbol": "ZEPH.A",
            "name": "  Zephyr Turbines, Inc. ",
            "sector": "Industrials",
            "industry": "Heavy Electrical Equipment",
            "cik": "1234567",
            "exchange": "NYSE",
            "active_from": "2001-02-03",
        },
    )
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == "/v1/companies/ZEPH.A"
    assert answer.headers["etag"] == '"1"'
    read = await api("GET", answer.headers["location"])
    assert read.headers["etag"] == '"1"'
    assert read.json() == answer.json()
    body = read.json()
    assert (body["name"], body["cik"], body["kind"]) == ("Zephyr Turbines, Inc.", "0001234567", "stock")
    assert (body["followed"], body["origin"], body["active_to"]) == (True, "person", None)
    (entry,) = await entries(platform, "ZEPH.A")
    assert (entry.action, entry.actor) == ("company_created", "api:bootstrap/bootstrap")
    assert entry.body["before"] is None
    assert entry.body["after"]["cik"] == "0001234567"
    assert_problem(await api("POST", "/v1/companies", json={"symbol": "ZEPH.A", "name": "x"}), 409, "COMPANY_EXISTS")


async def test_company_when_changed_then_only_what_is_given_differs_and_the_audit_says_what(
    platform: Platform, api: Caller
) -> None:
    company = await made(api, sector="Energy")
    answer = await changed(api, company["symbol"], 1, name="Zephyr Cranes & Co", industry="Cranes")
    assert answer.status_code == 200, answer.text
    assert answer.headers["etag"] == '"2"'
    differing = {name for name, value in answer.json().items() if company[name] != value}
    assert differing == {"name", "industry", "version", "updated_at"}
    _, entry = await entries(platform, company["symbol"])
    assert entry.action == "company_changed"
    assert entry.body["before"]["name"] == "Zephyr Cranes Inc."
    assert entry.body["after"]["industry"] == "Cranes"
    assert "sector" not in entry.body["after"]


async def test_company_when_nothing_differs_then_its_version_stays(platform: Platform, api: Caller) -> None:
    company = await made(api)
    for changes in ({}, {"name": company["name"]}, {"followed": True}):
        answer = await changed(api, company["symbol"], 1, **changes)
        assert (answer.status_code, answer.headers["etag"]) == (200, '"1"')
    assert len(await entries(platform, company["symbol"])) == 1


async def test_company_when_taken_off_then_it_stays_and_can_be_followed_again(platform: Platform, api: Caller) -> None:
    company = await made(api)
    path = f"/v1/companies/{company['symbol']}"
    answer = await api("DELETE", path, headers={"If-Match": '"1"'})
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    assert (await api.get(path))["followed"] is False
    again = await api("DELETE", path, headers={"If-Match": '"2"'})
    assert (again.status_code, again.headers["etag"]) == (200, '"2"')
    body = assert_problem(
        await api("POST", "/v1/companies", json={"symbol": company["symbol"], "name": "x"}), 409, "COMPANY_EXISTS"
    )
    assert "followed: true" in body["hint"]
    assert (await changed(api, company["symbol"], 2, followed=True)).json()["followed"] is True
    found = await entries(platform, company["symbol"])
    assert [entry.action for entry in found] == ["company_created", "company_deactivated", "company_followed"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/v1/companies/{}", {"name": "x"}),
        ("DELETE", "/v1/companies/{}", None),
        ("PUT", "/v1/companies/{}/exposure-profile", {"exposures": {"oil": 1}}),
    ],
)
async def test_change_when_its_version_is_missing_old_or_no_tag_then_it_is_refused(
    api: Caller, method: str, path: str, body: Any
) -> None:
    company = await made(api)
    path = path.format(company["symbol"])

    async def ask(tag: str | None) -> Any:
        return await api(method, path, json=body, headers={} if tag is None else {"If-Match": tag})

    assert_problem(await ask(None), 428, "PRECONDITION_REQUIRED")
    current = (await api("GET", path)).headers["etag"]
    for tag in ('"9"', f"W/{current}", '"x", "7"', '""'):
        refused = await ask(tag)
        assert assert_problem(refused, 412, "VERSION_MISMATCH")["fields"]["current"] == current
        assert refused.headers["etag"] == current
    for tag in ("1", "x", "*, *", '"1', ""):
        assert_problem(await ask(tag), 422, "IF_MATCH_INVALID")
    assert (await api("GET", path)).headers["etag"] == current
    assert (await ask(f'"9", {current}')).status_code == 200
    assert (await ask("*")).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["", "/aliases", "/exposure-profile", "/exposure-profile/versions", "/competitors"],
)
async def test_company_when_unknown_then_404(api: Caller, path: str) -> None:
    for symbol in ("NOBODY", "nobody", "N-0.B"):
        assert_problem(await api("GET", f"/v1/companies/{symbol}{path}"), 404, "COMPANY_NOT_FOUND")
    for symbol in ("%00", "a%20b", "x" * 21, "é"):
        assert_problem(await api("GET", f"/v1/companies/{symbol}{path}"), 422, "REQUEST_INVALID")


async def test_unknown_company_when_written_to_then_404(api: Caller) -> None:
    headers = {"If-Match": '"1"'}
    for method, path, body in (
        ("PATCH", "", {"name": "x"}),
        ("DELETE", "", None),
        ("POST", "/aliases", {"alias": "x", "kind": "name"}),
        ("DELETE", "/aliases/x", None),
        ("PUT", "/exposure-profile", {"exposures": {}}),
    ):
        answer = await api(method, f"/v1/companies/NOBODY{path}", json=body, headers=headers)
        assert_problem(answer, 404, "COMPANY_NOT_FOUND")


@pytest.mark.parametrize(
    "body",
    [
        {"symbol": "lower", "name": "x"},
        {"symbol": "", "name": "x"},
        {"symbol": "A" * 21, "name": "x"},
        {"symbol": "A\u0000B", "name": "x"},
        {"symbol": "ZZOK"},
        {"symbol": "ZZOK", "name": "   "},
        {"symbol": "ZZOK", "name": "a\u0000b"},
        {"symbol": "ZZOK", "name": "a\nb"},
        {"symbol": "ZZOK", "name": "x" * 201},
        {"symbol": "ZZOK", "name": "x", "kind": "bond"},
        {"symbol": "ZZOK", "name": "x", "cik": "12x"},
        {"symbol": "ZZOK", "name": "x", "cik": "0"},
        {"symbol": "ZZOK", "name": "x", "cik": "12345678901"},
        {"symbol": "ZZOK", "name": "x", "active_from": "2020-01-02", "active_to": "2020-01-01"},
        {"symbol": "ZZOK", "name": "x", "active_from": "yesterday"},
        {"symbol": "ZZOK", "name": "x", "followed": True},
        {"symbol": "ZZOK", "name": "x", "version": 7},
    ],
)
async def test_new_company_when_wrong_then_422(api: Caller, body: dict[str, Any]) -> None:
    assert_problem(await api("POST", "/v1/companies", json=body), 422, "REQUEST_INVALID")


async def test_company_when_changed_wrongly_then_422_and_nothing_is_written(api: Caller) -> None:
    company = await made(api, active_from="2010-01-01")
    for changes in ({"name": ""}, {"name": None}, {"followed": None}, {"symbol": "OTHER"}, {"cik": "x"}):
        assert_problem(await changed(api, company["symbol"], 1, **changes), 422, "REQUEST_INVALID")
    assert_problem(await changed(api, company["symbol"], 1, active_to="2009-12-31"), 422, "DAYS_REVERSED")
    assert await api.get(f"/v1/companies/{company['symbol']}") == company


async def test_companies_when_listed_then_pages_fit_and_filters_hold(api: Caller) -> None:
    sector = "Weather 100%_"
    symbols = [(await made(api, sector=sector, name=f"Gale {number}"))["symbol"] for number in range(5)]
    await alias(api, symbols[3], "Breeze & Sons", "former_name")
    await changed(api, symbols[1], 1, followed=False)

    async def listed(limit: int = 2, **filters: Any) -> list[str]:
        return [row["symbol"] for row in await walk(api, "/v1/companies", limit, **filters)]

    for limit in (1, 2, 5, 200):
        assert await listed(limit, sector=sector) == sorted(symbols)
    assert await listed(sector=sector, followed="false") == [symbols[1]]
    assert await listed(sector=sector, followed="true") == sorted({*symbols} - {symbols[1]})
    assert await listed(q="breeze") == [symbols[3]]
    assert await listed(q=symbols[4].lower(), sector=sector) == [symbols[4]]
    assert await listed(q="gale", sector=sector) == sorted(symbols)
    assert await listed(q="%", sector=sector) == []
    assert await listed(q="_") == []
    assert await listed(sector=sector.lower()) == []
    assert set(symbols) < set(await listed(200))


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("", {"colour": "red"}),
        ("", {"limit": 0}),
        ("", {"limit": 201}),
        ("", {"q": ""}),
        ("", {"q": "\u0000"}),
        ("", {"followed": "perhaps"}),
        ("/resolve", {}),
        ("/resolve", {"text": ""}),
        ("/resolve", {"text": "x", "on": "now"}),
        ("/resolve", {"text": "x", "day": "2020-01-01"}),
        ("/resolve", {"text": "x" * 4_001}),
        ("/resolve", {"text": "\u0000"}),
        ("/AAPL/aliases", {"kind": "name"}),
        ("/AAPL/exposure-profile/versions", {"version": 1}),
        ("/AAPL/competitors", {"status": "hated"}),
    ],
)
async def test_query_when_wrong_then_422(api: Caller, path: str, parameters: dict[str, Any]) -> None:
    assert_problem(await api("GET", f"/v1/companies{path}", params=parameters), 422, "REQUEST_INVALID")


async def test_cursor_when_of_another_list_or_forged_then_422(api: Caller) -> None:
    from api.paging import encode

    cursors = [encode("orders", ["A"]), encode("companies", ["A", "B"]), encode("companies", [1]), "x"]
    cursors += [encode("companies", ["\u0000"]), encode("companies", ["\ud800"]), encode("companies", "A")]
    for cursor in cursors:
        assert_problem(await api("GET", "/v1/companies", params={"cursor": cursor}), 422, "CURSOR_INVALID")
    for key in ("-1", "x", "²", "9" * 30):
        cursor = encode("exposure-versions", [key])
        answer = await api("GET", "/v1/companies/AAPL/exposure-profile/versions", params={"cursor": cursor})
        assert_problem(answer, 422, "CURSOR_INVALID")


# -- names and tickers over time --------------------------------------------------------------------------------------


async def test_alias_when_added_and_removed_then_the_list_and_the_resolver_follow(
    platform: Platform, api: Caller
) -> None:
    company = await made(api, name="Quillon Robotics Inc.")
    symbol = company["symbol"]
    answer = await alias(api, symbol, "Varnholm Looms", "former_name", valid_to="2010-12-31")
    assert answer.status_code == 201, answer.text
    row = answer.json()
    assert (row["valid_from"], row["valid_to"], row["origin"]) == (None, "2010-12-31", "person")
    assert (await api.get(f"/v1/companies/{symbol}"))["version"] == 2
    assert await resolved(api, "Varnholm Looms opened a plant.", "2010-06-01") == [symbol]
    assert await resolved(api, "Varnholm Looms opened a plant.", "2012-06-01") == []
    path = f"/v1/companies/{symbol}/aliases"
    assert (await api.get(path))["data"] == [row]
    assert_problem(await alias(api, symbol, "VARNHOLM LOOMS", "former_name"), 409, "ALIAS_EXISTS")
    assert (await alias(api, symbol, "Varnholm Looms", "former_name", valid_from="2011-01-01")).status_code == 201
    assert_problem(await api("DELETE", "/v1/companies/AAPL/aliases/" + row["alias_id"]), 404, "ALIAS_NOT_FOUND")
    assert (await api("DELETE", f"{path}/{row['alias_id']}")).status_code == 204
    assert_problem(await api("DELETE", f"{path}/{row['alias_id']}"), 404, "ALIAS_NOT_FOUND")
    assert await resolved(api, "Varnholm Looms opened a plant.", "2010-06-01") == []
    again = await alias(api, symbol, "Varnholm Looms", "former_name", valid_to="2010-11-30")
    assert again.json() == {**row, "valid_to": "2010-11-30"}
    actions = [entry.action for entry in await entries(platform, symbol)]
    assert actions == ["company_created", "alias_added", "alias_added", "alias_removed", "alias_added"]


async def test_packaged_alias_when_removed_then_nothing_brings_it_back(platform: Platform, api: Caller) -> None:
    path = "/v1/companies/FCX/aliases"
    wanted = next(row for row in (await api.get(path))["data"] if row["kind"] == "former_name")
    assert (await api("DELETE", f"{path}/{wanted['alias_id']}")).status_code == 204
    async with platform.parts.database.transaction() as session:
        await registry.seed(session)
        assert wanted["alias"] not in (await registry.load_master(session)).names["FCX"]
    assert wanted not in (await api.get(path))["data"]
    answer = await alias(api, "FCX", wanted["alias"], wanted["kind"])
    assert answer.json() == {**wanted, "origin": "person"}


async def test_aliases_when_paged_then_each_comes_once(api: Caller) -> None:
    symbol = (await made(api))["symbol"]
    wanted = sorted(f"Crane {number}" for number in range(5))
    for each in reversed(wanted):
        await alias(api, symbol, each, "brand")
    for limit in (1, 2, 5):
        rows = await walk(api, f"/v1/companies/{symbol}/aliases", limit)
        assert [row["alias"] for row in rows] == wanted


@pytest.mark.parametrize(
    "body",
    [
        {"alias": "x"},
        {"alias": "", "kind": "name"},
        {"alias": "lower", "kind": "ticker"},
        {"alias": "A B", "kind": "ticker"},
        {"alias": "x", "kind": "nickname"},
        {"alias": "X", "kind": "ticker", "valid_from": "2020-01-02", "valid_to": "2020-01-01"},
        {"alias": "x", "kind": "name", "alias_id": "mine"},
    ],
)
async def test_new_alias_when_wrong_then_422(api: Caller, body: dict[str, Any]) -> None:
    assert_problem(await api("POST", "/v1/companies/AAPL/aliases", json=body), 422, "REQUEST_INVALID")


async def test_ticker_when_two_companies_would_carry_it_on_one_day_then_409_names_both(api: Caller) -> None:
    old, new = (await made(api))["symbol"], (await made(api))["symbol"]
    assert (await alias(api, old, "ZWM", valid_to="2008-09-26")).status_code == 201
    refused = await alias(api, new, "ZWM", valid_from="2008-09-26")
    fields = assert_problem(refused, 409, "TICKER_IN_USE")["fields"]
    assert fields == {
        "ticker": "ZWM",
        "symbol": new,
        "days": "2008-09-26..",
        "other": old,
        "other_days": "..2008-09-26",
    }
    assert (await api.get(f"/v1/companies/{new}"))["version"] == 1
    assert (await alias(api, new, "ZWM", valid_from="2009-05-04")).status_code == 201
    assert await resolved(api, "ZWM", "2008-09-26") == [old]
    assert await resolved(api, "ZWM", "2009-01-02") == []
    assert await resolved(api, "ZWM", "2009-05-04") == [new]


async def test_ticker_when_it_is_another_companys_own_letters_then_its_days_must_be_given_first(api: Caller) -> None:
    holder, former = (await made(api, symbol="ZPHX"))["symbol"], (await made(api))["symbol"]
    body = assert_problem(await alias(api, former, "ZPHX", valid_to="2012-12-31"), 409, "TICKER_IN_USE")
    assert (body["fields"]["other"], body["fields"]["other_days"]) == (holder, "always")
    assert f"add ZPHX to {holder} as an alias of kind ticker" in body["hint"]
    own = await alias(api, holder, "ZPHX", valid_from="2013-01-01")
    assert own.status_code == 201
    assert (await alias(api, former, "ZPHX", valid_to="2012-12-31")).status_code == 201
    assert await resolved(api, "ZPHX", "2012-12-31") == [former]
    assert await resolved(api, "ZPHX", "2013-01-01") == [holder]
    # Without its days it would carry the letters always.
    removal = await api("DELETE", f"/v1/companies/{holder}/aliases/{own.json()['alias_id']}")
    assert_problem(removal, 409, "TICKER_IN_USE")
    # One ticker, however it is written.
    other = (await made(api, symbol="ZBRK.B"))["symbol"]
    assert_problem(await alias(api, former, "ZBRK-B"), 409, "TICKER_IN_USE")
    assert other == "ZBRK.B"


async def test_new_company_when_its_letters_were_another_companys_then_its_days_decide(api: Caller) -> None:
    # The packaged class A share of Alphabet was GOOG until 2014-04-02.
    body = {"symbol": "GOOG", "name": "Alphabet Inc. (Class C)", "active_from": "2014-04-02"}
    assert assert_problem(await api("POST", "/v1/companies", json=body), 409, "TICKER_IN_USE")["fields"] == {
        "ticker": "GOOG",
        "symbol": "GOOG",
        "days": "2014-04-02..",
        "other": "GOOGL",
        "other_days": "2004-08-19..2014-04-02",
    }
    assert_problem(await api("GET", "/v1/companies/GOOG"), 404, "COMPANY_NOT_FOUND")
    # FB became META on 2022-06-09; META had been a fund's ticker before.
    renamed = (await made(api, symbol="ZMETA", active_from="2012-05-18"))["symbol"]
    await alias(api, renamed, "ZFB", valid_from="2012-05-18", valid_to="2022-06-08")
    await alias(api, renamed, "ZMETA", valid_from="2022-06-09")
    fund = (await made(api))["symbol"]
    assert (await alias(api, fund, "ZMETA", valid_from="2021-06-30", valid_to="2022-01-30")).status_code == 201
    for ticker, day, symbol in (
        ("ZFB", "2022-06-08", [renamed]),
        ("ZFB", "2022-06-09", []),
        ("ZMETA", "2022-06-09", [renamed]),
        ("ZMETA", "2022-06-08", []),
        ("ZMETA", "2021-07-01", [fund]),
    ):
        assert await resolved(api, ticker, day) == symbol, (ticker, day)


async def test_company_when_its_days_grow_into_another_companys_ticker_then_409(api: Caller) -> None:
    holder = (await made(api, symbol="ZGRW", active_from="2015-01-01"))["symbol"]
    former = (await made(api))["symbol"]
    await alias(api, former, "ZGRW", valid_to="2014-12-31")
    assert_problem(await changed(api, holder, 1, active_from="2014-12-31"), 409, "TICKER_IN_USE")
    assert_problem(await changed(api, holder, 1, active_from=None), 409, "TICKER_IN_USE")
    assert (await changed(api, holder, 1, active_from="2015-06-01")).status_code == 200


async def test_changes_when_made_at_the_same_time_then_one_wins(platform: Platform, api: Caller) -> None:
    company = await made(api)
    answers = await asyncio.gather(*(changed(api, company["symbol"], 1, name=f"Name {number}") for number in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412]
    symbols = [(await made(api))["symbol"] for _ in range(5)]
    answers = await asyncio.gather(*(alias(api, symbol, "ZRACE") for symbol in symbols))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]
    body = {"symbol": "ZRACED", "name": "x"}
    answers = await asyncio.gather(*(api("POST", "/v1/companies", json=body) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    assert [entry.action for entry in await entries(platform, "ZRACED")] == ["company_created"]


async def test_resolve_when_a_text_names_companies_then_it_says_where_and_why(api: Caller) -> None:
    text = "Shares of Target (NYSE: TGT) fell; Walmart and Target rose."
    found = await api.get("/v1/companies/resolve", text=text, on="2016-03-01")
    assert (found["text"], found["on"]) == (text, "2016-03-01")
    by_symbol = {each["symbol"]: each for each in found["data"]}
    assert set(by_symbol) == {"TGT", "WMT"}
    target = by_symbol["TGT"]
    assert 0.9 < target["score"] <= 1
    assert target["name"] == "Target Corporation"
    assert target["followed"] is True
    assert target["reason"]
    assert target["surface"] in text
    assert {text[start:end] for start, end in target["mentions"]} == {"Target", "TGT"}
    assert (target["start"], target["end"]) == tuple(target["mentions"][0])
    scores = [each["score"] for each in found["data"]]
    assert scores == sorted(scores, reverse=True)


async def test_resolve_when_the_text_is_a_bare_name_or_ticker_then_it_is_one(api: Caller) -> None:
    assert await resolved(api, "GOOG", "2011-07-06") == ["GOOGL"]
    assert await resolved(api, "GOOG", "2014-04-03") == []
    assert await resolved(api, "Target") == ["TGT"]
    assert await resolved(api, "nothing of the kind") == []
    (found,) = (await api.get("/v1/companies/resolve", text="  AAPL "))["data"]
    assert (found["symbol"], found["reason"], found["start"], found["end"]) == ("AAPL", "bare_ticker", 2, 6)


# -- exposures --------------------------------------------------------------------------------------------------------


async def test_exposures_when_replaced_then_each_version_stays_readable(platform: Platform, api: Caller) -> None:
    symbol = (await made(api))["symbol"]
    path = f"/v1/companies/{symbol}/exposure-profile"
    empty = await api("GET", path)
    assert empty.headers["etag"] == '"0"'
    assert (empty.json()["version"], empty.json()["exposures"]) == (0, {})
    wanted: list[dict[str, float]] = [
        {"rates": -0.4, "oil": 1, "region:Europe": 0.25, "sector:Airlines & Travel": -1},
        {"rates": -0.5},
        {},
    ]
    for number, each in enumerate(wanted):
        body = {"exposures": each, "provenance": f"desk note {number}"}
        answer = await api("PUT", path, json=body, headers={"If-Match": f'"{number}"'})
        assert answer.status_code == 200, answer.text
        assert answer.headers["etag"] == f'"{number + 1}"'
        assert answer.json()["exposures"] == each
    assert (await api.get(path))["created_by"] == "api:bootstrap/bootstrap"
    for limit in (1, 2, 50):
        rows = await walk(api, f"{path}/versions", limit)
        assert [row["version"] for row in rows] == [3, 2, 1]
        assert [row["exposures"] for row in rows] == wanted[::-1]
    same = await api("PUT", path, json={"exposures": {}, "provenance": "desk note 2"}, headers={"If-Match": '"3"'})
    assert same.headers["etag"] == '"3"'
    found = [entry for entry in await entries(platform, symbol) if entry.action == "exposure_profile_replaced"]
    assert [entry.body["after"]["exposures"] for entry in found] == wanted
    assert found[1].body["before"]["exposures"] == wanted[0]
    async with platform.parts.database.transaction() as session:
        first = (await exposures.list_versions(session, symbol=symbol, limit=9))[-1]
        known = await exposures.in_force(session, [symbol, "AAPL"], as_of=first.created_at)
    assert known == {symbol: (1, wanted[0])}


@pytest.mark.parametrize(
    "exposures",
    [
        {"weather": 0.1},
        {"rates": 1.1},
        {"rates": -1.1},
        {"rates": "high"},
        {"rates": None},
        {"rates:Europe": 0.1},
        {"region:": 0.1},
        {"region:\u0000": 0.1},
        {"region: ": 0.1},
        {"region:" + "x" * 61: 0.1},
        {"": 0.1},
        ["rates"],
        None,
    ],
)
async def test_exposures_when_wrong_then_422(api: Caller, exposures: Any) -> None:
    answer = await api(
        "PUT",
        "/v1/companies/AAPL/exposure-profile",
        json={"exposures": exposures},
        headers={"If-Match": "*"},
    )
    assert_problem(answer, 422, "REQUEST_INVALID")


async def test_exposures_when_not_a_number_then_422(api: Caller) -> None:
    answer = await api(
        "PUT",
        "/v1/companies/AAPL/exposure-profile",
        content='{"exposures": {"rates": NaN}}',
        headers={"If-Match": "*", "Content-Type": "application/json"},
    )
    assert_problem(answer, 422, "REQUEST_INVALID")


async def test_registry_when_the_key_may_only_read_then_it_reads_and_cannot_write(platform: Platform) -> None:
    reader = caller(platform, await platform.key(Scope.READ))
    assert (await reader("GET", "/v1/companies/AAPL")).status_code == 200
    assert (await reader("GET", "/v1/companies/resolve", params={"text": "AAPL"})).status_code == 200
    for method, path in (
        ("POST", ""),
        ("PATCH", "/AAPL"),
        ("DELETE", "/AAPL"),
        ("POST", "/AAPL/aliases"),
        ("DELETE", "/AAPL/aliases/x"),
        ("PUT", "/AAPL/exposure-profile"),
        ("POST", "/AAPL/competitors"),
        ("POST", "/AAPL/competitors/infer"),
    ):
        assert_problem(await reader(method, f"/v1/companies{path}", json={}), 403, "SCOPE_MISSING")
        assert_problem(await caller(platform, "")(method, f"/v1/companies{path}", json={}), 401, "KEY_MISSING")
