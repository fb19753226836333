"""Which companies a text names on a day, and which words only look like one."""

from __future__ import annotations

from datetime import date

import pytest

from domain.registry import NameKind
from domain.resolution import CompanyName, NameIndex, Reason, Resolution, ResolverCompany

DAY = date(2024, 6, 3)


def company(symbol: str, name: str, *, cik: str = "", first: str = "", last: str = "") -> ResolverCompany:
    return ResolverCompany(symbol=symbol, name=name, cik=cik, active_from=day(first), active_to=day(last))


def name(symbol: str, alias: str, kind: str = "name", *, first: str = "", last: str = "") -> CompanyName:
    return CompanyName(symbol=symbol, name=alias, kind=NameKind(kind), valid_from=day(first), valid_to=day(last))


def day(value: str) -> date | None:
    return date.fromisoformat(value) if value else None


COMPANIES = (
    company("AAPL", "Apple Inc."),
    company("APLE", "Apple Hospitality REIT, Inc."),
    company("AMZN", "Amazon.com, Inc."),
    company("BA", "The Boeing Company"),
    company("BAC", "Bank of America Corporation"),
    company("BALY", "Bally's Corp"),
    company("BLYQ", "Bally, Corp."),
    company("BBY", "Best Buy Co., Inc."),
    company("BMY", "Bristol-Myers Squibb Company"),
    company("BRK.A", "Berkshire Hathaway Inc. Class A", cik="1067983"),
    company("BRK.B", "Berkshire Hathaway Inc. Class B", cik="1067983"),
    company("CR", "Crane Co"),
    company("D", "Dominion Energy, Inc."),
    company("F", "Ford Motor Company"),
    company("GOOG", "Alphabet Inc. (Class C)", cik="1652044", first="2014-04-03"),
    company("GOOGL", "Alphabet Inc. (Class A)", cik="1652044", first="2004-08-19"),
    company("IBM", "International Business Machines Corporation"),
    company("ICNB", "Iconic Brands, Inc."),
    company("JPM", "JPMorgan Chase & Co."),
    company("MA", "Mastercard Incorporated"),
    company("META", "Meta Platforms, Inc.", first="2012-05-18"),
    company("MRK", "Merck & Co., Inc."),
    company("MS", "Morgan Stanley"),
    company("MSFT", "Microsoft Corporation"),
    company("MSTR", "Strategy Inc"),
    company("NDAQ", "Nasdaq, Inc."),
    company("PG", "The Procter & Gamble Company"),
    company("REGN", "Regeneron Pharmaceuticals, Inc."),
    company("RUM", "Rumble Inc."),
    company("T", "AT&T Inc."),
    company("TGT", "Target Corporation"),
    company("V", "Visa Inc."),
    company("VERX", "Vertex, Inc."),
    company("WAMUQ", "Washington Mutual, Inc.", last="2008-09-26"),
    company("WM", "Waste Management, Inc."),
    company("WMT", "Walmart Inc."),
    company("X", "UNITED STATES STEEL CORP"),
    company("AOS", "A. O. Smith"),
    company("SCHW", "SCHWAB CHARLES CORP"),
    company("EBAY", "eBay Inc."),
)
NAMES = (
    name("BAC", "Merrill Lynch", "brand", first="2009-01-01"),
    name("AAPL", "iPhone", "brand"),
    name("AAPL", "Apple Computer", "former_name", last="2007-01-08"),
    name("D", "Dominion", "name_ambiguous"),
    name("D", "Dominion Energy", first="2017-05-10"),
    name("D", "Dominion Resources", "former_name", last="2017-05-09"),
    name("GOOGL", "Google"),
    name("GOOGL", "GOOG", "ticker", first="2004-08-19", last="2014-04-02"),
    name("GOOGL", "Alphabet Inc", first="2015-08-10"),
    name("IBM", "IBM"),
    name("META", "FB", "ticker", first="2012-05-18", last="2022-06-08"),
    name("META", "META", "ticker", first="2022-06-09"),
    name("META", "Facebook", "former_name", last="2021-10-27"),
    name("META", "Meta Platforms", first="2021-10-28"),
    name("PG", "P&G"),
    name("WAMUQ", "WM", "ticker", last="2008-09-26"),
    name("WM", "WMI", "ticker", last="2009-05-01"),
    name("WM", "WM", "ticker", first="2009-05-02"),
    name("WMT", "Wal-Mart"),
)
INDEX = NameIndex(COMPANIES, NAMES)


def resolved(text: str, on: date = DAY) -> dict[str, Resolution]:
    return {found.symbol: found for found in INDEX.resolve(text, on)}


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("Target Corp said sales rose.", "TGT"),
        ("Target's sales rose in the quarter.", "TGT"),
        ("Target’s same-store sales fell", "TGT"),
        ("Shares of Target fell after the report.", "TGT"),
        ("Retailers such as Target and Walmart cut prices.", "TGT"),
        ("In 2022, Target, Amazon and Walmart accounted for most of our revenue.", "TGT"),
        ("Minneapolis-based Target (NYSE: TGT) fell.", "TGT"),
        ("Rumble Inc. went public.", "RUM"),
        ("The video platform Rumble said on Monday", "RUM"),
        ("Rumble (Nasdaq: RUM) rose", "RUM"),
        ("the payments company (NYSE: MA) rose", "MA"),
        ("Visa and Mastercard (MA) settled", "MA"),
        ("$MA is a buy", "MA"),
        ("Mastercard <MA.N> fell", "MA"),
        ("under the ticker symbol “MA”", "MA"),
        ("Strategy Inc bought more bitcoin", "MSTR"),
        ("Crane Co. shares fell", "CR"),
    ],
)
def test_trap_when_the_company_is_meant_then_it_resolves(text: str, symbol: str) -> None:
    assert symbol in resolved(text)


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("The analyst raised the price target to $50.", "TGT"),
        ("Price Target Raised At Several Brokers", "TGT"),
        ("Target price raised to $50", "TGT"),
        ("Target raised to $50 from $45 at Citi", "TGT"),
        ("the target of a takeover", "TGT"),
        ("The Target of a takeover must publish a reply.", "TGT"),
        ("the Target Company and its shareholders", "TGT"),
        ("Target expression and engagement were measured.", "TGT"),
        ("Target-date funds grew", "TGT"),
        ("an MA degree in economics", "MA"),
        ("Boston, MA 02110", "MA"),
        ("We lease an office in Natick, MA, for consultants.", "MA"),
        ("MA holders and manufacturers are subject to oversight by the EMA", "MA"),
        ("Lawrence | MA | 200,690", "MA"),
        ("M&A activity", "MA"),
        ("(TSX: MA)", "MA"),
        ("thunder rumble in the hills", "RUM"),
        ("Let's get ready to rumble!", "RUM"),
        ("Let's Get Ready to Rumble", "RUM"),
        ("Rumble of thunder was heard.", "RUM"),
        ("Rumble strips line the road.", "RUM"),
        ("Chief Strategy and Customer Relationship Officer", "MSTR"),
        ("Business Overview & Strategy | 5", "MSTR"),
        ("Mr. Crane served as Founder and Managing Partner.", "CR"),
        ("Crane served as Founder and Managing Partner of Touchpoint Search, LLC", "CR"),
        ("we entered into an agreement with Ms.", "MS"),
        ("provide for PG&E to assume all of its PPAs", "PG"),
        ("Ekso Bionics (NASDAQ: EKSO)", "NDAQ"),
        ("delisted from Nasdaq, the delisting could", "NDAQ"),
        ("Our Competitive Strengths • Iconic Brands with Significant Global Scale.", "ICNB"),
        ("Spire Global (NYSE: SPIR), not Vertex (NYSE: VRTX)", "VERX"),
        ("Apple Hospitality REIT, Inc. bought a hotel", "AAPL"),
        ("Apple Valley Growers, Inc. sold fruit", "AAPL"),
        ("an apple a day", "AAPL"),
        ("Henry Ford was born in 1863.", "F"),
        ("Merck KGaA of Darmstadt", "MRK"),
    ],
)
def test_trap_when_the_word_means_something_else_then_it_does_not_resolve(text: str, symbol: str) -> None:
    assert symbol not in resolved(text)


@pytest.mark.parametrize(
    ("text", "symbol", "surface", "reason"),
    [
        ("(NYSE: MA)", "MA", "MA", Reason.EXCHANGE_TICKER),
        ("(Nasdaq:MSFT)", "MSFT", "MSFT", Reason.EXCHANGE_TICKER),
        ("(NYSE and TSX: WM)", "WM", "WM", Reason.EXCHANGE_TICKER),
        ("(NYSE: BRK.A, BRK.B)", "BRK.B", "BRK.B", Reason.EXCHANGE_TICKER),
        ("buy $BRK-B now", "BRK.B", "BRK-B", Reason.CASHTAG),
        ("long $T", "T", "T", Reason.CASHTAG),
        ("Ford <F.N> said", "F", "F", Reason.RIC),
        ("Berkshire BRKb.N", "BRK.B", "BRKb", Reason.RIC),
        ("shares of MSFT rose", "MSFT", "MSFT", Reason.TICKER_IN_CONTEXT),
        ("Target Corporation reported", "TGT", "Target Corporation", Reason.FULL_NAME),
        ("The Boeing Company reported", "BA", "Boeing Company", Reason.FULL_NAME),
        ("orders for Boeing's jets", "BA", "Boeing", Reason.SHORT_NAME),
        ("the Boeing 737 flew", "BA", "Boeing", Reason.SHORT_NAME),
        ("Loans of Bank of\nAmerica grew", "BAC", "Bank of\nAmerica", Reason.NAME_IN_CONTEXT),
        ("Target up 3% before the bell", "TGT", "Target", Reason.NAME_IN_CONTEXT),
        ("Procter and Gamble raised prices", "PG", "Procter and Gamble", Reason.SHORT_NAME),
        ("PROCTER & GAMBLE CO", "PG", "PROCTER & GAMBLE CO", Reason.FULL_NAME),
        ("P&G raised prices", "PG", "P&G", Reason.SHORT_NAME),
        ("AT&T's bid", "T", "AT&T", Reason.SHORT_NAME),
        ("Bristol Myers Squibb said", "BMY", "Bristol Myers Squibb", Reason.SHORT_NAME),
        ("J.P. Morgan Chase fell", "JPM", "J.P. Morgan Chase", Reason.SHORT_NAME),
        ("JP Morgan Chase fell", "JPM", "JP Morgan Chase", Reason.SHORT_NAME),
        ("A.O. Smith makes boilers", "AOS", "A.O. Smith", Reason.SHORT_NAME),
        ("Wal-Mart or Walmart", "WMT", "Wal-Mart", Reason.SHORT_NAME),
        ("Amazon cut prices", "AMZN", "Amazon", Reason.SHORT_NAME),
        ("U.S. Steel fell", "X", "U.S. Steel", Reason.SHORT_NAME),
        ("sold at Charles Schwab branches", "SCHW", "Charles Schwab", Reason.SHORT_NAME),
        ("sellers on eBay pay more", "EBAY", "eBay", Reason.SHORT_NAME),
        ("approval for Regeneron", "REGN", "Regeneron", Reason.SHORT_NAME),
        ("a new iPhone", "AAPL", "iPhone", Reason.BRAND),
        ("Dominion says no damage", "D", "Dominion", Reason.NAME_IN_CONTEXT),
    ],
)
def test_text_when_it_names_a_company_then_place_and_reason_are_told(
    text: str, symbol: str, surface: str, reason: Reason
) -> None:
    found = resolved(text)[symbol]
    assert (found.surface, found.reason) == (surface, reason)
    assert 0.5 <= found.score <= 1
    assert surface in {text[start:end] for start, end in found.mentions}


@pytest.mark.parametrize(
    ("label", "on", "symbol"),
    [
        ("FB", date(2022, 6, 8), "META"),
        ("FB", date(2022, 6, 9), None),
        ("FB", date(2012, 5, 17), None),
        ("META", date(2022, 6, 8), None),
        ("META", date(2022, 6, 9), "META"),
        ("GOOG", date(2014, 4, 2), "GOOGL"),
        ("GOOG", date(2014, 4, 3), "GOOG"),
        ("GOOGL", date(2004, 8, 18), None),
        ("WM", date(2008, 9, 26), "WAMUQ"),
        ("WM", date(2008, 12, 1), None),
        ("WMI", date(2008, 12, 1), "WM"),
        ("WM", DAY, "WM"),
        ("brk.b", DAY, "BRK.B"),
        ("BRK-B", DAY, "BRK.B"),
        ("BRK/B", DAY, "BRK.B"),
        ("BRK B", DAY, "BRK.B"),
        ("WAMUQ", date(2008, 9, 27), None),
        ("NOPE", DAY, None),
    ],
)
def test_ticker_when_asked_for_a_day_then_the_company_of_that_day_answers(
    label: str, on: date, symbol: str | None
) -> None:
    assert INDEX.resolve_ticker(label, on) == symbol


def test_text_when_its_ticker_was_somebody_elses_that_day_then_that_company_resolves() -> None:
    text = "the lender (NYSE: WM) and the hauler (NYSE: WMI)"
    assert set(resolved(text, date(2008, 1, 2))) == {"WAMUQ", "WM"}


def test_text_when_a_name_is_not_valid_that_day_then_it_does_not_resolve() -> None:
    assert "META" in resolved("Facebook said", date(2021, 10, 27))
    assert "META" not in resolved("Facebook said", date(2021, 10, 28))
    assert "META" not in resolved("Meta Platforms said", date(2021, 10, 27))
    assert "META" in resolved("Meta Platforms said", date(2021, 10, 28))
    assert "GOOGL" not in resolved("Alphabet Inc said", date(2015, 8, 9))


def test_text_when_a_former_name_is_used_in_its_time_then_the_reason_says_so() -> None:
    assert resolved("Dominion Resources said", date(2011, 7, 6))["D"].reason is Reason.FORMER_NAME


def test_name_when_the_registry_dates_it_then_the_companys_own_undated_name_follows() -> None:
    assert "D" not in resolved("Dominion Energy said", date(2017, 5, 9))
    assert "D" in resolved("Dominion Energy said", date(2017, 5, 10))


def test_names_when_one_holds_another_then_the_longest_counts() -> None:
    text = "Apple Hospitality REIT bought hotels"
    assert set(resolved(text)) == {"APLE"}


def test_names_when_two_of_one_company_stand_together_then_both_are_its_mentions() -> None:
    found = resolved("Bank of America Merrill Lynch analysts")
    assert set(found) == {"BAC"}
    assert len(found["BAC"].mentions) == 2


def test_name_when_its_s_belongs_to_it_then_it_is_no_possessive() -> None:
    assert set(resolved("the future growth of Bally's and its casinos")) == {"BALY"}


def test_name_when_the_ticker_behind_it_is_anothers_then_it_does_not_resolve() -> None:
    assert set(resolved("Alphabet (NYSE: BA) fell")) == {"BA"}


def test_name_when_letters_behind_it_name_no_exchange_then_they_do_not_contradict_it() -> None:
    assert set(resolved("Microsoft (MS) and Visa (V)")) == {"MSFT", "V"}


def test_name_when_another_capitalised_word_stands_before_an_everyday_phrase_then_it_is_a_longer_name() -> None:
    assert "ICNB" in resolved("the bank lent money to Iconic Brands last year")
    assert "ICNB" not in resolved("the bank lent money to Swiss Iconic Brands last year")


def test_headline_when_a_wire_puts_its_mark_before_then_the_name_still_opens_it() -> None:
    assert "TGT" in resolved("UPDATE 2-Target says profit rose")


def test_name_when_the_ticker_behind_it_is_another_class_then_that_class_resolves() -> None:
    assert set(resolved("Alphabet Inc. (NASDAQ: GOOG) fell")) == {"GOOG"}


def test_name_when_several_companies_share_it_then_only_other_evidence_decides() -> None:
    index = NameIndex([company("AAA", "Zentrix Inc."), company("BBB", "Zentrix Corp")])
    assert index.resolve("Zentrix rose", DAY) == ()
    assert [r.symbol for r in index.resolve("Zentrix rose. Zentrix (NYSE: BBB) is small.", DAY)] == ["BBB"]


def test_everyday_word_when_the_text_has_the_full_name_elsewhere_then_it_counts_too() -> None:
    text = "Target Corp fell. Later Target recovered, and the price target was kept."
    assert [text[a:b] for a, b in resolved(text)["TGT"].mentions] == ["Target Corp", "Target"]


def test_person_when_named_once_with_a_title_then_the_bare_surname_is_the_person() -> None:
    assert "F" not in resolved("Mr. Ford spoke first. Then Ford left the room.")


def test_bare_ticker_when_the_company_is_named_then_it_is_a_mention() -> None:
    text = "Microsoft rose. MSFT closed at a high."
    assert [text[a:b] for a, b in resolved(text)["MSFT"].mentions] == ["Microsoft", "MSFT"]


def test_headline_when_all_words_are_capitals_then_names_of_coined_words_still_resolve() -> None:
    assert set(resolved("MICROSOFT TO BUY REGENERON PHARMACEUTICALS")) == {"MSFT", "REGN"}
    assert resolved("COST CUTTING ON TARGET AT MANY FIRMS THIS YEAR") == {}


def test_resolutions_when_there_are_several_then_the_surest_is_first() -> None:
    found = INDEX.resolve("Apple and Mastercard (NYSE: MA)", DAY)
    assert [r.symbol for r in found] == ["MA", "AAPL"]


@pytest.mark.parametrize(
    ("bare", "symbol", "reason"),
    [
        ("Alphabet Inc. Class A", "GOOGL", Reason.FULL_NAME),
        ("Alphabet Inc Class C", "GOOG", Reason.FULL_NAME),
        ("Intl Business Machines", "IBM", Reason.ABBREVIATED_NAME),
        ("INTERNATIONAL BUSINESS MACHS", "IBM", Reason.ABBREVIATED_NAME),
        ("international business machines", "IBM", Reason.SHORT_NAME),
        ("Target", "TGT", Reason.SHORT_NAME),
        ("TARGET CORP", "TGT", Reason.SHORT_NAME),
        ("Bank of America Corp /DE/", "BAC", Reason.SHORT_NAME),
        ("Regeneron Pharma", "REGN", Reason.ABBREVIATED_NAME),
        ("Amazon", "AMZN", Reason.SHORT_NAME),
        ("iPhone", "AAPL", Reason.BRAND),
        ("MSFT", "MSFT", Reason.BARE_TICKER),
        ("MA", "MA", Reason.BARE_TICKER),
    ],
)
def test_bare_name_when_asked_then_the_likeliest_company_is_first(bare: str, symbol: str, reason: Reason) -> None:
    best = INDEX.resolve_name(bare, DAY)[0]
    assert (best.symbol, best.reason) == (symbol, reason)


def test_bare_name_when_only_two_letters_then_the_score_says_how_little_that_is() -> None:
    assert INDEX.resolve_name("MA", DAY)[0].score <= 0.5
    assert INDEX.resolve_name("Mastercard", DAY)[0].score > 0.9


@pytest.mark.parametrize("bare", ["", "   ", "Inc.", "(Class A)", "&", "Unheard Of Company", "Facebook"])
def test_bare_name_when_nobody_has_it_then_there_is_no_candidate(bare: str) -> None:
    assert INDEX.resolve_name(bare, DAY) == ()
