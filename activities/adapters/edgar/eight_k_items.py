"""The items of an 8-K: what happened, as codes.

Filings of 23 August 2004 and later have codes such as `5.02`; those before have plain numbers, `5`, which mean
something else and stay apart. A header names items by titles or by codes, and some titles mean one code before that
day and another after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date
from itertools import islice
from typing import NamedTuple

from activities.adapters.edgar.full_submission import FullSubmission
from activities.adapters.edgar.html_text import document_text
from activities.adapters.edgar.item_titles import form_family

NEW_NUMBERS = date(2004, 8, 23)
_TITLES = {
    "1.01": "entry into a material definitive agreement",
    "1.02": "termination of a material definitive agreement",
    "1.03": "bankruptcy or receivership",
    "1.04": "mine safety reporting of shutdowns and patterns of violations",
    "1.05": "material cybersecurity incidents",
    "2.01": "completion of acquisition or disposition of assets",
    "2.02": "results of operations and financial condition",
    "2.03": "creation of a direct financial obligation or an obligation under an off balance sheet arrangement",
    "2.04": "triggering events that accelerate or increase a direct financial obligation",
    "2.05": "costs associated with exit or disposal activities|cost associated with exit or disposal activities",
    "2.06": "material impairments",
    "3.01": "notice of delisting or failure to satisfy a continued listing rule",
    "3.02": "unregistered sales of equity securities|unregistered sale of equity securities",
    "3.03": "material modification to rights of security holders|material modifications to rights of security holders",
    "4.01": "changes in registrants certifying accountant",
    "4.02": "non reliance on previously issued financial statements",
    "5.01": "changes in control of registrant",
    "5.02": "departure of directors or",
    "5.03": "amendments to articles of incorporation or bylaws|amendments to articles of inc or bylaws",
    "5.04": "temporary suspension of trading under registrants employee benefit plans",
    "5.05": "amendments to the registrants code of ethics|amendment to registrants code of ethics",
    "5.06": "change in shell company status",
    "5.07": "submission of matters to a vote of security holders",
    "5.08": "shareholder director nominations|shareholder nominations pursuant to",
    "6.01": "abs informational and computational material",
    "6.02": "change of servicer or trustee",
    "6.03": "change in credit enhancement or other external support",
    "6.04": "failure to make a required distribution",
    "6.05": "securities act updating disclosure",
    "6.06": "static pool",
    "7.01": "regulation fd disclosure",
    "8.01": "other events",
    "9.01": "financial statements and exhibits",
}
_OLD_TITLES = {
    "1": "changes in control of registrant",
    "2": "acquisition or disposition of assets",
    "3": "bankruptcy or receivership",
    "4": "changes in registrants certifying accountant",
    "5": "other events",
    "6": "resignations of registrants directors|resignation of registrants directors",
    "7": "financial statements and exhibits|financial statements pro forma financial information",
    "8": "change in fiscal year",
    "9": "regulation fd disclosure",
    "10": "amendments to the registrants code of ethics",
    "11": "temporary suspension of trading under registrants employee benefit plans",
    "12": "results of operations and financial condition",
}
_CODE = re.compile(r"([1-9]\.[0-9]{2}|[1-9]|1[0-2])(?![0-9])")
_HEADING = re.compile(
    r"^[ \t]{0,200}items?\s{1,9}(?P<codes>[0-9]{1,2}(?:\.[0-9]{2})?(?:(?:\s{0,3}(?:,|and|&|;)\s{0,3}){1,2}"
    r"(?:items?\s{1,3})?[0-9]{1,2}(?:\.[0-9]{2})?){0,8})(?:\s?\([a-z0-9]{1,3}\)){0,4}(?![0-9A-Za-z(])"
    r"[\s.:;|—–-]{0,300}?(?=(?P<rest>[^\s.:;|—–-][^\n]{0,400})|$)",
    re.IGNORECASE | re.MULTILINE,
)
_BEGINS_A_TITLE = re.compile(r"[A-Z\[(“\"'’‘]")
_LONGEST_TITLE = 250
_LONGEST_LABEL = 5_000
_MAXIMUM_HEADINGS = 1_000


class ItemHeading(NamedTuple):
    """Where an item begins in the text of an 8-K. One heading may name several."""

    codes: tuple[str, ...]
    title: str
    start: int


def item_codes(labels: Iterable[str], filed: date | None = None) -> tuple[str, ...]:
    """The codes that a header's items stand for, in order and each once; what stands for none is left out.

    Args:
        labels: titles or codes; a label may hold several, apart by semicolons.
        filed: the filing day, which decides between the old and the new numbers; None is today's.
    """
    found: dict[str, None] = {}
    for label in labels:
        pieces = label[:_LONGEST_LABEL].split(";")
        codes = [piece.strip() for piece in pieces if _CODE.fullmatch(piece.strip())]
        for code in codes or _codes_of_titles(pieces, filed):
            found.setdefault(code)
    return tuple(found)


def filing_items(submission: FullSubmission) -> tuple[str, ...]:
    """An 8-K's items as codes: those of its header, or where it names none, those of its text; none of other forms."""
    if form_family(submission.form) != "8-K":
        return ()
    if found := item_codes(submission.items, submission.filed):
        return found
    return text_items(document_text(submission.main_document().body))


def text_items(text: str) -> tuple[str, ...]:
    """The codes of the headings in an 8-K's text."""
    return tuple(dict.fromkeys(code for heading in eight_k_headings(text) for code in heading.codes))


def eight_k_headings(text: str) -> tuple[ItemHeading, ...]:
    """Where the items of an 8-K begin. Each is found once; new numbers and old ones do not stand side by side."""
    headings: list[ItemHeading] = []
    seen: set[str] = set()
    for found in islice(_HEADING.finditer(text), _MAXIMUM_HEADINGS):
        rest = (found["rest"] or "").strip()
        if rest and not _BEGINS_A_TITLE.match(rest):
            continue
        codes = tuple(dict.fromkeys(code for code in re.findall(r"[0-9]{1,2}(?:\.[0-9]{2})?", found["codes"])))
        codes = tuple(code for code in codes if code not in seen and (code in _TITLES or code in _OLD_TITLES))
        if codes:
            seen |= set(codes)
            headings.append(ItemHeading(codes, _title(rest or _next_line(text, found.end())), found.start()))
    if any("." in code for code in seen):
        headings = [heading for heading in headings if "." in heading.codes[0]]
    return tuple(headings)


def _codes_of_titles(pieces: Sequence[str], filed: date | None) -> list[str]:
    """The codes of titles. A title may hold semicolons itself: of its pieces those count that begin one."""
    is_old = filed is not None and filed < NEW_NUMBERS
    plain = [_plain(piece) for piece in pieces]
    for titles in (_OLD_TITLES, _TITLES) if is_old else (_TITLES, _OLD_TITLES):
        codes = [code for piece in plain if (code := _code_of(piece, titles))]
        if codes:
            return codes
    return []


def _code_of(plain: str, titles: dict[str, str]) -> str:
    begins = (code for code, known in titles.items() if any(plain.startswith(title) for title in known.split("|")))
    return next(begins, "")


def _plain(title: str) -> str:
    """Lower case, words alone: headers punctuate their titles in more ways than one."""
    return " ".join(re.sub(r"[^a-z0-9]+", " ", re.sub(r"['’.]", "", title.lower())).split())


def _title(rest: str) -> str:
    title = " ".join(rest.replace("|", " ").split())
    return title.rstrip(" .:") if len(title) <= _LONGEST_TITLE else ""


def _next_line(text: str, start: int) -> str:
    begins = text.find("\n", start)
    ends = text.find("\n", begins + 1) if begins >= 0 else -1
    line = text[begins + 1 : ends if ends >= 0 else len(text)] if begins >= 0 else ""
    return line.strip() if len(line) <= _LONGEST_TITLE and _BEGINS_A_TITLE.match(line.strip()) else ""
