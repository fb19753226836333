"""The XBRL facts of a filing, wherever they stand in it, and what its cover says."""

from __future__ import annotations

from datetime import date

from activities.adapters.edgar.fields import Refused, parse_cik, parse_day
from activities.adapters.edgar.full_submission import FullSubmission
from activities.adapters.edgar.inline_xbrl import is_inline_xbrl, parse_inline_xbrl
from activities.adapters.edgar.xbrl import XbrlFact, XbrlReport
from activities.adapters.edgar.xbrl_instance import is_xbrl_instance, parse_xbrl_instance
from domain.errors import SourceFormatError
from domain.model import Model

_INSTANCE = "EX-101.INS"
_EXTRACTED = "_htm.xml"
"""How the instance is named that EDGAR itself makes of an inline document."""
_NO_SYMBOL = frozenset({"", "N/A", "NA", "NONE", "NOT APPLICABLE"})
_MAXIMUM_SYMBOLS = 100


class Cover(Model):
    """What a report says about itself."""

    form: str
    company: str
    cik: str
    period: date | None = None
    """The last day of the period; of an 8-K the day of its earliest event."""
    symbols: tuple[str, ...] = ()
    """In the order of the cover, common stock usually first."""
    exchanges: tuple[str, ...] = ()
    amendment: bool = False
    fiscal_year: int | None = None
    fiscal_period: str = ""
    """`FY`, `Q1`, `Q2`, `Q3`."""


def document_facts(markup: str, file: str = "") -> XbrlReport:
    """Read the facts of one document, inline or an instance; none where it has no XBRL.

    Raises:
        SourceFormatError: it says that it is XBRL and cannot be read.
    """
    if is_xbrl_instance(markup):
        return parse_xbrl_instance(markup, file)
    if is_inline_xbrl(markup):
        return parse_inline_xbrl(markup, file)
    return XbrlReport()


def filing_facts(submission: FullSubmission) -> XbrlReport:
    """Read the facts of a filing: of its main document, else of the first other that has any.

    Among the others an instance that the filer made comes before one that EDGAR made.

    Raises:
        SourceFormatError: its main document says that it is XBRL and cannot be read.
    """
    main = submission.main_document()
    if (found := document_facts(main.body, main.filename)).facts:
        return found
    others = [document for document in submission.documents if document is not main]
    instances = [document for document in others if document.type == _INSTANCE]
    instances += [document for document in others if document.filename.endswith(_EXTRACTED)]
    instances += [document for document in others if is_inline_xbrl(document.body)]
    for document in instances:
        try:
            if (other := document_facts(document.body, document.filename)).facts:
                return other
        except SourceFormatError:
            continue
    return found


def cover(report: XbrlReport) -> Cover | None:
    """What the cover facts say; None where there is no form, no company or no CIK among them."""
    first: dict[str, str] = {}
    symbols: dict[str, None] = {}
    exchanges: dict[str, None] = {}
    for fact in report.facts:
        name = _cover_name(fact)
        if not name or not fact.text:
            continue
        text = " ".join(fact.text.split())
        first.setdefault(name, text)
        stated = symbols if name == "TradingSymbol" else exchanges if name == "SecurityExchangeName" else None
        if stated is not None and text.upper() not in _NO_SYMBOL and len(stated) < _MAXIMUM_SYMBOLS:
            stated.setdefault(text)
    if not first.get("DocumentType") or not first.get("EntityRegistrantName"):
        return None
    try:
        cik = parse_cik(first.get("EntityCentralIndexKey") or _entity(report), "EntityCentralIndexKey")
    except Refused:
        return None
    year = first.get("DocumentFiscalYearFocus", "")
    return Cover(
        form=first["DocumentType"],
        company=first["EntityRegistrantName"],
        cik=cik,
        period=_day(first.get("DocumentPeriodEndDate", "")),
        symbols=tuple(symbols),
        exchanges=tuple(exchanges),
        amendment=first.get("AmendmentFlag") == "true",
        fiscal_year=int(year) if year.isascii() and year.isdigit() and len(year) == 4 else None,
        fiscal_period=first.get("DocumentFiscalPeriodFocus", "")[:10],
    )


def _cover_name(fact: XbrlFact) -> str:
    taxonomy, _, name = fact.concept.partition(":")
    return name if taxonomy == "dei" else ""


def _entity(report: XbrlReport) -> str:
    return next((fact.entity for fact in report.facts), "")


def _day(text: str) -> date | None:
    try:
        return parse_day(text, "DocumentPeriodEndDate")
    except Refused:
        return None
