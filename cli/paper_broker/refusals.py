"""The vendor's refusals: status, code and wording as clients know them."""

from __future__ import annotations

from typing import Any

from cli.paper_broker.amounts import dollars, shares

INVALID = 40010001
FORBIDDEN = 40310000
MISSING = 40410000
UNPROCESSABLE = 42210000
THROTTLED = 42910000


class Refusal(Exception):
    """An answer other than success, in the vendor's shape: `code`, `message` and the fields that explain it."""

    def __init__(self, status: int, code: int | None, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.fields = fields

    def body(self) -> dict[str, Any]:
        head: dict[str, Any] = {} if self.code is None else {"code": self.code}
        return head | {"message": self.message} | self.fields


def invalid(message: str) -> Refusal:
    """A parameter is missing or cannot be read."""
    return Refusal(422, INVALID, message)


def forbidden(message: str, **fields: Any) -> Refusal:
    return Refusal(403, FORBIDDEN, message, **fields)


def missing(message: str) -> Refusal:
    return Refusal(404, MISSING, message)


def unprocessable(message: str, **fields: Any) -> Refusal:
    return Refusal(422, UNPROCESSABLE, message, **fields)


def bad_request(message: str) -> Refusal:
    """What the market-data host says of a parameter: it has no codes."""
    return Refusal(400, None, message)


def unauthorized() -> Refusal:
    return Refusal(401, None, "unauthorized.")


def throttled() -> Refusal:
    return Refusal(429, THROTTLED, "rate limit exceeded")


def unknown_endpoint() -> Refusal:
    return missing("endpoint not found.")


def duplicate_client_id() -> Refusal:
    return invalid("client_order_id must be unique")


def insufficient_buying_power(buying_power: int, cost: int) -> Refusal:
    return forbidden("insufficient buying power", buying_power=dollars(buying_power), cost_basis=dollars(cost))


def insufficient_quantity(*, symbol: str, requested: int, existing: int, held: int) -> Refusal:
    available = shares(max(existing - held, 0))
    return forbidden(
        f"insufficient qty available for order (requested: {shares(requested)}, available: {available})",
        symbol=symbol,
        available=available,
        existing_qty=shares(existing),
        held_for_orders=shares(held),
    )


def wash_trade(existing_order_id: str, kind: str) -> Refusal:
    return forbidden(
        "potential wash trade detected. use complex orders",
        existing_order_id=existing_order_id,
        reject_reason=f"opposite side {kind} order exists",
    )


def below_minimum() -> Refusal:
    return forbidden("cost basis must be >= minimal amount of order 1")


def sub_penny(field: str, price: str) -> Refusal:
    return unprocessable(f"invalid {field} {price}. sub-penny increment does not fulfill minimum pricing criteria")


def exit_price(field: str, comparison: str, base: int) -> Refusal:
    sign = "+" if comparison == ">=" else "-"
    return unprocessable(f"{field} must be {comparison} base_price {sign} 0.01", base_price=dollars(base))


def already(status: str) -> Refusal:
    return unprocessable(f'order is already in "{status}" state')
