"""The search index of documents that were read before there was one: made from their stored readings."""

from __future__ import annotations

import asyncio

from temporalio import activity

from domain.errors import NotFound
from domain.search import IndexedText, IndexReport, indexed_text
from store import documents, search
from store.database import Database
from store.objects import ObjectStore

DOCUMENTS_A_BATCH = 100


class SearchActivities:
    """Keyed by document: a repeat finds less to do."""

    def __init__(self, database: Database, objects: ObjectStore, *, batch: int = DOCUMENTS_A_BATCH) -> None:
        self._database = database
        self._objects = objects
        self._batch = batch

    @activity.defn
    async def index_documents(self) -> IndexReport:
        """Index what was read and cannot be found yet, batch by batch in the order of ids."""
        indexed, lost, after = 0, 0, ""
        while left := await search.unindexed(self._database, after=after, limit=self._batch):
            words = await asyncio.gather(*(self._words(key) for _, key in left))
            found = [(doc_id, said) for (doc_id, _), said in zip(left, words, strict=True) if said is not None]
            await search.add(self._database, found)
            indexed, lost, after = indexed + len(found), lost + len(left) - len(found), left[-1][0]
            activity.heartbeat(indexed)
        return IndexReport(indexed=indexed, lost=lost)

    async def _words(self, key: str) -> IndexedText | None:
        """Those of a stored reading; None where its object is gone."""
        try:
            body = await self._objects.get(key)
        except NotFound:
            return None
        return await asyncio.to_thread(lambda: indexed_text(documents.read_text(body).text))
