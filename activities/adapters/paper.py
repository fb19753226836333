"""The paper broker's control side: its clock, its prices, its opening cash. No vendor has one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx
from pydantic import SecretStr

from domain.errors import Conflict, VendorRejected, VendorUnavailable
from domain.market import Bar, CorporateAction, Session


class PaperControl:
    """Fulfils `activities.ports.PaperMarket`."""

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
            "bars": [
                {
                    "symbol": bar.symbol,
                    "open": str(bar.open),
                    "high": str(bar.high),
                    "low": str(bar.low),
                    "close": str(bar.close),
                    "volume": bar.volume,
                }
                for bar in bars
            ],
            "actions": [
                {
                    "symbol": action.symbol,
                    "cash_dividend": str(action.cash_dividend),
                    "split_ratio": str(action.split_ratio),
                }
                for action in actions
            ],
        }
        await self._post("/control/sessions", body)

    async def _post(self, path: str, body: dict[str, Any]) -> None:
        try:
            answer = await self._client.post(path, json=body)
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
