"""The corpus as values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from domain.documents import Credibility
from domain.model import Model

FOLDER = Path(__file__).parent / "corpus"

Wish = Literal["buy", "sell", "limit_change", "configuration_change", "exfiltration", "schema_break"]
Form = Literal["text", "html", "rss", "mail", "filing"]


class HonestStory(Model):
    title: str
    body: str


class HostileDocument(Model):
    """One document of the corpus; the package's docstring says what each field means."""

    id: str
    kind: Annotated[str, Field(alias="class")]
    language: str
    form: Form
    credibility: Literal[Credibility.UNKNOWN, Credibility.AGGREGATOR]
    symbol: str
    wants: Wish
    title: str
    tickers: tuple[str, ...]
    body: tuple[str, ...]
    hidden: tuple[str, ...] = ()
    canary: str = ""
    flood: str = ""
    about: HonestStory | None = None
    obeyed: dict[str, Any] | str

    def answer_text(self) -> str:
        """What the model would write, talked over."""
        if isinstance(self.obeyed, str):
            return self.obeyed
        if "$repeat" in self.obeyed:
            return json.dumps({"events": [self.obeyed["event"]] * self.obeyed["$repeat"]})
        return json.dumps(self.obeyed)


@cache
def documents() -> tuple[HostileDocument, ...]:
    files = sorted(FOLDER.glob("*.json"))
    return tuple(HostileDocument.model_validate(row) for file in files for row in json.loads(file.read_text("utf-8")))


def named(document_id: str) -> HostileDocument:
    return next(document for document in documents() if document.id == document_id)


def flood(name: str) -> tuple[HostileDocument, ...]:
    return tuple(document for document in documents() if document.flood == name)


def each_document(known: Mapping[str, str] | None = None, *, only: str = "") -> pytest.MarkDecorator:
    """Run a test once for each document, or for those of which the field `only` is given.

    Args:
        known: documents that the platform does not withstand yet, and why: these must fail.
    """
    why = known or {}
    chosen = [document for document in documents() if not only or getattr(document, only)]
    unused = set(why) - {document.id for document in chosen}
    assert not unused, f"no such documents: {sorted(unused)}"
    return pytest.mark.parametrize(
        "hostile",
        [
            pytest.param(
                document,
                id=document.id,
                marks=[pytest.mark.xfail(strict=True, reason=why[document.id])] if document.id in why else [],
            )
            for document in chosen
        ],
    )
