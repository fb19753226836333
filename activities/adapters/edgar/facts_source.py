"""Figures that companies reported, company after company: one answer holds all that one has ever reported.

The first answer about a company yields everything in it, later ones what was filed since. Restatements are figures of
their own: each figure names the filing that states it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Annotated

from pydantic import Field

from activities.adapters.contract import SourceAdapter
from activities.adapters.edgar.companyfacts import Fact, parse_company_facts
from activities.adapters.edgar.errors import require_answer
from activities.adapters.edgar.fields import Refused, reject, shown
from domain.documents import NEW_YORK, Reject, RejectReason
from domain.errors import InvalidInput, NotFound, SourceFormatError
from domain.fetching import HttpAnswer, HttpRequest, SourcePage
from domain.market import ReportedFigure
from domain.model import Model
from domain.sources import EdgarFactsConfig

_TAXONOMIES = frozenset({"us-gaap", "dei"})
_AHEAD = timedelta(days=7)
"""Filings of an evening carry the next business day, which a holiday can put days ahead."""
_LARGEST_EXPONENT = 29
_MOST_REJECTS = 100
_DIGITS = 8
_MOST_SEEN = 5


class _Mark(Model):
    """The latest filing day that was read of a company, and which of that day's filings."""

    filed: date
    seen: Annotated[tuple[Annotated[str, Field(max_length=_DIGITS)], ...], Field(max_length=_MOST_SEEN)] = ()
    """Hashed. Of a day with more filings than fit here the others come again, equal to what they were."""


class _Cursor(Model):
    at: str = ""
    """Whose turn it is; empty: the first company's."""
    tags: str = ""
    """Hash of the tags that the marks are about: after a change everything is read anew."""
    marks: dict[str, _Mark] = Field(default_factory=dict)


def first(config: EdgarFactsConfig, cursor: str, now: datetime) -> HttpRequest:
    """Ask for the facts of the company that the cursor stands at."""
    return _request(config, _decoded(config, cursor).at)


def judge(answer: HttpAnswer) -> None:
    """Raise what an answer stands for that holds nothing; that a company has no facts passes, and the next follows.

    Raises:
        VendorError: as `require_answer` says.
    """
    with suppress(NotFound):
        require_answer(answer)


def read(config: EdgarFactsConfig, cursor: str, answer: HttpAnswer, now: datetime) -> SourcePage:
    """Read a company's figures that are new. A company without facts, or with unusable ones, is a reject.

    Raises:
        VendorError: what the answer's status or page stands for.
    """
    at = _decoded(config, cursor)
    try:
        require_answer(answer)
        found = parse_company_facts(answer.body)
        if found.cik != at.at:
            raise SourceFormatError("EDGAR_FACTS_UNUSABLE", "They are another company's", found=found.cik, asked=at.at)
    except (NotFound, SourceFormatError) as error:
        refused = Refused(RejectReason.MALFORMED_ROW, str(error), "facts")
        return _page(config, at, at.marks, (), (reject(_file(at.at), 0, refused),))
    mark = at.marks.get(at.at)
    new = [fact for fact in found.facts if _is_wanted(config, fact) and _is_new(fact, mark)]
    good, rejects = _usable(at.at, new, now.astimezone(NEW_YORK).date() + _AHEAD)
    marks = at.marks | ({at.at: _moved(mark, good)} if good else {})
    return _page(config, at, marks, _figures(at.at, good), found.rejects[:_MOST_REJECTS] + rejects)


def _is_wanted(config: EdgarFactsConfig, fact: Fact) -> bool:
    return not config.tags or (fact.taxonomy in _TAXONOMIES and fact.tag in config.tags)


def _is_new(fact: Fact, mark: _Mark | None) -> bool:
    if mark is None or fact.filed > mark.filed:
        return True
    return fact.filed == mark.filed and _short(fact.accession) not in mark.seen


def _usable(cik: str, facts: Iterable[Fact], latest: date) -> tuple[list[Fact], tuple[Reject, ...]]:
    good: list[Fact] = []
    rejects: list[Reject] = []
    for fact in facts:
        told = f"{fact.taxonomy}:{fact.tag} {fact.unit} {fact.end} {fact.accession}"
        if fact.filed > latest:
            detail = f"{fact.filed} found, allowed are days up to {latest}"
            rejects.append(reject(_file(cik), 0, Refused(RejectReason.DATE_IN_FUTURE, detail, "filed"), told))
        elif fact.value and fact.value.adjusted() > _LARGEST_EXPONENT:
            detail = f"{shown(fact.value)} found, allowed are {_LARGEST_EXPONENT + 1} digits before the point"
            rejects.append(reject(_file(cik), 0, Refused(RejectReason.INVALID_NUMBER, detail, "val"), told))
        else:
            good.append(fact)
    return good, tuple(rejects[:_MOST_REJECTS])


def _moved(mark: _Mark | None, facts: list[Fact]) -> _Mark:
    latest = max(fact.filed for fact in facts)
    seen = mark.seen if mark is not None and mark.filed == latest else ()
    fresh = sorted({fact.accession for fact in facts if fact.filed == latest})
    return _Mark(filed=latest, seen=(*seen, *map(_short, fresh))[-_MOST_SEEN:])


def _figures(cik: str, facts: Iterable[Fact]) -> tuple[ReportedFigure, ...]:
    """Each figure of a filing once; of two values for one period the last one counts."""
    figures = {
        (fact.taxonomy, fact.tag, fact.unit, fact.start, fact.end, fact.accession): ReportedFigure(
            cik=cik,
            taxonomy=fact.taxonomy,
            tag=fact.tag,
            unit=fact.unit,
            start=fact.start,
            end=fact.end,
            value=fact.value,
            form=fact.form,
            accession=fact.accession,
            filed=fact.filed,
        )
        for fact in facts
    }
    return tuple(figures.values())


def _decoded(config: EdgarFactsConfig, cursor: str) -> _Cursor:
    """Read a cursor; at the first company where it stands at none that is configured."""
    try:
        at = _Cursor.model_validate_json(cursor) if cursor else _Cursor()
    except ValueError:
        raise InvalidInput("EDGAR_CURSOR_INVALID", "Clear the source's cursor", found=shown(cursor)) from None
    tags = _short(" ".join(sorted(config.tags)))
    marks = {cik: at.marks[cik] for cik in config.ciks if cik in at.marks} if at.tags == tags else {}
    return _Cursor(at=at.at if at.at in config.ciks else config.ciks[0], tags=tags, marks=marks)


def _page(
    config: EdgarFactsConfig,
    at: _Cursor,
    marks: dict[str, _Mark],
    figures: tuple[ReportedFigure, ...],
    rejects: tuple[Reject, ...],
) -> SourcePage:
    ciks = tuple(dict.fromkeys(config.ciks))
    rest = ciks[ciks.index(at.at) + 1 :]
    moved = at.model_copy(update={"at": rest[0] if rest else "", "marks": marks})
    following = _request(config, rest[0]) if rest else None
    cursor = moved.model_dump_json(exclude_defaults=True)
    return SourcePage(reported=figures, rejects=rejects, cursor=cursor, next=following)


def _request(config: EdgarFactsConfig, cik: str) -> HttpRequest:
    url = f"{config.data_url}/api/xbrl/companyfacts/{_file(cik)}"
    return HttpRequest(url=url, headers={"User-Agent": config.user_agent})


def _file(cik: str) -> str:
    return f"CIK{cik}.json"


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


FACTS = SourceAdapter(first=first, judge=judge, read=read)
