import math
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.config import Tier, TradingConfig
from domain.decisions import Action, Gate, Holding, Portfolio, Recommendation, Side, SizedIntent, TradingState
from domain.sizing import size, volatility_weight, weight_without_edge

from .builders import AS_OF, PROPERTY, assessment, holding, portfolio

CONFIG = TradingConfig()


def recommendation(symbol: str = "ACME", action: Action = Action.BUY, **changes: Any) -> Recommendation:
    as_of = changes.pop("as_of", AS_OF)
    return Recommendation(
        recommendation_id=changes.pop("recommendation_id", f"rec-{symbol}"),
        symbol=symbol,
        as_of=as_of,
        action=action,
        previous_action=Action.NONE,
        assessment=assessment(symbol, as_of=as_of, **changes),
        edge_bp=20.0,
        cost_bp=5.0,
        gates=(),
        reasons=(),
        thesis="",
        config_version="test",
        record_hash="test",
    )


def plan(
    *recommendations: Recommendation,
    account: Portfolio | None = None,
    config: TradingConfig = CONFIG,
    state: TradingState = TradingState.ACTIVE,
) -> tuple[SizedIntent, ...]:
    return size(recommendations, account or portfolio(), config=config, state=state, as_of=AS_OF)


def with_sizing(**changes: Any) -> TradingConfig:
    return TradingConfig.model_validate({"sizing": changes})


def clamp(intent: SizedIntent, name: str) -> Gate:
    return next(one for one in intent.clamps if one.name == name)


def bounds(intent: SizedIntent) -> tuple[tuple[str, str, str, bool], ...]:
    """Every bound that was looked at, without the label of the group that shares it."""
    return tuple((gate.name, gate.value, gate.limit, gate.passed) for gate in intent.clamps)


def test_weight_when_computed_by_hand_then_it_agrees() -> None:
    by_volatility = (0.10 / math.sqrt(10)) / (0.06 * math.sqrt(252))
    assert volatility_weight(0.06, CONFIG.sizing) == pytest.approx(by_volatility)
    judged = assessment(daily_volatility=0.06, conviction=0.3)
    assert weight_without_edge(judged, CONFIG.sizing) == pytest.approx(by_volatility * 0.6)
    assert weight_without_edge(assessment(daily_volatility=0.06, conviction=0.9), CONFIG.sizing) == by_volatility
    assert weight_without_edge(assessment(daily_volatility=0.001), CONFIG.sizing) == 0.05
    assert weight_without_edge(assessment(daily_volatility=0.0), CONFIG.sizing) == 0.0


def test_buy_when_account_is_empty_then_target_is_floored_to_whole_shares() -> None:
    (intent,) = plan(recommendation(last_close=47.3))
    assert (intent.side, intent.quantity) == (Side.BUY, Decimal(105))  # 5 % of $100,000 at $47.30
    assert intent.notional == Decimal("4966.500000")
    assert intent.target_weight == pytest.approx(0.049665)
    assert not clamp(intent, "name_cap").passed
    assert clamp(intent, "gross_cap").passed
    assert clamp(intent, "deployable_cash").passed
    assert not clamp(intent, "quantity_step").passed


def test_buy_when_fractional_then_quantity_is_floored_to_the_step() -> None:
    (intent,) = plan(recommendation(last_close=47.3), config=with_sizing(fractional=True, quantity_step="0.001"))
    assert intent.quantity == Decimal("105.708")


@pytest.mark.parametrize(
    ("held", "quantity"),
    [("100", None), ("101", None), ("75", None), ("74", 26), ("1", 99), ("0", 100), ("200", None)],
)
def test_buy_when_position_exists_then_only_a_gap_beyond_the_band_is_filled(held: str, quantity: int | None) -> None:
    cash = str(100_000 - 50 * int(held))
    found = plan(recommendation(last_close=50), account=portfolio(cash, (holding(quantity=held),)))
    assert [intent.quantity for intent in found] == ([] if quantity is None else [Decimal(quantity)])


def test_buy_when_an_order_is_open_then_it_counts_as_held() -> None:
    account = portfolio(open_buys={"ACME": Decimal(3000)})
    assert [intent.quantity for intent in plan(recommendation(), account=account)] == [Decimal(40)]
    account = portfolio(open_buys={"ACME": Decimal(3750)})
    assert plan(recommendation(), account=account) == ()


def test_buy_when_the_symbol_is_being_sold_then_there_is_no_order() -> None:
    account = portfolio("99000", (holding(quantity="20"),), open_sells={"ACME": Decimal(5)})
    assert plan(recommendation(), account=account) == ()


@pytest.mark.parametrize(("price", "orders"), [(100.0, 1), (99.99, 0), (100.01, 1)])
def test_buy_when_notional_is_around_the_minimum_then_less_is_dropped(price: float, orders: int) -> None:
    account = portfolio("2200")  # 5 % buys one share only
    assert len(plan(recommendation(last_close=price), account=account)) == orders


def test_buy_when_fees_are_high_then_the_minimum_is_twenty_fees() -> None:
    assert plan(recommendation(), config=with_sizing(fee_per_order=250))[0].notional == 5000
    assert plan(recommendation(), config=with_sizing(fee_per_order="250.01")) == ()


def test_sell_when_recommended_then_the_whole_free_position_goes() -> None:
    account = portfolio("99000", (holding(quantity="20.5"),), open_sells={"ACME": Decimal(5)})
    (intent,) = plan(recommendation(action=Action.SELL), account=account)
    assert (intent.side, intent.quantity, intent.target_weight) == (Side.SELL, Decimal("15.5"), 0.0)
    assert intent.notional == Decimal("775.0")
    assert not clamp(intent, "held").passed


@pytest.mark.parametrize(
    "account",
    [
        portfolio(),
        portfolio(holdings=(holding(quantity="0"),)),
        portfolio("99000", (holding(quantity="20"),), open_sells={"ACME": Decimal(20)}),
        portfolio("99000", (holding("OTHR", quantity="20"),)),
    ],
)
def test_sell_when_nothing_is_free_then_there_is_no_order(account: Portfolio) -> None:
    assert plan(recommendation(action=Action.SELL), account=account) == ()


@pytest.mark.parametrize("action", [Action.HOLD, Action.WATCH, Action.NONE])
def test_plan_when_action_is_neither_buy_nor_sell_then_there_is_no_order(action: Action) -> None:
    assert plan(recommendation(action=action), account=portfolio("99000", (holding(quantity="20"),))) == ()


@pytest.mark.parametrize(
    ("state", "sides"),
    [
        (TradingState.ACTIVE, [Side.SELL, Side.BUY]),
        (TradingState.REDUCING, [Side.SELL]),
        (TradingState.HALTED, []),
    ],
)
def test_plan_when_trading_state_differs_then_only_what_is_permitted_is_planned(
    state: TradingState, sides: list[Side]
) -> None:
    account = portfolio("99000", (holding("ZED", quantity="20"),))
    found = plan(recommendation("ACME"), recommendation("ZED", Action.SELL), account=account, state=state)
    assert [intent.side for intent in found] == sides


def test_plan_when_orders_are_many_then_sells_come_first_and_symbols_ascend() -> None:
    account = portfolio("99000", (holding("ZED"), holding("BEE")))
    actions = {"ZED": Action.SELL, "ACME": Action.BUY, "YAK": Action.BUY, "BEE": Action.SELL}
    found = plan(*(recommendation(symbol, action) for symbol, action in actions.items()), account=account)
    assert [(intent.side.value, intent.symbol) for intent in found] == [
        ("sell", "BEE"), ("sell", "ZED"), ("buy", "ACME"), ("buy", "YAK"),
    ]  # fmt: skip


def test_plan_when_a_symbol_is_recommended_twice_then_the_latest_counts() -> None:
    older = recommendation(as_of=AS_OF - timedelta(hours=1), recommendation_id="old")
    newer = recommendation(action=Action.HOLD, recommendation_id="new")
    ahead = recommendation(as_of=AS_OF + timedelta(hours=1), recommendation_id="ahead")
    assert plan(older, newer) == plan(newer, older) == ()
    assert [intent.recommendation_id for intent in plan(ahead, older)] == ["old"]


def test_plan_when_made_again_then_intents_have_the_same_ids() -> None:
    first, second = plan(recommendation()), plan(recommendation(), account=portfolio("50000"))
    assert first[0].intent_id == second[0].intent_id
    assert plan(recommendation(recommendation_id="other"))[0].intent_id != first[0].intent_id


def test_buys_when_gross_cap_binds_then_all_are_scaled_alike() -> None:
    config = TradingConfig.model_validate({"sizing": {"gross_cap": "0.1", "fractional": True}})
    found = plan(*(recommendation(symbol) for symbol in ("A", "B", "C", "D")), config=config)
    assert [intent.quantity for intent in found] == [Decimal("50.000")] * 4
    assert all(not clamp(intent, "gross_cap").passed for intent in found)


def test_buys_when_cash_floor_or_reserve_binds_then_all_are_scaled_alike() -> None:
    config = TradingConfig.model_validate({"sizing": {"fractional": True}})
    others = (Holding(symbol="X", quantity=Decimal(780), average_price=Decimal(100), last_price=Decimal(100)),)
    symbols = ("A", "B")
    account = portfolio("22000", others)
    found = plan(*map(recommendation, symbols), account=account, config=config)
    assert [intent.notional for intent in found] == [Decimal(1000)] * 2  # gross: 80 % of 100,000 less 78,000
    account = portfolio("22000", others, reserve=Decimal(21_000))
    found = plan(*map(recommendation, symbols), account=account, config=config)
    assert [intent.notional for intent in found] == [Decimal(500)] * 2
    assert all(not clamp(intent, "deployable_cash").passed for intent in found)
    assert plan(*map(recommendation, symbols), account=portfolio("22000", others, reserve=Decimal(22_000))) == ()


def test_buys_when_orders_on_other_symbols_are_open_then_they_use_the_gross_cap() -> None:
    account = portfolio(open_buys={"X": Decimal(78_000)})
    found = plan(recommendation("A"), recommendation("B"), account=account)
    assert [intent.notional for intent in found] == [Decimal(1000)] * 2
    assert all(clamp(intent, "deployable_cash").passed for intent in found)


def test_buys_when_the_account_is_worth_nothing_then_there_is_no_order() -> None:
    assert plan(recommendation(), account=portfolio("0")) == ()
    assert plan(recommendation(), account=portfolio("-5")) == ()


def test_buys_when_nothing_is_asked_in_an_overdrawn_account_then_there_is_no_order() -> None:
    account = portfolio("-5000", (holding(quantity="1000"),))
    assert plan(recommendation(action=Action.HOLD), account=account) == ()


prices = st.decimals(Decimal("0.5"), Decimal(900), places=2)
amounts = st.decimals(Decimal(0), Decimal(60_000), places=2)


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[Recommendation], Portfolio, TradingConfig]:
    symbols = [f"S{n}" for n in range(draw(st.integers(1, 7)))]
    holdings = tuple(
        Holding(symbol=symbol, quantity=Decimal(draw(st.integers(0, 300))), average_price=price, last_price=price)
        for symbol, price in ((symbol, draw(prices)) for symbol in [*symbols, "OUT"])
        if draw(st.booleans())
    )
    recommendations = [
        recommendation(
            symbol,
            draw(st.sampled_from([Action.BUY, Action.BUY, Action.BUY, Action.SELL, Action.HOLD])),
            conviction=draw(st.floats(0, 1)),
            daily_volatility=draw(st.sampled_from([0.0, 0.003, 0.01, 0.02, 0.08])),
            last_close=float(draw(prices)),
        )
        for symbol in symbols
    ]
    account = portfolio(
        str(draw(amounts)),
        holdings,
        open_buys={symbol: draw(amounts) / 10 for symbol in symbols if draw(st.booleans())},
        open_sells={one.symbol: Decimal(draw(st.integers(0, 20))) for one in holdings if draw(st.booleans())},
        reserve=draw(amounts) / 4,
    )
    fractional = {"sizing": {"fractional": draw(st.booleans())}}
    preset = TradingConfig.for_tier(draw(st.sampled_from(Tier))).model_dump(mode="json")
    preset["sizing"].update(fractional["sizing"])
    return recommendations, account, TradingConfig.model_validate(preset)


@PROPERTY
@given(situations())
def test_plan_when_inputs_are_any_then_every_limit_holds(
    situation: tuple[list[Recommendation], Portfolio, TradingConfig],
) -> None:
    recommendations, account, config = situation
    found = plan(*recommendations, account=account, config=config)
    buys = [intent for intent in found if intent.side is Side.BUY]
    equity, sizing = Fraction(account.equity), config.sizing
    spent = sum(Fraction(intent.notional) for intent in buys)
    reserved = sum(map(Fraction, account.open_buys.values()))
    held = {one.symbol: Fraction(one.market_value) for one in account.holdings}
    shares = {one.symbol: one.quantity for one in account.holdings}
    if buys:
        assert sum(held.values()) + reserved + spent <= Fraction(sizing.gross_cap) * equity
        floor = max(Fraction(account.reserve), Fraction(sizing.cash_floor) * equity)
        assert Fraction(account.cash) - reserved - spent >= floor
    for intent in buys:
        there = held.get(intent.symbol, Fraction(0)) + Fraction(account.open_buys.get(intent.symbol, Decimal(0)))
        assert there + Fraction(intent.notional) <= Fraction(sizing.name_cap) * equity
        assert intent.quantity > 0
        assert intent.quantity % sizing.step == 0
        assert intent.notional == intent.quantity * intent.reference_price >= sizing.smallest_order
        assert 0.0 <= intent.target_weight <= float(sizing.name_cap)
    for intent in found[: len(found) - len(buys)]:
        assert 0 < intent.quantity == shares[intent.symbol] - account.open_sells.get(intent.symbol, Decimal(0))
    assert len({intent.intent_id for intent in found}) == len(found)


@PROPERTY
@given(situations(), st.randoms(use_true_random=False))
def test_plan_when_symbols_are_relabelled_then_only_the_labels_change(
    situation: tuple[list[Recommendation], Portfolio, TradingConfig], random: Any
) -> None:
    recommendations, account, config = situation
    names = sorted({one.symbol for one in recommendations} | {one.symbol for one in account.holdings})
    others = [f"X{n}" for n in range(len(names))]
    random.shuffle(others)
    new = dict(zip(names, others, strict=True))
    relabelled = account.model_copy(
        update={
            "holdings": tuple(one.model_copy(update={"symbol": new[one.symbol]}) for one in account.holdings[::-1]),
            "open_buys": {new[symbol]: amount for symbol, amount in account.open_buys.items()},
            "open_sells": {new[symbol]: amount for symbol, amount in account.open_sells.items()},
        }
    )
    renamed = [one.model_copy(update={"symbol": new[one.symbol]}) for one in recommendations[::-1]]
    before = {
        (new[one.symbol], one.side, one.quantity, bounds(one))
        for one in plan(*recommendations, account=account, config=config)
    }
    after = {
        (one.symbol, one.side, one.quantity, bounds(one)) for one in plan(*renamed, account=relabelled, config=config)
    }
    assert before == after


@PROPERTY
@given(situations())
def test_plan_when_trading_is_paused_then_sells_are_those_of_active_trading(
    situation: tuple[list[Recommendation], Portfolio, TradingConfig],
) -> None:
    recommendations, account, config = situation
    active = plan(*recommendations, account=account, config=config)
    paused = plan(*recommendations, account=account, config=config, state=TradingState.REDUCING)
    assert paused == tuple(intent for intent in active if intent.side is Side.SELL)
    assert plan(*recommendations, account=account, config=config, state=TradingState.HALTED) == ()


class Market:
    """A market in which some symbols belong together."""

    def __init__(
        self, groups: dict[str, tuple[str, str]], ranges: dict[str, float] | None = None, closed: Sequence[str] = ()
    ) -> None:
        self._groups, self._ranges, self._closed = groups, ranges or {}, closed

    def average_range(self, symbol: str) -> float | None:
        return self._ranges.get(symbol)

    def groups(self, symbols: Sequence[str]) -> dict[str, tuple[str, str]]:
        return {symbol: self._groups.get(symbol, (symbol, symbol)) for symbol in symbols}

    def entry_gates(self, symbol: str) -> Sequence[Gate]:
        return [Gate(name="earnings_blackout", value="", limit="", passed=symbol not in self._closed)]


def wanted(count: int) -> list[Recommendation]:
    return [recommendation(f"S{number:02}") for number in range(count)]


def plan_in(market: Market, *recommendations: Recommendation, **options: Any) -> tuple[SizedIntent, ...]:
    return size(
        recommendations,
        options.pop("account", None) or portfolio(),
        config=options.pop("config", CONFIG),
        state=TradingState.ACTIVE,
        as_of=AS_OF,
        around=market,
    )


def test_buys_when_one_company_is_about_to_report_then_it_is_not_asked_for_and_takes_no_share() -> None:
    one, other = recommendation("ACME"), recommendation("BOLT")
    found = plan_in(Market({}, closed=["ACME"]), one, other)
    assert [intent.symbol for intent in found] == ["BOLT"]
    assert found == plan_in(Market({}), other)


@pytest.mark.parametrize(("held", "quantity"), [("0", 20), ("15", 5), ("19", None), ("20", None)])
def test_buy_when_its_market_is_thin_then_no_more_is_asked_for_than_a_tenth_of_a_day(
    held: str, quantity: int | None
) -> None:
    account = portfolio(str(100_000 - int(held) * 50), (holding(quantity=held),) if held != "0" else ())
    found = plan_in(Market({}), recommendation(average_dollar_volume=10_000.0, last_close=50.0), account=account)
    assert [intent.quantity for intent in found] == ([] if quantity is None else [Decimal(quantity)])
    if found:
        assert not clamp(found[0], "position_volume").passed


def test_buys_when_they_are_of_one_sector_then_they_share_its_cap() -> None:
    market = Market({f"S{number:02}": ("tech", f"S{number:02}") for number in range(8)})
    found = plan_in(market, *wanted(8))
    assert sum(intent.notional for intent in found) <= Decimal(25_000)
    assert len({intent.quantity for intent in found}) == 1
    assert all(not clamp(intent, "sector_cap").passed for intent in found)


def test_buys_when_they_move_together_then_they_share_the_cap_of_a_cluster_with_what_is_held() -> None:
    market = Market({f"S{number:02}": (f"S{number:02}", "S00") for number in range(4)})
    account = portfolio("95000", (holding("S00", quantity="100"),))
    found = plan_in(market, *wanted(4)[1:], account=account)
    assert sum(intent.notional for intent in found) <= Decimal(10_000)
    assert all(not clamp(intent, "cluster_cap").passed for intent in found)


def test_buy_when_its_stop_is_far_then_the_risk_of_the_trade_bounds_it() -> None:
    (near,) = plan_in(Market({}, {"ACME": 1.0}), recommendation())
    (far,) = plan_in(Market({}, {"ACME": 4.0}), recommendation())
    assert near.notional == Decimal(5_000)
    assert far.quantity == Decimal(41)  # half a percent of $100,000 over a stop $12 away
    assert not clamp(far, "stop_distance").passed
    assert plan_in(Market({}, {"ACME": 20.0}), recommendation()) == ()


def test_buy_when_the_edge_hardly_pays_its_cost_then_the_kelly_fraction_bounds_it() -> None:
    thin = recommendation().model_copy(update={"edge_bp": 6.0})
    (intent,) = plan(thin)
    assert intent.quantity == Decimal(9)  # .2 x 1 bp / (.02^2 x 10) is .5 % of $100,000, less a hair: floats
    assert not clamp(intent, "kelly").passed
    assert plan(recommendation().model_copy(update={"edge_bp": 5.0})) == ()


def test_buy_when_what_is_held_is_within_the_band_then_the_market_is_not_asked() -> None:
    class Silent(Market):
        def average_range(self, symbol: str) -> float | None:
            raise AssertionError(symbol)

    account = portfolio("95200", (holding(quantity="96"),))
    assert plan_in(Silent({}), recommendation(), account=account) == ()
