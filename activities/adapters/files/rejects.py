"""How a refused record is reported: in one place, so that every report is short and printable."""

from __future__ import annotations

from collections.abc import Sequence

from domain.documents import Reject, RejectReason

EXCERPT_CHARACTERS = 200
_VALUE_CHARACTERS = 60
_NAME_CHARACTERS = 40
_NAMES = 40


class Refused(Exception):
    """A value that does not do. The reader of the record adds where it stood."""

    def __init__(self, reason: RejectReason, detail: str, column: str = "") -> None:
        self.reason = reason
        self.detail = detail
        self.column = column
        super().__init__(detail)


def reject(file: str, line: int, refused: Refused, record: str | bytes = "") -> Reject:
    """Build the report of a refused record; undecodable bytes of it show as the replacement character."""
    text = record if isinstance(record, str) else record[: EXCERPT_CHARACTERS * 4].decode("utf-8", "replace")
    return Reject(
        file=printable(file),
        line=line,
        column=printable(refused.column[:EXCERPT_CHARACTERS]),
        reason=refused.reason,
        detail=printable(refused.detail),
        excerpt=printable(text[:EXCERPT_CHARACTERS].rstrip("\r\n")),
    )


def shown(value: object) -> str:
    """Quote a found value for a message, shortened."""
    if isinstance(value, list | dict):
        return "a JSON list" if isinstance(value, list) else "a JSON object"
    text = value if isinstance(value, str) else repr(value)
    if len(text) > _VALUE_CHARACTERS:
        return f"'{printable(text[:_VALUE_CHARACTERS])}…' ({len(text):,} characters)"
    return f"'{printable(text)}'"


def listed(names: Sequence[str]) -> str:
    """List found column names or keys for a message, shortened: what stands there need not be names."""
    some = [
        printable(name[:_NAME_CHARACTERS]) + ("…" if len(name) > _NAME_CHARACTERS else "") for name in names[:_NAMES]
    ]
    return f"[{', '.join(some)}{', …' if len(names) > _NAMES else ''}]"


def printable(text: str) -> str:
    """Replace what a terminal or a log would act on: control, formatting and surrogate characters."""
    if text.isprintable():
        return text
    return "".join(_printable_character(character) for character in text)


def _printable_character(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else "\N{REPLACEMENT CHARACTER}"
