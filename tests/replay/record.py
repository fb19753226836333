"""Record histories for the replay gate from a real run: `python -m tests.replay.record`.

Runs two sessions of the packaged demo on a stack of its own, what a replay has not on another (a feed read page by page
and tried, reconciliations, an inference, a measurement, a backfill), and what agents, notifications and approvals do
on servers of their own, what copies the book (`--copies` records this alone), and both branches of patches that none
of these comes by (`--patches` records these alone).
Fetches one history a workflow, and removes what belongs to the machine (absolute paths, host names) from it. Recorded
files are kept when the workflows change, so that runs started by an older version are still covered; `--label` names
the new ones.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import re
import tempfile
import threading
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from temporalio.client import Client

from api.operations import backtests, drift, evaluations, trading, trading_commands, what_ifs
from api.operations.links import TemporalLinks
from cli.demo_data import actions_path, bars_path, documents_path
from cli.migrate import migrate
from cli.replaying import Finished, make_request, run_replay
from cli.stack.control import client_environment
from cli.stack.names import PartName
from cli.stack.supervisor import Stack
from domain.agents import AgentKind, Assignment, Engine
from domain.backfill import BackfillRequest, BackfillState
from domain.breaker_state import Breaker
from domain.comovement_measurement import ComovementRequest
from domain.competitors import InferenceRequest
from domain.config import TradingConfig
from domain.decisions import Side
from domain.documents import Credibility
from domain.errors import StonksError
from domain.evaluation import LabelledSentence
from domain.ingestion import IngestRequest, SourceTestRequest
from domain.lake import PublishRequest
from domain.replay import ReplayApprovals
from domain.research import AssessRequest, ThesisRequest
from domain.sources import FeedConfig, FileSourceConfig
from domain.trading import CancelReport, Command, OrderState
from domain.trading_commands import Configure, OverrideOrder, ResetBreaker, ResetEngine, ReviewConfig
from domain.trials import AgentTrialRequest
from store import registry, sources
from tests.api.harness import Platform, eventually
from tests.approvals.house import House
from tests.asking.desk import SETTINGS
from tests.asking.platform import add_variant, environment, later, process, register, shadow_of, shadows_done, working
from tests.conftest import clean_environment, running_servers
from tests.model_server.server import ModelServerDouble
from tests.notifications.office import open_office
from tests.replay.record_copies import record_copies
from tests.replay.record_patches import record_patches
from workers.parts import Parts
from workers.settings import load
from workflows import names
from workflows.backfill_documents import BackfillDocuments
from workflows.client import begin_broker_reconciliation, begin_publication
from workflows.execute_order import ExecuteOrder
from workflows.infer_competitors import InferCompetitors
from workflows.ingest_source import IngestSource
from workflows.measure_comovement import MeasureComovement
from workflows.reconcile_broker import ReconcileBroker
from workflows.trading_engine import TradingEngine
from workflows.try_agent import TryAgent
from workflows.try_source import TrySource

HISTORIES = Path(__file__).parent / "histories"
_IDENTITY = re.compile(r"\d+@\S+")
_PATH = re.compile(r'(?<=")/[^"]*/([^"/]+)(?=")')


def record(label: str) -> None:
    with tempfile.TemporaryDirectory(prefix="stonks-record-") as directory:
        _record_replay(Path(directory) / "replay", label)
        _record_live(Path(directory) / "paper", label)
        _record_agents(Path(directory) / "agents", label)
        _record_notifications(Path(directory) / "notifications", label)
        _record_approvals(Path(directory) / "approvals", label)
        record_copies(Path(directory) / "copies", label, _save)
        record_patches(Path(directory) / "patches", label, _save)


def _record_replay(state_dir: Path, label: str) -> None:
    config = TradingConfig.for_tier("aggressive")
    approval = config.approval.model_copy(update={"notional_above": Decimal(2_000)})
    request = make_request(
        documents=documents_path(),
        bars=bars_path(),
        actions=actions_path(),
        first=date(2014, 7, 16),
        last=date(2014, 7, 17),
        opening_cash=Decimal(100_000),
        config=config.model_copy(update={"approval": approval}),
        approvals=ReplayApprovals.GRANT,
        credibility=Credibility.WIRE,
        publisher="",
    )

    def fetch(finished: Finished) -> None:
        intent = next(order["intent_id"] for order in finished.body["orders"] if order["status"] == "filled")
        wanted = {
            "replay_period": names.replay_id(request.replay_id),
            "ingest_source": names.ingest_id("replay-documents", request.replay_id),
            "trading_engine": names.TRADING_ENGINE,
            "research_universe": names.RESEARCH_UNIVERSE,
            "execute_order": names.order_id(intent),
            "process_document": "",
        }
        environment = client_environment(state_dir)
        backtest, sweep = asyncio.run(_run_backtests(environment, request.first, request.last))
        wanted |= {"run_backtest": names.backtest_id(backtest), "sweep_backtests": names.sweep_id(sweep)}
        asyncio.run(_compare(environment, request.first))
        asyncio.run(_command_engine(environment))
        wanted["compare_day"] = names.drift_id(request.first)
        asyncio.run(_fetch(environment, wanted, label))

    run_replay(request, state_dir, keep=False, show=fetch)


async def _run_backtests(environment: Mapping[str, str], first: date, last: date) -> tuple[str, str]:
    parts = await Parts.connect(load(environment))
    try:
        wanted = backtests.NewBacktest(first=first, last=last)
        begun = await backtests.begin(
            parts.database, parts.client, TemporalLinks("", "stonks"), wanted, code_version="recorded", actor="record"
        )
        await backtests.wait(parts.client, begun.backtest_id)
        grid = {"signals.kappa": [1, 2]}
        sweep = await backtests.begin_sweep(parts.database, parts.client, wanted, grid, None, actor="record")
        await backtests.wait_sweep(parts.client, sweep)
    finally:
        await parts.close()
    return begun.backtest_id, sweep


async def _command_engine(environment: Mapping[str, str]) -> None:
    """Tell the engine everything that it can be told: what is refused stands in its history as well."""
    parts = await Parts.connect(load(environment))
    mode = parts.settings.mode.value
    said: dict[str, Any] = {"reason": "to be recorded", "actor": "cli:anna"}
    try:
        await trading.pause(parts.database, parts.client, mode=mode, **said)
        await trading.resume(parts.database, parts.client, mode=mode, **said)
        tighter = Configure(**said, changes={"limits": {"min_price": "6"}})
        looser = Configure(**said, changes={"limits": {"min_price": "2"}})
        await trading_commands.configure(parts.client, tighter, mode=mode)
        proposal = (await trading_commands.configure(parts.client, looser, mode=mode)).proposal_id
        review = ReviewConfig(reason="no", actor="cli:berta", proposal_id=proposal, approved=False)
        await trading_commands.review_config(parts.client, review, mode=mode)
        order = OverrideOrder(**said, symbol="CAT", side=Side.BUY, quantity=Decimal(3), key="recorded-order")
        await trading_commands.override(parts.client, order, mode=mode)
        with contextlib.suppress(StonksError):
            drawdown = ResetBreaker(**said, breaker=Breaker.DRAWDOWN)
            await trading_commands.reset_breaker(parts.client, drawdown, mode=mode)
        await trading_commands.reset(parts.client, ResetEngine(**said), mode=mode)
        engine = parts.client.get_workflow_handle(names.TRADING_ENGINE)
        await engine.execute_update(TradingEngine.reconcile, Command(**said))
        await engine.signal("configure", Configure(**said, changes={"limits": {"daily_loss": "9"}}))
        await trading.halt(parts.database, parts.client, mode=mode, **said)
    finally:
        await parts.close()


async def _compare(environment: Mapping[str, str], session: date) -> None:
    parts = await Parts.connect(load(environment))
    try:
        await drift.compare_now(parts.client, session)
    finally:
        await parts.close()


def _record_live(state_dir: Path, label: str) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Feed)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    own = f"127.0.0.1:{server.server_port}"
    inherited = {**clean_environment(), "STONKS_FETCH_OWN_SERVERS": own}
    with Stack(state_dir, mode="paper", inherited=inherited) as stack:

        def prepare(environment: Mapping[str, str]) -> None:
            migrate(environment)
            asyncio.run(_add_sources(environment, f"http://{own}/news"))

        stack.start(before_application=prepare)
        asyncio.run(_run_live(stack.environment(), label))
        stack.kill(PartName.WORKER)
    server.shutdown()


def _record_agents(state_dir: Path, label: str) -> None:
    with running_servers(state_dir) as stack:
        asyncio.run(_run_agents(stack, label))


async def _run_agents(stack: Stack, label: str) -> None:
    """A document on the economy that a model reads and a challenger too, and all that is asked about it later."""
    async with ModelServerDouble() as model, working(environment(stack, model.url)) as parts:
        async with parts.database.transaction() as session:
            await registry.seed(session)
        await add_variant(parts, "document-extractor", {"seed": 8}, shadow=True)
        challenger = await add_variant(parts, "thesis-rewriter", {"seed": 8}, shadow=True)
        told = await register(
            parts, "Caterpillar profit rises as Fed cuts interest rates", "Caterpillar profit rose.", ("CAT",)
        )
        await process(parts, told)
        await shadows_done(parts, told)
        notice = await parts.flows.assess_symbol(AssessRequest(symbol="CAT", as_of=later()))
        asked = notice.recommendation_id
        writer = Assignment(agent_id="thesis-rewriter", engine=Engine.OLLAMA, shadows=(challenger,))
        await parts.flows.start_thesis(ThesisRequest(recommendation_id=asked, variant=writer))
        await parts.client.get_workflow_handle(names.thesis_id(asked)).result()
        defaults, links = parts.settings.agent_defaults(), TemporalLinks("", "stonks")
        wanted = what_ifs.NewWhatIf(settings={"engine": "rules"})
        again = await what_ifs.begin(
            parts.database, parts.client, links, asked, wanted, defaults=defaults, actor="record"
        )
        await what_ifs.wait(parts.client, again.what_if_id)
        evaluation = await evaluations.begin(
            parts.database,
            parts.objects,
            parts.client,
            "document-extractor",
            dataset="recorded",
            sentences=[
                LabelledSentence(text=f"Profit rose to {n} million.", label="positive", split_key=str(n))
                for n in range(30)
            ],
            variant_id="",
            defaults=defaults,
        )
        await evaluations.result(parts.client, evaluation)
        trial = AgentTrialRequest(
            trial_id="recorded",
            agent_id="document-extractor",
            kind=AgentKind.DOCUMENT_EXTRACTOR,
            settings=SETTINGS,
            title="Apple profit rises",
            text="Apple profit rose.",
            symbols=("AAPL",),
            published_at=datetime.now(UTC),
        )
        tried = names.try_agent_id("document-extractor", "recorded")
        await parts.client.execute_workflow(TryAgent.run, trial, id=tried, task_queue=names.Queue.RESEARCH)
        found = {
            "process_document.agents": names.document_id(told.doc_id),
            "research_symbol": names.symbol_id("CAT"),
            "read_in_shadow": await shadow_of(parts, told),
            "rewrite_thesis": names.thesis_id(asked),
            "what_if": names.what_if_id(again.what_if_id),
            "evaluate_agent": names.evaluate_agent_id(evaluation),
            "try_agent": tried,
        }
        for name, workflow_id in found.items():
            await _save(parts.client, f"{name}.{label}", workflow_id)


def _record_notifications(state_dir: Path, label: str) -> None:
    with running_servers(state_dir) as stack:
        asyncio.run(_run_notifications(stack, label))


async def _run_notifications(stack: Stack, label: str) -> None:
    """An event that two channels are told, one after a second try, and another that a receiver refuses."""
    async with open_office(stack) as desk:
        await desk.configure("one", "two")
        desk.receiver.answers = [(429, {"Retry-After": "1"}), (200, {})]
        await desk.publish()
        told, *_ = await desk.until(lambda rows: len(rows) == 2 and {row.status for row in rows} == {"sent"})
        desk.receiver.answers = [(404, {})]
        await desk.configure("one")
        refused = await desk.publish()
        rows = await desk.until(lambda rows: len(rows) == 3 and "failed" in {row.status for row in rows})
        failed = next(row for row in rows if row.event_id == refused)
        found = {
            "notify": names.NOTIFICATIONS,
            "send_notification": names.notification_id(told.notification_id),
            "send_notification.given_up": names.notification_id(failed.notification_id),
        }
        for name, workflow_id in found.items():
            await _save(desk.parts.client, f"{name}.{label}", workflow_id)


def _record_approvals(state_dir: Path, label: str) -> None:
    with running_servers(state_dir) as stack:
        asyncio.run(_run_approvals(stack, label))


async def _run_approvals(stack: Stack, label: str) -> None:
    """Orders that two people approved, that was asked anew when the price moved, and that nobody answered."""
    parts = await Parts.connect(load(stack.environment()))
    await parts.objects.ensure_bucket()
    platform = Platform(parts)
    house = House(platform)
    await house.open()
    try:
        async with platform.working(names.Queue.TRADING):
            await house.policy(two_people_above=10_000)
            quorum = await house.plan()
            asked = await house.asked(quorum)
            for person in ("anna", "ben"):
                await house.say(person, asked)
            await house.policy(price_look_seconds=1, expires_after_seconds=60)
            moved = await house.plan()
            await house.asked(moved)
            await house.price("55")
            await house.say("anna", await house.asked(moved, ask=2))
            await house.policy(expires_after_seconds=4)
            expired = await house.plan(quantity=600)
            found = {"quorum": quorum, "price_moved": moved, "expired": expired}
            for name, intent in found.items():
                await house.handle(intent).result()
                await _save(parts.client, f"execute_order.{name}.{label}", names.order_id(intent))
            await _take_back(platform, label)
    finally:
        await parts.close()


async def _take_back(platform: Platform, label: str) -> None:
    """An order that waited at the broker and was taken back."""
    platform.broker.fill = False
    intent = (await platform.order("AAPL", quantity=10)).intent_id
    handle = platform.parts.client.get_workflow_handle_for(ExecuteOrder.run, names.order_id(intent))

    async def working() -> bool:
        return (await handle.query(ExecuteOrder.status)).state is OrderState.WORKING

    await eventually(working)
    command = Command(reason="to be recorded", actor="cli:anna")
    await handle.execute_update(ExecuteOrder.cancel, command, result_type=CancelReport)
    await handle.result()
    await _save(platform.parts.client, f"execute_order.canceled.{label}", names.order_id(intent))


class _Feed(BaseHTTPRequestHandler):
    """A feed of one story."""

    def do_GET(self) -> None:  # the library's name
        body = (
            b"<rss version='2.0'><channel><title>Example</title><item><title>Apple raises its outlook</title>"
            b"<description>Apple raised its outlook.</description><pubDate>Tue, 15 Jul 2014 12:00:00 GMT</pubDate>"
            b"</item></channel></rss>"
        )
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        return


async def _add_sources(environment: Mapping[str, str], url: str) -> None:
    parts = Parts(load(environment), client=None)  # type: ignore[arg-type]
    now = datetime.now(UTC)
    async with parts.database.transaction() as session:
        letters = FileSourceConfig(path="newsletters.jsonl")
        await sources.save(session, source_id="newsletters", config=letters, created_at=now, cadence_seconds=3_600)
        await sources.save(session, source_id="wire", config=FeedConfig(url=url), created_at=now)
    await parts.close()


async def _run_live(environment: Mapping[str, str], label: str) -> None:
    parts = await Parts.connect(load(environment))
    now = datetime.now(UTC)
    try:
        wanted = {
            "reconcile_schedules": names.RECONCILE_SCHEDULES,
            "research_universe.live": names.RESEARCH_UNIVERSE,
            "index_documents": names.INDEX_DOCUMENTS,
            "ingest_source.pages": names.ingest_id("wire", "recorded"),
            "try_source": names.try_source_id("wire", "recorded"),
            "infer_competitors": names.infer_competitors_id("ci_recorded"),
            "measure_comovement": names.MEASURE_COMOVEMENT,
            "backfill_documents": names.backfill_id("recorded"),
            "publish_lake": names.publication_id(now),
        }
        await parts.client.execute_workflow(
            IngestSource.run,
            IngestRequest(source_id="wire"),
            id=wanted["ingest_source.pages"],
            task_queue=names.Queue.INGEST,
        )
        await parts.client.execute_workflow(
            TrySource.run,
            SourceTestRequest(source_id="wire"),
            id=wanted["try_source"],
            task_queue=names.Queue.INGEST,
        )
        await parts.client.execute_workflow(
            InferCompetitors.run,
            InferenceRequest(
                inference_id="ci_recorded", symbol="AAPL", as_of=now, requested_by="record", requested_at=now
            ),
            id=wanted["infer_competitors"],
            task_queue=names.Queue.OPS,
        )
        await parts.client.execute_workflow(
            MeasureComovement.run,
            ComovementRequest(),
            id=wanted["measure_comovement"],
            task_queue=names.Queue.OPS,
        )
        publication = PublishRequest(tables=("companies", "fills"), tidy=True)
        await (await begin_publication(parts.client, publication, at=now, actor="record")).result()
        archive = FileSourceConfig(path=str(documents_path()))
        await parts.client.execute_workflow(
            BackfillDocuments.run,
            BackfillState(
                request=BackfillRequest(backfill_id="recorded", source_id="archive", config=archive, actor="record")
            ),
            id=wanted["backfill_documents"],
            task_queue=names.Queue.INGEST,
        )
        wanted["reconcile_broker"] = await _reconcile(parts)
    finally:
        await parts.close()
    await _fetch(environment, wanted, label)


async def _reconcile(parts: Parts) -> str:
    """A comparison with the broker whose outcome somebody waits for by update."""
    handle = await begin_broker_reconciliation(parts.client, trigger="record", at=datetime.now(UTC))
    await handle.execute_update(ReconcileBroker.report)
    return handle.id


async def _fetch(environment: Mapping[str, str], wanted: Mapping[str, str], label: str) -> None:
    parts = await Parts.connect(load(environment))
    try:
        for name, workflow_id in wanted.items():
            await _save(parts.client, f"{name}.{label}", workflow_id or await _a_document(parts.client))
    finally:
        await parts.close()


async def _a_document(client: Client) -> str:
    while True:
        async for each in client.list_workflows('WorkflowType="ProcessDocument" AND ExecutionStatus="Completed"'):
            return each.id
        await asyncio.sleep(0.2)  # the list lags behind


async def _save(client: Client, name: str, workflow_id: str) -> None:
    """Write a workflow's history; an id may name one of its runs after an `@`."""
    workflow_id, _, run_id = workflow_id.partition("@")
    if name.startswith("reconcile"):
        await client.get_workflow_handle(workflow_id).result()
    history = await client.get_workflow_handle(workflow_id, run_id=run_id or None).fetch_history()
    body = json.loads(history.to_json())
    HISTORIES.mkdir(exist_ok=True)
    path = HISTORIES / f"{name}.json"
    path.write_text(json.dumps({"id": workflow_id, "history": _clean(body)}, indent=1) + "\n", encoding="utf-8")
    print(f"{path.name}: {len(body['events'])} events")


def _clean(value: Any, key: str = "") -> Any:
    """Remove what belongs to the machine: host names and the folders of absolute paths, also inside payloads."""
    if isinstance(value, dict):
        return {name: _clean(each, name) for name, each in value.items()}
    if isinstance(value, list):
        return [_clean(each, key) for each in value]
    if isinstance(value, str) and (key == "identity" or _IDENTITY.fullmatch(value)):
        return "worker@host"
    if key == "stackTrace":
        return ""
    if isinstance(value, str) and key == "data":
        text = base64.b64decode(value).decode("utf-8", errors="surrogateescape")
        cleaned = _PATH.sub(r"\1", text)
        return base64.b64encode(cleaned.encode("utf-8", errors="surrogateescape")).decode()
    return value


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.replay.record", description=__doc__)
    parser.add_argument("--label", default="v1", help="part of the files' names, for example a release")
    parser.add_argument("--copies", action="store_true", help="record backups and the lake alone")
    parser.add_argument("--patches", action="store_true", help="record both branches of patches alone")
    arguments = parser.parse_args()
    alone = [each for each, asked in ((record_copies, arguments.copies), (record_patches, arguments.patches)) if asked]
    for recording in alone:
        with tempfile.TemporaryDirectory(prefix="stonks-record-") as scratch:
            recording(Path(scratch), arguments.label, _save)
    if not alone:
        record(arguments.label)
