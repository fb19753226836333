"""The composition root: builds every part from the settings, each once, on first use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from temporalio.client import Client
from temporalio.runtime import Runtime

from activities.accepting import AcceptanceActivities
from activities.adapters.agents.document_extractor import DocumentExtractor
from activities.adapters.agents.event_classifier import EventClassifier
from activities.adapters.agents.thesis_rewriter import ThesisRewriter
from activities.adapters.contract import SourceAdapter
from activities.adapters.files.actions import read_actions
from activities.adapters.files.bars import read_bars
from activities.adapters.files.documents import count_records, read_documents
from activities.adapters.files.fingerprint import fingerprint
from activities.adapters.paper import PaperControl
from activities.adapters.postgres_programs import PostgresPrograms
from activities.adapters.rules import RulesExtractor
from activities.adapters.rules.economy import RulesClassifier
from activities.agent_resolver import AgentResolver
from activities.approvals import ApprovalActivities
from activities.asking import ModelDesk
from activities.backfill import BackfillActivities
from activities.backing_up import Backups
from activities.backtests import BacktestActivities
from activities.backup_directory import BackupDirectory
from activities.backups import BackupActivities, DrillActivities
from activities.classification import ClassificationActivities
from activities.commands import CommandActivities
from activities.comovement import ComovementActivities
from activities.competitors import CompetitorActivities
from activities.discarding import DiscardActivities
from activities.documents import LONG_CHARACTERS, DocumentActivities
from activities.drift import DriftActivities
from activities.drilling import Drills
from activities.engine import EngineActivities
from activities.evaluation import EvaluationActivities
from activities.extraction import ExtractionActivities
from activities.feeding import MarketFeed
from activities.fetching import FetchActivities
from activities.ingestion import IngestionActivities
from activities.market import MarketActivities
from activities.metering import WorkMeter
from activities.notifications import NotificationActivities
from activities.orders import OrderActivities
from activities.ports import Lake, Prices
from activities.prices import BookPrices, MarketPrices
from activities.publishing import PublishingActivities
from activities.reconciliation import ReconciliationActivities
from activities.replay import ReplayActivities
from activities.research import ResearchActivities
from activities.risk import RiskActivities
from activities.schedules import ScheduleActivities
from activities.search import SearchActivities
from activities.sweeps import SweepActivities
from activities.theses import ThesisActivities
from activities.trials import TrialActivities
from activities.watched_broker import WatchedBroker
from activities.what_if import WhatIfActivities
from domain.backtest_report import BacktestReport
from domain.costs import CostModel
from domain.documents import Reject, SourceDocument
from domain.errors import ConfigurationError
from domain.extraction import Extraction, ExtractionInput
from domain.notification_texts import Place
from domain.sources import SourceKind
from store.database import Database
from store.objects import ObjectStore
from workers.backups import backups_of
from workers.histories import TemporalHistories
from workers.lake import lake_of
from workers.schedules import TemporalSchedules
from workers.settings import Mode, Settings
from workers.sources import adapters
from workers.stream import StreamFollower
from workflows.client import TemporalFlows, begin_broker_reconciliation, connect

if TYPE_CHECKING:
    from activities.adapters.alpaca import AlpacaSettings
    from activities.adapters.calendar import ExchangeCalendar
    from activities.adapters.lake.iceberg import IcebergLake

CODE_VERSION = version("stonks-oracle")


class Parts:
    """What workers, the API and the CLI are put together from. Close it to release connections."""

    def __init__(self, settings: Settings, client: Client, *, keep_objects: int = 0, read_only: bool = False) -> None:
        self.settings = settings
        self.client = client
        self.meter = WorkMeter()
        self._keep_objects = keep_objects
        self._read_only = read_only
        self._exit = AsyncExitStack()

    @classmethod
    async def connect(
        cls,
        settings: Settings,
        *,
        keep_objects: int = 0,
        read_only: bool = False,
        runtime: Runtime | None = None,
    ) -> Parts:
        """Connect to Temporal; everything else connects when it is first used.

        `keep_objects` is how many bytes of objects stay in memory: for workers. Whoever audits reads the store itself.
        With `read_only` neither the database nor the object store lets anything be changed: for commands.
        `runtime` is one that exports the SDK's metrics; without it, the process's default one.
        """
        if not settings.temporal_address:
            raise ConfigurationError(
                "SETTING_MISSING", "Set it, or use `stonks up`", variable="STONKS_TEMPORAL_ADDRESS"
            )
        client = await connect(settings.temporal_address, settings.temporal_namespace, runtime=runtime)
        return cls(settings, client, keep_objects=keep_objects, read_only=read_only)

    async def close(self) -> None:
        await self._exit.aclose()

    @cached_property
    def database(self) -> Database:
        database = Database(self.settings.database(read_only=self._read_only))
        self._exit.push_async_callback(database.close)
        return database

    @cached_property
    def watched_database(self) -> Database:
        """The same for metrics: connections of their own, one at a time, that can change nothing."""
        database = Database(self.settings.database(read_only=True).model_copy(update={"pool_size": 1}))
        self._exit.push_async_callback(database.close)
        return database

    @cached_property
    def objects(self) -> ObjectStore:
        objects = ObjectStore(self.settings.objects(read_only=self._read_only), keep_bytes=self._keep_objects)
        self._exit.callback(objects.close)
        return objects

    @cached_property
    def flows(self) -> TemporalFlows:
        return TemporalFlows(self.client, driven=self.settings.driven)

    @cached_property
    def calendar(self) -> ExchangeCalendar:
        from activities.adapters.calendar import ExchangeCalendar  # pandas: a second that only two workers need

        return ExchangeCalendar(today=datetime.now(UTC).date())

    @cached_property
    def broker(self) -> WatchedBroker:
        from activities.adapters.alpaca import AlpacaBroker

        return WatchedBroker(AlpacaBroker(self.broker_settings), self.database, now=_now)

    @property
    def broker_settings(self) -> AlpacaSettings:
        from activities.adapters.alpaca import AlpacaSettings

        return AlpacaSettings(
            key_id=self.settings.broker_key_id,
            secret_key=self.settings.broker_secret_key,
            paper=self.settings.mode is not Mode.LIVE,
            url=self.settings.broker_url,
        )

    @cached_property
    def paper(self) -> PaperControl | None:
        """The paper broker's control side, where there is one and its clock is ours to move."""
        key = self.settings.broker_control_key
        if not key.get_secret_value() or not self.settings.driven:
            return None
        return PaperControl(self.settings.broker_url, key)

    def market_feed(self) -> MarketFeed | None:
        """What tells the paper broker prices where real time passes; None where a vendor has its own."""
        key = self.settings.broker_control_key
        if not key.get_secret_value() or self.settings.mode is not Mode.PAPER:
            return None
        return MarketFeed(self.database, PaperControl(self.settings.broker_url, key))

    def document_activities(self) -> DocumentActivities:
        return DocumentActivities(self.database, self.objects, self.flows, self.resolver)

    @cached_property
    def source_adapters(self) -> Mapping[SourceKind, SourceAdapter]:
        return adapters()

    def ingestion_activities(self) -> IngestionActivities:
        def read_file(config: Any, not_after: datetime) -> Iterator[SourceDocument | Reject]:
            return read_documents(config, not_after=not_after)

        return IngestionActivities(
            self.database,
            self.objects,
            self.flows,
            {SourceKind.FILE: read_file},
            self.source_adapters,
            driven=self.settings.driven,
        )

    def backfill_activities(self) -> BackfillActivities:
        def read_file(config: Any, not_after: datetime) -> Iterator[SourceDocument | Reject]:
            return read_documents(config, not_after=not_after)

        return BackfillActivities(
            self.database,
            self.objects,
            self.flows,
            read_file,
            count_records,
            RulesExtractor().extract,
            RulesClassifier().classify,
            driven=self.settings.driven,
        )

    def fetch_activities(self) -> FetchActivities:
        """The only part that holds the vendors' keys and connects to the outside."""
        from activities.adapters.imap.mailbox import MailboxFetcher
        from activities.adapters.web.fetch import FetchLimits, WebFetcher
        from activities.adapters.web.guard import GuardPolicy, UrlGuard

        settings = self.settings
        guard = UrlGuard(GuardPolicy(allow_http=settings.fetch_allow_http, own_servers=settings.own_servers()))
        limits = FetchLimits(total_seconds=settings.fetch_seconds)
        web = WebFetcher(guard, credentials=settings.credentials, limits=limits, user_agent=settings.fetch_user_agent)
        self._exit.push_async_callback(web.aclose)
        mail = MailboxFetcher(guard, credentials=settings.credentials)
        return FetchActivities(self.objects, web, mail, self.source_adapters)

    @cached_property
    def resolver(self) -> AgentResolver:
        return AgentResolver(self.database, self.settings.agent_defaults())

    @cached_property
    def desk(self) -> ModelDesk:
        """The only way to a model, for the worker that serves its queue; without a server it refuses every question."""
        if not self.settings.ollama_url:
            return ModelDesk(self.database, None, slots=1, meter=self.meter)
        from activities.adapters.ollama import OllamaServer

        server = OllamaServer(self.settings.ollama_url)
        self._exit.push_async_callback(server.close)
        return ModelDesk(self.database, server, slots=self.settings.ollama_slots, meter=self.meter)

    @cached_property
    def rules(self) -> RulesInline:
        return RulesInline(RulesExtractor())

    def extraction_activities(self) -> ExtractionActivities:
        return ExtractionActivities(
            self.database, self.objects, self.resolver, self.rules, self.desk, DocumentExtractor()
        )

    def classification_activities(self) -> ClassificationActivities:
        return ClassificationActivities(
            self.database, self.objects, self.resolver, RulesClassifier(), self.desk, EventClassifier()
        )

    def thesis_activities(self) -> ThesisActivities:
        return ThesisActivities(self.database, self.objects, self.resolver, self.desk, ThesisRewriter())

    def trial_activities(self) -> TrialActivities:
        return TrialActivities(
            self.database,
            self.objects,
            self.desk,
            self.thesis_activities(),
            rules=(self.rules, RulesClassifier()),
            agents=(DocumentExtractor(), EventClassifier(), ThesisRewriter()),
        )

    def evaluation_activities(self) -> EvaluationActivities:
        return EvaluationActivities(
            self.database,
            self.objects,
            self.desk,
            rules=(self.rules, RulesClassifier()),
            agents=(DocumentExtractor(), EventClassifier()),
        )

    def what_if_activities(self) -> WhatIfActivities:
        return WhatIfActivities(self.database, self.objects, self.resolver, self.rules, self.desk, DocumentExtractor())

    def research_activities(self) -> ResearchActivities:
        return ResearchActivities(
            self.database, self.objects, self.flows, self.calendar, self.resolver, code_version=CODE_VERSION
        )

    def command_activities(self) -> CommandActivities:
        return CommandActivities(self.database, live=self.settings.mode is Mode.LIVE)

    def acceptance_activities(self) -> AcceptanceActivities:
        return AcceptanceActivities(self.database)

    def engine_activities(self) -> EngineActivities:
        return EngineActivities(self.database, self.broker, self.calendar)

    @cached_property
    def prices(self) -> Prices:
        book = BookPrices(self.database)
        if self.settings.driven:
            return book
        return MarketPrices(self.broker, book, real_money=self.settings.mode is Mode.LIVE)

    def risk_activities(self) -> RiskActivities:
        return RiskActivities(self.database, self.broker, self.prices, self.calendar, mode=self.settings.mode.value)

    def approval_activities(self) -> ApprovalActivities:
        return ApprovalActivities(self.database, self.prices, mode=self.settings.mode.value)

    def order_activities(self) -> OrderActivities:
        return OrderActivities(
            self.database,
            self.broker,
            mode=self.settings.mode.value,
            now=self._clock,
            calendar=self.calendar,
            meter=self.meter,
        )

    def discard_activities(self, desk: OrderActivities) -> DiscardActivities:
        return DiscardActivities(self.database, desk, now=self._clock)

    def reconciliation_activities(self) -> ReconciliationActivities:
        return ReconciliationActivities(
            self.database,
            self.broker,
            self.flows,
            mode=self.settings.mode.value,
            now=self._clock,
            meter=self.meter,
        )

    def stream_follower(self) -> StreamFollower:
        from activities.adapters.alpaca.stream import AlpacaStream

        async def compare() -> None:
            await begin_broker_reconciliation(self.client, trigger="stream", at=_now())

        return StreamFollower(
            AlpacaStream(self.broker_settings),
            mode=self.settings.mode.value,
            tell=self.flows.order_changed,
            compare=compare,
        )

    @property
    def _clock(self) -> Callable[[], datetime] | None:
        """None where time is told."""
        return None if self.settings.driven else _now

    def market_activities(self) -> MarketActivities:
        return MarketActivities(self.database, self.paper)

    def schedule_activities(self) -> ScheduleActivities:
        return ScheduleActivities(self.database, TemporalSchedules(self.client), self.flows, self.calendar)

    @property
    def postgres_programs(self) -> PostgresPrograms:
        return PostgresPrograms(self.settings.backup_programs)

    @property
    def backup_directory(self) -> BackupDirectory:
        return BackupDirectory(self.settings.backups)

    def backups(self) -> Backups:
        """Backups as they are made; a command may take their steps without Temporal."""
        return backups_of(self.settings, self.database, self.objects, self._exit)

    def drills(self) -> Drills:
        return Drills(
            self.database,
            self.postgres_programs,
            self.backup_directory,
            now=_now,
            histories=TemporalHistories(self.client, _all_workflows),
        )

    def backup_activities(self) -> BackupActivities:
        return BackupActivities(self.backups())

    def drill_activities(self) -> DrillActivities:
        return DrillActivities(self.drills())

    def competitor_activities(self) -> CompetitorActivities:
        return CompetitorActivities(self.database, self.objects)

    def comovement_activities(self) -> ComovementActivities:
        return ComovementActivities(self.database)

    def search_activities(self) -> SearchActivities:
        return SearchActivities(self.database, self.objects)

    def backtest_activities(self) -> BacktestActivities:
        made = BacktestActivities(self.database, self.objects, self.calendar, render=_render, code_version=CODE_VERSION)
        self._exit.push_async_callback(made.close)
        return made

    def sweep_activities(self) -> SweepActivities:
        return SweepActivities(self.database, self.calendar, code_version=CODE_VERSION)

    def drift_activities(self) -> DriftActivities:
        costs = CostModel() if self.settings.mode is Mode.LIVE else CostModel.none()
        return DriftActivities(self.database, self.objects, self.calendar, costs=costs, code_version=CODE_VERSION)

    @cached_property
    def lake(self) -> IcebergLake:
        """The lake's tables: a second of imports and a hundred megabytes, for those alone who write or query them."""
        return lake_of(self.settings, self._exit, read_only=self._read_only)

    def publishing_activities(self) -> PublishingActivities:
        def lake() -> Lake:
            return self.lake

        return PublishingActivities(self.database, lake, keep=timedelta(days=self.settings.lake_keep_days))

    @property
    def place(self) -> Place:
        return Place(mode=self.settings.mode.value, base_url=self.settings.public_url.rstrip("/"))

    def notification_activities(self) -> NotificationActivities:
        from workers.telling import messengers_of

        return NotificationActivities(self.database, self.flows, messengers_of(self.settings, self._exit), self.place)

    def replay_activities(self) -> ReplayActivities:
        return ReplayActivities(
            self.database,
            self.objects,
            self.flows,
            self.calendar,
            self.paper,
            read_bars=read_bars,
            read_actions=read_actions,
            fingerprint=fingerprint,
        )


def _all_workflows() -> Sequence[type]:
    from workers.registry import ALL_WORKFLOWS  # which is built from parts

    return ALL_WORKFLOWS


def _now() -> datetime:
    return datetime.now(UTC)


class RulesInline:
    """The rules extractor behind the same asynchronous face as a model; it takes well under a millisecond."""

    def __init__(self, rules: RulesExtractor) -> None:
        self._rules = rules

    async def extract(self, source: ExtractionInput) -> Extraction:
        if len(source.text) < LONG_CHARACTERS:
            return self._rules.extract(source)
        return await asyncio.to_thread(self._rules.extract, source)


def _render(report: BacktestReport) -> bytes:
    """Draw a backtest's page. The library behind it takes a second to import, which only who draws waits for."""
    from activities.adapters.backtest_page import render

    return render(report)
