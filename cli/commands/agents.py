"""Agents: list, make, change, give variants their shares, compare, promote, try, budget."""

from __future__ import annotations

import json as jsonlib
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import acting
from cli.commands import agents_evaluate
from cli.commands.operate import ask
from cli.commands.stack import DEFAULT_STATE, Json, State
from cli.groups import Commands
from cli.output import err, percent, print_json
from domain.errors import InvalidInput, StonksError

if TYPE_CHECKING:
    from api.operations.agents import AgentChange, AgentView, Defaults
    from workers.parts import Parts

_AGENTS = "/v1/agents"

AgentId = Annotated[str, typer.Argument(metavar="ID", help="The agent, as the list shows it")]
VariantId = Annotated[str, typer.Argument(metavar="VARIANT", help="The variant, as `stonks agents variants` shows it")]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="A setting, again for each; VALUE may be @FILE. The fields stand in docs/agents.md",
    ),
]
SettingsOption = Annotated[
    str | None, typer.Option("--settings", help="JSON, or @FILE: several settings at once, before those of --set")
]
CallsOption = Annotated[int | None, typer.Option("--calls-per-day", min=0, help="Questions to a model a day, UTC")]
TokensOption = Annotated[int | None, typer.Option("--tokens-per-day", min=0, help="Tokens in and out a day, UTC")]
NameOption = Annotated[str | None, typer.Option("--name", help="What people call it")]
PurposeOption = Annotated[str | None, typer.Option("--purpose", help="What it is for")]


def register(app: typer.Typer) -> None:
    agents_evaluate.register(commands)
    app.add_typer(commands, name="agents")


def list_agents(
    kind: Annotated[str | None, typer.Option(help="document-extractor, event-classifier or thesis-rewriter")] = None,
    archived: Annotated[bool, typer.Option("--archived", help="Those that were taken out of use")] = False,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """List agents: who answers for them, and which variants read."""
    from api.operations import agents
    from cli import agent_views as views

    chosen = _kind(kind)
    found = ask(
        state,
        lambda parts: agents.list_agents(parts.database, _defaults(parts), limit=1_000, kind=chosen, archived=archived),
    )
    if json:
        print_json({"data": [each.model_dump(mode="json") for each in found]})
    else:
        views.show_agents(found)


def show(agent_id: AgentId, state: State = DEFAULT_STATE, json: Json = False) -> None:
    """Show an agent: settings, budget, and who reads for it.

    Example: stonks agents show document-extractor
    """
    from api.operations import agents
    from cli import agent_views as views

    found = ask(state, lambda parts: agents.get(parts.database, _defaults(parts), agent_id))
    if json:
        print_json(found.model_dump(mode="json"))
    else:
        views.show_agent(found)


def create(
    agent_id: Annotated[str, typer.Argument(metavar="ID", help="Small letters, digits and dashes")],
    kind: Annotated[str, typer.Option(help="document-extractor, event-classifier or thesis-rewriter")],
    name: NameOption = None,
    purpose: PurposeOption = None,
    settings: SettingsOption = None,
    given: SetOption = None,
    calls_per_day: CallsOption = None,
    tokens_per_day: TokensOption = None,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Make an agent for trying out and comparing. Documents pass the three that are there.

    Example: stonks agents create careful --kind document-extractor --set engine=ollama --set model=qwen3:8b
    """
    from api.operations import agents

    wanted = _checked(
        agents.NewAgent,
        agent_id=agent_id,
        kind=_kind(kind),
        name=name or "",
        purpose=purpose or "",
        settings=_settings(settings, given),
        budget={"calls_per_day": calls_per_day, "tokens_per_day": tokens_per_day},
    )
    view = acting.act(state, agents.AgentView, "POST", _AGENTS, wanted)
    _say(view, json, f"Made {view.agent_id}. `stonks agents test {view.agent_id}` tries it.")


def change(
    agent_id: AgentId,
    name: NameOption = None,
    purpose: PurposeOption = None,
    settings: SettingsOption = None,
    given: SetOption = None,
    unset: Annotated[
        list[str] | None, typer.Option("--unset", metavar="FIELD", help="A setting that falls back to its default")
    ] = None,
    archive: Annotated[
        bool | None, typer.Option("--archive/--restore", help="Take it out of use, or into it again")
    ] = None,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Change an agent. Other settings are seen within a minute, and figures of before count for nothing any more.

    Example: stonks agents change document-extractor --set timeout_seconds=60
    """
    from api.operations import agents

    changes: dict[str, Any] = {"name": name, "purpose": purpose, "archived": archive}
    changes = {field: value for field, value in changes.items() if value is not None}
    fields = _settings(settings, given)
    if not (changes or fields or unset):
        raise typer.BadParameter(
            "Say what is to be different: --set, --unset, --settings, --name, --purpose, --archive"
        )

    before = ask(state, lambda parts: agents.get(parts.database, _defaults(parts), agent_id))
    if fields or unset:
        kept = {field: value for field, value in before.settings.items() if field not in (unset or ())}
        changes["settings"] = {**kept, **fields}
    _say(_change(state, before, _checked(agents.AgentChange, **changes)), json, f"Changed {agent_id}.")


def variants(
    agent_id: AgentId,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many at most")] = 50,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """List an agent's variants with what they read and their figures of 30 days, the newest first."""
    from api.operations import agents
    from cli import agent_views as views

    found = ask(state, lambda parts: agents.list_variants(parts.database, _defaults(parts), agent_id, limit=limit))
    if json:
        print_json({"data": [each.model_dump(mode="json") for each in found]})
    else:
        views.show_variants(agent_id, found)


def add_variant(
    agent_id: AgentId,
    name: Annotated[str, typer.Option("--name", help="What people call it")] = "",
    settings: SettingsOption = None,
    given: SetOption = None,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Add a variant: settings over the agent's, which never change. It reads nothing yet.

    Example: stonks agents add-variant document-extractor --name small --set engine=ollama --set model=qwen3:4b
    """
    from api.operations import agents

    wanted = _checked(agents.NewVariant, name=name, settings=_settings(settings, given))
    answer = acting.send(state, "POST", f"{_path(agent_id)}/variants", wanted)
    view, new = agents.VariantView.model_validate(answer.body), answer.status == HTTPStatus.CREATED
    if json:
        print_json({**view.model_dump(mode="json"), "new": new})
    elif new:
        err.print(
            f"Added {view.variant_id}. `stonks agents activate {agent_id} {view.variant_id} --shadow` compares it."
        )
    else:
        err.print(f"It is there already: {view.variant_id}.")


def activate(
    agent_id: AgentId,
    variant_id: VariantId,
    share: Annotated[float, typer.Option(min=0, max=1, help="Part of the documents that it reads")] = 0.0,
    shadow: Annotated[bool, typer.Option("--shadow", help="Read all documents besides, for comparison alone")] = False,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Let a variant read a part of the documents, or all of them as a shadow. Above a half, `promote` comes first.

    Example: stonks agents activate document-extractor av_0f6e1c94a7b2d358 --share 0.1
    """
    from api.operations import agents

    wanted = _checked(agents.Activation, traffic_share=share, shadow=shadow)
    path = f"{_path(agent_id, variant_id)}/activate"
    view = acting.act(state, agents.VariantView, "POST", path, wanted)
    what = "every document as a shadow" if view.shadow else f"{percent(view.traffic_share, 1)} of the documents"
    _say(view, json, f"{view.variant_id} reads {what}, within a minute.")


def deactivate(agent_id: AgentId, variant_id: VariantId, state: State = DEFAULT_STATE, json: Json = False) -> None:
    """Let a variant read nothing more. Always allowed."""
    from api.operations.agents import VariantView

    view = acting.act(state, VariantView, "POST", f"{_path(agent_id, variant_id)}/deactivate")
    _say(view, json, f"{view.variant_id} reads nothing more, within a minute.")


def promote(
    agent_id: AgentId,
    variant_id: VariantId,
    share: Annotated[float, typer.Option(min=0, max=1, help="Part of the documents, above a half")] = 1.0,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Put a variant to the gate; if it passes, it reads most documents from now on. Exit code 1 if it does not.

    Example: stonks agents promote document-extractor av_0f6e1c94a7b2d358
    """
    from api.operations import agent_comparison
    from cli import agent_views as views

    wanted = _checked(agent_comparison.PromotionRequest, traffic_share=share)

    async def newest(parts: Parts) -> agent_comparison.PromotionView:
        (last,) = await agent_comparison.list_promotions(parts.database, agent_id, limit=1, variant_id=variant_id)
        return last

    path = f"{_path(agent_id, variant_id)}/promote"
    try:
        found = acting.act(state, agent_comparison.Promoted, "POST", path, wanted).promotion
    except StonksError as error:
        if error.code != "PROMOTION_GATE":
            raise
        found = ask(state, newest)
    if json:
        print_json(found.model_dump(mode="json"))
    else:
        views.show_promotion(found, share)
    if not found.passed:
        raise typer.Exit(1)


def compare(
    agent_id: AgentId,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="As 2026-03-01 or 2026-03-01T20:00Z; 30 days ago without it")
    ] = None,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Put the champion beside the other variants, with the differences on what both have read.

    Example: stonks agents compare document-extractor --since 2026-03-01
    """
    from api.operations import agent_comparison
    from cli import agent_views as views
    from cli.instants import read_instant

    started = None if since is None else read_instant(since, "--since")
    found = ask(state, lambda parts: agent_comparison.compare(parts.database, parts.objects, agent_id, since=started))
    if json:
        print_json(found.model_dump(mode="json"))
    else:
        views.show_comparison(found)


def try_agent(
    agent_id: AgentId,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to read, or @FILE")] = "",
    title: Annotated[str, typer.Option(help="Its title")] = "",
    symbol: Annotated[list[str] | None, typer.Option("--symbol", help="A company that it is about")] = None,
    published: Annotated[str | None, typer.Option(metavar="TIME", help="When it was published; now without it")] = None,
    variant_id: Annotated[
        str, typer.Option("--variant", help="Who reads it; the agent's own settings without it")
    ] = "",
    settings: SettingsOption = None,
    given: SetOption = None,
    recommendation: Annotated[str, typer.Option(metavar="ID", help="For a thesis rewriter, in place of a text")] = "",
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Let an agent read a text and show what the checks leave of its answer. Nothing is kept; the budget is charged.

    Example: stonks agents test document-extractor 'Apple raised its dividend by 5%.' --symbol AAPL --set model=qwen3:4b
    """
    from api.operations import agent_trials
    from cli import agent_views as views
    from cli.instants import read_instant
    from domain.trials import AgentTrialReport

    unsaved = _settings(settings, given)
    wanted = _checked(
        agent_trials.AgentTrial,
        title=title,
        text=_file_or(text, "TEXT"),
        symbols=[each.upper() for each in symbol or ()],
        published_at=None if published is None else read_instant(published, "--published"),
        recommendation_id=recommendation,
        variant_id=variant_id,
        settings=unsaved or None,
    )
    report = acting.act(state, AgentTrialReport, "POST", f"{_path(agent_id)}/test", wanted)
    if json:
        print_json(report.model_dump(mode="json"))
    else:
        views.show_trial(report)


def budget(
    agent_id: AgentId,
    calls_per_day: CallsOption = None,
    tokens_per_day: TokensOption = None,
    unlimited: Annotated[bool, typer.Option("--unlimited", help="Lift the limits that are not given")] = False,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Show what an agent has used today of its budget, or change the budget.

    Example: stonks agents budget document-extractor --tokens-per-day 2000000
    """
    from api.operations import agents
    from cli import agent_views as views

    given = {"calls_per_day": calls_per_day, "tokens_per_day": tokens_per_day}
    given = {name: value for name, value in given.items() if value is not None}

    if given or unlimited:
        before = ask(state, lambda parts: agents.get(parts.database, _defaults(parts), agent_id))
        kept = {} if unlimited else before.budget.model_dump(exclude_none=True)
        _change(state, before, _checked(agents.AgentChange, budget={**kept, **given}))
    found = ask(state, lambda parts: agents.budget(parts.database, agent_id))
    if json:
        print_json(found.model_dump(mode="json"))
    else:
        views.show_budget(found)


commands = typer.Typer(
    cls=Commands, help="Who reads documents, by which settings, and how their variants compare.", no_args_is_help=True
)
"""Other modules add commands of their own to it."""
for _name, _command in (
    ("list", list_agents),
    ("show", show),
    ("create", create),
    ("change", change),
    ("variants", variants),
    ("add-variant", add_variant),
    ("activate", activate),
    ("deactivate", deactivate),
    ("compare", compare),
    ("promote", promote),
    ("test", try_agent),
    ("budget", budget),
):
    commands.command(name=_name)(_command)


def _defaults(parts: Parts) -> Defaults:
    return parts.settings.agent_defaults()


def _change(state: Path, before: AgentView, wanted: AgentChange) -> AgentView:
    """Change an agent as it was read: what somebody else changed meanwhile is not overwritten."""
    from api.operations.agents import AgentView

    return acting.act(state, AgentView, "PATCH", _path(before.agent_id), wanted, version=before.version)


def _path(agent_id: str, variant_id: str = "") -> str:
    agent = f"{_AGENTS}/{acting.segment(agent_id)}"
    return f"{agent}/variants/{acting.segment(variant_id)}" if variant_id else agent


def _say(view: Any, json: bool, done: str) -> None:
    if json:
        print_json(view.model_dump(mode="json"))
    else:
        err.print(done, markup=False)


def _kind(given: str | None) -> Any:
    from domain.agents import AgentKind

    if given is None:
        return None
    try:
        return AgentKind(given)
    except ValueError:
        allowed = ", ".join(AgentKind)
        raise InvalidInput("CHOICE_INVALID", f"Use one of: {allowed}", option="--kind", found=given) from None


def _settings(text: str | None, given: list[str] | None) -> dict[str, Any]:
    """Read `--settings` and `--set`.

    Raises:
        InvalidInput: no such file, no JSON object, or no FIELD=VALUE.
    """
    found: Any = {}
    if text is not None:
        try:
            found = jsonlib.loads(_file_or(text, "--settings"))
        except ValueError as error:
            raise InvalidInput("SETTINGS_NOT_JSON", f"A JSON object is needed: {error}", option="--settings") from None
        if not isinstance(found, dict):
            raise InvalidInput("SETTINGS_NOT_JSON", "A JSON object is needed", option="--settings")
    for each in given or ():
        field, equals, value = each.partition("=")
        if not (field and equals):
            raise InvalidInput("OPTION_INVALID", "Give it as FIELD=VALUE", option="--set", found=each)
        found[field.strip()] = _value(_file_or(value, "--set"))
    return dict(found)


def _value(text: str) -> Any:
    """A number where it is one, otherwise the text."""
    try:
        found = jsonlib.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, int | float) and not isinstance(found, bool) else text


def _file_or(text: str, option: str) -> str:
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput("FILE_UNREADABLE", str(error), option=option, found=text) from None


def _checked(model: Any, **values: Any) -> Any:
    from pydantic import ValidationError

    try:
        return model(**values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        found = repr(first["input"])[:80]
        raise InvalidInput("OPTION_INVALID", str(first["msg"]), field=place, found=found) from None
