"""What must be true before real money is traded: every item that is not is named, and nothing starts.

The comparison with the broker comes first, so that its outcome can be one of the items.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from activities.reconciliation import ReconciliationActivities
from domain.config import TradingConfig
from domain.errors import ConfigurationError, StonksError
from domain.model import Model
from domain.reconciliation import BrokerHealth, ReconcileRequest
from store import config, notifications, reconciliations
from store.database import Database
from workers.settings import PREFIX, Mode, Settings
from workflows import names

PAPER_KEY = "PK"
"""Key ids of the vendor's paper accounts begin with it."""
PAPER_HOST = "paper-api"
SHORTEST_SECRET = 20
FRESH = timedelta(minutes=30)
"""How old the last clean comparison may be."""


class LiveStanding(Model):
    """What the book says that bears on starting live."""

    config: TradingConfig
    health: BrokerHealth
    channels: int
    """Ways on which people are told."""
    at: datetime


def check_live(settings: Settings, standing: LiveStanding) -> None:
    """Refuse to trade real money unless every item is met; nothing to check in other modes.

    Raises:
        ConfigurationError: naming every unmet item, and what to do about it.
    """
    if settings.mode is not Mode.LIVE:
        return
    unmet = {name: what for name, what in {**_of_settings(settings), **_of_standing(standing)}.items() if what}
    if unmet:
        raise ConfigurationError(
            "LIVE_MODE_REFUSED",
            "Meet every item, or set STONKS_MODE=paper: "
            + "; ".join(f"{name}: {what}" for name, what in unmet.items()),
            unmet=" ".join(unmet),
        )


def _of_settings(settings: Settings) -> dict[str, str]:
    key, secret = settings.broker_key_id.get_secret_value(), settings.broker_secret_key.get_secret_value()
    url = urlsplit(settings.broker_url)
    return {
        "acknowledgement": ""
        if settings.i_understand_live_trading
        else f"set {PREFIX}I_UNDERSTAND_LIVE_TRADING=true where the worker that trades is started",
        "broker_key": ""
        if key and not key.startswith(PAPER_KEY) and len(secret) >= SHORTEST_SECRET
        else f"{PREFIX}BROKER_KEY_ID and _SECRET_KEY must be those of a live account",
        "broker_control_key": f"{PREFIX}BROKER_CONTROL_KEY belongs to the paper broker: leave it empty"
        if settings.broker_control_key.get_secret_value()
        else "",
        "broker_host": ""
        if not settings.broker_url or (url.scheme == "https" and PAPER_HOST not in (url.hostname or ""))
        else f"{PREFIX}BROKER_URL must be empty, or https and not the paper host",
    }


def _of_standing(standing: LiveStanding) -> dict[str, str]:
    approval, health = standing.config.approval, standing.health
    clean = health.last_clean_at is not None and not health.mismatch and standing.at - health.last_clean_at <= FRESH
    people = approval.solo or approval.by_hand > 0
    return {
        "breakers": "" if standing.config.protection.breakers is not None else "switch the circuit breakers on",
        "approval": ""
        if people
        else "let another person approve what is made by hand (approval.by_hand), or say approval.solo",
        "reconciliation": ""
        if clean
        else "book and broker differ, or could not be compared: the log of this start says why",
        "notifications": ""
        if standing.channels
        else "name a channel on which you are told: `stonks notifications set`",
    }


async def require_live(settings: Settings, database: Database, auditor: ReconciliationActivities) -> None:
    """Compare book and broker, then check every item. Called by the worker that trades, before it takes work."""
    if settings.mode is not Mode.LIVE:
        return
    now = datetime.now(UTC)
    stamp = names.reconciliation_of(names.reconcile_id(now))
    problem: StonksError | None = None
    try:
        await auditor.reconcile(ReconcileRequest(reconciliation_id=stamp, trigger="start", as_of=now))
    except StonksError as error:  # named with the other items: the keys may be what is wrong
        problem = error
    async with database.transaction() as session:
        standing = LiveStanding(
            config=await config.current(session),
            health=await reconciliations.health(session, datetime.now(UTC)),
            channels=len((await notifications.config(session))[1].channels),
            at=datetime.now(UTC),
        )
    try:
        check_live(settings, standing)
    except ConfigurationError as refused:
        raise refused from problem
