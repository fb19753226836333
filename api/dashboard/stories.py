"""A decision in plain words and as a waterfall, both from its explanation as `/v1` gives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from markupsafe import Markup

from api.dashboard import formats
from api.dashboard.charts import waterfall

NANO = Decimal(10**9)
DOCUMENTS_SHOWN = 12
_LAYERS = {"company": "What is said of the company", "macro": "The economy", "competitive": "Competitors"}
_ACTIONS = {
    "buy": "Buy",
    "sell": "Sell",
    "hold": "Keep",
    "watch": "Watch, do not trade",
    "none": "Do nothing about",
}


@dataclass(frozen=True)
class Row:
    """A line of the waterfall."""

    kind: str
    """document, rest, layer, market or score."""
    label: str
    nano: int
    bar: Markup
    evidence: Mapping[str, Any] | None = None
    note: str = ""


def waterfall_rows(explanation: Mapping[str, Any]) -> list[Row]:
    """Document after document to each layer's sum, then the market, then the score: all shares add up exactly."""
    rows: list[tuple[str, str, int, Mapping[str, Any] | None, str]] = []
    for layer in explanation["layers"]:
        evidence = layer["evidence"]
        for item in evidence[:DOCUMENTS_SHOWN]:
            rows.append(("document", item["title"] or item["doc_id"], item["nano"], item, ""))
        rest = layer["nano"] - sum(item["nano"] for item in evidence[:DOCUMENTS_SHOWN])
        if rest:
            count = len(evidence) - DOCUMENTS_SHOWN
            label = f"{count} further statements" if count > 0 else "shared by all of this layer"
            rows.append(("rest", label, rest, None, ""))
    rows.append(("market", "Prices and volume", explanation["market"]["nano"], None, _market_note(explanation)))
    rows.append(("score", "Score", explanation["score"]["nano"], None, ""))
    bars = waterfall.bars([waterfall.Step(row[2] / 1e9, total=row[0] == "score") for row in rows])
    return [
        Row(kind, label, nano, bar, evidence, note)
        for (kind, label, nano, evidence, note), bar in zip(rows, bars, strict=True)
    ]


def layer_rows(explanation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each layer with its own score, its weight and what it added."""
    market, score = explanation["market"], explanation["score"]
    steps = [waterfall.Step(layer["nano"] / 1e9) for layer in explanation["layers"]]
    steps += [waterfall.Step(market["nano"] / 1e9), waterfall.Step(score["nano"] / 1e9, total=True)]
    bars = waterfall.bars(steps)
    named = [
        {
            "label": _LAYERS.get(layer["layer"], layer["layer"]),
            "score": layer["score"],
            "weight": layer["weight"],
            "share": Decimal(layer["nano"]) / NANO,
            "count": len(layer["evidence"]),
        }
        for layer in explanation["layers"]
    ]
    named.append(
        {
            "label": "Prices and volume",
            "score": market["confirmation"],
            "weight": None,
            "share": Decimal(market["nano"]) / NANO,
            "count": None,
        }
    )
    named.append(
        {"label": "Score", "score": None, "weight": None, "share": Decimal(score["nano"]) / NANO, "count": None}
    )
    return [{**row, "bar": bar} for row, bar in zip(named, bars, strict=True)]


def story(explanation: Mapping[str, Any], equity: Any = None) -> list[str]:
    """Three to six sentences that say what was decided, why, and what became of it."""
    sentences = [_decided(explanation), _because(explanation), _tested(explanation)]
    if not explanation["intents"]:
        sentences.append("No order followed.")
    for intent in explanation["intents"]:
        sentences += _became(intent, formats.number(equity))
    return [sentence for sentence in sentences if sentence]


def _decided(explanation: Mapping[str, Any]) -> str:
    action, before = explanation["action"], explanation["previous_action"]
    changed = "as before" if action == before else f"before: {before}"
    score = explanation["score"]
    return (
        f"{_ACTIONS.get(action, action.capitalize())} {explanation['symbol']} ({changed}): "
        f"a score of {_signed(score['nano'])} with conviction {score['conviction']:.2f}."
    )


def _because(explanation: Mapping[str, Any]) -> str:
    evidence = [item for layer in explanation["layers"] for item in layer["evidence"]]
    if not evidence:
        return "Nothing that was read speaks for or against it."
    speaking_for = sum(1 for item in evidence if item["nano"] > 0)
    against = sum(1 for item in evidence if item["nano"] < 0)
    strongest = max(evidence, key=lambda item: abs(item["nano"]))
    market = explanation["market"]["nano"]
    prices = (
        f"prices and volume add {_signed(market)}"
        if market > 0
        else f"prices and volume take {_signed(market)}"
        if market < 0
        else "prices and volume change nothing"
    )
    return (
        f"{_count(len(evidence), 'statement')} count, {speaking_for} for it and {against} against; "
        f"the strongest is \N{LEFT DOUBLE QUOTATION MARK}{strongest['title']}\N{RIGHT DOUBLE QUOTATION MARK} "
        f"({strongest['publisher'] or 'unknown publisher'}) with {_signed(strongest['nano'])}; {prices}."
    )


def _tested(explanation: Mapping[str, Any]) -> str:
    gates = explanation["gates"]
    if not gates:
        return ""
    failed = [formats.words(gate["name"]) for gate in gates if not gate["passed"]]
    if not failed:
        return f"All {len(gates)} gates passed."
    return f"{_count(len(failed), 'gate')} of {len(gates)} did not pass: {', '.join(failed)}."


def _became(intent: Mapping[str, Any], equity: Decimal | None) -> list[str]:
    notional = formats.number(intent["notional"])
    share = "" if not equity or notional is None else f", {notional / equity * 100:.1f} % of equity"
    cut = [formats.words(clamp["name"]) for clamp in intent["clamps"] if not clamp["passed"]]
    sized = (
        f"Sized to {intent['side']} {formats.shares(intent['quantity'])} shares for {formats.money(notional)}{share}"
    )
    told = [f"{sized}, cut by {', '.join(cut)}." if cut else f"{sized}."]
    risk, approval, order = intent["risk"], intent["approval"], intent["order"]
    if risk is not None:
        allowed = formats.shares(risk["allowed_quantity"])
        told.append("Risk denied it." if risk["outcome"] == "deny" else f"Risk allowed {allowed} of them.")
    if approval is not None:
        told.append(_answered(approval))
    if order is not None:
        filled = formats.shares(order["filled_quantity"])
        price = order["filled_average_price"]
        at = f" at {formats.money(price)} on average" if price else ""
        told.append(f"The order is {formats.words(order['status'])}: {filled} shares{at}.")
    elif approval is None and intent["state"] != "open":
        told.append(f"It ended {formats.words(intent['state'])}.")
    return told


def _answered(approval: Mapping[str, Any]) -> str:
    if approval["status"] == "pending":
        return "It waits for a person."
    by = f" by {formats.who(approval['decided_by'])}" if approval["decided_by"] else ""
    return f"It was {approval['status']}{by}."


def _market_note(explanation: Mapping[str, Any]) -> str:
    market = explanation["market"]
    return (
        f"confirmation {market['confirmation']:+.2f}, trend {market['trend']:+.2f}, "
        f"daily volatility {market['daily_volatility'] * 100:.2f} %, last close {market['last_close']:,.2f}"
    )


def _signed(nano: int) -> str:
    return f"{nano / 1e9:+.4f}".replace("-", "\N{MINUS SIGN}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
