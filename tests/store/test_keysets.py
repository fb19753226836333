"""Conditions of statements that are given to the driver itself."""

from __future__ import annotations

from datetime import UTC, datetime

from store.keysets import Chosen

AT = datetime(2026, 11, 26, tzinfo=UTC)


def test_conditions_when_some_values_are_none_then_those_are_left_out_and_the_places_are_counted_on() -> None:
    chosen = Chosen()
    chosen.add("source_id = {}", None)
    chosen.add("status = {}", "failed")
    chosen.before("available_at", "doc_id", (AT, "a1"))
    assert chosen.where == "WHERE status = $1 AND (available_at, doc_id) < ($2, $3)"
    assert chosen.values == ["failed", AT, "a1"]


def test_conditions_when_there_are_none_then_every_row_is_chosen() -> None:
    chosen = Chosen()
    chosen.add("status = {}", None)
    chosen.before("available_at", "doc_id", None)
    assert (chosen.where, chosen.values) == ("", [])
