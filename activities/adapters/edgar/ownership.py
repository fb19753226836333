"""Insiders' reports: forms 3, 4 and 5 as XML.

Numbers are kept exactly as reported. A transaction or holding with a value that does not do is refused with the name
of the value; the others of the report stand.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Literal
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from activities.adapters.edgar.fields import (
    Refused,
    parse_cik,
    parse_day,
    parse_decimal,
    parse_optional_day,
    parse_text,
    reject,
    shown,
)
from domain.documents import Reject, RejectReason
from domain.errors import SourceFormatError
from domain.model import Model

MAXIMUM_BYTES = 20_000_000
MAXIMUM_RECORDS = 10_000
_FORMS = frozenset({"3", "3/A", "4", "4/A", "5", "5/A"})
_CODES = frozenset("PSVADFIMCEHOXGLWZJKU")
"""Codes of the forms' instructions: P bought, S sold, A granted, M exercised, F withheld for tax, G given."""
_YES = frozenset({"1", "true"})
_NO = frozenset({"0", "false", ""})


class Owner(Model):
    """A reporting owner and what makes them one."""

    cik: str
    name: str
    is_director: bool = False
    is_officer: bool = False
    is_ten_percent_owner: bool = False
    is_other: bool = False
    officer_title: str = ""

    def roles(self) -> tuple[str, ...]:
        """The owner's roles in words."""
        named = (
            (self.is_director, "director"),
            (self.is_officer, self.officer_title or "officer"),
            (self.is_ten_percent_owner, "10% owner"),
            (self.is_other, "other"),
        )
        return tuple(name for holds, name in named if holds)


class Transaction(Model):
    """Securities acquired (A) or disposed of (D). `price` is None where a footnote stands instead of a price."""

    security: str
    day: date
    code: str
    acquired_or_disposed: Literal["A", "D"]
    shares: Decimal | None = None
    value: Decimal | None = None
    """Total value, where the report gives that instead of a number of shares."""
    price: Decimal | None = None
    shares_after: Decimal | None = None
    value_after: Decimal | None = None
    direct: bool
    nature: str = ""
    derivative: bool = False
    exercise_price: Decimal | None = None
    expires: date | None = None
    underlying: str = ""
    underlying_shares: Decimal | None = None


class Holding(Model):
    """Securities held, without a transaction."""

    security: str
    shares: Decimal | None = None
    value: Decimal | None = None
    direct: bool
    nature: str = ""
    derivative: bool = False
    exercise_price: Decimal | None = None
    expires: date | None = None
    underlying: str = ""
    underlying_shares: Decimal | None = None

    def in_words(self) -> str:
        """What is held: how much of it or, where only that is reported, what it gives a right to."""
        if self.shares is not None:
            return f"{self.shares:f} {self.security}"
        if self.value is not None:
            return f"a value of {self.value:f} {self.security}"
        words = [self.security]
        if self.underlying_shares is not None or self.underlying:
            number = f"{self.underlying_shares:f}" if self.underlying_shares is not None else ""
            words += ["for", *filter(None, (number, self.underlying))]
        if self.exercise_price is not None:
            words += ["at", f"{self.exercise_price:f}"]
        if self.expires is not None:
            words += ["until", self.expires.isoformat()]
        return " ".join(words)


class OwnershipReport(Model):
    """One report."""

    form: str
    period: date
    issuer_cik: str
    issuer: str
    symbol: str = ""
    owners: tuple[Owner, ...]
    no_securities_owned: bool = False
    planned_trade: bool | None = None
    """Under a Rule 10b5-1 plan; None where the form is older than the box."""
    transactions: tuple[Transaction, ...] = ()
    holdings: tuple[Holding, ...] = ()
    remarks: str = ""
    rejects: tuple[Reject, ...] = ()


def parse_ownership(body: bytes, file: str = "ownership.xml") -> OwnershipReport:
    """Read a report.

    Args:
        file: what the rejects call it.

    Raises:
        SourceFormatError: it is no such XML document, carries a DTD or entities, or its issuer, owner, form or period
            is unusable.
    """
    if len(body) > MAXIMUM_BYTES:
        raise SourceFormatError("EDGAR_OWNERSHIP_TOO_LARGE", found=len(body), limit=MAXIMUM_BYTES)
    try:
        root = fromstring(body.strip(), forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError, RecursionError):
        raise SourceFormatError("EDGAR_OWNERSHIP_UNUSABLE", "A report is XML without a DTD") from None
    if root.tag != "ownershipDocument":
        raise SourceFormatError("EDGAR_OWNERSHIP_UNUSABLE", "Its root is ownershipDocument", found=shown(root.tag))
    try:
        return _report(root, file)
    except Refused as refused:
        raise SourceFormatError("EDGAR_OWNERSHIP_UNUSABLE", field=refused.field, detail=refused.detail) from None


def _report(root: Element, file: str) -> OwnershipReport:
    form = _text(root, "documentType")
    if form not in _FORMS:
        raise Refused(RejectReason.MALFORMED_ROW, f"{shown(form)} found, allowed are {sorted(_FORMS)}", "documentType")
    transactions: list[Transaction] = []
    holdings: list[Holding] = []
    rejects: list[Reject] = []
    records = [
        (number, record)
        for number, record in enumerate(
            (record for table in ("nonDerivativeTable", "derivativeTable") for record in root.iterfind(f"{table}/*")), 1
        )
    ]
    if len(records) > MAXIMUM_RECORDS:
        raise Refused(RejectReason.MALFORMED_ROW, f"{len(records)} found, allowed are {MAXIMUM_RECORDS}", "records")
    for number, record in records:
        derivative = record.tag.startswith("derivative")
        try:
            if record.tag.endswith("Transaction"):
                transactions.append(_transaction(record, derivative))
            elif record.tag.endswith("Holding"):
                holdings.append(_holding(record, derivative))
        except Refused as refused:
            rejects.append(reject(file, number, refused, " ".join("".join(record.itertext()).split())))
    planned = root.find("aff10b5One")
    return OwnershipReport(
        form=form,
        period=parse_day(_text(root, "periodOfReport"), "periodOfReport"),
        issuer_cik=parse_cik(_text(root, "issuer/issuerCik"), "issuerCik"),
        issuer=parse_text(_text(root, "issuer/issuerName"), "issuerName"),
        symbol=parse_text(_text(root, "issuer/issuerTradingSymbol"), "issuerTradingSymbol", required=False),
        owners=_owners(root),
        no_securities_owned=_flag(root, "noSecuritiesOwned"),
        planned_trade=None if planned is None else _flag(root, "aff10b5One"),
        transactions=tuple(transactions),
        holdings=tuple(holdings),
        remarks=parse_text(_text(root, "remarks"), "remarks", longest=20_000, required=False),
        rejects=tuple(rejects),
    )


def _owners(root: Element) -> tuple[Owner, ...]:
    owners = tuple(
        Owner(
            cik=parse_cik(_text(owner, "reportingOwnerId/rptOwnerCik"), "rptOwnerCik"),
            name=parse_text(_text(owner, "reportingOwnerId/rptOwnerName"), "rptOwnerName"),
            is_director=_flag(owner, "reportingOwnerRelationship/isDirector"),
            is_officer=_flag(owner, "reportingOwnerRelationship/isOfficer"),
            is_ten_percent_owner=_flag(owner, "reportingOwnerRelationship/isTenPercentOwner"),
            is_other=_flag(owner, "reportingOwnerRelationship/isOther"),
            officer_title=parse_text(
                _text(owner, "reportingOwnerRelationship/officerTitle"), "officerTitle", required=False
            ),
        )
        for owner in root.iterfind("reportingOwner")
    )
    if not owners:
        raise Refused(RejectReason.MISSING_VALUE, "none found, needed is a reporting owner", "reportingOwner")
    return owners


def _transaction(record: Element, derivative: bool) -> Transaction:
    code = _text(record, "transactionCoding/transactionCode")
    if code not in _CODES:
        detail = f"{shown(code)} found, allowed is one of {''.join(sorted(_CODES))}"
        raise Refused(RejectReason.MALFORMED_ROW, detail, "transactionCode")
    side = _text(record, "transactionAmounts/transactionAcquiredDisposedCode/value")
    if side not in ("A", "D"):
        detail = f"{shown(side)} found, allowed are A and D"
        raise Refused(RejectReason.MALFORMED_ROW, detail, "transactionAcquiredDisposedCode")
    shares = _number(record, "transactionAmounts/transactionShares")
    value = _number(record, "transactionAmounts/transactionTotalValue")
    if shares is None and value is None:
        raise Refused(RejectReason.MISSING_VALUE, "nothing found, needed is a number of shares", "transactionShares")
    return Transaction(
        security=parse_text(_text(record, "securityTitle/value"), "securityTitle"),
        day=parse_day(_text(record, "transactionDate/value"), "transactionDate"),
        code=code,
        acquired_or_disposed="A" if side == "A" else "D",
        shares=shares,
        value=value,
        price=_number(record, "transactionAmounts/transactionPricePerShare"),
        shares_after=_number(record, "postTransactionAmounts/sharesOwnedFollowingTransaction"),
        value_after=_number(record, "postTransactionAmounts/valueOwnedFollowingTransaction"),
        direct=_is_direct(record),
        nature=_nature(record),
        derivative=derivative,
        exercise_price=_number(record, "conversionOrExercisePrice"),
        expires=parse_optional_day(_text(record, "expirationDate/value"), "expirationDate"),
        underlying=_underlying(record),
        underlying_shares=_number(record, "underlyingSecurity/underlyingSecurityShares"),
    )


def _holding(record: Element, derivative: bool) -> Holding:
    return Holding(
        security=parse_text(_text(record, "securityTitle/value"), "securityTitle"),
        shares=_number(record, "postTransactionAmounts/sharesOwnedFollowingTransaction"),
        value=_number(record, "postTransactionAmounts/valueOwnedFollowingTransaction"),
        direct=_is_direct(record),
        nature=_nature(record),
        derivative=derivative,
        exercise_price=_number(record, "conversionOrExercisePrice"),
        expires=parse_optional_day(_text(record, "expirationDate/value"), "expirationDate"),
        underlying=_underlying(record),
        underlying_shares=_number(record, "underlyingSecurity/underlyingSecurityShares"),
    )


def _text(element: Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


def _flag(element: Element, path: str) -> bool:
    text = _text(element, path).lower()
    if text in _YES or text in _NO:
        return text in _YES
    field = path.rpartition("/")[2]
    raise Refused(RejectReason.MALFORMED_ROW, f"{shown(text)} found, allowed are 0, 1, false and true", field)


def _number(record: Element, path: str) -> Decimal | None:
    """The number at a path, None where nothing or a footnote alone stands. None of them can be negative."""
    text = _text(record, f"{path}/value")
    if not text:
        return None
    field = path.rpartition("/")[2]
    number = parse_decimal(text, field)
    if number < 0:
        raise Refused(RejectReason.INVALID_NUMBER, f"{shown(text)} found, allowed is 0 or more", field)
    return number


def _is_direct(record: Element) -> bool:
    text = _text(record, "ownershipNature/directOrIndirectOwnership/value")
    if text not in ("D", "I"):
        detail = f"{shown(text)} found, allowed are D and I"
        raise Refused(RejectReason.MALFORMED_ROW, detail, "directOrIndirectOwnership")
    return text == "D"


def _nature(record: Element) -> str:
    return parse_text(
        _text(record, "ownershipNature/natureOfOwnership/value"), "natureOfOwnership", longest=2_000, required=False
    )


def _underlying(record: Element) -> str:
    title = _text(record, "underlyingSecurity/underlyingSecurityTitle/value")
    return parse_text(title, "underlyingSecurityTitle", required=False)
