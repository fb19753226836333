"""What holds for every registry, every text and every day."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.registry import NameKind
from domain.resolution import LONGEST_NAME, CompanyName, NameIndex, ResolverCompany

FIRST, LAST = date(2000, 1, 1), date(2030, 12, 31)
DAYS = st.dates(FIRST, LAST)
SYMBOLS = ("TGT", "MA", "RUM", "GE", "ZQX", "BRK.B", "F")
WORDS = (
    *[
        "Target",
        "target",
        "Zentrix",
        "Quorvane",
        "Mellotech",
        "Rumble",
        "General",
        "Electric",
        "Bank",
        "of",
        "America",
        "MA",
        "GE",
        "ZQX",
        "Corp",
        "Inc.",
        "plc",
    ],
    *[
        "Holdings",
        "&",
        "and",
        "The",
        "shares",
        "of",
        "said",
        "'s",
        "’s",
        "-",
        ".",
        ",",
        "$ZQX",
        "<F.N>",
        "BRK/B",
        "price",
        "Mr.",
        "fell",
        "5",
        "%",
        "é",
        "ß",
        "İ",
        "Ｔarget",
    ],
    *("(NYSE: MA)", "(TSX: GE)", "\n", "\u0301"),
)
NAMES = st.lists(
    st.sampled_from([word for word in WORDS if word.strip("&.,'’-%\n\u0301")]), min_size=1, max_size=4
).map(" ".join)


@st.composite
def aliases(draw: st.DrawFn) -> CompanyName:
    first = draw(st.none() | DAYS)
    last = draw(st.none() | DAYS)
    if first is not None and last is not None and last < first:
        first, last = last, first
    kind = draw(st.sampled_from(list(NameKind)))
    name = draw(st.sampled_from(SYMBOLS) if kind is NameKind.TICKER else NAMES)
    return CompanyName(symbol=draw(st.sampled_from(SYMBOLS)), name=name, kind=kind, valid_from=first, valid_to=last)


@st.composite
def companies(draw: st.DrawFn) -> list[ResolverCompany]:
    symbols = draw(st.lists(st.sampled_from(SYMBOLS), unique=True, max_size=len(SYMBOLS)))
    return [
        ResolverCompany(symbol=symbol, name=draw(NAMES), active_from=draw(st.none() | DAYS), active_to=None)
        for symbol in symbols
    ]


TEXTS = st.lists(st.sampled_from(WORDS) | st.text(max_size=6), max_size=30).flatmap(
    lambda words: st.sampled_from(["", " "]).map(lambda gap: gap.join(words))
)


@settings(deadline=None)
@given(companies(), st.lists(aliases(), max_size=12), TEXTS, DAYS)
def test_mentions_when_any_text_is_read_then_they_are_places_in_it(
    known: list[ResolverCompany], names: list[CompanyName], text: str, on: date
) -> None:
    for found in NameIndex(known, names).resolve(text, on):
        assert found.surface in {text[start:end] for start, end in found.mentions}
        assert all(0 <= start < end <= len(text) for start, end in found.mentions)
        assert all(a[1] <= b[0] for a, b in zip(found.mentions, found.mentions[1:], strict=False))
        assert list(found.mentions) == sorted(set(found.mentions))
        assert 0.5 <= found.score <= 1


@settings(deadline=None)
@given(companies(), st.lists(aliases(), max_size=12), TEXTS, DAYS, st.randoms(use_true_random=False))
def test_index_when_its_rows_come_in_another_order_then_it_says_the_same(
    known: list[ResolverCompany], names: list[CompanyName], text: str, on: date, random: Random
) -> None:
    before = NameIndex(known, names)
    shuffled_known, shuffled_names = list(known), list(names)
    random.shuffle(shuffled_known)
    random.shuffle(shuffled_names)
    after = NameIndex(shuffled_known, shuffled_names)
    assert after.resolve(text, on) == before.resolve(text, on)
    assert after.resolve_name(text[:40], on) == before.resolve_name(text[:40], on)


@settings(deadline=None)
@given(companies(), st.lists(aliases(), max_size=12), TEXTS, DAYS)
def test_text_when_read_on_a_day_then_only_companies_known_by_something_that_day_resolve(
    known: list[ResolverCompany], names: list[CompanyName], text: str, on: date
) -> None:
    def valid(name: CompanyName) -> bool:
        return (name.valid_from is None or name.valid_from <= on) and (name.valid_to is None or on <= name.valid_to)

    possible = {company.symbol for company in known} | {name.symbol for name in names if valid(name)}
    assert {found.symbol for found in NameIndex(known, names).resolve(text, on)} <= possible


@settings(deadline=None)
@given(st.lists(aliases(), min_size=1, max_size=12), TEXTS)
def test_text_when_read_a_day_after_everything_ended_then_nothing_resolves(names: list[CompanyName], text: str) -> None:
    ended = [name.model_copy(update={"valid_from": None, "valid_to": LAST}) for name in names]
    index = NameIndex([], ended)
    assert index.resolve(text, LAST + timedelta(days=1)) == ()
    assert index.resolve_name(text[:40], LAST + timedelta(days=1)) == ()


@settings(deadline=None)
@given(st.sampled_from(SYMBOLS), st.lists(aliases(), max_size=12), DAYS)
def test_ticker_when_an_alias_is_valid_then_it_wins_over_the_company_of_these_letters(
    label: str, names: list[CompanyName], on: date
) -> None:
    index = NameIndex([ResolverCompany(symbol=symbol, name=symbol) for symbol in SYMBOLS], names)
    tickers = [name for name in names if name.kind is NameKind.TICKER and name.name == label]
    valid = {
        name.symbol
        for name in tickers
        if (name.valid_from is None or name.valid_from <= on) and (name.valid_to is None or on <= name.valid_to)
    }
    found = index.resolve_ticker(label, on)
    if valid:
        assert found in valid
    else:
        assert found == (None if any(name.symbol == label for name in tickers) else label)


def unrelated(count: int) -> list[ResolverCompany]:
    """Companies whose words and tickers stand in none of the texts."""
    return [
        ResolverCompany(symbol=f"XX{number}", name=f"Xyloph{number:05d} Xantheon Inc.", cik=f"9{number:06d}")
        for number in range(count)
    ]


MANY = unrelated(3_000)


@settings(deadline=None)
@given(TEXTS, DAYS)
def test_text_when_thousands_of_unrelated_companies_are_known_too_then_nothing_changes(text: str, on: date) -> None:
    assert MORE.resolve(text, on) == FEW.resolve(text, on)


SOME = [
    ResolverCompany(symbol="TGT", name="Target Corporation"),
    ResolverCompany(symbol="BAC", name="Bank of America Corporation"),
    ResolverCompany(symbol="GE", name="General Electric Company"),
    ResolverCompany(symbol="ZQX", name="Zentrix Quorvane Holdings plc"),
    ResolverCompany(symbol="MA", name="Mastercard Incorporated"),
]
FEW, MORE = NameIndex(SOME), NameIndex([*SOME, *MANY])


class Counting(dict[str, object]):
    """A dictionary that counts how often it is asked."""

    asked = 0

    def get(self, key: str, default: object = None) -> object:
        self.asked += 1
        return super().get(key, default)


def look_ups(companies: list[ResolverCompany], text: str) -> int:
    index = NameIndex(companies)
    tables = {name: Counting(getattr(index, name)) for name in ("_by_key", "_reach", "_labels", "_tickers")}
    for name, table in tables.items():
        setattr(index, name, table)
    index.resolve(text, date(2024, 1, 2))
    return sum(table.asked for table in tables.values())


TEXT = (
    "Shares of Target (NYSE: TGT) and Bank of America fell on Monday, Zentrix Quorvane said. General Electric's profit "
    "rose, and Mastercard's MA shares gained 3%. "
)


def test_cost_when_there_are_a_thousand_times_more_companies_then_the_look_ups_stay_the_same() -> None:
    assert look_ups(SOME, TEXT) == look_ups([*SOME, *MANY], TEXT)


def test_cost_when_the_text_is_ten_times_longer_then_so_are_the_look_ups() -> None:
    once, tenfold = look_ups(SOME, TEXT), look_ups(SOME, TEXT * 10)
    assert tenfold <= 10 * once + LONGEST_NAME


def test_cost_when_every_word_opens_a_name_then_the_look_ups_are_still_bounded_by_the_words() -> None:
    similar = [ResolverCompany(symbol=f"A{n}", name=" ".join(["Zentrix"] * n)) for n in range(1, 12)]
    text = "Zentrix " * 200
    assert look_ups(similar, text) <= 200 * (LONGEST_NAME + 2)
