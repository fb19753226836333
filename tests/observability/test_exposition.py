"""A process's page: both formats, the SDK's own metrics beside ours, and what does not work says why."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx
import pytest
from prometheus_client import Counter
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families
from temporalio import workflow
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.metering import WorkMeter
from cli.stack.supervisor import Stack
from domain.errors import ConfigurationError
from tests.observability.pages import OPENMETRICS, Page, parsed, scrape
from workers.exposition import Exposition, exposition
from workers.settings import load
from workflows.client import connect

pytestmark = pytest.mark.stack


@workflow.defn(name="Shortest", sandboxed=False)
class Shortest:
    @workflow.run
    async def run(self) -> None:
        await workflow.sleep(timedelta(milliseconds=1))


@pytest.fixture
async def shown() -> Exposition:
    return Exposition("127.0.0.1", 0, mode="paper")


async def test_page_when_asked_for_either_format_then_it_has_the_same_figures(shown: Exposition) -> None:
    meter = WorkMeter()
    meter.order_ended("buy", "filled")
    shown.show(meter.registry)

    async with shown.serving() as port, httpx.AsyncClient(trust_env=False) as client:
        url = f"http://127.0.0.1:{port}/metrics"
        plain = await client.get(url)
        modern = await client.get(url, headers={"Accept": f"{OPENMETRICS},text/plain;version=0.0.4;q=0.5"})

    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert modern.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert modern.text.endswith("# EOF\n")
    for page in (Page.of(text_string_to_metric_families(plain.text)), parsed(modern.text)):
        assert page.value("stonks_orders_total", side="buy", outcome="filled") == 1
        assert page.value("stonks_build_info", mode="paper") == 1
        assert page.value("process_cpu_seconds_total") > 0
        assert not [name for name in page.sample_names if name.endswith("_created")]


async def test_page_when_the_sdk_works_then_its_metrics_are_there_with_units_and_totals(
    servers: Stack, shown: Exposition
) -> None:
    environment = servers.environment()
    client = await connect(
        environment["STONKS_TEMPORAL_ADDRESS"], environment["STONKS_TEMPORAL_NAMESPACE"], runtime=shown.runtime
    )
    async with (
        Worker(client, task_queue="exposed", workflows=[Shortest], workflow_runner=UnsandboxedWorkflowRunner()),
        shown.serving() as port,
    ):
        await client.execute_workflow("Shortest", id=f"exposed-{port}", task_queue="exposed")
        page = await asyncio.to_thread(scrape, f"http://127.0.0.1:{port}/metrics")

    assert page.value("temporal_workflow_completed_total", workflow_type="Shortest", task_queue="exposed") == 1
    assert page.value("temporal_workflow_endtoend_latency_seconds_count", workflow_type="Shortest") == 1
    assert page.value("temporal_workflow_endtoend_latency_seconds_bucket", workflow_type="Shortest", le="+Inf") == 1
    assert page.sum("temporal_request_total", operation="StartWorkflowExecution") == 1


async def test_page_when_two_processes_of_one_are_made_then_each_has_a_runtime_of_its_own(shown: Exposition) -> None:
    other = Exposition("127.0.0.1", 0, mode="paper")
    async with shown.serving() as one, other.serving() as two:
        assert one != two
        for port in (one, two):
            assert (await asyncio.to_thread(scrape, f"http://127.0.0.1:{port}/metrics")).families


async def test_page_when_many_ask_at_once_then_what_is_read_is_read_by_one_at_a_time(shown: Exposition) -> None:
    under_way, most = 0, 0

    async def read() -> list[GaugeMetricFamily]:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.01)
        under_way -= 1
        return [GaugeMetricFamily("stonks_read", "", value=most)]

    shown.show_read(read)
    pages = await asyncio.gather(*(shown.page() for _ in range(5)))

    assert most == 1
    assert all(b"stonks_read 1.0" in body for body, _ in pages)


async def test_page_when_something_else_is_asked_for_then_there_is_nothing(shown: Exposition) -> None:
    async with shown.serving() as port, httpx.AsyncClient(trust_env=False) as client:
        other = await client.get(f"http://127.0.0.1:{port}/")
        posted = await client.post(f"http://127.0.0.1:{port}/metrics")

    assert (other.status_code, posted.status_code) == (404, 405)


async def test_page_when_the_port_is_taken_then_the_error_names_the_setting(shown: Exposition) -> None:
    async with shown.serving() as port:
        other = Exposition("127.0.0.1", port, mode="paper")
        with pytest.raises(ConfigurationError, match="ADDRESS_NOT_AVAILABLE") as error:
            async with other.serving():
                pass

    assert "STONKS_METRICS_PORT" in error.value.hint


async def test_page_when_a_counter_is_ours_then_its_name_has_its_suffix_once(shown: Exposition) -> None:
    meter = WorkMeter()
    Counter("stonks_things", "", registry=meter.registry).inc()
    shown.show(meter.registry)

    body, _ = await shown.page(OPENMETRICS)

    assert b"# TYPE stonks_things counter\nstonks_things_total 1.0\n" in body


def test_metrics_when_no_port_is_set_then_there_are_none() -> None:
    assert exposition(load({})) is None


@pytest.mark.parametrize("port", ["-1", "65536", "x"])
def test_metrics_port_when_it_is_none_then_the_error_names_the_variable(port: str) -> None:
    with pytest.raises(ConfigurationError, match="STONKS_METRICS_PORT"):
        load({"STONKS_METRICS_PORT": port})
