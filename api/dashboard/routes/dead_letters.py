"""Work that failed: by error, with the input it keeps, to be retried from the failed step or put away."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from fastapi.responses import Response

from api.dashboard.client import at
from api.dashboard.pages import PageRoute
from api.dashboard.visits import Visiting, send
from api.routing import Router

router = Router(route_class=PageRoute)

SHOWN = 100


@router.get("/dead-letters")
async def dead_letters(
    visit: Visiting, stage: str = "", error_type: str = "", cursor: str = "", show: str = ""
) -> Response:
    listed = await visit.api.get("/v1/dead-letters", limit=SHOWN, stage=stage, error_type=error_type, cursor=cursor)
    one = await visit.api.read(letter=at("/v1/dead-letters/{}", show)) if show else {"letter": None}
    return await visit.page(
        "dead_letters.html",
        section="dead-letters",
        listed=listed,
        groups=grouped(listed["data"]),
        show=show,
        letter=one["letter"],
        payload=_pretty(one["letter"].value) if one["letter"] is not None and one["letter"].value else "",
        stage=stage,
        error_type=error_type,
        cursor=cursor,
    )


@router.post("/dead-letters/retry")
async def retry(visit: Visiting) -> Response:
    path = at("/v1/dead-letters/{}/retry", visit.form["workflow_id"])
    result = await send(visit, "POST", path, visit.form.present("reason"))
    return result if isinstance(result, Response) else visit.see("/dead-letters", "retried")


@router.post("/dead-letters/discard")
async def discard(visit: Visiting) -> Response:
    path = at("/v1/dead-letters/{}/discard", visit.form["workflow_id"])
    result = await send(visit, "POST", path, {"reason": visit.form["reason"]})
    return result if isinstance(result, Response) else visit.see("/dead-letters", "discarded")


@router.post("/dead-letters/retry-all")
async def retry_all(visit: Visiting) -> Response:
    body = visit.form.present("workflow_type", "stage", "error_type", "reason")
    result = await send(visit, "POST", "/v1/dead-letters/actions/retry", body)
    return result if isinstance(result, Response) else visit.see("/dead-letters", "retried-all")


def grouped(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Those of one stage and error together, the largest group first."""
    ordered = sorted(rows, key=lambda row: (row["stage"], row["error_type"]))
    groups = [
        {"stage": stage, "error_type": error, "rows": list(found)}
        for (stage, error), found in groupby(ordered, key=lambda row: (row["stage"], row["error_type"]))
    ]
    return sorted(groups, key=lambda group: (-len(group["rows"]), group["stage"], group["error_type"]))


def _pretty(letter: Mapping[str, Any]) -> str:
    held = letter["payload"]
    return "" if held is None else json.dumps(held, indent=2, ensure_ascii=False, sort_keys=True)
