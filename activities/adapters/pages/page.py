"""Any page made into text: what it is, what it says, what it states about itself."""

from __future__ import annotations

from activities.adapters.pages.decoding import decode
from activities.adapters.pages.failures import unreadable
from activities.adapters.pages.language import language_of
from activities.adapters.pages.mail import read_mail
from activities.adapters.pages.markup import read_page
from activities.adapters.pages.models import PageKind, ParsedPage
from activities.adapters.pages.pdf import read_pdf
from activities.adapters.pages.plain import read_text, short_title
from activities.adapters.pages.sniffing import kind_of
from domain.documents import DatePrecision

MAX_BODY_BYTES = 33_554_432


def parse_page(body: bytes, content_type: str, url: str) -> ParsedPage:
    """Parse a page of any supported kind.

    A page without a title gets its first line. Dates are those that the page claims; nobody has verified them, and
    they may lie in the future.

    Raises:
        SourceFormatError: it is too large, of no supported kind, broken, encrypted or without text.
    """
    if len(body) > MAX_BODY_BYTES:
        raise unreadable("PAGE_TOO_LARGE", url, f"{len(body):,} bytes", f"at most {MAX_BODY_BYTES:,}")
    kind = kind_of(body, content_type, url)
    published = None
    mail = None
    if kind is PageKind.PDF:
        title, assembled = read_pdf(body, url)
    elif kind is PageKind.EMAIL:
        read = read_mail(body, url)
        title, assembled, mail = read.subject, read.assembled, read.facts
        published = (read.sent_at, DatePrecision.INSTANT) if read.sent_at is not None else None
    elif kind is PageKind.HTML:
        title, assembled, published = read_page(decode(body, content_type), url)
    else:
        title, assembled = read_text(decode(body, content_type))
        if not assembled.text:
            raise unreadable("PAGE_EMPTY", url, "no visible text")
    return ParsedPage(
        kind=kind,
        url=url,
        title=title or short_title(assembled.text.partition("\n")[0][:2_000]),
        text=assembled.text,
        sections=assembled.sections,
        published_at=published[0] if published else None,
        precision=published[1] if published else None,
        language=language_of(assembled.text),
        truncated=assembled.truncated,
        mail=mail,
    )
