"""The table of metrics is what the code has, in both directions; the rules ask for nothing else, and fire in time."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from activities.metering import WorkMeter
from activities.steps import STEPS
from api import condition as watching
from api.condition import Backlog, ConditionMetrics
from api.metering import HttpMeter
from domain.breaker_state import Breaker, BreakerPhase
from domain.decisions import TradingState
from domain.ingestion import DocumentOutcome
from domain.market import Session
from domain.stages import PIPELINE, Stage
from store import condition
from store.condition import Condition
from store.pipeline import StageState
from tests.conftest import REPOSITORY
from tests.observability.pages import OPENMETRICS, Page, parsed
from workers.exposition import Exposition
from workers.main import watch_market

PROMETHEUS = REPOSITORY / "deploy" / "prometheus"
RULES = PROMETHEUS / "rules" / "stonks.yml"
CASES = sorted((PROMETHEUS / "tests").glob("*.yml"))
DOCUMENT = REPOSITORY / "docs" / "observability.md"

ROW = re.compile(r"^\| `(stonks_\w+)` \| (\w+) \|([^|]*)\|", re.MULTILINE)


def documented() -> dict[str, tuple[str, frozenset[str]]]:
    """Type and labels of every metric in the table."""
    text = DOCUMENT.read_text(encoding="utf-8")
    return {name: (kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in ROW.findall(text)}


def _of(page: Page) -> dict[str, tuple[str, frozenset[str]]]:
    found = {}
    for family in page.families.values():
        if not family.name.startswith("stonks_"):
            continue
        suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
        labels = {name for sample in family.samples for name in sample.labels if name != "le"}
        kind = "gauge" if family.type == "info" else family.type
        found[family.name + suffix] = (kind, frozenset(labels))
    return found


class Open:
    """An exchange that never closes."""

    def next_session(self, after: datetime) -> Session:
        return Session(date=after.date(), opens_at=after - timedelta(hours=1), closes_at=after + timedelta(hours=1))


@pytest.fixture
async def everything(monkeypatch: pytest.MonkeyPatch) -> Page:
    """Every metric of every process, each with something to say."""

    async def read(database: Any, *, now: datetime) -> Condition:
        return Condition(
            stages=[StageState(stage.value, now, 1, now, 1, now) for stage in PIPELINE],
            trading=TradingState.ACTIVE,
            breakers={Breaker.BROKER: BreakerPhase.CLOSED},
            backed_up_at=now,
            drilled_at=now,
        )

    async def backlogs(client: Any) -> list[Backlog]:
        return [Backlog("research", "workflow", 1, 2.0)]

    monkeypatch.setattr(condition, "read", read)
    monkeypatch.setattr(watching, "backlogs", backlogs)
    nobody: Any = None
    meter, http = WorkMeter(), HttpMeter()
    outcome = DocumentOutcome(doc_id="d", status="processed", events=0, symbols=(), dropped=0)
    meter.completed(STEPS["save_evidence"], outcome, run_id="r", activity_id="a")
    with pytest.raises(RuntimeError), meter.working(STEPS["parse"]):
        raise RuntimeError
    meter.asked("feed", "answered")
    meter.order_ended("buy", "filled")
    meter.tokens_used("qwen3:8b", tokens_in=1, tokens_out=1)
    meter.gave_up("ProcessDocument", "INVALID_DATA")
    http.answered("/v1/overview", "GET", 200, 0.001)
    parts: Any = SimpleNamespace(meter=meter, calendar=Open())
    watch_market(parts)
    shown = Exposition("127.0.0.1", 0, mode="paper")
    shown.show(meter.registry)
    shown.show(http.registry)
    shown.show_read(ConditionMetrics(nobody, nobody, mode="paper").families)
    body, _ = await shown.page(OPENMETRICS)
    return parsed(body.decode())


def test_table_when_compared_with_the_code_then_it_has_every_metric_with_its_type_and_labels(everything: Page) -> None:
    assert _of(everything) == documented()


def test_table_of_stages_when_compared_with_the_code_then_it_has_every_stage() -> None:
    text = DOCUMENT.read_text(encoding="utf-8").partition("its items, by `outcome`")[2].partition("## Alerts")[0]
    named = {word for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for word in re.findall(r"`(\w+)`", row)}

    assert named == {stage.value for stage in Stage}


# --- the rules -----------------------------------------------------------------------------------------------------


def rules() -> list[dict[str, Any]]:
    document = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def used() -> set[str]:
    """Every metric of ours that a rule asks for; what rules record themselves has colons."""
    return {name for rule in rules() for name in re.findall(r"(?<![\w:])(?:stonks|temporal)_\w+", rule["expr"])}


def test_rules_when_compared_with_a_page_then_they_ask_for_nothing_that_is_not_there(everything: Page) -> None:
    served = _of(everything)

    assert len(used()) > 8
    assert used() <= set(served)


def test_alerts_when_read_then_each_has_a_severity_and_a_section_that_says_what_to_do() -> None:
    headings = re.findall(r"^### (.*)$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    anchors = {heading.lower().replace(",", "").replace(" ", "-") for heading in headings}
    alerts = [rule for rule in rules() if "alert" in rule]

    assert len(alerts) == 9
    for alert in alerts:
        page, _, anchor = alert["annotations"]["runbook_url"].partition("#")
        assert (REPOSITORY / page) == DOCUMENT
        assert anchor in anchors, alert["alert"]
        assert any(alert["alert"] in heading for heading in headings)
        assert alert["labels"]["severity"] in ("critical", "warning")
        assert alert["annotations"]["summary"]


def test_scrape_configuration_when_compared_with_compose_then_it_has_every_process_that_serves_metrics() -> None:
    services = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    scraped = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    (targets,) = (
        config["targets"] for job in scraped if job["job_name"] == "stonks" for config in job["static_configs"]
    )
    serving = {
        f"{name}:{service['environment']['STONKS_METRICS_PORT']}"
        for name, service in services.items()
        if "STONKS_METRICS_PORT" in service.get("environment", {})
    }

    assert set(targets) == serving
    assert len(serving) == 9
    for target in serving:  # on the network that has no way out, and published nowhere
        service = services[target.partition(":")[0]]
        assert "backend" in service["networks"]
        assert not [port for port in service.get("ports", []) if port.endswith(":9464")]


def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed: Debian has it in the package prometheus")
    return found


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [promtool(), *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False, cwd=REPOSITORY
    )


def test_rules_when_promtool_plays_their_cases_then_each_alert_fires_when_it_should_and_only_then() -> None:
    played = run("test", "rules", *CASES)

    assert played.returncode == 0, played.stdout + played.stderr


def test_rules_when_their_cases_are_read_then_every_alert_is_seen_to_fire() -> None:
    cases = [case for path in CASES for case in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]]
    fired = {test["alertname"] for case in cases for test in case.get("alert_rule_test", []) if test["exp_alerts"]}

    assert fired == {rule["alert"] for rule in rules() if "alert" in rule}


def test_scrape_configuration_when_promtool_reads_it_then_it_is_valid(tmp_path: Path) -> None:
    configuration = (PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8")
    local = tmp_path / "prometheus.yml"
    local.write_text(configuration.replace("/etc/prometheus/rules", str(RULES.parent)), encoding="utf-8")

    checked = run("check", "config", local)

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(rules())} rules found" in checked.stdout
