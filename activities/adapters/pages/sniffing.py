"""What a page is, told by its bytes. The declared type is a hint and decides between kinds of text only."""

from __future__ import annotations

import re

from activities.adapters.pages.decoding import has_byte_order_mark
from activities.adapters.pages.failures import unreadable
from activities.adapters.pages.models import PageKind

_HEAD_BYTES = 4_096
_ARCHIVES: tuple[bytes, ...] = (
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"PK\x07\x08",
    b"\x1f\x8b",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
    b"BZh",
)
_ARCHIVES += (b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"MSCF", b"\x1f\x9d", b"!<arch>\n", b"\x04\x22\x4d\x18")
_EXECUTABLES: tuple[bytes, ...] = (
    b"\x7fELF",
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
)
_EXECUTABLES += (b"\xca\xfe\xba\xbe", b"\x00asm", b"#!", b"dex\n")
_OTHERS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"\xd0\xcf\x11\xe0", b"{\\rtf", b"OggS", b"ID3", b"wOF", b"%!PS")
_TAR = (257, b"ustar")
_HTML = re.compile(
    rb"<(?:!doctype\s+html|html|head|body|title|meta|script|div|table|article|section|main|h[1-6]|p|a|span|font|br)"
    rb"(?=[\s>/])",
    re.IGNORECASE,
)
_MAIL_HEADER = re.compile(rb"^([A-Za-z][A-Za-z0-9-]{1,40}):", re.MULTILINE)
_MAIL_NAMES = frozenset({b"from", b"to", b"subject", b"date", b"message-id", b"received", b"mime-version"})
_MAIL_PROOFS = frozenset({b"message-id", b"received", b"mime-version"})
_MAIL_TYPES = ("message/rfc822", "message/global")
_HTML_TYPES = ("text/html", "application/xhtml+xml")


def kind_of(body: bytes, content_type: str, url: str) -> PageKind:
    """Tell the kind of a page.

    Raises:
        SourceFormatError: it is empty, an archive, an executable, or something else that is no text.
    """
    head = body[:_HEAD_BYTES]
    declared = content_type[:200].partition(";")[0].strip().lower()
    if not head.strip():
        raise unreadable("PAGE_EMPTY", url, "nothing")
    if b"%PDF-" in head[:1_024]:
        return PageKind.PDF
    if head.startswith(_ARCHIVES) or head[_TAR[0] : _TAR[0] + 5] == _TAR[1]:
        raise unreadable("PAGE_IS_ARCHIVE", url, f"an archive, declared as {declared[:60]!r}")
    if head.startswith(_EXECUTABLES) or (head.startswith(b"MZ") and b"\0" in head):
        raise unreadable("PAGE_IS_EXECUTABLE", url, f"an executable, declared as {declared[:60]!r}")
    if head.startswith(_OTHERS) or (b"\0" in head and not has_byte_order_mark(head)):
        raise unreadable("PAGE_IS_BINARY", url, f"no text, declared as {declared[:60]!r}")
    start = head.lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n").replace(b"\0", b"")
    if start[:5].lower() == b"<?xml" and declared not in _HTML_TYPES and not _HTML.search(start):
        raise unreadable("PAGE_TYPE_UNSUPPORTED", url, "XML that is no web page")
    if declared in _MAIL_TYPES or (declared not in _HTML_TYPES and _is_mail(start)):
        return PageKind.EMAIL
    if _HTML.match(start) or (declared in _HTML_TYPES and b"<" in body):
        return PageKind.HTML
    if start.startswith(b"<") and _HTML.search(start):
        return PageKind.HTML
    return PageKind.TEXT


def _is_mail(start: bytes) -> bool:
    block = re.split(rb"\r?\n\r?\n", start, maxsplit=1)[0]
    if not _MAIL_HEADER.match(block):
        return False
    names = {name.lower() for name in _MAIL_HEADER.findall(block)}
    return len(names & _MAIL_NAMES) >= 3 and bool(names & _MAIL_PROOFS)
