"""EDGAR's daily index of filings by form: `form.20240501.idx`, a line for each filing and party.

The columns have fixed widths that a line of dashes does not show, and names may be longer than their column: a line is
therefore read from both of its ends.
"""

from __future__ import annotations

import re
from datetime import date
from itertools import islice

from activities.adapters.edgar.fields import Refused, parse_accession, parse_cik, parse_day, parse_text, reject, shown
from domain.documents import Reject, RejectReason
from domain.errors import SourceFormatError
from domain.model import Model

MAXIMUM_BYTES = 50_000_000
MAXIMUM_ROWS = 500_000
MAXIMUM_REJECTS = 1_000
_LONGEST_LINE = 1_000
_LONGEST_HEADER = 100
_COLUMNS = ("Form Type", "Company Name", "CIK", "Date Filed", "File Name")
_FILE = re.compile(r"edgar/data/([0-9]{1,10})/(?:[0-9]{18}/)?([0-9]{10}-[0-9]{2}-[0-9]{6})\.txt")
_GAP = re.compile(r" {2,300}")


class DailyFiling(Model):
    """One line: a filing, and one of those whom it concerns."""

    form: str
    company: str
    cik: str
    filed: date
    accession: str
    path: str
    """Under the archive's address: `edgar/data/320193/0000320193-24-000123.txt`."""


class DailyIndex(Model):
    """What an index held."""

    filings: tuple[DailyFiling, ...] = ()
    rejects: tuple[Reject, ...] = ()
    rejected: int = 0
    """How many lines were refused; at most a thousand of them are told."""


def parse_daily_index(body: bytes, file: str = "form.idx") -> DailyIndex:
    """Read an index.

    Raises:
        SourceFormatError: it is too large, or has no heading with the five columns and a line of dashes below.
    """
    if len(body) > MAXIMUM_BYTES:
        raise SourceFormatError("EDGAR_INDEX_TOO_LARGE", found=len(body), limit=MAXIMUM_BYTES)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        text = body.decode("latin-1")
    lines = text.split("\n")
    company_at, first = _heading(lines)
    filings: list[DailyFiling] = []
    rejects: list[Reject] = []
    rejected = 0
    for number, line in enumerate(islice(lines, first, None), first + 1):
        if not line.strip():
            continue
        if len(filings) >= MAXIMUM_ROWS:
            raise SourceFormatError("EDGAR_INDEX_TOO_LARGE", limit=MAXIMUM_ROWS)
        try:
            filings.append(_filing(line.rstrip("\r"), company_at))
        except Refused as refused:
            rejected += 1
            if rejected <= MAXIMUM_REJECTS:
                rejects.append(reject(file, number, refused, line))
    return DailyIndex(filings=tuple(filings), rejects=tuple(rejects), rejected=rejected)


def _heading(lines: list[str]) -> tuple[int, int]:
    """Where company names begin in a line, and which line is the first below the dashes."""
    for at, line in enumerate(lines[:_LONGEST_HEADER]):
        places = [line.find(column) for column in _COLUMNS]
        if places[0] == 0 and places == sorted(places) and len(set(places)) == len(places):
            if at + 1 < len(lines) and lines[at + 1].startswith("-----"):
                return places[1], at + 2
            break
    raise SourceFormatError("EDGAR_INDEX_UNUSABLE", "An index has five columns, by form", columns=", ".join(_COLUMNS))


def _filing(line: str, company_at: int) -> DailyFiling:
    if len(line) > _LONGEST_LINE:
        detail = f"{len(line)} characters found, allowed are {_LONGEST_LINE}"
        raise Refused(RejectReason.LINE_TOO_LONG, detail, "line")
    parts = line.rsplit(maxsplit=3)
    if len(parts) < 4:
        detail = f"{shown(line[-60:])} found, allowed is a CIK, a day and a file at the end"
        raise Refused(RejectReason.MALFORMED_ROW, detail, "line")
    front, cik, filed, path = parts
    named = _FILE.fullmatch(path)
    if not named:
        detail = f"{shown(path)} found, allowed is a file such as edgar/data/320193/0000320193-24-000123.txt"
        raise Refused(RejectReason.MALFORMED_ROW, detail, "File Name")
    form, company = front[:company_at], front[company_at:]
    if form[-1:].strip() and company:
        # The form's name is longer than its column.
        form, company = [*_GAP.split(front, maxsplit=1), ""][:2]
    return DailyFiling(
        form=parse_text(form.strip(), "Form Type", longest=40),
        company=parse_text(company.strip(), "Company Name"),
        cik=parse_cik(cik, "CIK"),
        filed=parse_day(filed, "Date Filed"),
        accession=parse_accession(named[2], "File Name"),
        path=path,
    )
