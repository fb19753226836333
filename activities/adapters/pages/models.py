"""What a page was made into."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator

from domain.documents import DatePrecision, Section
from domain.model import Model, Utc


class PageKind(StrEnum):
    HTML = "html"
    TEXT = "text"
    PDF = "pdf"
    EMAIL = "email"


class MailFacts(Model):
    """The headers of an e-mail, and what came with it. Senders write what they like here: nothing is proven."""

    sender: Annotated[str, Field(max_length=2_000)] = ""
    recipients: Annotated[str, Field(max_length=2_000)] = ""
    message_id: Annotated[str, Field(max_length=2_000)] = ""
    attachments: tuple[Annotated[str, Field(max_length=200)], ...] = ()
    """Names of the first fifty; their content is never read."""
    attachment_count: Annotated[int, Field(ge=0)] = 0


class ParsedPage(Model):
    """A page's text and the facts that it states about itself.

    Invisible characters are gone from the text; offsets count characters of it as it is here.
    """

    kind: PageKind
    url: str
    title: Annotated[str, Field(max_length=2_000)] = ""
    text: str
    sections: tuple[Section, ...] = ()
    """In order, without overlap; together they hold everything but blanks between them."""
    published_at: Utc | None = None
    """As the page states it; None where it states nothing usable. A bare day counts from its end in New York."""
    precision: DatePrecision | None = None
    language: str = "und"
    """ISO 639-1 code; `und` where the text is too short to tell."""
    truncated: bool = False
    """The page held more text or more pages than are read."""
    mail: MailFacts | None = None

    @model_validator(mode="after")
    def _sections_lie_within_the_text(self) -> ParsedPage:
        position = 0
        for section in self.sections:
            if not position <= section.start < section.end <= len(self.text):
                raise ValueError(f"section {section.start}..{section.end} overlaps or leaves the text")
            position = section.end
        return self

    def section_text(self, section: Section) -> str:
        """The section's text."""
        return self.text[section.start : section.end]
