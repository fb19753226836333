"""Statements on the economy with plain defaults, and what the layers are asked with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from domain.config import SignalConfig
from domain.documents import Credibility
from domain.extraction import ExtractorKind
from domain.layer_config import CompetitiveLayerConfig, MacroLayerConfig
from domain.macro import MacroTopic, Surprise
from domain.macro_items import MacroItem
from domain.macro_layer import FactorState, MacroAssessment, factor_states, macro_scores
from domain.registry import MacroFactor
from tests.decisions.builders import AS_OF, SESSIONS

SIGNALS = SignalConfig()
MACRO = MacroLayerConfig()
COMPETITIVE = CompetitiveLayerConfig()


def statement(label: str = "a", /, *, minutes_ago: float = 0.0, **changes: Any) -> MacroItem:
    """An authority that is sure: rates go up by 1, known at the as-of instant."""
    values: dict[str, Any] = {
        "macro_event_id": f"me-{label}",
        "doc_id": f"doc-{label}",
        "extraction_id": f"ex-{label}",
        "available_at": AS_OF - timedelta(minutes=minutes_ago),
        "topic": MacroTopic.POLICY_RATE,
        "factor": MacroFactor.RATES,
        "direction": 1.0,
        "confidence": 1.0,
        "credibility": Credibility.OFFICIAL,
        "extractor": ExtractorKind.RULES,
        "content_hash": f"hash-{label}",
        "publisher": "Federal Reserve",
        "title": "A statement",
        "quote": "The Committee decided to raise the target range for the federal funds rate.",
    }
    return MacroItem.model_validate({**values, **changes})


def states(
    items: Sequence[MacroItem],
    *,
    as_of: datetime = AS_OF,
    session_dates: Sequence[date] = SESSIONS,
    signals: SignalConfig = SIGNALS,
    config: MacroLayerConfig = MACRO,
    sigmas: Mapping[str, float] | None = None,
) -> dict[str, FactorState]:
    return factor_states(items, as_of=as_of, session_dates=session_dates, signals=signals, config=config, sigmas=sigmas)


def macro(items: Sequence[MacroItem], exposures: Mapping[str, float], **options: Any) -> MacroAssessment:
    return macro_scores(states(items, **options), {"ACME": exposures})["ACME"]


def before(sessions: int) -> datetime:
    """The instant that lies so many whole trading days before the as-of instant."""
    last = SESSIONS.index(AS_OF.date())
    return datetime.combine(SESSIONS[last - sessions], AS_OF.timetz())


EXPOSURE_KEYS = ("rates", "usd", "oil", "regulation", "region:Europe", "region:U.S.", "sector:Energy")
NAMED = {
    MacroFactor.REGION: ("", "Europe", "US", "euro zone"),
    MacroFactor.SECTOR: ("", "energy", "Technology"),
}

exposures = st.dictionaries(st.sampled_from(EXPOSURE_KEYS), st.floats(-1, 1), max_size=7)


@st.composite
def statements(draw: st.DrawFn, *, max_size: int = 12) -> list[MacroItem]:
    """Statements on any factor, some of one document, some of one site, some told twice, some from the future."""
    items = []
    for n in range(draw(st.integers(0, max_size))):
        factor = draw(st.sampled_from(MacroFactor))
        actual = draw(st.one_of(st.none(), st.integers(0, 50)))
        items.append(
            statement(
                str(n),
                doc_id=f"doc-{draw(st.integers(0, n))}",
                minutes_ago=draw(st.integers(-2_000, 100_000)),
                topic=draw(st.sampled_from(MacroTopic)),
                factor=factor,
                name=draw(st.sampled_from(NAMED.get(factor, ("",)))),
                region=draw(st.sampled_from(("", "U.S.", "Japan"))),
                direction=draw(st.floats(-1, 1)),
                confidence=draw(st.floats(0, 1)),
                quote_validity=draw(st.floats(0, 1)),
                credibility=draw(st.sampled_from(Credibility)),
                site=draw(st.sampled_from(("one", "two", "three"))),
                surprise=None if actual is None else Surprise(actual=str(actual / 10), expected="2.5"),
                shingles=tuple(sorted(draw(st.sets(st.integers(0, 25), max_size=12)))),
            )
        )
    return items
