"""What `/v1` refused of a form, said beside the fields it is about, with what was typed still in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from api.dashboard.client import ApiProblem


@dataclass(frozen=True)
class Refusal:
    """One form of a page that was sent and refused."""

    form: str
    problem: ApiProblem
    typed: Mapping[str, str]
    fields: tuple[str, ...]
    """Names of its fields, as a person sees them; what is about none of these stands above the form."""

    def of(self, form: str) -> bool:
        return form == self.form

    def beside(self, form: str, field: str) -> str:
        """What is wrong with a field; empty where nothing is."""
        if form != self.form:
            return ""
        return "; ".join(message for name, message in self._messages() if name == field)

    @property
    def above(self) -> list[str]:
        """What is about no field that the form has."""
        return [
            f"{name}: {message}" if name else message for name, message in self._messages() if name not in self.fields
        ]

    def _messages(self) -> list[tuple[str, str]]:
        problem = self.problem
        if problem.errors:
            return [(_field(each.get("field", "")), str(each.get("message", ""))) for each in problem.errors]
        named = (problem.fields.get("field", ""), *problem.fields)
        said = ". ".join(part for part in (problem.detail, problem.hint) if part)
        return [(next((name for name in named if name in self.fields), ""), said)]


def _field(place: str) -> str:
    """The field that a place in the request names: `body.scopes.0` -> `scopes`."""
    parts = place.split(".")
    return parts[1] if len(parts) > 1 else place
