"""Every row of the vendor's refusals, and what comes from something in between."""

from __future__ import annotations

import json
from typing import Any

import pytest

from activities.adapters.alpaca.errors import classify
from domain.errors import ConfigurationError, VendorRejected, VendorThrottled, VendorUnavailable

FORBIDDEN, INVALID, MISSING, UNPROCESSABLE = 40310000, 40010001, 40410000, 42210000


def _answer(code: int | None, message: str, **fields: Any) -> str:
    return json.dumps(({} if code is None else {"code": code}) | {"message": message} | fields)


@pytest.mark.parametrize(
    ("status", "text", "name"),
    [
        (422, _answer(INVALID, "client_order_id must be unique"), "CLIENT_ORDER_ID_TAKEN"),
        (
            403,
            _answer(FORBIDDEN, "insufficient buying power", buying_power="10", cost_basis="99"),
            "BUYING_POWER_INSUFFICIENT",
        ),
        (
            403,
            _answer(
                FORBIDDEN,
                "insufficient qty available for order (requested: 2, available: 1)",
                existing_qty="3",
                held_for_orders="2",
            ),
            "SHARES_HELD",
        ),
        (
            403,
            _answer(FORBIDDEN, "potential wash trade detected. use complex orders", existing_order_id="e"),
            "WASH_TRADE",
        ),
        (403, _answer(FORBIDDEN, "cost basis must be >= minimal amount of order 1"), "ORDER_TOO_SMALL"),
        (403, _answer(FORBIDDEN, "new orders are rejected by user request"), "TRADING_SUSPENDED"),
        (403, _answer(FORBIDDEN, "account is not allowed to short"), "SHORTING_NOT_ALLOWED"),
        (403, _answer(FORBIDDEN, "something new"), "ORDER_REFUSED_AS_FORBIDDEN"),
        (422, _answer(UNPROCESSABLE, 'order is already in "filled" state'), "ORDER_IS_CLOSED"),
        (
            422,
            _answer(UNPROCESSABLE, "invalid limit_price 1.001. sub-penny increment does not fulfill minimum"),
            "PRICE_NOT_ON_TICK",
        ),
        (422, _answer(UNPROCESSABLE, "fractional orders must be DAY orders"), "FRACTION_NOT_DAY"),
        (422, _answer(UNPROCESSABLE, "fractional orders must be simple orders"), "FRACTION_NOT_SIMPLE"),
        (422, _answer(UNPROCESSABLE, "fractional orders cannot be sold short"), "FRACTION_SOLD_SHORT"),
        (
            422,
            _answer(UNPROCESSABLE, "extended hours order must be DAY or GTC limit orders"),
            "EXTENDED_HOURS_TERMS",
        ),
        (404, _answer(MISSING, "order not found for so-1"), "BROKER_NOT_FOUND"),
        (404, _answer(MISSING, "position does not exist"), "BROKER_NOT_FOUND"),
    ],
)
def test_refusal_when_the_vendor_says_why_then_named_and_final(status: int, text: str, name: str) -> None:
    error = classify(status, text, {})
    assert isinstance(error, VendorRejected)
    assert error.code == name
    assert error.fields["status"] == status
    assert error.fields["reply"] == json.loads(text)["message"]


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("held_for_orders", "SHARES_HELD"),
        ("existing_order_id", "WASH_TRADE"),
        ("buying_power", "BUYING_POWER_INSUFFICIENT"),
    ],
)
def test_refusal_when_only_a_field_tells_it_apart_then_that_counts(field: str, name: str) -> None:
    error = classify(403, _answer(FORBIDDEN, "reworded by the vendor", **{field: "1"}), {})
    assert error.code == name
    assert error.fields[field] == "1"


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 400, 403, 404, 422])
def test_answer_when_it_is_a_gateways_page_then_the_outcome_is_unknown(status: int) -> None:
    assert isinstance(classify(status, "<html>nothing to see</html>", {}), VendorUnavailable)


@pytest.mark.parametrize("text", [_answer(MISSING, "endpoint not found."), _answer(None, "not found"), "", "[]", "7"])
def test_missing_when_it_is_not_the_vendors_word_on_an_order_then_it_proves_nothing(text: str) -> None:
    assert isinstance(classify(404, text, {}), VendorUnavailable)


@pytest.mark.parametrize(("status", "message"), [(401, "unauthorized."), (403, "forbidden.")])
def test_keys_when_refused_then_an_operator_must_act(status: int, message: str) -> None:
    assert isinstance(classify(status, _answer(None, message), {}), ConfigurationError)


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"X-RateLimit-Reset": "1012"}, 12.0),
        ({"X-RateLimit-Reset": "900"}, 0.5),
        ({"Retry-After": "86400"}, 60.0),
        ({"Retry-After": "soon"}, 2.0),
        ({}, 2.0),
    ],
)
def test_throttled_when_the_vendor_says_until_when_then_that_is_the_pause(
    headers: dict[str, str], pause: float
) -> None:
    error = classify(429, _answer(42910000, "rate limit exceeded"), headers, now=lambda: 1_000.0)
    assert isinstance(error, VendorThrottled)
    assert error.retry_after_seconds == pause


def test_answer_when_its_code_is_no_number_then_the_message_still_counts() -> None:
    error = classify(422, json.dumps({"code": "odd", "message": "no"}), {})
    assert isinstance(error, VendorRejected)
    assert error.code == "BROKER_REJECTED"
