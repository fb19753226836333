"""JSON answers of vendors, read without trusting them: exact numbers, typed records, and the vendor's own errors."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from domain.documents import NEW_YORK, Reject, RejectReason
from domain.errors import SourceFormatError, StonksError
from domain.fetching import HttpAnswer, require_success

_MAX_BODY_BYTES = 64 * 1_048_576
_NUMBER_CHARACTERS = 64
_LARGEST_EXPONENT = 30
_SHOWN_CHARACTERS = 60
_EXCERPT_CHARACTERS = 200
_SESSION_SETTLED = time(16, 30)
"""New York. Sessions end at 16:00, on short days earlier; half an hour is left for what is reported late."""
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}(?::?\d{2})?)", re.ASCII)
_SECRET_LIKE = re.compile(r"[A-Za-z0-9_\-]{20,}", re.ASCII)


class VendorRecord(BaseModel):
    """One record as the vendor writes it: what is not asked for is ignored, what is asked for has its type."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    @field_validator("*", mode="before")
    @classmethod
    def _storable(cls, value: object) -> object:
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
                raise PydanticCustomError(RejectReason.INVALID_ENCODING.value, "whole Unicode characters")
            if isinstance(text, str) and "\0" in text:
                raise PydanticCustomError(RejectReason.INVALID_ENCODING.value, "text without NUL characters")
        return value


RecordT = TypeVar("RecordT", bound=VendorRecord)


def _number(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise PydanticCustomError(RejectReason.INVALID_NUMBER.value, "a number of at most 64 characters")
    return Decimal(value)


def _day(value: object) -> date:
    try:
        if isinstance(value, str) and _DAY.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise PydanticCustomError(RejectReason.INVALID_DATE.value, "a day as YYYY-MM-DD")


def _instant(value: object) -> datetime:
    try:
        if isinstance(value, str) and _INSTANT.fullmatch(value):
            instant = datetime.fromisoformat(value).astimezone(UTC)
            if 1900 <= instant.year <= 2199:
                return instant
    except (ValueError, OverflowError):
        pass
    raise PydanticCustomError(RejectReason.INVALID_DATE.value, "an ISO time with its offset, from 1900 to 2199")


Number = Annotated[Decimal, BeforeValidator(_number)]
Day = Annotated[date, BeforeValidator(_day)]
Instant = Annotated[datetime, BeforeValidator(_instant)]


class JsonAnswers:
    """Reads one vendor's answers. `words` are the fields in which an answer that refuses says why."""

    def __init__(self, vendor: str, words: tuple[str, ...]) -> None:
        self.vendor = vendor
        self._words = words

    def require_ok(self, answer: HttpAnswer) -> None:
        """Raise the error that the status stands for, with the vendor's own words added, shortened.

        Raises:
            VendorError, NotFound: as `domain.fetching.require_success` says.
        """
        try:
            require_success(answer, self.vendor)
        except StonksError as error:
            said = self.vendor_words(answer.body)
            if not said:
                raise
            raise type(error)(error.code, error.hint, **error.fields, vendor_says=said) from error

    def read_object(self, body: bytes) -> dict[str, Any]:
        """Read a JSON object; numbers become `int` or `Decimal`, never binary floating point.

        A number too long or too large to be a figure stays text, so that only its field is refused for it.

        Raises:
            SourceFormatError: it is no JSON object in UTF-8, too large, or nested too deeply.
        """
        if len(body) > _MAX_BODY_BYTES:
            raise self.unusable(f"{len(body):,} bytes", f"at most {_MAX_BODY_BYTES:,} bytes")
        try:
            found = json.loads(body.decode("utf-8"), parse_float=_exact, parse_int=_whole, parse_constant=str)
        except (ValueError, RecursionError) as error:
            raise self.unusable(
                shown(body[:_EXCERPT_CHARACTERS].decode("utf-8", "replace")), "a JSON object in UTF-8"
            ) from error
        if not isinstance(found, dict):
            raise self.unusable(shown(found), "a JSON object")
        return found

    def read_list(self, found: dict[str, Any], name: str) -> list[Any]:
        """Return the list of that name; absent or null is empty.

        Raises:
            SourceFormatError: something else stands there.
        """
        value = found.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.unusable(f"{name}={shown(value)}", "a list")
        return value

    def unusable(self, found: str, allowed: str) -> SourceFormatError:
        """Say that a whole answer cannot be read."""
        return SourceFormatError(
            "VENDOR_ANSWER_UNREADABLE",
            "Check the source's address and the vendor's documentation",
            vendor=self.vendor,
            found=found,
            allowed=allowed,
        )

    def checked(self, kind: type[RecordT], record: object, where: str, place: int) -> RecordT | Reject:
        """Read one record, or say which field of it does not do.

        Args:
            where: the kind of answer, for people.
            place: the record's 1-based place in it.
        """
        if not isinstance(record, dict):
            return self.refused(
                where, place, "", RejectReason.MALFORMED_ROW, f"{shown(record)} found, allowed is an object"
            )
        try:
            return kind.model_validate(record)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
        column = ".".join(str(part) for part in first["loc"])
        kind_of_error = first["type"]
        if kind_of_error == "missing":
            return self.refused(
                where, place, column, RejectReason.MISSING_VALUE, f"nothing found, needed is {column}", record
            )
        reason = RejectReason.MALFORMED_ROW
        if kind_of_error in RejectReason.__members__:
            reason = RejectReason(kind_of_error)
        elif kind_of_error in ("string_too_short", "too_short"):
            reason = RejectReason.MISSING_VALUE
        elif kind_of_error in ("string_too_long", "too_long"):
            reason = RejectReason.LINE_TOO_LONG
        return self.refused(
            where, place, column, reason, f"{shown(first['input'])} found, allowed: {first['msg']}", record
        )

    def refused(
        self, where: str, place: int, column: str, reason: RejectReason, detail: str, record: object = None
    ) -> Reject:
        """Build the report of a refused record."""
        return Reject(
            file=f"{self.vendor} {where}",
            line=place,
            column=_printable(column[:_EXCERPT_CHARACTERS]),
            reason=reason,
            detail=_printable(detail),
            excerpt="" if record is None else _excerpt(record),
        )

    def vendor_words(self, body: bytes) -> str:
        """What the vendor says in an answer that refuses, shortened, without anything that looks like a key."""
        try:
            found = self.read_object(body)
        except SourceFormatError:
            return ""
        words = [found.get(name) for name in self._words]
        text = ": ".join(word for word in words if isinstance(word, str) and word.strip())
        return _SECRET_LIKE.sub("…", _printable(text[:_EXCERPT_CHARACTERS]))


def is_ahead(instant: datetime, now: datetime) -> bool:
    """Whether a record names a time that has not come, allowing a minute for clocks that differ."""
    return instant > now + timedelta(minutes=1)


def last_session_over(now: datetime) -> date:
    """Return the latest weekday whose session can be complete. Whether it was a holiday, only an answer tells."""
    local = now.astimezone(NEW_YORK)
    day = local.date() if local.time() >= _SESSION_SETTLED else local.date() - timedelta(days=1)
    return day - timedelta(days=max(0, day.weekday() - 4))


def shown(value: object) -> str:
    """Quote a found value for a message, shortened and printable."""
    if isinstance(value, list | dict):
        return "a JSON list" if isinstance(value, list) else "a JSON object"
    text = value if isinstance(value, str) else str(value)
    return f"'{_printable(text[:_SHOWN_CHARACTERS])}{'…' if len(text) > _SHOWN_CHARACTERS else ''}'"


def _exact(text: str) -> Decimal | str:
    if len(text) > _NUMBER_CHARACTERS:
        return text
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    return number if -_LARGEST_EXPONENT <= number.adjusted() <= _LARGEST_EXPONENT else text


def _whole(text: str) -> int | str:
    return int(text) if len(text) <= _LARGEST_EXPONENT else text


def _excerpt(record: object) -> str:
    try:
        text = json.dumps(record, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        return ""
    return _printable(text[:_EXCERPT_CHARACTERS])


def _printable(text: str) -> str:
    return "".join(
        letter if letter.isprintable() else " " if letter.isspace() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )
