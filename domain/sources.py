"""Where documents come from: the typed configuration of each source kind and what a fetch needs to know."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from domain.documents import Credibility
from domain.model import Model


class SourceKind(StrEnum):
    FILE = "file"


class FileFormat(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"
    FOLDER = "folder"


class ColumnMapping(Model):
    """Which column (or JSON key) holds what. An empty name means that the source has no such column.

    The default names are tried in `known` order when nothing is configured, so that common files work as they are.
    """

    title: str = "title"
    text: str = ""
    published: str = "published_at"
    tickers: str = ""
    """One ticker, or several separated by commas, semicolons, blanks or `|`."""
    url: str = ""
    publisher: str = ""


class FileSourceConfig(Model):
    """A file or folder of documents, read as a stream.

    A folder holds one document a file (`.txt`, `.md`, `.html`); the title is the first line, the time the leading
    `YYYY-MM-DD` (or `YYYY-MM-DDTHHMM` in UTC) of the file's name, the tickers what stands between brackets in it:
    `2014-07-15T2015 [INTC] results.txt`.
    """

    kind: Literal[SourceKind.FILE] = SourceKind.FILE
    path: str
    format: FileFormat | None = None
    """None: by the name's ending (`.csv`, `.csv.gz`, `.jsonl`, `.jsonl.gz`, or a folder)."""
    columns: ColumnMapping | None = None
    """None: recognised from the header; the header must then hold one of the known names for title and time."""
    publisher: str = ""
    credibility: Credibility = Credibility.UNKNOWN
    max_line_bytes: Annotated[int, Field(ge=1_024)] = 1_048_576


SourceConfig = FileSourceConfig
