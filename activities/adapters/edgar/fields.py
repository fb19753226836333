"""Single values of EDGAR's records, checked: CIKs, accession numbers, days, times and decimal numbers."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from decimal import Decimal

from domain.documents import NEW_YORK, Reject, RejectReason

_CIK = re.compile(r"[0-9]{1,10}")
_ACCESSION = re.compile(r"[0-9]{10}-[0-9]{2}-[0-9]{6}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,2})?")
_ISO_DAY = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:Z|[+-][0-9]{2}:[0-9]{2})?")
_COMPACT_DAY = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_SHOWN_CHARACTERS = 60
_EXCERPT_CHARACTERS = 200
_FIRST_YEAR, _LAST_YEAR = 1900, 2199


class Refused(Exception):
    """A value that does not do. The reader of the record adds where it stood."""

    def __init__(self, reason: RejectReason, detail: str, field: str) -> None:
        self.reason = reason
        self.detail = detail
        self.field = field
        super().__init__(detail)


def reject(file: str, line: int, refused: Refused, record: str = "") -> Reject:
    """Build the report of a refused record, shortened and printable."""
    return Reject(
        file=printable(file[:_EXCERPT_CHARACTERS]),
        line=line,
        column=refused.field,
        reason=refused.reason,
        detail=printable(refused.detail),
        excerpt=printable(record[:_EXCERPT_CHARACTERS]),
    )


def printable(text: str) -> str:
    """Replace every character that does not print."""
    return "".join(character if character.isprintable() else "�" for character in text)


def shown(value: object) -> str:
    """Quote a found value for a message, shortened."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    text = str(value)[: _SHOWN_CHARACTERS + 1]
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…")


def parse_cik(value: object, field: str) -> str:
    """Read a central index key, with or without its leading zeros; ten digits come out."""
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not _CIK.fullmatch(text) or not int(text):
        raise Refused(RejectReason.MALFORMED_ROW, f"{shown(value)} found, allowed are up to ten digits", field)
    return text.zfill(10)


def parse_accession(value: object, field: str) -> str:
    """Read an accession number: `0000320193-24-000123`."""
    if not isinstance(value, str) or not _ACCESSION.fullmatch(value):
        detail = f"{shown(value)} found, allowed is an accession number such as 0000320193-24-000123"
        raise Refused(RejectReason.MALFORMED_ROW, detail, field)
    return value


def parse_text(value: object, field: str, *, longest: int = 500, required: bool = True) -> str:
    """Read a short text, without control characters and outer spaces."""
    if value is None or value == "":
        if required:
            raise Refused(RejectReason.MISSING_VALUE, "nothing found, needed is a text", field)
        return ""
    if not isinstance(value, str):
        raise Refused(RejectReason.MALFORMED_ROW, f"{shown(value)} found, allowed is a text", field)
    text = " ".join(value.split())
    if len(text) > longest:
        raise Refused(RejectReason.LINE_TOO_LONG, f"{len(text)} characters found, allowed are {longest}", field)
    if required and not text:
        raise Refused(RejectReason.MISSING_VALUE, "only spaces found, needed is a text", field)
    return printable(text)


def parse_day(value: object, field: str) -> date:
    """Read a day, `2024-05-01` or `20240501`; an XML zone after it is left out."""
    text = value.strip() if isinstance(value, str) else ""
    if not text:
        raise Refused(RejectReason.MISSING_VALUE, f"{shown(value)} found, needed is a day", field)
    found = _ISO_DAY.fullmatch(text) or _COMPACT_DAY.fullmatch(text)
    if found and _FIRST_YEAR <= int(found[1]) <= _LAST_YEAR:
        try:
            return date(int(found[1]), int(found[2]), int(found[3]))
        except ValueError:
            pass
    raise Refused(RejectReason.INVALID_DATE, f"{shown(value)} found, allowed is a day such as 2024-05-01", field)


def parse_optional_day(value: object, field: str) -> date | None:
    """Read a day where one stands."""
    return None if value is None or value == "" else parse_day(value, field)


def parse_compact_time(value: str, field: str) -> datetime:
    """Read a header's `20240501163005`, a time of day in New York, as an instant.

    Of the hour that occurs twice in autumn the second is taken, the later of the two.
    """
    if len(value) == 14 and value.isascii() and value.isdigit():
        day = parse_day(value[:8], field)
        try:
            time = time_of_day(int(value[8:10]), int(value[10:12]), int(value[12:]), fold=1)
        except ValueError:
            pass
        else:
            return datetime.combine(day, time, NEW_YORK).astimezone(UTC)
    raise Refused(RejectReason.INVALID_DATE, f"{shown(value)} found, allowed is a time as 20240501163005", field)


def parse_decimal(value: object, field: str) -> Decimal:
    """Read a decimal number exactly; never through binary floating point."""
    if isinstance(value, Decimal):
        value = str(value)
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if value is None or value == "":
        raise Refused(RejectReason.MISSING_VALUE, "nothing found, needed is a number", field)
    if not _NUMBER.fullmatch(text):
        raise Refused(RejectReason.INVALID_NUMBER, f"{shown(value)} found, allowed is a number such as 1500.25", field)
    return Decimal(text)
