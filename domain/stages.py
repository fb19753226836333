"""The parts of the platform that work is counted under, in health reports and in metrics alike."""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """The first ten are the parts of the pipeline, in the order in which a document goes through them,
    and the lake, to which all of it is published."""

    INGEST = "ingest"
    READ = "read"
    RESEARCH = "research"
    TRADING = "trading"
    APPROVAL = "approval"
    ORDER = "order"
    RECONCILE = "reconcile"
    NOTIFY = "notify"
    MARK = "mark"
    LAKE = "lake"
    """Publishing to the lake."""
    AGENTS = "agents"
    """What models are tried on, compared by and asked again; nothing of it decides."""
    BACKTEST = "backtest"
    """Backtests, sweeps, and the comparison of a day with itself."""
    REPLAY = "replay"
    """Driving a past period through the workflows."""
    BACKUP = "backup"
    """Backups and drills."""
    UPKEEP = "upkeep"
    """Schedules, the index, competitors."""


PIPELINE = tuple(Stage)[:10]
