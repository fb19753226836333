"""The vendor's published schemas, and a check of every answer against them."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft7Validator  # type: ignore[import-untyped]
from requests import Response

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".." / "shared" / "data" / "api" / "alpaca" / "openapi"
FILE = FOLDER / "trading-api.json"
DATA_FILE = FOLDER / "md-api.json"
DATA_PATHS = ("/v2/stocks/", "/v1/", "/v1beta1/")
REFUSALS = (400, 403, 404, 409, 422, 429)


def _as_json_schema(node: Any) -> Any:
    """Rewrite OpenAPI 3.0's `nullable` as JSON Schema knows it."""
    if isinstance(node, list):
        return [_as_json_schema(item) for item in node]
    if not isinstance(node, dict):
        return node
    rewritten = {name: _as_json_schema(value) for name, value in node.items() if name != "nullable"}
    if node.get("nullable") is True and "type" in rewritten:
        rewritten["type"] = [rewritten["type"], "null"]
    return rewritten


@cache
def _document(file: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(file.read_text())
    document["components"] = _as_json_schema(document["components"])
    document["paths"] = _as_json_schema(document["paths"])
    return document


@cache
def _operations(file: Path) -> list[tuple[str, re.Pattern[str], dict[str, Any]]]:
    found = []
    for template, methods in sorted(_document(file)["paths"].items(), key=lambda item: item[0].count("{")):
        pattern = re.compile(re.sub(r"\{[^}]+\}", "[^/]+", template) + "$")
        found += [(method.upper(), pattern, operation) for method, operation in methods.items()]
    return found


def problems(schema: dict[str, Any], answer: Any, file: Path = FILE) -> list[str]:
    whole = {"allOf": [schema], "components": _document(file)["components"]}
    return [f"{error.json_path}: {error.message}" for error in Draft7Validator(whole).iter_errors(answer)]


def component(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def check(method: str, path: str, status: int, answer: Any) -> list[str]:
    """Problems of an answer; errors must have the vendor's shape, successes the schema of their operation."""
    file = DATA_FILE if path.startswith(DATA_PATHS) else FILE
    if status in REFUSALS:
        return problems(component("ErrorResponse" if status == 400 else "Error"), answer)
    if status == 401:
        return problems(component("ErrorResponse"), answer)
    operation = next((op for verb, pattern, op in _operations(file) if verb == method and pattern.match(path)), None)
    if operation is None or str(status) not in operation["responses"]:
        return [f"{method} {path} answers no {status} in the vendor's description"]
    if path.startswith("/v2/account/activities"):
        kinds = ["TradingActivities" if item["activity_type"] == "FILL" else "NonTradeActivities" for item in answer]
        return [text for kind, item in zip(kinds, answer, strict=True) for text in problems(component(kind), item)]
    if (method, path) == ("DELETE", "/v2/positions"):
        kinds = ["Order" if item["status"] == 200 else "Error" for item in answer]
        return [
            text for kind, item in zip(kinds, answer, strict=True) for text in problems(component(kind), item["body"])
        ]
    content = operation["responses"][str(status)].get("content")
    return problems(content["application/json"]["schema"], answer, file) if content else []


class Recorder:
    """A response hook that checks every answer of a client and remembers what it saw."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.seen: set[tuple[str, str, int]] = set()

    def __call__(self, response: Response, *_: Any, **__: Any) -> None:
        path = re.sub(r"^/b\d+", "", urlsplit(str(response.request.url)).path)
        method = str(response.request.method)
        self.seen.add((method, path, response.status_code))
        if response.status_code >= 500 or not FILE.exists():
            return
        answer = response.json() if response.text else None
        self.problems += check(method, path, response.status_code, answer)
