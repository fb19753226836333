"""How well the rules read filings, measured on a folder of them against what the filings' own headers say.

A full submission begins with a header that lists the items of an 8-K and the companies concerned. The header is the
truth, and the extractor never sees it: it is given the documents behind it under the bare name of the form, and every
company of the folder as a candidate, none of them labelled.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Iterator, Mapping, Set
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import NamedTuple

from activities.adapters.edgar.eight_k_items import item_codes
from activities.adapters.edgar.filing_text import read_loose
from activities.adapters.edgar.full_submission import FullSubmission, parse_full_submission
from activities.adapters.edgar.item_titles import form_family
from activities.adapters.rules import RulesExtractor
from activities.adapters.rules.filings import read_filing
from domain.documents import Section
from domain.errors import SourceFormatError
from domain.event_scores import EventScores, score_events
from domain.extraction import Candidate, EntityRole, EventType, ExtractionInput
from domain.model import Model
from domain.parsed import parsed_text
from domain.validation import validate_extraction

E = EventType

IMPLIED: dict[str, tuple[EventType, ...]] = {
    "1.01": (E.CONTRACT, E.MA_ACQUIRER, E.MA_TARGET, E.ISSUANCE),
    "1.02": (E.CONTRACT, E.MA_ACQUIRER, E.MA_TARGET, E.ISSUANCE),
    "1.03": (E.CREDIT_DISTRESS,),
    "1.04": (E.RECALL_SAFETY,),
    "1.05": (E.OUTAGE_CYBER,),
    "2.01": (E.MA_ACQUIRER, E.MA_TARGET),
    "2.02": (E.EARNINGS, E.GUIDANCE, E.KPI_SALES),
    "2.03": (E.ISSUANCE,),
    "2.04": (E.CREDIT_DISTRESS,),
    "2.05": (E.LABOUR,),
    "2.06": (E.EARNINGS,),
    "3.01": (E.CREDIT_DISTRESS, E.MA_TARGET),
    "3.02": (E.ISSUANCE,),
    "4.01": (E.ACCOUNTING_FRAUD,),
    "4.02": (E.ACCOUNTING_FRAUD,),
    "5.01": (E.MA_TARGET, E.MA_ACQUIRER),
    "5.02": (E.MANAGEMENT,),
    "1": (E.MA_TARGET, E.MA_ACQUIRER),
    "2": (E.MA_ACQUIRER, E.MA_TARGET),
    "3": (E.CREDIT_DISTRESS,),
    "4": (E.ACCOUNTING_FRAUD,),
    "6": (E.MANAGEMENT,),
    "12": (E.EARNINGS, E.GUIDANCE, E.KPI_SALES),
}
"""The kinds of events that an item implies: one is expected, the first of them that was found, else the first. The
others are neither right nor wrong. What is missing here implies nothing: votes, bylaws, codes of ethics, exhibits."""
OPEN = frozenset({"7.01", "8.01", "5", "9"})
"""Items about anything. Where a header has one, its kinds of events cannot all be known: what is found besides the
implied ones is then neither right nor wrong. Where it has none, every further kind found is wrong."""
_CENTRAL = frozenset({EntityRole.SUBJECT, EntityRole.ACQUIRER, EntityRole.TARGET})
_OTHERS = ("reporting owner", "filed by", "depositor", "sponsor")
"""Parties of a header that are not the company whose filing it is."""
_FOLDERS = {"SC13D": "SC 13D", "POSAM": "POS AM", "S-3-A": "S-3/A"}
"""Forms whose names differ from their folders'."""
_WHEN = datetime(2000, 1, 1, tzinfo=UTC)
"""Extraction does not depend on it."""


class FilingFinding(Model):
    """One filing: what its header says, and what was found without it."""

    name: str
    form: str
    items: tuple[str, ...] = ()
    """Of the header."""
    items_found: tuple[str, ...] = ()
    types_expected: tuple[str, ...] = ()
    types_counted: tuple[str, ...] = ()
    """Of the kinds found, those that the header can confirm or refute."""
    types_found: tuple[str, ...] = ()
    filers: tuple[str, ...] = ()
    """`CIK0000066740`, each company whose filing it is; empty where that is not known."""
    filers_found: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    """Companies in a central role of an event."""
    dropped: int = 0
    """Claims that the hard checks refused."""


class FilingScores(Model):
    """The tables. Items and types are of 8-Ks with a header alone, companies of all filings whose filer is known."""

    read: int
    unread: int
    """Files without a text."""
    dropped: int
    items: EventScores
    types: EventScores
    filers: EventScores
    """Was the company recognised whose filing it is."""
    subjects: EventScores
    """Is that company the one that the events are about; of filings with an event."""
    findings: tuple[FilingFinding, ...]


class _File(NamedTuple):
    name: str
    form: str
    body: bytes
    header: FullSubmission | None
    filers: frozenset[str]


def measure_filings(folder: Path) -> FilingScores:
    """Read every file below a folder of filings and score what was found.

    Files are full submissions, or single documents in a folder with the name of their form; `.gz` is unpacked. Who
    filed a document without a header is taken from `filings_index.csv` beside the folder, where there is one.
    """
    known = _index(folder.parent / "filings_index.csv")
    files = [
        _file(path, known.get(f"{folder.parent.name}/{path.relative_to(folder.parent)}")) for path in _paths(folder)
    ]
    names = {cik: name for filed in known.values() for cik, name in filed.items()}
    names |= {party.cik: party.name for file in files if file.header for party in file.header.parties}
    candidates = tuple(Candidate(symbol=f"CIK{cik}", names=(name,)) for cik, name in sorted(names.items()))
    extractor = RulesExtractor()
    findings = tuple(each for file in files if (each := _finding(file, candidates, extractor)) is not None)
    return scores_of(findings, unread=len(files) - len(findings))


def scores_of(findings: Iterable[FilingFinding], *, unread: int = 0) -> FilingScores:
    """Add findings up to tables."""
    findings = tuple(findings)
    with_items = [each for each in findings if each.items]
    owned = [each for each in findings if each.filers]
    return FilingScores(
        read=len(findings),
        unread=unread,
        dropped=sum(each.dropped for each in findings),
        items=score_events((set(each.items), set(each.items_found)) for each in with_items),
        types=score_events((set(each.types_expected), set(each.types_counted)) for each in with_items),
        filers=score_events(_as_one(each.filers, each.filers_found) for each in owned),
        subjects=score_events(_as_one(each.filers, each.subjects) for each in owned if each.types_found),
        findings=findings,
    )


def judged_types(codes: Iterable[str], found: Set[str]) -> tuple[frozenset[str], frozenset[str]]:
    """The kinds of events that a header's items let expect, and of the kinds found those that it can judge."""
    codes = set(codes)
    expected: set[str] = set()
    accepted: set[str] = set()
    for code in codes & IMPLIED.keys():
        kinds = [kind.value for kind in IMPLIED[code]]
        expected.add(next((kind for kind in kinds if kind in found), kinds[0]))
        accepted |= set(kinds)
    counted = found & expected if codes & OPEN else found - (accepted - expected)
    return frozenset(expected), frozenset(counted)


def _as_one(expected: Iterable[str], found: Iterable[str]) -> tuple[Set[str], Set[str]]:
    """Count companies, whoever they are, in one row: the one expected, or another. One of several filers is enough."""
    truth, named = set(expected), set(found)
    return {"filer"}, ({"filer"} if truth & named else set()) | ({"another"} if named - truth else set())


def _finding(file: _File, candidates: tuple[Candidate, ...], extractor: RulesExtractor) -> FilingFinding | None:
    begins = file.body.find(b"<DOCUMENT>") if file.header else 0
    try:
        loose = read_loose(file.body[begins:], "" if file.header else file.form)
    except SourceFormatError:
        return None
    sections = tuple(Section(heading=each.heading, start=each.start, end=each.end) for each in loose.sections)
    text, sections = parsed_text(loose.title, loose.text, sections)
    source = ExtractionInput(
        doc_id=file.name, text=text, published_at=_WHEN, candidates=candidates, sections=sections, filed=True
    )
    filing = read_filing(source)
    checked = validate_extraction(extractor.extract(source), source)
    events = checked.extraction.events
    found = {event.type.value for event in events}
    is_current = file.header is not None and form_family(file.header.form) == "8-K"
    codes = item_codes(file.header.items, file.header.filed) if file.header and is_current else ()
    expected, counted = judged_types(codes, found)
    central = {entity.symbol for event in events for entity in event.entities if entity.role in _CENTRAL}
    return FilingFinding(
        name=file.name,
        form=file.form,
        items=codes,
        items_found=filing.items if filing else (),
        types_expected=tuple(sorted(expected)),
        types_counted=tuple(sorted(counted)),
        types_found=tuple(sorted(found)),
        filers=tuple(sorted(file.filers)),
        filers_found=tuple(mention.symbol for mention in filing.filers) if filing else (),
        subjects=tuple(sorted(central)),
        dropped=len(checked.dropped),
    )


def _paths(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _file(path: Path, owners: Mapping[str, str] | None) -> _File:
    body = path.read_bytes()
    body = gzip.decompress(body) if path.suffix == ".gz" else body
    form = _FOLDERS.get(path.parent.name, path.parent.name)
    try:
        header = parse_full_submission(body)
    except SourceFormatError:
        return _File(path.name, form, body, None, frozenset(f"CIK{cik}" for cik in owners or ()))
    filers = {f"CIK{party.cik}" for party in header.parties if party.role not in _OTHERS}
    return _File(path.name, header.form, body, header, frozenset(filers))


def _index(path: Path) -> dict[str, dict[str, str]]:
    """For each file of the index the companies by their key. The first is the issuer where an insider reports."""
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as lines:
        return {
            row["path"]: {
                cik: unescape(name)
                for cik, name in zip(row["cik"].split(" | "), row["company"].split(" | "), strict=False)
                if cik
            }
            for row in csv.DictReader(lines)
        }
