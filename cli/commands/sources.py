"""Sources: list, add, change, try, run, look at their runs."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import acting
from cli.commands.operate import ask, links
from cli.commands.stack import DEFAULT_STATE, Json, State
from cli.groups import Commands
from cli.output import err, print_json
from domain.errors import InvalidInput

_SOURCES = "/v1/sources"

SourceId = Annotated[str, typer.Argument(metavar="ID", help="The source, as the list shows it")]
ConfigOption = Annotated[
    str,
    typer.Option(
        "--config",
        help='JSON, or @FILE: \'{"kind": "feed", "url": "https://example.com/news.rss"}\'. The kinds and their fields '
        "stand in docs/sources.md",
    ),
]
EveryOption = Annotated[int, typer.Option("--every", help="Seconds between reads while the exchange is open; 0: never")]
ClosedOption = Annotated[int, typer.Option("--every-closed", help="The same while it is closed; 0: as while open")]


def register(app: typer.Typer) -> None:
    sources = typer.Typer(cls=Commands, help="Where documents and market data come from.", no_args_is_help=True)
    sources.command(name="list")(list_sources)
    sources.command(name="add")(add)
    sources.command(name="change")(change)
    sources.command(name="test")(try_source)
    sources.command(name="pause")(pause)
    sources.command(name="resume")(resume)
    sources.command(name="remove")(remove)
    sources.command(name="run")(run)
    sources.command(name="runs")(runs)
    app.add_typer(sources, name="sources")


def list_sources(state: State = DEFAULT_STATE, json: Json = False) -> None:
    """List sources with their health, cadence and last run."""
    from api.operations import sources
    from cli import source_views as views

    found = ask(state, lambda parts: sources.list_sources(parts.database, links(parts)))
    if json:
        print_json({"data": [each.model_dump(mode="json") for each in found]})
    else:
        views.show_sources(found)


def add(
    source_id: SourceId,
    config: ConfigOption,
    name: Annotated[str, typer.Option("--name", help="What people call it")] = "",
    every: EveryOption = 300,
    every_closed: ClosedOption = 0,
    paused: Annotated[bool, typer.Option("--paused", help="Do not read it yet")] = False,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Add a source; it is read at once and then at its cadence.

    Example: stonks sources add apple-news --every 120 --config '{"kind": "feed", "url": "https://example.com/a.rss"}'
    """
    from api.operations import sources

    new = _checked(
        sources.NewSource,
        source_id=source_id,
        name=name,
        config=_config(config),
        cadence_seconds=every,
        cadence_closed_seconds=every_closed,
        paused=paused,
    )
    view = acting.act(state, sources.SourceView, "POST", _SOURCES, new)
    _show(view, json, f"Added {source_id}.")


def change(
    source_id: SourceId,
    config: Annotated[str | None, typer.Option("--config", help="JSON, or @FILE: the whole new configuration")] = None,
    name: Annotated[str | None, typer.Option("--name", help="What people call it")] = None,
    every: Annotated[int | None, typer.Option("--every", help="Seconds between reads; 0: never")] = None,
    every_closed: Annotated[int | None, typer.Option("--every-closed", help="The same while closed")] = None,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Change a source; how far it was read stays."""
    wanted = {
        "config": None if config is None else _config(config),
        "name": name,
        "cadence_seconds": every,
        "cadence_closed_seconds": every_closed,
    }
    _change(source_id, wanted, state, json, f"Changed {source_id}.")


def pause(source_id: SourceId, state: State = DEFAULT_STATE, json: Json = False) -> None:
    """Do not read a source by itself any more."""
    _change(source_id, {"paused": True}, state, json, f"Paused {source_id}.")


def resume(source_id: SourceId, state: State = DEFAULT_STATE, json: Json = False) -> None:
    """Read a source by itself again."""
    _change(source_id, {"paused": False}, state, json, f"Resumed {source_id}.")


def remove(source_id: SourceId, state: State = DEFAULT_STATE, json: Json = False) -> None:
    """Read a source never again; its documents stay."""
    from api.operations.sources import SourceView

    view = acting.act(state, SourceView, "DELETE", _path(source_id), version=_version(source_id, state))
    _show(view, json, f"Removed {source_id}.")


def try_source(
    source_id: SourceId,
    config: Annotated[str | None, typer.Option("--config", help="JSON, or @FILE: try this one, unsaved")] = None,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Ask a source for its first page and show what is in it; nothing is registered."""
    from cli import source_views as views
    from domain.ingestion import SourceTestReport

    body = {"config": None if config is None else _config(config)}
    report = acting.act(state, SourceTestReport, "POST", f"{_path(source_id)}/test", body)
    if json:
        print_json(report.model_dump(mode="json"))
    else:
        views.show_test(report)


def run(source_id: SourceId, state: State = DEFAULT_STATE, json: Json = False) -> None:
    """Read a source now."""
    from api.operations.sources import Started

    started = acting.act(state, Started, "POST", f"{_path(source_id)}/runs")
    _show(started, json, f"Started {started.workflow_id}. `stonks sources runs {source_id}` shows what becomes of it.")


def runs(
    source_id: SourceId,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many at most")] = 20,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """List a source's runs, the newest first."""
    from api.operations import sources
    from cli import source_views as views

    found = ask(state, lambda parts: sources.list_runs(parts.database, links(parts), source_id, limit=limit))
    if json:
        print_json({"data": [each.model_dump(mode="json") for each in found]})
    else:
        views.show_runs(found)


def _change(source_id: str, wanted: dict[str, Any], state: Path, json: bool, done: str) -> None:
    from api.operations import sources

    change = _checked(sources.SourceChange, **{name: value for name, value in wanted.items() if value is not None})
    version = _version(source_id, state)
    _show(acting.act(state, sources.SourceView, "PATCH", _path(source_id), change, version=version), json, done)


def _version(source_id: str, state: Path) -> int:
    from api.operations import sources

    return ask(state, lambda parts: sources.get(parts.database, links(parts), source_id)).version


def _path(source_id: str) -> str:
    return f"{_SOURCES}/{acting.segment(source_id)}"


def _show(view: Any, json: bool, done: str) -> None:
    if json:
        print_json(view.model_dump(mode="json"))
    else:
        err.print(done)


def _config(text: str) -> dict[str, Any]:
    """Read `--config`.

    Raises:
        InvalidInput: no such file, or no JSON object.
    """
    if text.startswith("@"):
        try:
            text = Path(text[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput("CONFIG_FILE_UNREADABLE", str(error), option="--config", found=text) from None
    try:
        found = jsonlib.loads(text)
    except ValueError as error:
        raise InvalidInput("CONFIG_NOT_JSON", f"A JSON object is needed: {error}", option="--config") from None
    if not isinstance(found, dict):
        raise InvalidInput("CONFIG_NOT_JSON", "A JSON object is needed", option="--config", found=type(found).__name__)
    return found


def _checked(model: Any, **values: Any) -> Any:
    from pydantic import ValidationError

    try:
        return model(**values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidInput("OPTION_INVALID", str(first["msg"]), field=place, found=first["input"]) from None
