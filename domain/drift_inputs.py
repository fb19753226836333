"""What a decision was made from, short enough to lay two of them side by side and to name what differs."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from domain.decisions import DecisionRecord
from domain.ids import digest
from domain.model import Model

NAMED = 3
"""Documents that are named of each sort; the rest is counted."""
CODE = "code"


class Fact(Model):
    """One piece of evidence, or one term of the layers around a company."""

    doc_id: str
    digest: str


class DecisionInputs(Model):
    """A decision record's parts, as digests where only their equality matters."""

    evidence: dict[str, Fact]
    """By evidence id."""
    terms: dict[str, Fact]
    """By layer, evidence and what it came by."""
    exposures: dict[str, float] = Field(default_factory=dict)
    """How much a factor or a competitor moves the company, by layer and name: of those that said anything."""
    bars: str
    last_bar: str
    position: str
    previous_action: str
    session_dates: str
    config_version: str
    code_version: str


def inputs_of(record: DecisionRecord) -> DecisionInputs:
    """Shorten a decision record."""
    position = record.position
    left = f", left {position.sessions_since_exit} sessions ago" if position.sessions_since_exit is not None else ""
    return DecisionInputs(
        evidence={
            item.evidence_id: Fact(doc_id=item.doc_id, digest=digest(item.model_dump_json()))
            for item in record.evidence
        },
        terms={
            f"{term.layer}/{term.evidence_id}/{term.via}": Fact(
                doc_id=term.doc_id, digest=digest(term.model_dump_json(exclude={"transfer"}))
            )
            for term in record.terms
        },
        exposures={f"{term.layer}/{term.via}": term.transfer for term in record.terms},
        bars=digest(record.market.model_dump_json()),
        last_bar=record.market.sessions[-1] if record.market.sessions else "none",
        position=f"{position.quantity} at {position.average_price}, held {position.sessions_held} sessions{left}",
        previous_action=record.previous_action.value,
        session_dates=digest(*record.session_dates),
        config_version=record.config_version,
        code_version=record.code_version,
    )


def differences(live: DecisionInputs, played: DecisionInputs) -> dict[str, str]:
    """Name what two decisions of a company were not both made from: by the input's name what became of it."""
    found = {
        "evidence": _facts(live.evidence, played.evidence),
        "other layers": _facts(live.terms, played.terms),
        "exposures": _exposures(live.exposures, played.exposures),
        "bars": _bars(live, played),
        "position": _pair(live.position, played.position),
        "previous action": _pair(live.previous_action, played.previous_action),
        "calendar": "" if live.session_dates == played.session_dates else "other sessions",
        "configuration": _pair(live.config_version, played.config_version),
        CODE: _pair(live.code_version, played.code_version),
    }
    return {name: change for name, change in found.items() if change}


def _facts(live: Mapping[str, Fact], played: Mapping[str, Fact]) -> str:
    came = [played[each].doc_id for each in sorted(played.keys() - live.keys())]
    went = [live[each].doc_id for each in sorted(live.keys() - played.keys())]
    other = [played[each].doc_id for each in sorted(live.keys() & played.keys()) if live[each] != played[each]]
    parts = (("came later", came), ("taken back", went), ("changed", other))
    return "; ".join(f"{_documents(docs)} {what}" for what, docs in parts if docs)


def _documents(found: list[str]) -> str:
    distinct = list(dict.fromkeys(found))
    more = f" and {len(distinct) - NAMED} more" if len(distinct) > NAMED else ""
    return f"document {', '.join(distinct[:NAMED])}{more}"


def _exposures(live: Mapping[str, float], played: Mapping[str, float]) -> str:
    """Changes of what both know; an exposure that only one knows shows in its terms."""
    changed = [name for name in sorted(live.keys() & played.keys()) if live[name] != played[name]]
    return ", ".join(f"{name} {live[name]:g}, now {played[name]:g}" for name in changed)


def _bars(live: DecisionInputs, played: DecisionInputs) -> str:
    if live.bars == played.bars:
        return ""
    if live.last_bar == played.last_bar:
        return f"other prices or volumes up to {live.last_bar}"
    return f"up to {live.last_bar}, now up to {played.last_bar}"


def _pair(live: str, played: str) -> str:
    return "" if live == played else f"{live}, now {played}"
