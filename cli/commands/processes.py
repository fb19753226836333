"""The processes of the platform, one command each: what containers and the supervisor start."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Annotated
from urllib.parse import urlsplit

import typer

from domain.errors import InvalidInput


def register(app: typer.Typer) -> None:
    app.command()(worker)
    app.command()(dashboard)
    app.command(name="paper-broker")(paper_broker)


def worker(
    queue: Annotated[
        list[str] | None,
        typer.Option(help="ingest, fetch, extract, research, trading, ops or notify; all when not given"),
    ] = None,
) -> None:
    """Serve task queues until told to stop."""
    from workers import telemetry
    from workers.main import run_worker
    from workers.settings import load
    from workflows.names import Queue

    names = [each.value for each in Queue]
    for name in queue or []:
        if name not in names:
            raise InvalidInput("QUEUE_UNKNOWN", f"Use one of: {', '.join(names)}", queue=name)
    settings = load()
    telemetry.configure(settings.log_format)
    asyncio.run(run_worker(settings, [Queue(name) for name in queue] if queue else list(Queue)))


def serve_api() -> None:
    """Serve the HTTP API until told to stop."""
    from api.condition import ConditionMetrics
    from api.dependencies import Dependencies
    from api.metering import HttpMeter
    from api.server import serve
    from workers import telemetry
    from workers.access import limits, oidc_people, oidc_provider
    from workers.exposition import exposition
    from workers.parts import CODE_VERSION, Parts
    from workers.settings import load

    settings = load()
    telemetry.configure(settings.log_format)

    async def run() -> None:
        oidc = oidc_provider(settings)
        shown = exposition(settings)
        meter = HttpMeter() if shown is not None else None
        parts = await Parts.connect(settings, runtime=shown.runtime if shown is not None else None)
        try:
            dependencies = Dependencies(
                database=parts.database,
                objects=parts.objects,
                client=parts.client,
                ui_url=settings.temporal_ui_url,
                mode=settings.mode.value,
                bootstrap_key=settings.api_key,
                calendar=lambda: parts.calendar,
                code_version=CODE_VERSION,
                agent_defaults=settings.agent_defaults(),
                limits=limits(settings),
                oidc=oidc,
                oidc_people=oidc_people(settings),
            )
            async with AsyncExitStack() as beside:
                if shown is not None and meter is not None:
                    shown.show(meter.registry)
                    watched = ConditionMetrics(parts.watched_database, parts.client, mode=settings.mode.value)
                    shown.show_read(watched.families)
                    await beside.enter_async_context(shown.serving())
                await serve(
                    dependencies,
                    settings.api_host,
                    settings.api_port,
                    trusted_proxies=settings.api_trusted_proxies,
                    meter=meter,
                )
        finally:
            await parts.close()
            if oidc is not None:
                await oidc.aclose()

    asyncio.run(run())


def dashboard(
    api: Annotated[str, typer.Option("--api", help="Base URL of the API that it is a client of")],
    host: Annotated[str, typer.Option(help="Address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on")] = 8080,
) -> None:
    """Serve the dashboard alone, beside an API that runs elsewhere. The API serves it too."""
    from api.dashboard.site import alone
    from api.server import serve_app
    from workers import telemetry

    if urlsplit(api).scheme not in ("http", "https") or not urlsplit(api).hostname:
        raise InvalidInput("URL_INVALID", "Give the API's address, such as http://127.0.0.1:8000", api=api)
    telemetry.configure("console")
    asyncio.run(serve_app(alone(api), host, port, mode="dashboard"))


def paper_broker() -> None:
    """Serve the paper broker: Alpaca's protocol on a local book."""
    from cli.paper_broker.server import serve
    from cli.paper_broker.settings import BrokerSettings, ClockMode
    from workers import telemetry
    from workers.settings import load

    settings = load()
    telemetry.configure(settings.log_format)
    port = settings.broker_port or urlsplit(settings.broker_url).port
    if port is None:
        raise InvalidInput(
            "SETTING_MISSING", "Set the port to listen on, or STONKS_BROKER_URL", variable="STONKS_BROKER_PORT"
        )
    serve(
        BrokerSettings(
            host=settings.broker_host,
            port=port,
            book=settings.broker_book,
            clock=ClockMode(settings.broker_clock),
            key_id=settings.broker_key_id,
            secret_key=settings.broker_secret_key,
            control_key=settings.broker_control_key,
        )
    )
