"""Competitors: read what was known at an instant, propose links; a person decides on them."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, date, datetime, timedelta

from temporalio import activity

from activities.adapters.edgar.sections import competition_text
from domain.competitors import (
    DEFAULTS,
    AnnualReport,
    CompetitorConfig,
    InferenceFailure,
    InferenceReport,
    InferenceRequest,
    RivalStatement,
    propose,
    rival_statements,
)
from domain.documents import NEW_YORK
from store import competitors, registry
from store.competitors import ReportHead
from store.database import Database
from store.objects import ObjectStore
from store.registry import SymbolMaster


class CompetitorActivities:
    """Every write is keyed by the search's id, so that a retry changes nothing."""

    def __init__(self, database: Database, objects: ObjectStore, config: CompetitorConfig = DEFAULTS) -> None:
        self._database = database
        self._objects = objects
        self._config = config

    @activity.defn
    async def propose_competitors(self, request: InferenceRequest) -> InferenceReport:
        """Search for a company's competitors with what was known at the request's instant, and propose them."""
        async with self._database.transaction() as session:
            await competitors.begin(session, request)
            master = await registry.load_master(session)
            evidence = await competitors.evidence(
                session, master, symbol=request.symbol, as_of=request.as_of, config=self._config
            )
            head = await competitors.newest_report(session, symbol=request.symbol, as_of=request.as_of)
        if head is not None:
            report = await self._read(head, master)
            evidence = evidence.model_copy(update={"report": report})
        async with self._database.transaction() as session:
            return await competitors.finish(session, request, propose(evidence, self._config), now=datetime.now(UTC))

    @activity.defn
    async def record_inference_failure(self, failure: InferenceFailure) -> None:
        """Note that a search gave up, so that whoever asked learns it; the workflow holds the details."""
        async with self._database.transaction() as session:
            await competitors.fail(session, failure, now=datetime.now(UTC))

    async def _read(self, head: ReportHead, master: SymbolMaster) -> AnnualReport:
        raw = json.loads(await self._objects.get(head.raw_key))
        form = head.title.partition(" ")[0]
        filed = (head.published_at - timedelta(seconds=1)).astimezone(NEW_YORK).date()
        # A long report takes seconds, and a large registry's names another.
        statements = await asyncio.to_thread(_statements, raw["text"], form, master, filed)
        return AnnualReport(
            doc_id=head.doc_id, title=head.title[:200], available_at=head.available_at, statements=statements
        )


def _statements(text: str, form: str, master: SymbolMaster, filed: date) -> tuple[RivalStatement, ...]:
    return rival_statements(competition_text(text, form), master.index, filed)
