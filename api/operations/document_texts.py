"""The text of a document, as every offset counts in it, and links to what it was made from."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, Field
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.documents import Section
from domain.errors import NotFound
from domain.ids import digest
from domain.parsed import parsed_text
from store import audit, documents
from store.database import Database
from store.objects import ObjectStore, slice_of
from store.tables.ingestion import Document

LINK_LASTS = timedelta(minutes=5)


class SectionView(BaseModel):
    """A part of the text: `text[start:end]`, in characters."""

    heading: str = Field(examples=["Item 1A. Risk Factors"])
    start: int = Field(examples=[0])
    end: int = Field(examples=[1842])


class DocumentText(BaseModel):
    """The text that readers were given: title, a blank line, the body; no markup, nothing invisible, NFC.

    Offsets of sections, quotes and snippets count its characters (Unicode code points).
    """

    doc_id: str
    language: str
    characters: int
    bytes: int = Field(description="of the text as UTF-8: what a range may ask for")
    text: str
    sections: list[SectionView]

    def tag(self, form: str) -> str:
        """The strong validator of the text in one of its forms."""
        return f'"{digest(form, self.model_dump_json(), length=32)}"'


class SignedObject(BaseModel):
    """An object that anybody who has the address can read until it expires."""

    url: str
    key: str
    range: str | None = Field(
        description="send this as the header `Range`: the object is a part of a larger one; null: it is whole",
        examples=["bytes=1024-1334"],
    )


class RawLinks(BaseModel):
    doc_id: str
    expires_at: datetime
    document: SignedObject
    """What the source's adapter read: JSON with title, text and time, as the document is identified by."""
    answer: SignedObject | None = Field(description="the vendor's answer, byte for byte; null: it came from a file")


async def require(session: AsyncSession, doc_id: str) -> Document:
    """The row of a document. Raises NotFound."""
    row = await session.get(Document, doc_id)
    if row is None:
        raise NotFound("DOCUMENT_NOT_FOUND", "/v1/documents lists them", doc_id=doc_id)
    return row


async def text_of(database: Database, objects: ObjectStore, doc_id: str) -> DocumentText:
    """The text as it was read; of a document that nobody has read yet, as it would be.

    Raises:
        NotFound: no such document, or its object is gone.
    """
    async with database.transaction() as session:
        row = await require(session, doc_id)
    body = await objects.get(row.text_key or row.raw_key)
    return await asyncio.to_thread(_text, row, body)


def _text(row: Document, body: bytes) -> DocumentText:
    sections: tuple[Section, ...]
    if row.text_key:
        stored = documents.read_text(body)
        text, sections = stored.text, stored.sections
    else:
        raw = json.loads(body)
        given = [Section.model_validate(section) for section in row.sections]
        text, sections = parsed_text(str(raw["title"]), str(raw["text"]), given)
    return DocumentText(
        doc_id=row.doc_id,
        language=row.language,
        characters=len(text),
        bytes=len(text.encode()),
        text=text,
        sections=[SectionView(**section.model_dump()) for section in sections],
    )


async def raw_links(database: Database, objects: ObjectStore, doc_id: str, *, actor: str) -> RawLinks:
    """Sign addresses of what a document was read from. Stands in the audit log.

    Raises:
        NotFound: no such document, or its object is gone.
    """
    now = datetime.now(UTC)
    async with database.transaction() as session:
        row = await require(session, doc_id)
    links = RawLinks(
        doc_id=doc_id,
        expires_at=now + LINK_LASTS,
        document=await _signed(objects, row.raw_key),
        answer=await _signed(objects, row.answer_key) if row.answer_key else None,
    )
    async with database.transaction() as session:
        await audit.append(
            session,
            key=digest("document_raw_linked", doc_id, actor, now),
            actor=actor,
            action="document_raw_linked",
            subject=doc_id,
            body={"raw_key": row.raw_key, "answer_key": row.answer_key, "expires_at": links.expires_at.isoformat()},
            recorded_at=now,
        )
    return links


async def _signed(objects: ObjectStore, key: str) -> SignedObject:
    if not await objects.exists(key):
        raise NotFound("OBJECT_NOT_FOUND", "It was never written or the bucket was changed", key=key)
    part = slice_of(key)
    return SignedObject(
        url=await objects.signed_url(key, lasts=LINK_LASTS),
        key=key,
        range=f"bytes={part.start}-{part.end - 1}" if part is not None else None,
    )
