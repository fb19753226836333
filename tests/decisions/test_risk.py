import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.config import TradingConfig
from domain.decisions import Portfolio, RiskCheck, RiskDecision, RiskOutcome, Side, SizedIntent, TradingState
from domain.entries import EarningsView, Entry
from domain.risk import CHECKS, decide_risk, denial_of

from .builders import AS_OF, PROPERTY, holding, portfolio

CONFIG = TradingConfig()
BUY, SELL = Side.BUY, Side.SELL
ALLOW, CLAMP, DENY = RiskOutcome.ALLOW, RiskOutcome.CLAMP, RiskOutcome.DENY


def intent(side: Side = BUY, quantity: str = "100", price: str = "50", symbol: str = "ACME") -> SizedIntent:
    return SizedIntent(
        intent_id="intent-1",
        recommendation_id="rec-1",
        symbol=symbol,
        side=side,
        quantity=Decimal(quantity),
        reference_price=Decimal(price),
        notional=Decimal(quantity) * Decimal(price),
        target_weight=0.05,
        as_of=AS_OF,
    )


def judge(order: SizedIntent | None = None, account: Portfolio | None = None, **changes: Any) -> RiskDecision:
    arguments: dict[str, Any] = {
        "state": TradingState.ACTIVE,
        "conviction": 0.4,
        "average_dollar_volume": 1e8,
        "config": CONFIG,
        "as_of": AS_OF,
        **changes,
    }
    return decide_risk(order or intent(), account or portfolio(), **arguments)


def check(decision: RiskDecision, code: str) -> RiskCheck:
    return next(one for one in decision.checks if one.code == code)


REPORTS = EarningsView(reports=(50,), next_is_known=True)
LONG_AGO = EarningsView(next_is_known=False, days_since_report=80)
QUOTE_NEEDED = TradingConfig.model_validate({"entries": {"quote_needed": True}})


def quoted(bid: str | None, ask: str | None, **changes: Any) -> Entry:
    return Entry.model_validate({"bid": bid, "ask": ask, "at_open": False, **changes})


CODES = [
    "ORDER_INVALID",
    "TRADING_HALTED",
    "TRADING_PAUSED",
    "BREAKER_OPEN",
    "SYMBOL_BEING_LEFT",
    "SELL_EXCEEDS_POSITION",
    "INSUFFICIENT_BUYING_POWER",
    "POSITION_LIMIT_EXCEEDED",
    "CLUSTER_LIMIT_EXCEEDED",
    "SECTOR_LIMIT_EXCEEDED",
    "GROSS_LIMIT_EXCEEDED",
    "PARTICIPATION_LIMIT_EXCEEDED",
    "POSITION_VOLUME_EXCEEDED",
    "PRICE_TOO_LOW",
    "LIQUIDITY_TOO_LOW",
    "SPREAD_TOO_WIDE",
    "EARNINGS_BLACKOUT",
    "EARNINGS_DATE_UNKNOWN",
    "CONVICTION_TOO_LOW",
    "DAILY_LOSS_LIMIT",
    "DRAWDOWN_LIMIT",
    "ORDER_TOO_SMALL",
]


@pytest.mark.parametrize("order", [intent(), intent(SELL), intent(quantity="0"), intent(price="0")])
@pytest.mark.parametrize("state", list(TradingState))
def test_checks_when_outcome_is_any_then_all_are_recorded_in_order(order: SizedIntent, state: TradingState) -> None:
    decision = judge(order, state=state)
    assert [one.code for one in decision.checks] == CODES
    assert len(CHECKS) == len(CODES)
    assert all(one.value and one.limit for one in decision.checks)


def test_buy_when_every_limit_is_kept_then_it_is_allowed_whole() -> None:
    decision = judge()
    assert (decision.outcome, decision.allowed_quantity) == (ALLOW, Decimal(100))
    assert denial_of(decision) == ""


@pytest.mark.parametrize(
    ("state", "side", "outcome"),
    [
        (TradingState.ACTIVE, BUY, ALLOW),
        (TradingState.ACTIVE, SELL, ALLOW),
        (TradingState.REDUCING, BUY, DENY),
        (TradingState.REDUCING, SELL, ALLOW),
        (TradingState.HALTED, BUY, DENY),
        (TradingState.HALTED, SELL, DENY),
    ],
)
def test_order_when_trading_state_differs_then_reductions_pass_unless_halted(
    state: TradingState, side: Side, outcome: RiskOutcome
) -> None:
    account = portfolio("98000", (holding(quantity="40"),))
    decision = judge(intent(side, "40"), account, state=state)
    assert decision.outcome is outcome
    assert decision.allowed_quantity == (Decimal(0) if outcome is DENY else Decimal(40))


@pytest.mark.parametrize(
    ("held", "selling", "asked", "outcome", "allowed"),
    [
        ("10", "0", "9", ALLOW, "9"),
        ("10", "0", "10", ALLOW, "10"),
        ("10", "0", "11", CLAMP, "10"),
        ("10.5", "2.25", "10.5", CLAMP, "8.25"),
        ("10", "10", "1", DENY, "0"),
        ("10", "12", "1", DENY, "0"),
        ("0", "0", "1", DENY, "0"),
    ],
)
def test_sell_when_more_than_the_free_position_then_it_is_cut(
    held: str, selling: str, asked: str, outcome: RiskOutcome, allowed: str
) -> None:
    account = portfolio(holdings=(holding(quantity=held),), open_sells={"ACME": Decimal(selling)})
    decision = judge(intent(SELL, asked), account)
    assert (decision.outcome, decision.allowed_quantity) == (outcome, Decimal(allowed))
    assert check(decision, "SELL_EXCEEDS_POSITION").outcome is outcome


def test_sell_when_every_limit_on_openings_is_broken_then_it_still_passes() -> None:
    account = portfolio(
        "-50000",
        (holding(quantity="5000", price="4"), holding("X", "9000", "50")),
        reserve=Decimal(10**9),
        peak_equity=Decimal(10**9),
        prior_close_equity=Decimal(10**9),
        open_buys={"ACME": Decimal(10**6)},
    )
    decision = judge(intent(SELL, "1", "4"), account, conviction=0.0, average_dollar_volume=0.0)
    assert (decision.outcome, decision.allowed_quantity) == (ALLOW, Decimal(1))


@pytest.mark.parametrize(("asked", "allowed"), [("99", "99"), ("100", "100"), ("101", "100"), ("4000", "100")])
def test_buy_when_position_is_around_the_name_cap_then_it_is_cut_to_it(asked: str, allowed: str) -> None:
    decision = judge(intent(quantity=asked))
    assert decision.allowed_quantity == Decimal(allowed)
    assert decision.outcome is (ALLOW if asked == allowed else CLAMP)


@pytest.mark.parametrize(
    ("held", "buying", "allowed"), [("60", "0", 40), ("60", "1950", 1), ("60", "1951", None), ("100", "0", None)]
)
def test_buy_when_held_and_open_orders_fill_the_name_cap_then_the_rest_is_left(
    held: str, buying: str, allowed: int | None
) -> None:
    cash = str(100_000 - int(held) * 50)
    small = TradingConfig.model_validate({"sizing": {"minimum_notional": 0}})
    account = portfolio(cash, (holding(quantity=held),), open_buys={"ACME": Decimal(buying)})
    decision = judge(intent(quantity="90"), account, config=small)
    assert decision.allowed_quantity == Decimal(allowed or 0)
    assert check(decision, "POSITION_LIMIT_EXCEEDED").outcome is (CLAMP if allowed else DENY)


@pytest.mark.parametrize(
    ("other", "buying", "outcome", "allowed"),
    [
        ("75000", "0", ALLOW, 100),
        ("75001", "0", CLAMP, 99),
        ("75000", "1", CLAMP, 99),
        ("70000", "7500", CLAMP, 50),
        ("79951", "0", DENY, 0),
        ("80000", "0", DENY, 0),
    ],
)
def test_buy_when_gross_exposure_is_around_the_cap_then_it_is_cut_to_it(
    other: str, buying: str, outcome: RiskOutcome, allowed: int
) -> None:
    """With the floor on cash out of the way, all that counts is what is held and being bought."""
    config = TradingConfig.model_validate({"sizing": {"cash_floor": 0}, "limits": {"cash_floor": 0}})
    cash = str(100_000 - int(other))
    account = portfolio(cash, (holding("X", "1", other),), open_buys={"Y": Decimal(buying)})
    decision = judge(account=account, config=config)
    assert check(decision, "GROSS_LIMIT_EXCEEDED").outcome is outcome
    assert (decision.outcome, decision.allowed_quantity) == (outcome, Decimal(allowed))


@pytest.mark.parametrize(
    ("cash", "reserve", "buying", "outcome", "allowed"),
    [
        ("20000", "0", "0", ALLOW, 100),
        ("19999", "0", "0", CLAMP, 99),
        ("20000", "15000", "0", ALLOW, 100),
        ("20000", "15001", "0", CLAMP, 99),
        ("20000", "0", "2500", CLAMP, 50),
        ("15049", "0", "0", DENY, 0),
        ("10000", "0", "0", DENY, 0),
    ],
)
def test_buy_when_cash_is_around_the_floor_or_reserve_then_it_is_cut_to_what_is_free(
    cash: str, reserve: str, buying: str, outcome: RiskOutcome, allowed: int
) -> None:
    """Equity is 100,000 and the floor 15 %; the gross cap is out of the way."""
    config = TradingConfig.model_validate({"limits": {"gross_cap": 1}})
    account = portfolio(
        cash,
        (holding("X", "1", str(100_000 - int(cash))),),
        reserve=Decimal(reserve),
        open_buys={"Y": Decimal(buying)},
    )
    decision = judge(account=account, config=config)
    assert check(decision, "INSUFFICIENT_BUYING_POWER").outcome is outcome
    assert (decision.outcome, decision.allowed_quantity) == (outcome, Decimal(allowed))


@pytest.mark.parametrize(("volume", "allowed"), [(250_000.0, 100), (249_999.0, 99), (125_000.0, 50)])
def test_buy_when_order_is_around_the_share_of_volume_then_it_is_cut(volume: float, allowed: int) -> None:
    config = TradingConfig.model_validate({"limits": {"min_adv20": 0}})
    assert judge(average_dollar_volume=volume, config=config).allowed_quantity == Decimal(allowed)


@pytest.mark.parametrize(
    ("held", "buying", "outcome", "allowed"),
    [
        ("0", "0", ALLOW, 50),
        ("150", "0", ALLOW, 50),
        ("151", "0", CLAMP, 49),
        ("0", "8000", CLAMP, 40),
        ("200", "0", DENY, 0),
    ],
)
def test_buy_when_the_position_is_around_a_tenth_of_a_days_volume_then_it_is_cut_to_it(
    held: str, buying: str, outcome: RiskOutcome, allowed: int
) -> None:
    """A day's volume is $100,000: the position, with what is being bought, may be $10,000."""
    limits = {"min_adv20": 0, "max_adv_share": 1, "name_cap": 1}
    config = TradingConfig.model_validate({"limits": limits})
    account = portfolio(str(100_000 - int(held) * 50), (holding(quantity=held),), open_buys={"ACME": Decimal(buying)})
    decision = judge(intent(quantity="50"), account, average_dollar_volume=100_000.0, config=config)
    assert check(decision, "POSITION_VOLUME_EXCEEDED").outcome is outcome
    assert (decision.outcome, decision.allowed_quantity) == (outcome, Decimal(allowed))


def test_sale_when_a_report_is_near_and_the_quote_is_wide_then_it_passes() -> None:
    account = portfolio("98000", (holding(quantity="40"),))
    entry = quoted("90", "110", earnings=REPORTS, session=50, real_money=True)
    assert judge(intent(SELL, "40"), account, entry=entry).outcome is ALLOW


@pytest.mark.parametrize(
    ("code", "changes", "outcome"),
    [
        ("PRICE_TOO_LOW", {"order": intent(price="5.01")}, ALLOW),
        ("PRICE_TOO_LOW", {"order": intent(price="5")}, ALLOW),
        ("PRICE_TOO_LOW", {"order": intent(price="4.999999")}, DENY),
        ("LIQUIDITY_TOO_LOW", {"average_dollar_volume": 5_000_001.0}, ALLOW),
        ("LIQUIDITY_TOO_LOW", {"average_dollar_volume": 5_000_000.0}, ALLOW),
        ("LIQUIDITY_TOO_LOW", {"average_dollar_volume": 4_999_999.0}, DENY),
        ("LIQUIDITY_TOO_LOW", {"average_dollar_volume": math.nan}, DENY),
        ("CONVICTION_TOO_LOW", {"conviction": 0.2501}, ALLOW),
        ("CONVICTION_TOO_LOW", {"conviction": 0.25}, ALLOW),
        ("CONVICTION_TOO_LOW", {"conviction": 0.2499}, DENY),
        ("CONVICTION_TOO_LOW", {"conviction": math.nan}, DENY),
        ("DAILY_LOSS_LIMIT", {"account": portfolio("98001", prior_close_equity=Decimal(100_000))}, ALLOW),
        ("DAILY_LOSS_LIMIT", {"account": portfolio("98000", prior_close_equity=Decimal(100_000))}, DENY),
        ("DAILY_LOSS_LIMIT", {"account": portfolio("97999", prior_close_equity=Decimal(100_000))}, DENY),
        ("DAILY_LOSS_LIMIT", {"account": portfolio(prior_close_equity=Decimal(0))}, ALLOW),
        ("DRAWDOWN_LIMIT", {"account": portfolio("90001", peak_equity=Decimal(100_000))}, ALLOW),
        ("DRAWDOWN_LIMIT", {"account": portfolio("90000", peak_equity=Decimal(100_000))}, DENY),
        ("DRAWDOWN_LIMIT", {"account": portfolio("89999", peak_equity=Decimal(100_000))}, DENY),
        ("EARNINGS_BLACKOUT", {"entry": Entry(earnings=REPORTS, session=47)}, ALLOW),
        ("EARNINGS_BLACKOUT", {"entry": Entry(earnings=REPORTS, session=48)}, DENY),
        ("EARNINGS_BLACKOUT", {"entry": Entry(earnings=REPORTS, session=51)}, DENY),
        ("EARNINGS_BLACKOUT", {"entry": Entry(earnings=REPORTS, session=51, at_open=False)}, ALLOW),
        ("EARNINGS_DATE_UNKNOWN", {"entry": Entry(earnings=LONG_AGO)}, DENY),
        (
            "EARNINGS_DATE_UNKNOWN",
            {"entry": Entry(earnings=LONG_AGO.model_copy(update={"days_since_report": 79}))},
            ALLOW,
        ),
        ("EARNINGS_DATE_UNKNOWN", {}, ALLOW),
        ("SPREAD_TOO_WIDE", {"entry": quoted("99.85", "100.15")}, ALLOW),
        ("SPREAD_TOO_WIDE", {"entry": quoted("99.85", "100.16")}, DENY),
        ("SPREAD_TOO_WIDE", {"entry": quoted("99.85", "100.16", at_open=True)}, ALLOW),
        ("SPREAD_TOO_WIDE", {"entry": quoted(None, "100.16", real_money=True)}, ALLOW),
        ("SPREAD_TOO_WIDE", {"entry": quoted(None, "100.16", real_money=True), "config": QUOTE_NEEDED}, DENY),
        ("SPREAD_TOO_WIDE", {"entry": quoted("0", "100.16", real_money=True), "config": QUOTE_NEEDED}, DENY),
        ("SPREAD_TOO_WIDE", {"entry": quoted(None, None), "config": QUOTE_NEEDED}, ALLOW),
        (
            "SPREAD_TOO_WIDE",
            {"entry": quoted(None, None, real_money=True, at_open=True), "config": QUOTE_NEEDED},
            ALLOW,
        ),
        ("ORDER_TOO_SMALL", {"order": intent(quantity="1", price="100.01")}, ALLOW),
        ("ORDER_TOO_SMALL", {"order": intent(quantity="1", price="100")}, ALLOW),
        ("ORDER_TOO_SMALL", {"order": intent(quantity="1", price="99.99")}, DENY),
        ("ORDER_INVALID", {"order": intent(quantity="0")}, DENY),
        ("ORDER_INVALID", {"order": intent(quantity="-1")}, DENY),
        ("ORDER_INVALID", {"order": intent(price="0")}, DENY),
        ("ORDER_INVALID", {"account": portfolio("0")}, DENY),
    ],
)
def test_buy_when_a_value_is_around_its_limit_then_the_check_decides(
    code: str, changes: dict[str, Any], outcome: RiskOutcome
) -> None:
    decision = judge(**changes)
    assert check(decision, code).outcome is outcome
    if outcome is DENY:
        assert (decision.outcome, decision.allowed_quantity) == (DENY, Decimal(0))
        assert denial_of(decision)


def test_buy_when_cuts_leave_too_little_then_it_is_denied() -> None:
    account = portfolio("95050", (holding(quantity="99"),))
    decision = judge(account=account)
    assert check(decision, "POSITION_LIMIT_EXCEEDED").outcome is CLAMP
    assert check(decision, "ORDER_TOO_SMALL").outcome is DENY
    assert decision.allowed_quantity == 0
    assert denial_of(decision).startswith("ORDER_TOO_SMALL: value=50")


def test_decision_when_asked_again_then_its_id_is_the_same() -> None:
    assert judge().decision_id == judge(account=portfolio("50000")).decision_id
    assert judge(as_of=AS_OF.replace(minute=1)).decision_id != judge().decision_id


accounts = st.builds(
    lambda cash, mine, other, buys, mine_open, reserve, sells: portfolio(
        str(cash),
        (holding(quantity=str(mine)), holding("X", str(other), "80")),
        open_buys={"Y": buys, "ACME": mine_open},
        open_sells={"ACME": Decimal(sells)},
        reserve=reserve,
    ),
    st.decimals(-1000, 100_000, places=2),
    st.integers(0, 200),
    st.integers(0, 900),
    st.decimals(0, 20_000, places=2),
    st.decimals(0, 5_000, places=2),
    st.decimals(0, 30_000, places=2),
    st.integers(0, 250),
)


@PROPERTY
@given(
    accounts,
    st.sampled_from(Side),
    st.integers(1, 3000),
    st.decimals(Decimal(4), Decimal(300), places=2),
    st.floats(0, 1),
    st.floats(0, 1e8),
    st.sampled_from(TradingState),
)
def test_decision_when_inputs_are_any_then_limits_hold_and_nothing_is_raised(
    account: Portfolio,
    side: Side,
    quantity: int,
    price: Decimal,
    conviction: float,
    volume: float,
    state: TradingState,
) -> None:
    order = intent(side, str(quantity), str(price))
    decision = judge(order, account, conviction=conviction, average_dollar_volume=volume, state=state)
    allowed = decision.allowed_quantity
    assert 0 <= allowed <= order.quantity
    assert (allowed == 0) is decision.denied
    assert (decision.outcome is CLAMP) is (0 < allowed < order.quantity)
    held = account.holdings[0]
    if side is SELL:
        assert allowed <= max(Decimal(0), held.quantity - account.open_sells["ACME"])
        expected = state is not TradingState.HALTED and held.quantity > account.open_sells["ACME"]
        assert (allowed > 0) is expected
    elif allowed > 0:
        cost, limits, reserved = allowed * price, CONFIG.limits, sum(account.open_buys.values())
        assert state is TradingState.ACTIVE
        assert account.cash - reserved - cost >= max(account.reserve, limits.cash_floor * account.equity)
        assert held.market_value + account.open_buys["ACME"] + cost <= limits.name_cap * account.equity
        invested = sum(one.market_value for one in account.holdings)
        assert invested + reserved + cost <= limits.gross_cap * account.equity
        assert cost <= limits.max_adv_share * Decimal(volume)
        assert cost >= CONFIG.sizing.smallest_order


@PROPERTY
@given(accounts, st.integers(1, 300), st.decimals(0, 20_000, places=2))
def test_decision_when_another_order_is_pending_then_no_more_is_allowed(
    account: Portfolio, quantity: int, pending: Decimal
) -> None:
    busier = account.model_copy(update={"open_buys": {**account.open_buys, "Y": account.open_buys["Y"] + pending}})
    order = intent(quantity=str(quantity))
    assert judge(order, busier).allowed_quantity <= judge(order, account).allowed_quantity


@pytest.mark.parametrize(
    ("groups", "code", "allowed"),
    [
        ({"ACME": ("tech", "A"), "BETA": ("tech", "B")}, "SECTOR_LIMIT_EXCEEDED", 60),
        ({"ACME": ("tech", "A"), "BETA": ("bank", "A")}, "CLUSTER_LIMIT_EXCEEDED", 0),
        ({"ACME": ("tech", "A"), "BETA": ("bank", "B")}, "", 100),
        ({}, "", 100),
    ],
)
def test_buy_when_its_group_is_nearly_full_then_it_is_cut_to_the_room(
    groups: dict[str, tuple[str, str]], code: str, allowed: int
) -> None:
    """$22,000 of $100,000 are in the other symbol: a sector may hold $25,000, a cluster $15,000."""
    account = portfolio("78000", (holding("BETA", quantity="440"),))
    decision = judge(account=account, groups=groups)
    assert decision.allowed_quantity == allowed
    cut = [one.code for one in decision.checks if one.outcome is not ALLOW]
    assert cut == ([code] if code else [])


def test_buy_when_a_breaker_is_open_then_it_is_denied_and_a_sale_is_not() -> None:
    account = portfolio("98000", (holding(quantity="40"),))
    assert denial_of(judge(entry_size=Decimal(0))).startswith("BREAKER_OPEN")
    assert judge(intent(SELL, quantity="10"), account, entry_size=Decimal(0)).outcome is ALLOW
    assert judge(entry_size=Decimal("0.25")).outcome is ALLOW


def test_buy_when_its_symbol_is_being_left_then_it_is_denied_and_a_sale_is_not() -> None:
    account = portfolio("98000", (holding(quantity="40"),))
    assert denial_of(judge(leaving="stop due")).startswith("SYMBOL_BEING_LEFT: value=stop due")
    assert judge(intent(SELL, quantity="10"), account, leaving="stop due").outcome is ALLOW
