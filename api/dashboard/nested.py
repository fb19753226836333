"""Settings as lines of `path = value`, nested as the configuration is; and what several configurations differ in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from api.dashboard.client import ApiProblem

_ABSENT = object()


def changes(text: str) -> dict[str, Any]:
    """Read one change a line: `limits.name_cap = 0.04`. Values are JSON where they can be, and text otherwise.

    Raises:
        ApiProblem: a line that is no change, or a path that is below a value.
    """
    found: dict[str, Any] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        path, sign, value = (part.strip() for part in line.partition("="))
        steps = path.split(".")
        if not sign or not value or not all(step.replace("_", "").isalnum() for step in steps):
            raise _no_change(number, line, "path = value, such as limits.name_cap = 0.04")
        place = found
        for step in steps[:-1]:
            deeper = place.setdefault(step, {})
            if not isinstance(deeper, dict):
                raise _no_change(number, line, f"no value and a part at once at {step}")
            place = deeper
        place[steps[-1]] = _value(value)
    return found


def flat(settings: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Every value by its path."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        path = f"{above}.{name}" if above else name
        if isinstance(value, Mapping) and value:
            found |= flat(value, path)
        else:
            found[path] = value
    return found


def differences(configurations: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Paths whose values are not the same everywhere, with each configuration's value."""
    every = [flat(each) for each in configurations]
    paths = sorted({path for each in every for path in each})
    rows = []
    for path in paths:
        values = [each.get(path, _ABSENT) for each in every]
        if any(value != values[0] for value in values[1:]):
            rows.append(
                {"path": path, "values": ["absent" if value is _ABSENT else written(value) for value in values]}
            )
    return rows


def written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _value(text: str) -> Any:
    """Numbers with a point stay text: the API reads decimals exactly, a float would round them."""
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return text if isinstance(found, float) else found


def _no_change(number: int, line: str, allowed: str) -> ApiProblem:
    return ApiProblem(
        422,
        "CHANGE_INVALID",
        f"line={number}, value={line.strip()[:120]}, allowed={allowed}",
        "Write one change a line",
    )
