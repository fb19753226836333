"""Who competes with whom, as the evidence suggests it: industry, documents in common, the words of an annual report.

evidence known at an instant -> proposals with a strength and reasons in plain words; a person decides on each.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Collection, Iterator
from datetime import date
from typing import Annotated, NamedTuple

from pydantic import Field

from domain.model import Model, Utc
from domain.registry import CompanyKind, CompetitorProposal, Strength, Symbol
from domain.resolution import NameIndex

Count = Annotated[int, Field(ge=0)]


class CompetitorConfig(Model):
    """How much each kind of evidence says. Weights are the strength that it gives by itself, at most."""

    stated: Strength = 0.6
    """A sentence of the annual report that speaks of competition names the company."""
    stated_again: Strength = 0.15
    """Each further sentence that does."""
    in_part: Strength = 0.35
    """The company is named where the report is about competition, in a sentence that does not say so."""
    same_industry: Strength = 0.35
    same_sector: Strength = 0.1
    """Counts where the industries differ or are unknown."""
    together: Strength = 0.9
    """Documents are never about one company without the other. In half a year of a wire's news, rivals that are mostly
    written about together (Ford and General Motors) reach 0.65 of it."""
    together_minimum: Annotated[int, Field(ge=1)] = 3
    """Fewer documents in common say nothing."""
    together_prior: Annotated[float, Field(gt=0)] = 8.0
    """Documents in common at which half of what they say counts."""
    minimum: Strength = 0.25
    """Weaker links are not proposed."""
    most: Annotated[int, Field(ge=1)] = 25
    """Proposals a company, the strongest first."""
    sentences: Annotated[int, Field(ge=1)] = 3
    """Sentences that are quoted for a proposal."""
    window_days: Annotated[int, Field(ge=1)] = 730
    """Age of the documents that are counted."""
    crowd: Annotated[int, Field(ge=2)] = 6
    """A document about more companies than these is about the market, and not counted."""


class CompanyFacts(Model):
    """What is compared of a company. Companies that share a `cik` are one company's shares."""

    symbol: Symbol
    name: str = ""
    kind: str = CompanyKind.STOCK.value
    sector: str = ""
    industry: str = ""
    cik: str = ""
    followed: bool = True


class CommonDocuments(Model):
    """How many documents were about a candidate, and how many of these about the company too."""

    symbol: Symbol
    documents: Count
    together: Count


class RivalStatement(Model):
    """A sentence of an annual report that names a candidate. `direct`: it speaks of competition itself."""

    symbol: Symbol
    direct: bool
    quote: str


class AnnualReport(Model):
    """The company's newest annual report, and whom it names where it is about competition."""

    doc_id: str
    title: str
    available_at: Utc
    statements: tuple[RivalStatement, ...] = ()


class CompetitorEvidence(Model):
    """All that is known at an instant. The order of what is listed does not matter."""

    company: CompanyFacts
    candidates: tuple[CompanyFacts, ...]
    """Each company once. Those that are not followed are known by their names, and not proposed."""
    documents: Count = 0
    """Documents of the window that are about any company."""
    own_documents: Count = 0
    """Those that are about the company."""
    common: tuple[CommonDocuments, ...] = ()
    report: AnnualReport | None = None


class InferenceRequest(Model):
    inference_id: str
    symbol: Symbol
    as_of: Utc
    requested_by: str
    requested_at: Utc


class InferenceReport(Model):
    """What a search came to. A link stays as it was (`kept`) where a person touched it, or nothing differs."""

    inference_id: str
    symbol: str
    proposed: int = 0
    new_links: int = 0
    changed_links: int = 0
    kept_links: int = 0


class InferenceFailure(Model):
    request: InferenceRequest
    error: str


DEFAULTS = CompetitorConfig()


def propose(evidence: CompetitorEvidence, config: CompetitorConfig = DEFAULTS) -> tuple[CompetitorProposal, ...]:
    """Propose competitors, the strongest first. Kinds of evidence add up like independent hints: never above 1."""
    common = {each.symbol: each for each in evidence.common}
    groups = {each.symbol: each.cik or each.symbol for each in evidence.candidates}
    said: dict[str, set[tuple[bool, str]]] = {}
    for statement in evidence.report.statements if evidence.report else ():
        group = groups.get(statement.symbol, statement.symbol)
        said.setdefault(group, set()).add((statement.direct, statement.quote))
    found = []
    for candidate in evidence.candidates:
        if not _may_compete(evidence.company, candidate):
            continue
        hints = [
            *_from_report(evidence.report, said.get(groups[candidate.symbol], set()), config),
            *_from_industry(evidence.company, candidate, config),
            *_from_documents(evidence, common.get(candidate.symbol), config),
        ]
        strength = round(1 - math.prod(sorted(1 - hint.weight for hint in hints)), 4)
        if hints and strength >= config.minimum:
            reasons = tuple(hint.reason for hint in hints)
            found.append(
                CompetitorProposal(
                    symbol=evidence.company.symbol, competitor=candidate.symbol, strength=strength, reasons=reasons
                )
            )
    found.sort(key=lambda each: (-each.strength, each.competitor))
    return tuple(found[: config.most])


class _Hint(NamedTuple):
    weight: float
    reason: str


def _may_compete(company: CompanyFacts, candidate: CompanyFacts) -> bool:
    one = company.symbol == candidate.symbol or (company.cik and company.cik == candidate.cik)
    return candidate.followed and not one and CompanyKind.ETF not in (company.kind, candidate.kind)


def _from_report(
    report: AnnualReport | None, said: Collection[tuple[bool, str]], config: CompetitorConfig
) -> Iterator[_Hint]:
    """`said`: the sentences that name the candidate, and whether each speaks of competition."""
    if report is None or not said:
        return
    direct = min(sum(speaks for speaks, _ in said), config.sentences)
    weight = config.in_part
    if direct:
        weight = 1 - (1 - config.stated) * (1 - config.stated_again) ** (direct - 1)
    chosen = sorted(said, key=lambda each: (not each[0], each[1]))[: config.sentences]
    quotes = " ".join(f"“{quote}”" for _, quote in chosen)
    yield _Hint(weight, f"{report.title} ({report.available_at.date()}) says: {quotes}")


def _from_industry(company: CompanyFacts, candidate: CompanyFacts, config: CompetitorConfig) -> Iterator[_Hint]:
    if company.industry and company.industry.casefold() == candidate.industry.casefold():
        yield _Hint(config.same_industry, f"Both are in the industry {company.industry}")
    elif company.sector and company.sector.casefold() == candidate.sector.casefold():
        yield _Hint(config.same_sector, f"Both are in the sector {company.sector}")


def _from_documents(
    evidence: CompetitorEvidence, common: CommonDocuments | None, config: CompetitorConfig
) -> Iterator[_Hint]:
    if common is None or common.together < config.together_minimum:
        return
    share = association(
        together=common.together, one=evidence.own_documents, other=common.documents, all_=evidence.documents
    )
    weight = config.together * share * common.together / (common.together + config.together_prior)
    if weight > 0:
        expected = evidence.own_documents * common.documents / evidence.documents
        yield _Hint(
            weight,
            f"{common.together} documents of {config.window_days} days are about both; "
            f"{expected:.1f} would be by chance",
        )


def association(*, together: int, one: int, other: int, all_: int) -> float:
    """How much more often than by chance two companies share a document: 0 at chance or below, 1 if they always do.

    The positive part of the normalised pointwise mutual information (Bouma 2009). Counts that cannot be give 0.
    """
    if not 0 < together <= min(one, other) or max(one, other) > all_:
        return 0.0
    if together == all_:
        return 0.0  # every document is about both: nothing tells them apart from chance
    return min(1.0, max(0.0, math.log(together * all_ / (one * other)) / -math.log(together / all_)))


# -- what an annual report says ---------------------------------------------------------------------------------------

QUOTE = 400
"""Characters of a quoted sentence, at most."""

_COMPETES = re.compile(
    r"\b(?:compet(?:e|es|ed|ing|itors?|ition|itive (?:landscape|products?|offerings?|solutions?))|rivals?)\b", re.I
)
_OTHERWISE = re.compile(
    r"\bcompet\w+ (?:for|to (?:hire|attract|retain|recruit)) (?:\w+ ){0,4}(?:talent|personnel|employees|staff)"
    r"|\b(?:unfair|anti)[ -]?competi\w+|\bnon-?compet\w+|\bcompetition (?:laws?|authorit\w+|commission|act)\b"
    r"|\bcompetitive (?:bid\w*|advantages?|strengths?|salar\w+|compensation|pay)\b"
    r"|\b(?:not|never|nor|neither|no longer) (?:\w+ ){0,3}(?:compet\w+|rivals?)\b",
    re.IGNORECASE,
)
_END = re.compile(r"[.!?]['”’\")\]]*(?=\s)|\n\s*\n")
_CLOSING = "'\"’”)]"
_ABBREVIATED = re.compile(
    r"(?:\b(?:inc|corp|co|ltd|llc|plc|cos|bros|mr|mrs|dr|st|no|vs|jr|sr|e\.g|i\.e|etc|f/k/a|[A-Za-z])|\.[A-Za-z])\.$",
    re.IGNORECASE,
)
_OPENING = re.compile(
    r"\s+['“‘\"(]?(?:we|our|ours|the|this|these|those|in|it|its|as|at|on|by|for|some|many|most|other|others|if|while|"
    r"although|additionally|further|furthermore|moreover|however|such|there|they|their|competit\w+|a|an|with|to)\b",
    re.IGNORECASE,
)
_INTRODUCES = re.compile(r"(?::|\b(?:include|including|such as|are|following))['”’\"]?\s*$", re.IGNORECASE)


def rival_statements(text: str, index: NameIndex, on: date) -> tuple[RivalStatement, ...]:
    """Find whom a text about competition names, with the sentence, in order. A list belongs to what introduces it.

    Args:
        text: what an annual report says about competition.
        on: the day it was filed: names are looked up as they were then.
    """
    starts = _statement_starts(text)
    found: dict[tuple[str, int], RivalStatement] = {}
    for resolution in index.resolve(text, on):
        for start, _ in resolution.mentions:
            number = bisect_right(starts, start) - 1
            begin, end = starts[number], starts[number + 1] if number + 1 < len(starts) else len(text)
            statement = text[begin:end]
            direct = bool(_COMPETES.search(_OTHERWISE.sub(" ", statement)))
            found.setdefault(
                (resolution.symbol, begin),
                RivalStatement(symbol=resolution.symbol, direct=direct, quote=_quote(statement, start - begin)),
            )
    return tuple(found[key] for key in sorted(found, key=lambda key: (key[1], key[0])))


def _statement_starts(text: str) -> list[int]:
    """Where sentences begin. A paragraph that the one before introduces, or a bullet, goes on with it."""
    starts = [0]
    for end in _END.finditer(text):
        before, after = text[starts[-1] : end.end()], text[end.end() :][:40]
        if end.group().isspace():
            before = text[starts[-1] : end.start()]
            if _INTRODUCES.search(before[-60:]) or re.match(r"\s*[•·▪●◦*–—-]", after):
                continue
        elif _ABBREVIATED.search(before.rstrip(_CLOSING)[-12:]) and not _OPENING.match(after):
            continue
        starts.append(end.end())
    return starts


def _quote(statement: str, at: int) -> str:
    """A sentence in one line; of a long one the part around the name."""
    begin = max(0, at - QUOTE // 2) if len(statement) > QUOTE else 0
    words = " ".join(statement[begin : begin + QUOTE].split())
    before = "… " if begin else ""
    after = " …" if begin + QUOTE < len(statement) else ""
    return f"{before}{words}{after}"
