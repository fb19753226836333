"""The paper broker's control side: its clock, its prices, its opening cash. No vendor has one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import httpx
from pydantic import SecretStr

from domain.errors import Conflict, VendorRejected, VendorUnavailable
from domain.market import Bar, CorporateAction, Session


class PaperControl:
    """Fulfils `activities.ports.PaperMarket` and `activities.ports.PaperFeed`."""

    def __init__(self, url: str, control_key: SecretStr) -> None:
        self._client = httpx.AsyncClient(
            base_url=url, headers={"X-Control-Key": control_key.get_secret_value()}, timeout=20.0, trust_env=False
        )

    async def open_account(self, cash: str) -> None:
        """Set the opening cash; the same amount again is fine, another one is refused once orders exist."""
        await self._post("/control/account", {"cash": cash})

    async def advance(
        self, session: Session, phase: str, bars: Sequence[Bar], actions: Sequence[CorporateAction]
    ) -> None:
        """Move the clock to a session's phase and fill what the bars fill. Idempotent per session and phase."""
        body = {
            "session": session.date.isoformat(),
            "phase": phase,
            "opens_at": session.opens_at.isoformat(),
            "closes_at": session.closes_at.isoformat(),
            "bars": [_bar(bar) for bar in bars],
            "actions": [_action(action) for action in actions],
        }
        await self._post("/control/sessions", body)

    async def finished(self) -> dict[str, date]:
        """The last session whose bar the broker was given, by symbol."""
        known: dict[str, str] = (await self._ask("GET", "/control/finished-sessions")).json()
        return {symbol: date.fromisoformat(session) for symbol, session in known.items()}

    async def finish(self, session: date, bars: Sequence[Bar]) -> int:
        """Hand over bars of a session that is over; returns how many executions came of it. Idempotent per symbol."""
        body = {"session": session.isoformat(), "bars": [_bar(bar) for bar in bars]}
        return int((await self._ask("POST", "/control/finished-sessions", body)).json()["executions"])

    async def applied(self, since: date) -> set[tuple[str, date]]:
        """Symbol and ex-date of the splits and dividends that took effect, from a day on."""
        answer = await self._ask("GET", f"/control/corporate-actions?since={since.isoformat()}")
        return {(each["symbol"], date.fromisoformat(each["ex_date"])) for each in answer.json()}

    async def act(self, ex_date: date, actions: Sequence[CorporateAction]) -> list[str]:
        """Let splits and dividends of an ex-date that has begun take effect; returns for which symbols it is too late.

        Idempotent per symbol and ex-date.
        """
        body = {"ex_date": ex_date.isoformat(), "actions": [_action(action) for action in actions]}
        return list((await self._ask("POST", "/control/corporate-actions", body)).json()["late"])

    async def _post(self, path: str, body: dict[str, Any]) -> None:
        await self._ask("POST", path, body)

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        try:
            answer = await self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise VendorUnavailable(
                "PAPER_BROKER_UNREACHABLE",
                "`stonks doctor` tells what is wrong",
                path=path,
                problem=type(error).__name__,
            ) from error
        if answer.status_code == 409:
            raise Conflict("PAPER_BROKER_CONFLICT", answer.text[:300], path=path)
        if answer.status_code >= 500:
            raise VendorUnavailable("PAPER_BROKER_ERROR", answer.text[:300], path=path, status=answer.status_code)
        if answer.status_code >= 400:
            raise VendorRejected("PAPER_BROKER_REFUSED", answer.text[:300], path=path, status=answer.status_code)
        return answer


def _bar(bar: Bar) -> dict[str, Any]:
    return {
        "symbol": bar.symbol,
        "open": str(bar.open),
        "high": str(bar.high),
        "low": str(bar.low),
        "close": str(bar.close),
        "volume": bar.volume,
    }


def _action(action: CorporateAction) -> dict[str, str]:
    return {
        "symbol": action.symbol,
        "cash_dividend": str(action.cash_dividend),
        "split_ratio": str(action.split_ratio),
    }
