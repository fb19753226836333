"""One trial: orders through the production path, a disturbance at its moment, quiet, and the evidence."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from cli.paper_broker.faults import FaultKind
from domain.decisions import Side, TradingState
from domain.portfolio import OrderStatus
from store import audit, portfolio, reconciliations
from tests.chaos.evidence import Evidence, last_placed, placed_since, read_broker, read_ours
from tests.chaos.house import House
from tests.chaos.script import PRICE, SYMBOLS, Fault, Kill, Line, Script, Stop, Way

CHANGED = (Way.CANCELED, Way.REPLACED)
RESTING = frozenset({OrderStatus.ACCEPTED.value, OrderStatus.PARTIALLY_FILLED.value})
_COMMANDS = {TradingState.REDUCING: "pause", TradingState.HALTED: "halt"}


@dataclass
class Trial:
    """What a trial leaves behind. `begun` are the intents that were accepted, `refused` what the API did not take."""

    script: Script
    begun: list[str] = field(default_factory=list)
    refused: int = 0
    outcomes: list[str] = field(default_factory=list)
    struck: bool = False
    """Whether the disturbance met anything: a process that ran, a request that suffered, trading that stopped."""
    opened_while_stopped: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Player:
    """Plays one script in a house."""

    def __init__(self, house: House, script: Script) -> None:
        self._house = house
        self._script = script
        self._trial = Trial(script)
        self._walk = random.Random(f"{script.seed}/{script.number}/prices")
        self._changes_left = sum(line.way in CHANGED for line in script.lines)
        """Orders that still rest to be changed: until then nobody tells the broker a price that would fill them."""
        self._asked: dict[str, Line] = {}
        self._over = False
        self._unpriced: list[str] = []

    async def play(self) -> Trial:
        began = time.monotonic()
        acting = [self._strike(), *(self._live(number, line) for number, line in enumerate(self._script.lines))]
        tasks = [asyncio.create_task(each) for each in acting]
        helpers = [asyncio.create_task(self._people()), asyncio.create_task(self._market())]
        try:
            await self._all_of(tasks, helpers)
            await self._house.stands()
            left = await self._house.clear_faults()
            if isinstance(self._script.disturbance, Fault):
                self._trial.struck = left[self._script.disturbance.kind.value] < self._script.disturbance.count
        finally:
            self._over = True
            for task in (*tasks, *helpers):
                task.cancel()
            ended = await asyncio.gather(*helpers, return_exceptions=True)
        for problem in ended:
            if isinstance(problem, Exception):
                raise problem
        self._trial.seconds = time.monotonic() - began
        return self._trial

    @staticmethod
    async def _all_of(tasks: Sequence[asyncio.Task[None]], helpers: Sequence[asyncio.Task[None]]) -> None:
        """Wait for the orders, or for the failure of a helper without whom some of them would never end."""
        orders = asyncio.gather(*tasks)
        done, _ = await asyncio.wait({orders, *helpers}, return_when=asyncio.FIRST_COMPLETED)
        for each in done:
            await each

    # -- the disturbance ----------------------------------------------------------------------------------------------

    async def _strike(self) -> None:
        disturbance = self._script.disturbance
        if self._races:
            await self._house.order_partial_fills(len(self._script.lines))
        if self._script.beside is not None:
            await self._house.order_fault(self._script.beside)
        await asyncio.sleep(self._script.at)
        match disturbance:
            case Kill(part):
                self._trial.struck = self._house.kill(part)
            case Fault():
                await self._house.order_fault(disturbance)
            case Stop():
                self._trial.struck = True
                if disturbance.late:
                    self._trial.struck = await self._house.runs_into(FaultKind.HANG_BEFORE_COMMIT, seconds=5.0)
                    await self._house.cut_connections()
                self._trial.opened_while_stopped += await stop_trading(self._house, disturbance)

    @property
    def _races(self) -> bool:
        """Whether a replacement is to meet an order that fills meanwhile: it must rest with a price."""
        disturbance = self._script.disturbance
        return isinstance(disturbance, Fault) and disturbance.kind is FaultKind.FILL_BEFORE_REPLACE

    # -- orders -------------------------------------------------------------------------------------------------------

    async def _live(self, number: int, line: Line) -> None:
        """One order from its wish to its end."""
        name = f"{self._script.seed}-{self._script.number}-{number}"
        if line.way is Way.BY_HAND:
            intent_id = await self._by_hand(name, line)
        else:
            symbol = line.symbol or await self._symbol_without_price()
            intent_id = await self._house.plan(name, symbol, line.side, line.quantity)
        if not intent_id:
            return
        self._trial.begun.append(intent_id)
        self._asked[intent_id] = line
        if line.way in CHANGED:
            try:
                await self._change(intent_id, line)
            finally:
                self._changes_left -= 1
        self._trial.outcomes.append((await self._house.outcome(intent_id)).status)

    async def _by_hand(self, name: str, line: Line) -> str:
        """Place an order through the API; returns its intent, or nothing where it is refused."""
        body = {
            "symbol": line.symbol,
            "side": line.side.value,
            "quantity": str(line.quantity),
            "reason": f"trial {self._script.number}",
            "key": f"chaos-{name}",
        }
        answer = await self._house.post("/v1/orders/overrides", body)
        if answer.status_code == 422:
            self._trial.refused += 1
            return ""
        return str(answer.raise_for_status().json()["order"]["intent_id"])

    async def _symbol_without_price(self) -> str:
        """A symbol whose orders rest: nobody has told the broker a price of it yet."""
        if self._races:
            return SYMBOLS[0]
        symbol = f"R{self._script.number}X{len(self._unpriced)}"
        self._unpriced.append(symbol)
        await self._house.list_symbols([symbol])
        return symbol

    async def _change(self, intent_id: str, line: Line) -> None:
        """Cancel or replace the order while it rests; one that ended before is left as it is."""
        if not await self._rests(intent_id):
            return
        if line.way is Way.CANCELED:
            await self._house.cancel(intent_id)
        else:
            await self._house.replace(intent_id, line.quantity + 5)

    async def _rests(self, intent_id: str) -> bool:
        ended = asyncio.create_task(self._house.outcome(intent_id))
        try:
            while not ended.done():
                order = await self._house.order_of(intent_id)
                if order is not None and order.broker_order_id and order.status in RESTING:
                    return True
                await asyncio.sleep(0.05)
            return False
        finally:
            ended.cancel()
            await asyncio.gather(ended, return_exceptions=True)

    # -- people and prices --------------------------------------------------------------------------------------------

    async def _people(self) -> None:
        """Somebody looks at the inbox and answers, each question after thinking about it."""
        answered: set[str] = set()
        while not self._over:
            pending = await self._house.get("/v1/approvals", status="pending", limit=100)
            for question in pending["data"]:
                line = self._asked.get(question["intent_id"])
                if line is not None and question["approval_id"] not in answered:
                    await self._answer(question["approval_id"], question["order_hash"], line)
                    answered.add(question["approval_id"])
            await asyncio.sleep(0.15)

    async def _answer(self, approval_id: str, order_hash: str, line: Line) -> None:
        """A refusal (409, 412) says that the question is over: another one follows, or none."""
        await asyncio.sleep(line.think)
        body = {"approve": line.approve, "reason": "looked at it", "order_hash": order_hash}
        answer = await self._house.post(f"/v1/approvals/{approval_id}/review", body, as_reviewer=True)
        assert answer.status_code in (200, 409, 412), answer.text

    async def _market(self) -> None:
        """Prices move a little all the time; where orders rest to be changed, they get theirs afterwards."""
        while not self._over:
            await asyncio.sleep(0.3)
            symbols = [] if self._races and self._changes_left else list(SYMBOLS)
            symbols += [] if self._changes_left else self._unpriced
            if symbols:
                await self._house.set_prices({symbol: self._price() for symbol in symbols})

    def _price(self) -> Decimal:
        return PRICE + Decimal(self._walk.randint(-30, 30)) / 100


async def stop_trading(house: House, stop: Stop) -> list[str]:
    """Stop trading, then resume; returns what left between acknowledgement and resumption although it must not."""
    reason = {"reason": "a trial"}
    (await house.post(f"/v1/trading/{_COMMANDS[stop.state]}", reason)).raise_for_status()
    before = last_placed(house.book)
    await asyncio.sleep(stop.seconds)
    leaked = [
        f"{stop.state.value}: {order.side} {order.quantity} {order.symbol}, client_order_id={order.client_order_id}"
        for order in placed_since(house.book, before)
        if order.side == Side.BUY.value or stop.state is TradingState.HALTED
    ]
    (await house.post("/v1/trading/resume", reason)).raise_for_status()
    return leaked


async def gather_evidence(house: House, trial: Trial, *, intents: tuple[str, ...]) -> Evidence:
    """Read both books after a trial: as they are, then what the product's own comparison says of them."""
    number = f"chaos-{trial.script.seed}-{trial.script.number}-{datetime.now(UTC):%H%M%S%f}"
    ours = await house.insist(lambda: read_ours(house.parts.database), "our book is read")
    broker = read_broker(house.book)
    report = await house.reconcile(number)
    audit_answer = await house.broker_says("/control/audit")
    return Evidence(
        prefix=house.prefix,
        ours=ours,
        broker=broker,
        intents=intents,
        reserved=await _reserved(house),
        opened_while_stopped=tuple(trial.opened_while_stopped),
        broker_audit=tuple(audit_answer["violations"]),
        reconciliation=() if report.clean else await _differences(house),
        broken_audit_entry=await _broken_entry(house),
    )


async def _reserved(house: House) -> dict[str, str]:
    """What each side's own words say is held back."""
    account = await house.broker_says("/v2/account")
    positions = await house.broker_says("/v2/positions")
    found = {
        f"broker, {each['symbol']}": f"qty={each['qty']}, qty_available={each['qty_available']}"
        for each in positions
        if each["qty"] != each["qty_available"]
    }
    cash, power = Decimal(account["cash"]), Decimal(account["buying_power"])
    if cash != power:
        found["broker, buying power"] = f"cash={cash}, buying_power={power}"

    async def read() -> dict[str, str]:
        async with house.parts.database.transaction() as session:
            account = await portfolio.load(session, as_of=datetime.now(UTC), cash=cash)
        return {
            f"ours, {kind} of {symbol}": str(amount)
            for kind, amounts in (("purchase", account.open_buys), ("sale", account.open_sells))
            for symbol, amount in amounts.items()
        }

    return found | await house.insist(read, "our reservations are read")


async def _differences(house: House) -> tuple[str, ...]:
    async def read() -> tuple[str, ...]:
        async with house.parts.database.transaction() as session:
            runs = await reconciliations.list_recent(session, limit=1)
        return tuple(str(each) for run in runs for each in run.found)

    return await house.insist(read, "the differences are read")


async def _broken_entry(house: House) -> int | None:
    async def read() -> int | None:
        async with house.parts.database.transaction() as session:
            return await audit.first_broken(session)

    return await house.insist(read, "the audit log is read")
