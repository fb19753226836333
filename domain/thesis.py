"""A recommendation in words: plain sentences made from the numbers and the quotes, by rule and not by a model.

Titles and quotes are other people's text: they are shortened, stripped of control characters and always stand between
quotation marks.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from domain.config import RecommendationConfig
from domain.decisions import Action, Assessment, Attribution, EvidenceItem, Layer

MAX_TITLE = 160
MAX_QUOTE = 240
NANO = 1e-9
_NEW_YORK = ZoneInfo("America/New_York")


def number(value: float) -> str:
    """Write a number to six significant digits, without a negative zero."""
    return format(value + 0.0, ".6g")


def thesis_of(
    action: Action,
    assessment: Assessment,
    evidence: Sequence[EvidenceItem],
    *,
    previous: Action,
    edge: float,
    cost: float,
    cited: int,
) -> str:
    """Write the reasons for an action: the score, the documents that carry it, and what it should earn."""
    market = sum(term.nano for term in assessment.attributions if term.layer is Layer.MARKET)
    sentences = [
        f"{assessment.symbol}: {action} (before: {previous}).",
        f"Score {assessment.score:+.4f} with conviction {assessment.conviction:.4f}, "
        f"of which market confirmation {market * NANO:+.4f}.",
    ]
    known = {item.evidence_id: item for item in evidence}
    total = sum(abs(term.nano) for term in assessment.attributions)
    leading = _leading(assessment)[:cited]
    if not leading:
        sentences.append("No evidence bears on it.")
    sentences.extend(_citation(term, known[term.evidence_id], total) for term in leading)
    if assessment.contradiction > 0.0:
        sentences.append(f"The evidence contradicts itself by {assessment.contradiction:.2f} on a scale of 0 to 1.")
    sentences.append(
        f"Expected edge {edge:.2f} bp over {assessment.horizon_td:.1f} trading days, cost {cost:.2f} bp to enter "
        "and leave."
    )
    return " ".join(sentences)


def invalidation_of(
    action: Action, assessment: Assessment, evidence: Sequence[EvidenceItem], rules: RecommendationConfig
) -> tuple[str, ...]:
    """List what would make a purchase or a holding wrong; empty for other actions."""
    if action not in (Action.BUY, Action.HOLD):
        return ()
    known = {item.evidence_id: item for item in evidence}
    conditions = [f"The score falls to {number(rules.exit_score)} or below."]
    supporting = [term for term in _leading(assessment) if term.nano > 0]
    if supporting:
        title = _clean(known[supporting[0].evidence_id].title, MAX_TITLE)
        conditions.append(f'"{title}" is corrected, withdrawn or denied.')
    conditions.append(f"Contradiction among the documents rises above {number(rules.maximum_contradiction)}.")
    conditions.append(f"No further supporting evidence within {assessment.horizon_td:.1f} trading days.")
    return tuple(conditions)


def _leading(assessment: Assessment) -> list[Attribution]:
    """Sort the company's own documents by size, the largest first; terms of nothing are left out."""
    terms = [term for term in assessment.attributions if term.layer is Layer.COMPANY and term.nano]
    return sorted(terms, key=lambda term: (-abs(term.nano), term.evidence_id))


def _citation(term: Attribution, item: EvidenceItem, total: int) -> str:
    share = 100.0 * abs(term.nano) / total
    quote = f': "{_clean(item.quote, MAX_QUOTE)}"' if item.quote else ""
    publisher = f"{_clean(item.publisher, MAX_TITLE)}, " if item.publisher else ""
    return (
        f'"{_clean(item.title, MAX_TITLE)}" ({publisher}{_day(item)}) '
        f"carries {term.nano * NANO:+.4f}, {share:.1f} % of all terms{quote}."
    )


def _day(item: EvidenceItem) -> str:
    """The day in New York on which the document was published; one that names only its day ends with it."""
    return (item.published_at - timedelta(seconds=1)).astimezone(_NEW_YORK).date().isoformat()


@lru_cache(maxsize=4096)
def _clean(text: str, limit: int) -> str:
    """Make one printable line of at most `limit` characters; inner quotation marks become single."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split()).replace('"', "'")
    return line if len(line) <= limit else line[: limit - 1] + "…"
