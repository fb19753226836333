"""Record histories for the replay gate from a real run: `python -m tests.replay.record`.

Runs two sessions of the packaged demo on a stack of its own and a reconciliation on another, fetches one history a
workflow, and removes what belongs to the machine (absolute paths, host names) from it. Recorded files are kept when
the workflows change, so that runs started by an older version are still covered; `--label` names the new ones.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import re
import tempfile
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from temporalio.client import Client

from cli.demo_data import actions_path, bars_path, documents_path
from cli.migrate import migrate
from cli.replaying import Finished, make_request, run_replay
from cli.stack.control import client_environment
from cli.stack.names import PartName
from cli.stack.supervisor import Stack
from domain.config import TradingConfig
from domain.documents import Credibility
from domain.replay import ReplayApprovals
from domain.sources import FileSourceConfig
from store import sources
from tests.conftest import clean_environment
from workers.parts import Parts
from workers.settings import load
from workflows import names

HISTORIES = Path(__file__).parent / "histories"
_PATH = re.compile(r'(?<=")/[^"]*/([^"/]+)(?=")')


def record(label: str) -> None:
    with tempfile.TemporaryDirectory(prefix="stonks-record-") as directory:
        _record_replay(Path(directory) / "replay", label)
        _record_reconciliation(Path(directory) / "paper", label)


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
        symbol = next(order["symbol"] for order in finished.body["orders"] if order["intent_id"] == intent)
        wanted = {
            "replay_period": names.replay_id(request.replay_id),
            "ingest_source": names.ingest_id("replay-documents", request.replay_id),
            "trading_engine": names.TRADING_ENGINE,
            "research_symbol": names.symbol_id(symbol),
            "execute_order": names.order_id(intent),
            "process_document": "",
        }
        asyncio.run(_fetch(client_environment(state_dir), wanted, label))

    run_replay(request, state_dir, keep=False, show=fetch)


def _record_reconciliation(state_dir: Path, label: str) -> None:
    with Stack(state_dir, mode="paper", inherited=clean_environment()) as stack:

        def prepare(environment: Mapping[str, str]) -> None:
            migrate(environment)
            asyncio.run(_add_source(environment))

        stack.start(before_application=prepare)
        asyncio.run(_fetch(stack.environment(), {"reconcile_schedules": names.RECONCILE_SCHEDULES}, label))
        stack.kill(PartName.WORKER)


async def _add_source(environment: Mapping[str, str]) -> None:
    parts = Parts(load(environment), client=None)  # type: ignore[arg-type]
    async with parts.database.transaction() as session:
        await sources.save(
            session,
            source_id="newsletters",
            config=FileSourceConfig(path="newsletters.jsonl"),
            created_at=datetime.now(UTC),
            cadence_seconds=3_600,
        )
    await parts.close()


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
    if name.startswith("reconcile"):
        await client.get_workflow_handle(workflow_id).result()
    history = await client.get_workflow_handle(workflow_id).fetch_history()
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
    if isinstance(value, str) and key == "identity":
        return "worker@host"
    if isinstance(value, str) and key == "data":
        text = base64.b64decode(value).decode("utf-8", errors="surrogateescape")
        cleaned = _PATH.sub(r"\1", text)
        return base64.b64encode(cleaned.encode("utf-8", errors="surrogateescape")).decode()
    return value


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(prog="python -m tests.replay.record", description=__doc__)
    arguments.add_argument("--label", default="v1", help="part of the files' names, for example a release")
    record(arguments.parse_args().label)
