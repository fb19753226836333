"""Agents measured on labelled sentences and filings, and decisions asked again by another reader."""

from __future__ import annotations

import json as jsonlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import acting
from cli.commands.operate import ask, links
from cli.commands.stack import DEFAULT_STATE, Json, State
from cli.output import err, print_json
from domain.agents import AgentKind
from domain.errors import InvalidInput

if TYPE_CHECKING:
    from cli.labelled_sets import LabelledSet
    from domain.evaluation import Evaluation
    from workers.parts import Parts

BASELINE = "baseline"

PathArgument = Annotated[
    Path, typer.Argument(metavar="PATH", help="A CSV file with text,label[,symbol], or a folder of known samples")
]
VariantOption = Annotated[
    str | None,
    typer.Option("--variant", help="Have this variant judge, or `baseline`: the agent's own settings. Recorded"),
]


def register(commands: typer.Typer) -> None:
    commands.command(name="evaluate")(evaluate)
    commands.command(name="what-if")(what_if)


def evaluate(
    path: PathArgument,
    variant: VariantOption = None,
    agent: Annotated[str, typer.Option("--agent", help="Whose variant; by the labels where not given")] = "",
    half: Annotated[
        str, typer.Option("--half", help="held-out, tuning or all: rules were written with `tuning` in view")
    ] = "held-out",
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many sentences of each sample")] = 100_000,
    filings: Annotated[
        bool, typer.Option("--filings", help="PATH holds EDGAR filings: score events and items")
    ] = False,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Measure a reader against people's labels: accuracy, macro F1, calibration, speed, beside published figures.

    Without --variant the embedded rules are measured here and now, and nothing needs to run. With it, the running
    platform asks whatever the variant says, at most as many at a time as its model server has slots, and records the
    result for comparison and for the promotion gate. It goes on after a crash or Ctrl-C.

    Example: stonks agents evaluate ./labelled

    Example: stonks agents evaluate my-sentences.csv --variant baseline
    """
    from cli import evaluation_views as views
    from cli.labelled_sets import labelled_sets

    if filings:
        _filings(path, json)
        return
    sets = [each._replace(sentences=_part(each, half)[:limit]) for each in labelled_sets(path)]
    found = [_by_rules(each, half) for each in sets] if variant is None else _by_variant(sets, variant, agent, state)
    if json:
        print_json({"data": [each.model_dump(mode="json") for each in found]})
    else:
        views.show_evaluations(found, [each.name for each in sets], [each.dataset for each in sets])


def what_if(
    recommendation_id: Annotated[
        str, typer.Argument(metavar="RECOMMENDATION", help="Its id, or a symbol: the newest one")
    ],
    variant: Annotated[str, typer.Option("--variant", help="A variant of the document extractor")] = "",
    settings: Annotated[
        str, typer.Option("--settings", help='JSON, or @FILE: settings to read with, such as \'{"engine": "rules"}\'')
    ] = "",
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Have a decision's frozen documents read by somebody else, and the decision made again. Changes nothing.

    Without options the rules of this version read.

    Example: stonks agents what-if AAPL --settings '{"engine": "rules"}'
    """
    from api.operations import what_ifs
    from cli import evaluation_views as views
    from cli.commands.agents import _checked

    chosen = _json(settings) if settings else ({} if variant else {"engine": "rules"})
    wanted = _checked(what_ifs.NewWhatIf, variant_id=variant, settings=chosen)

    path = f"/v1/recommendations/{acting.segment(recommendation_id)}/what-ifs"
    begun = acting.act(state, what_ifs.WhatIfView, "POST", path, wanted)
    err.print(f"Reading again: {begun.workflow_id}", markup=False)

    async def follow(parts: Parts) -> what_ifs.WhatIfView:
        await what_ifs.wait(parts.client, begun.what_if_id)
        return await what_ifs.get(parts.database, links(parts), begun.what_if_id)

    view = ask(state, follow)
    if json:
        print_json(view.model_dump(mode="json"))
    else:
        views.show_what_if(view)
    if view.status == "failed":
        raise typer.Exit(1)


def _by_rules(sample: LabelledSet, half: str) -> Evaluation:
    from activities.adapters.rules import RulesExtractor
    from activities.adapters.rules.confidence import judge_sentence
    from activities.adapters.rules.stance import judge_stance
    from domain.evaluation import Half, score_labelled

    stance = sample.kind is AgentKind.EVENT_CLASSIFIER
    found = score_labelled(
        sample.sentences,
        judge_stance if stance else judge_sentence,
        clock=time.process_time,
        dataset=sample.dataset,
        extractor_version=RulesExtractor().version,
        labels=sample.labels,
        half=Half.ALL,
    )
    return found.model_copy(update={"half": _half(half)})


def _by_variant(sets: list[LabelledSet], variant: str, agent: str, state: Path) -> list[Evaluation]:
    from api.operations import evaluations
    from api.routes.evaluations import EvaluationStarted

    async def result(parts: Parts) -> Evaluation:
        return (await evaluations.result(parts.client, begun.evaluation_id)).evaluation

    found = []
    for each in sets:  # one after another: documents wait for none of it
        body = {
            "dataset": each.name,
            "variant_id": "" if variant == BASELINE else variant,
            "sentences": [sentence.model_dump(include={"text", "label", "company"}) for sentence in each.sentences],
        }
        path = f"/v1/agents/{acting.segment(agent or each.kind.value)}/evaluations"
        begun = acting.act(state, EvaluationStarted, "POST", path, body)
        err.print(f"{each.name}: {len(each.sentences)} sentences, {begun.workflow_id}", markup=False)
        found.append(ask(state, result))
    return found


def _filings(path: Path, json: bool) -> None:
    from activities.adapters.filings_measured import measure_filings
    from cli import evaluation_views as views

    scores = measure_filings(path)
    if json:
        print_json(scores.model_dump(mode="json"))
    else:
        views.show_filings(scores)


def _part(sample: LabelledSet, half: str) -> tuple[Any, ...]:
    from domain.evaluation import in_half

    return tuple(each for each in sample.sentences if in_half(each.split_key, _half(half)))


def _half(name: str) -> Any:
    from domain.evaluation import Half

    known = {each.name.lower().replace("_", "-"): each for each in Half}
    if name not in known:
        raise InvalidInput("HALF_UNKNOWN", field="--half", found=name, allowed=", ".join(known))
    return known[name]


def _json(text: str) -> dict[str, Any]:
    body = text
    if text.startswith("@"):
        try:
            body = Path(text[1:]).read_text(encoding="utf-8")
        except OSError as error:
            raise InvalidInput("FILE_UNREADABLE", str(error.strerror), path=text[1:]) from error
    try:
        found = jsonlib.loads(body)
    except ValueError as error:
        raise InvalidInput("JSON_INVALID", str(error), field="--settings") from error
    if not isinstance(found, dict):
        raise InvalidInput("JSON_INVALID", 'An object is needed: {"engine": "rules"}', field="--settings")
    return found
