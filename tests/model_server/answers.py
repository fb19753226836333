"""Answers that the double makes up by itself: the same for the same question, and such as pass the hard checks."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.model_server.calls import Call

_GOOD = re.compile(r"\b(?:rose|rises?|up|beat\w*|gain\w*|record|raise\w*|higher|approv\w*|wins?|won|strong\w*)\b", re.I)
_BAD = re.compile(
    r"\b(?:fell|falls?|down|miss\w*|loss\w*|cut\w*|lower|recall\w*|probe|lawsuit|weak\w*|halt\w*)\b", re.I
)
_TYPES = (
    ("earnings", re.compile(r"\b(?:profit|earnings|revenue|results|quarter\w*)\b", re.I)),
    ("guidance", re.compile(r"\b(?:guidance|outlook|forecast\w*|expects?)\b", re.I)),
    ("analyst_action", re.compile(r"\b(?:upgrade\w*|downgrade\w*|price target)\b", re.I)),
    ("buyback_dividend", re.compile(r"\b(?:dividend|buyback|repurchase)\b", re.I)),
    ("contract", re.compile(r"\b(?:contract|order|deal)\b", re.I)),
    ("product_launch", re.compile(r"\b(?:launch\w*|unveil\w*)\b", re.I)),
    ("recall_safety", re.compile(r"\brecall\w*\b", re.I)),
)
_TOPICS = (
    ("policy_rate", "rates", re.compile(r"\b(?:fed|rates?|ecb|fomc|central bank)\b", re.I)),
    ("inflation", "rates", re.compile(r"\b(?:inflation|cpi|prices)\b", re.I)),
    ("oil", "oil", re.compile(r"\b(?:oil|crude|opec)\b", re.I)),
    ("currency", "usd", re.compile(r"\b(?:dollar|currency)\b", re.I)),
)
_SENTENCE = re.compile(r"[^.!?\n]*[^\s.!?\n][^.!?\n]*[.!?]?")
_EVIDENCE = re.compile(r"^evidence (\S+):", re.MULTILINE)


def default_answer(call: Call) -> str:
    """Answer as the agent that asks would want: it is told by the schema that came with the question."""
    asked = json.dumps(call.schema) if isinstance(call.schema, dict) else ""
    if '"surface"' in asked:
        return json.dumps(extraction(call))
    if '"topic"' in asked:
        return json.dumps(macro_reading(call))
    if '"sentences"' in asked:
        return json.dumps(thesis(call))
    return json.dumps({"answer": first_sentence(call.shown or call.user)})


def extraction(call: Call) -> dict[str, Any]:
    """One event on the first candidate that the text names, carried by the first sentence that does."""
    text = call.shown
    for symbol, names in call.candidates.items():
        for name in names:
            place = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)
            if place is None:
                continue
            quote = sentence_at(text, place.start())
            return {
                "events": [
                    {
                        "type": next((kind for kind, words in _TYPES if words.search(quote)), "other"),
                        "entities": [
                            {"symbol": symbol, "surface": place[0], "role": "subject", "sentiment": leaning(quote)}
                        ],
                        "materiality": "medium",
                        "horizon": "days",
                        "confidence": 0.8,
                        "facts": [],
                        "quotes": [quote],
                    }
                ]
            }
    return {"events": []}


def macro_reading(call: Call) -> dict[str, Any]:
    """One event on the first topic that a sentence of the text is about."""
    for found in _SENTENCE.finditer(call.shown):
        quote = found[0].strip()
        for topic, factor, words in _TOPICS:
            if words.search(quote):
                return {
                    "events": [
                        {
                            "topic": topic,
                            "factor": factor,
                            "direction": leaning(quote),
                            "confidence": 0.7,
                            "quotes": [quote],
                        }
                    ]
                }
    return {"events": []}


def thesis(call: Call) -> dict[str, Any]:
    """Two plain sentences without a number, resting on the first piece of evidence."""
    action = re.search(r"^action: (\w+)$", call.user, re.MULTILINE)
    evidence = _EVIDENCE.findall(call.shown)[:1]
    words = {
        "buy": "The evidence speaks for a purchase.",
        "hold": "The evidence speaks for keeping the position.",
        "sell": "The evidence no longer speaks for the position.",
    }
    chosen = action[1] if action else ""
    return {
        "sentences": [{"text": words.get(chosen, "The evidence does not speak for trading."), "evidence": evidence}],
        "invalidation": [{"text": "The report is withdrawn or denied.", "evidence": evidence}]
        if chosen in ("buy", "hold")
        else [],
    }


def leaning(sentence: str) -> float:
    """A sign by the words of the sentence, good ones first."""
    if _GOOD.search(sentence):
        return 0.6
    return -0.6 if _BAD.search(sentence) else 0.1


def first_sentence(text: str) -> str:
    found = _SENTENCE.search(text)
    return found[0].strip() if found else ""


def sentence_at(text: str, at: int) -> str:
    """The sentence that holds the place; of one line, and short enough to be a quote."""
    for found in _SENTENCE.finditer(text):
        if found.start() <= at < found.end() and len(found[0].strip()) >= 20:
            return found[0].strip()[:300]
    start, end = text.rfind("\n", 0, at) + 1, text.find("\n", at)
    return text[start : end if end >= 0 else len(text)].strip()[:300]
