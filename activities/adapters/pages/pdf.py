"""PDFs: the text of each page, a section a page."""

from __future__ import annotations

from io import BytesIO

from pypdf import PasswordType, PdfReader

from activities.adapters.pages.assembly import Assembled, Assembly, clean_line
from activities.adapters.pages.failures import unreadable
from domain.errors import SourceFormatError

MAX_PAGES = 300
MAX_TITLE_CHARACTERS = 2_000


def read_pdf(body: bytes, url: str) -> tuple[str, Assembled]:
    """Return title and text of the first 300 pages. Pictures of text are not read.

    Raises:
        SourceFormatError: it is broken, needs a password, or holds no text.
    """
    try:
        title, assembled = _read(body, url)
    except SourceFormatError:
        raise
    except Exception as error:  # a parser of foreign files may fail in any way
        raise unreadable("PAGE_BROKEN", url, f"a PDF that cannot be read ({type(error).__name__})") from error
    if not assembled.text:
        raise unreadable("PAGE_EMPTY", url, "a PDF without text, perhaps scanned pictures")
    return title, assembled


def _read(body: bytes, url: str) -> tuple[str, Assembled]:
    reader = PdfReader(BytesIO(body), strict=False)
    if reader.is_encrypted and reader.decrypt("") is PasswordType.NOT_DECRYPTED:
        raise unreadable("PAGE_ENCRYPTED", url, "a PDF that needs a password", "a PDF without one")
    count = len(reader.pages)
    assembly = Assembly()
    for number in range(min(count, MAX_PAGES)):
        assembly.begin_section(f"Page {number + 1}")
        assembly.add(reader.pages[number].extract_text())
    title = reader.metadata.title if reader.metadata is not None else None
    assembled = assembly.finish()
    line = clean_line(str(title or "")[:10_000])[:MAX_TITLE_CHARACTERS]
    return line, assembled._replace(truncated=assembled.truncated or count > MAX_PAGES)
