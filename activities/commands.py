"""What a person tells the engine, carried out: the change, its audit entry and its event in one transaction."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from domain.actors import actor_problem, is_named
from domain.breakers import release as release_breaker
from domain.config import TradingConfig, changed
from domain.decisions import Side, SizedIntent
from domain.errors import Conflict, InvalidInput
from domain.ids import digest
from domain.live_protection import LiveProtection, begun
from domain.loosening import Loosened, loosened_anywhere
from domain.portfolio import as_decimal, product
from domain.protection import ProtectionState
from domain.reserve import release as release_reserve
from domain.trading import Command, PlannedOrder
from domain.trading_commands import (
    CommandStep,
    ConfigOutcome,
    ConfigReport,
    ConfigureStep,
    DoneReport,
    OverrideReport,
    OverrideStep,
    ReleaseReserveStep,
    ResetBreakerStep,
    ResetEngineStep,
    ReviewConfigStep,
)
from domain.voting import person_of
from store import audit, config, market, orders, outbox, portfolio, protection
from store.database import Database, insert_new
from store.tables.trading import ConfigProposal

ENGINE = "trading-engine"


class CommandActivities:
    """Idempotent: every step has a key, and a step whose audit entry stands was carried out.

    Args:
        live: real money is traded: what forgets is refused.
    """

    def __init__(self, database: Database, *, live: bool) -> None:
        self._database = database
        self._live = live

    @activity.defn
    async def change_config(self, step: ConfigureStep) -> ConfigReport:
        """Put a change in force at once, or, where it loosens something, before a second person.

        Raises:
            InvalidInput: names the setting, the value and what is allowed.
            Conflict: the change was made for another version than the one in force, or loosens and nobody signed it.
        """
        command = step.command
        async with self._database.transaction() as session:
            await config.hold(session)
            version = await config.version(session)
            if command.expected_version is not None and command.expected_version != version:
                raise Conflict(
                    "CONFIG_CHANGED",
                    "Look at the present version and make the change again",
                    expected=command.expected_version,
                    in_force=version,
                )
            before = await config.configured(session)
            after = changed(before, command.changes)
            if after == before:
                return ConfigReport(outcome=ConfigOutcome.UNCHANGED, version=version)
            loose = await _loosened(session, before, after)
            if loose and not before.approval.solo:
                if not is_named(command.actor):
                    raise Conflict(
                        "ACTOR_UNKNOWN",
                        "A plain signal only tightens: use `stonks config set` or the API, which know who you are",
                        actor=command.actor,
                        loosened=", ".join(each.path for each in loose),
                    )
                proposal_id = await self._propose(session, step, version, after, loose)
                return ConfigReport(
                    outcome=ConfigOutcome.PROPOSED, version=version, proposal_id=proposal_id, loosened=loose
                )
            body = {"changes": command.changes, "loosened": [each.path for each in loose], "solo": bool(loose)}
            version = await self._put(session, step, command, after, body=body, by=command.actor)
            return ConfigReport(outcome=ConfigOutcome.IN_FORCE, version=version, loosened=loose)

    async def _propose(
        self,
        session: AsyncSession,
        step: ConfigureStep,
        version: int,
        after: TradingConfig,
        loose: tuple[Loosened, ...],
    ) -> str:
        """Lay a change before a second person. What waits already is not laid twice; what was declined is, anew."""
        command = step.command
        body = after.model_dump(mode="json")
        proposal_id = digest("config-proposal", version, after.version(), command.actor, step.key, length=16)
        waiting = await config.proposed_before(session, base_version=version, body=body, proposed_by=command.actor)
        if waiting is not None:
            return waiting.proposal_id
        row = ConfigProposal(
            proposal_id=proposal_id,
            base_version=version,
            body=body,
            changes=command.changes,
            loosened=[each.model_dump(mode="json") for each in loose],
            reason=command.reason,
            proposed_by=command.actor,
            proposed_at=step.as_of,
        )
        if await insert_new(session, [row]):
            await _note(session, step, command, "config_proposed", proposal_id, {"loosened": row.loosened})
        return proposal_id

    @activity.defn
    async def review_config(self, step: ReviewConfigStep) -> ConfigReport:
        """A second person's word on a change that loosens something. Who proposed it may only take it back.

        Raises:
            Conflict: it was decided before, the configuration has changed since, or the proposer approves.
        """
        command = step.command
        async with self._database.transaction() as session:
            await config.hold(session)
            row = await config.require_proposal(session, command.proposal_id, for_update=True)
            version = await config.version(session)
            verdict = "approved" if command.approved else "declined"
            outcome = ConfigOutcome.IN_FORCE if command.approved else ConfigOutcome.DECLINED
            if row.status == verdict and row.decided_by == command.actor:
                return ConfigReport(outcome=outcome, version=version, proposal_id=row.proposal_id)
            if row.status != "pending":
                raise Conflict("PROPOSAL_DECIDED", proposal_id=row.proposal_id, status=row.status)
            if command.approved and person_of(command.actor) == person_of(row.proposed_by):
                raise Conflict("FOUR_EYES", "Somebody else must approve it", proposed_by=row.proposed_by)
            if command.approved and not is_named(command.actor):
                raise Conflict("ACTOR_UNKNOWN", "Approve with `stonks config approve` or the API", actor=command.actor)
            if command.approved and version != row.base_version:
                raise Conflict(
                    "CONFIG_CHANGED",
                    "Propose it again over the present version",
                    proposed_for=row.base_version,
                    in_force=version,
                )
            row.status, row.decided_by = verdict, command.actor
            row.decided_at, row.decision_reason = step.as_of, command.reason
            session.add(row)
            body = {"proposal": row.proposal_id, "proposed_by": row.proposed_by, "changes": row.changes}
            if command.approved:
                after = TradingConfig.model_validate(row.body)
                version = await self._put(session, step, command, after, body=body, by=row.proposed_by)
            else:
                await _note(session, step, command, "config_declined", row.proposal_id, body)
            return ConfigReport(outcome=outcome, version=version, proposal_id=row.proposal_id)

    async def _put(
        self,
        session: AsyncSession,
        step: CommandStep,
        command: Command,
        after: TradingConfig,
        *,
        body: dict[str, Any],
        by: str,
    ) -> int:
        version = await config.put(session, after, created_at=step.as_of, created_by=by, reason=command.reason)
        await _note(session, step, command, "config_changed", str(version), body)
        return version

    @activity.defn
    async def reset_breaker(self, step: ResetBreakerStep) -> DoneReport:
        """Let the drawdown breaker go once its rest is over; the next tick tries out. The others reset themselves.

        Raises:
            InvalidInput: it resets by itself, is not open, or has not rested long enough.
        """
        command = step.command
        async with self._database.transaction() as session:
            live = await self._live_state(session)
            rules = (await config.current(session)).protection.breakers
            if rules is None:
                raise InvalidInput("BREAKERS_OFF", "protection.breakers is switched off", breaker=command.breaker)
            if await _note(session, step, command, "breaker_released", command.breaker.value, {}):
                breakers = release_breaker(
                    live.state.breakers, command.breaker, operator=command.actor, rules=rules, session=live.index
                )
                state = live.state.model_copy(update={"breakers": breakers})
                await protection.save(session, live, live.model_copy(update={"state": state}), at=step.as_of)
        return DoneReport(message=f"{command.breaker.value} is released; the next tick tries out")

    @activity.defn
    async def release_reserve(self, step: ReleaseReserveStep) -> DoneReport:
        """Take money out of the reserve pool.

        Raises:
            InvalidInput: the amount is above what the pool holds.
        """
        command = step.command
        async with self._database.transaction() as session:
            live = await self._live_state(session)
            if not await _note(session, step, command, "reserve_released", "reserve", {"amount": str(command.amount)}):
                return DoneReport(message=f"the reserve holds {live.state.reserve.balance}")
            reserve, move = release_reserve(
                live.state.reserve,
                command.amount,
                operator=command.actor,
                reason=command.reason,
                as_of=step.as_of,
            )
            moves = (*live.state.reserve_moves, move)
            state = live.state.model_copy(update={"reserve": reserve, "reserve_moves": moves})
            await protection.save(session, live, live.model_copy(update={"state": state}), at=step.as_of)
        return DoneReport(message=f"the reserve holds {reserve.balance}")

    @activity.defn
    async def plan_override(self, step: OverrideStep) -> OverrideReport:
        """Write the intent of an order by hand, at the last price known. Risk and people judge it as any other.

        Raises:
            InvalidInput: no price of the symbol is known, or more would be sold than is held.
        """
        command = step.command
        intent_id = digest("override", command.key)
        async with self._database.transaction() as session:
            known = await orders.find_intent(session, intent_id)
            if known is None:
                intent = await self._intent(session, step, intent_id)
                await orders.save_intents(session, [intent], proposed_by=command.actor)
                body = {"symbol": command.symbol, "side": command.side.value, "quantity": str(command.quantity)}
                await _note(session, step, command, "order_by_hand", intent_id, body)
            elif (known.symbol, known.side, known.quantity) != (command.symbol, command.side.value, command.quantity):
                raise Conflict(
                    "KEY_USED",
                    "Choose a new key for another order",
                    key=command.key,
                    known=f"{known.side} {known.quantity.normalize():f} {known.symbol}",
                )
        planned = PlannedOrder(intent_id=intent_id, symbol=command.symbol, side=command.side.value)
        return OverrideReport(order=planned, known=known is not None)

    async def _intent(self, session: AsyncSession, step: OverrideStep, intent_id: str) -> SizedIntent:
        command = step.command
        seen = await market.windows(session, symbols=[command.symbol], as_of=step.as_of, sessions=1)
        if command.symbol not in seen:
            raise InvalidInput("PRICE_UNKNOWN", "The book has no bars of the symbol", symbol=command.symbol)
        price = as_decimal(seen[command.symbol].closes[-1])
        held = {each.symbol: each for each in await portfolio.holdings(session)}
        have = held[command.symbol].quantity if command.symbol in held else Decimal(0)
        if command.side is Side.SELL and command.quantity > have:
            raise InvalidInput(
                "SELL_EXCEEDS_POSITION", field="quantity", found=command.quantity, allowed=f"at most {have}"
            )
        return SizedIntent(
            intent_id=intent_id,
            recommendation_id="",
            symbol=command.symbol,
            side=command.side,
            quantity=command.quantity,
            reference_price=price,
            notional=product(command.quantity, price),
            target_weight=0.0,
            as_of=step.as_of,
            reason=f"BY_HAND: {command.reason}",
        )

    @activity.defn
    async def reset_engine(self, step: ResetEngineStep) -> DoneReport:
        """Forget breakers, tier, loss streak and stops. Positions, cash, the reserve and every record stay.

        Raises:
            Conflict: real money is traded.
        """
        if self._live:
            raise Conflict("RESET_NOT_LIVE", "Breakers reset by their own rules; limits can be changed", mode="live")
        async with self._database.transaction() as session:
            live = await protection.load(session, for_update=True)
            settings = await config.configured(session)
            if live is not None and await _note(session, step, step.command, "engine_reset", ENGINE, {}):
                fresh = begun(live.session, settings.tier).state.tier
                state = ProtectionState(tier=fresh.model_copy(update={"since": live.index}), reserve=live.state.reserve)
                after = LiveProtection(
                    state=state,
                    session=live.session,
                    index=live.index,
                    base_tier=settings.tier,
                    looked_at=live.looked_at,
                    flat=live.flat,
                )
                await protection.save(session, after, after, at=step.as_of)
        return DoneReport(message="breakers are closed, the tier is as configured, stops are set anew")

    async def _live_state(self, session: AsyncSession) -> LiveProtection:
        live = await protection.load(session, for_update=True)
        if live is None:
            raise Conflict("ENGINE_NEVER_LOOKED", "Wait for the engine's first tick")
        return live


async def _loosened(session: AsyncSession, before: TradingConfig, after: TradingConfig) -> tuple[Loosened, ...]:
    """What a change loosens, as configured or in the tier that the account is in."""
    now, then = await config.in_force(session, before), await config.in_force(session, after)
    return loosened_anywhere((before, after), (now, then))


async def _note(
    session: AsyncSession, step: CommandStep, command: Command, action: str, subject: str, body: dict[str, Any]
) -> bool:
    """Write the audit entry and the event. False where the step was carried out before.

    Raises:
        InvalidInput: the command is signed as the platform signs its own work.
    """
    if actor_problem(command.actor):
        raise InvalidInput("ACTOR_INVALID", "Give a person's name", found=command.actor, field="actor")
    fresh = await audit.append(
        session,
        key=step.key,
        actor=command.actor,
        action=action,
        subject=subject,
        body={**body, "reason": command.reason},
        recorded_at=step.as_of,
    )
    if fresh:
        await outbox.publish(
            session,
            event_id=f"{action}/{step.key}",
            event=action,
            subject_id=subject,
            body={**body, "actor": command.actor, "reason": command.reason},
            occurred_at=step.as_of,
        )
    return fresh
