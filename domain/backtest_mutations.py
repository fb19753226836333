"""Other data to run the same backtest on: with another future, and with other names for the same companies."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import TypeVar

from domain.adjustment import Split
from domain.backtest_data import BacktestData
from domain.bar_series import BarSeries, KnownBar
from domain.comovement import CoMovement
from domain.decisions import EvidenceItem
from domain.documents import Credibility
from domain.entries import KnownReport
from domain.extraction import EntityRole, EventType, ExtractorKind, Materiality
from domain.macro import MacroTopic
from domain.macro_items import MacroItem
from domain.market import CorporateAction
from domain.portfolio import MICRO
from domain.registry import Exposures, MacroFactor
from domain.simulation import PRE_OPEN

T = TypeVar("T")

PLANTED = "planted"
"""How the ids of what is made up begin."""
_NEWCOMER = "ZZ.NEWCOMER"
"""A company that only the changed future knows of."""
_NEXT_INSTANT = timedelta(microseconds=1)
_WILD = (Decimal("7.3"), Decimal("0.11"), Decimal("1.9"), Decimal("41"), Decimal("0.6"))
"""What later prices are multiplied with, in turn."""
_SPLIT_RATIO = Decimal(7)
_DIVIDEND = Decimal("3.21")


@dataclass(frozen=True)
class Cut:
    """An instant of a session, and what may have an effect by then."""

    decided: datetime
    """Statements that became known later may have none."""
    settled: datetime
    """Nor may a close that became known later."""
    day: date
    """Corporate actions that take effect later may have none."""
    traded: date
    """Nor may bars of later sessions."""


def cut_at(data: BacktestData, done: int, *, before_open: bool) -> Cut:
    """Cut a run after so many sessions: at the last one's close, or when it is decided and has no bar yet."""
    session = data.sessions[done - 1]
    decided = session.opens_at - PRE_OPEN
    if before_open:
        return Cut(decided=decided, settled=decided, day=session.date, traded=session.date - timedelta(days=1))
    return Cut(decided=decided, settled=session.closes_at, day=session.date, traded=session.date)


def another_future(data: BacktestData, done: int, cut: Cut) -> tuple[BacktestData, int]:
    """Change everything behind a cut, and count the facts: changed, left out or made up.

    Statements are turned round and published earlier than before, some are left out; strong ones are made up on every
    company the instant after the cut, as copies of known stories and as more of known documents. Documents are taken
    back. Prices are multiplied, every third company is delisted. Dividends and splits change and are made up, exposures
    turn round, links between competitors are taken back and made up, co-movements turn round, the universe empties.
    Dates of reports are taken back, and every company reports on the day of the cut. The period ends with the cut.

    The exchange's calendar stays, which is known ahead.
    """
    changes = _Changes(data, cut)
    evidence = changes.evidence()
    actions = changes.actions()
    return (
        replace(
            data,
            sessions=data.sessions[:done],
            evidence=evidence,
            bars=changes.bars(actions),
            actions=actions,
            taken_back=changes.taken_back(),
            economy=changes.economy(),
            exposures=changes.exposures(),
            links=changes.links(),
            comovements=changes.comovements(),
            members=changes.members(),
            reports=changes.reports(),
        ),
        changes.count,
    )


def symbols_of(data: BacktestData) -> list[str]:
    """Every name in the data, in order."""
    found = {*data.evidence, *data.bars, *data.exposures, *data.links, *data.members, *data.reports}
    found |= {rival for rivals in data.links.values() for rival in rivals}
    found |= {action.symbol for actions in data.actions.values() for action in actions}
    return sorted(found)


def new_names(symbols: Sequence[str], seed: int) -> dict[str, str]:
    """Give companies each other's names so that the last becomes the first; a symbol alone gets a name of its own.

    Args:
        seed: 0 turns the order of all of them round, any other number that of nearly all of them.
    """
    if len(symbols) == 1:
        return {symbols[0]: f"X{symbols[0]}"}
    ordered, last = sorted(symbols), len(symbols) - 1
    turned = 2 * seed if len(symbols) == 2 else seed  # two can only swap
    return {symbol: ordered[(last + turned - place) % len(ordered)] for place, symbol in enumerate(ordered)}


def relabelled(data: BacktestData, names: Mapping[str, str]) -> BacktestData:
    """Call every company by its new name; everything is in the order of the new names, as the book would give it."""
    bars = {
        names[symbol]: BarSeries(
            names[symbol],
            [replace(known, bar=known.bar.model_copy(update={"symbol": names[symbol]})) for known in series.bars],
            series.splits,
        )
        for symbol, series in data.bars.items()
    }
    actions = {
        day: sorted((one.model_copy(update={"symbol": names[one.symbol]}) for one in found), key=lambda one: one.symbol)
        for day, found in data.actions.items()
    }
    return replace(
        data,
        evidence=_sorted(
            {
                names[symbol]: [item.model_copy(update={"symbol": names[symbol]}) for item in items]
                for symbol, items in data.evidence.items()
            }
        ),
        bars=_sorted(bars),
        actions=actions,
        exposures=_sorted({names[symbol]: versions for symbol, versions in data.exposures.items()}),
        links=_renamed_pairs(data.links, names),
        comovements=_renamed_pairs(data.comovements, names),
        sectors=_sorted({names[symbol]: sector for symbol, sector in data.sectors.items() if symbol in names}),
        members=_sorted({names[symbol]: spans for symbol, spans in data.members.items()}),
        reports=_sorted({names[symbol]: reports for symbol, reports in data.reports.items()}),
    )


def _renamed_pairs(table: Mapping[str, Mapping[str, T]], names: Mapping[str, str]) -> dict[str, dict[str, T]]:
    return _sorted(
        {
            names[symbol]: _sorted({names[rival]: value for rival, value in rivals.items()})
            for symbol, rivals in table.items()
        }
    )


def _sorted(table: Mapping[str, T]) -> dict[str, T]:
    return dict(sorted(table.items()))


class _Changes:
    """One other future in the making."""

    def __init__(self, data: BacktestData, cut: Cut) -> None:
        self._data, self._cut = data, cut
        self._symbols = symbols_of(data)
        self._soon = cut.decided + _NEXT_INSTANT
        self.count = 0

    def evidence(self) -> dict[str, list[EvidenceItem]]:
        found = {}
        for symbol in (*self._symbols, _NEWCOMER):
            items = self._data.evidence.get(symbol, ())
            start = bisect_right(items, self._cut.decided, key=lambda item: item.available_at)
            later = [self._turned(item) for at, item in enumerate(items[start:]) if at % 3 != 2]
            planted = self._planted(symbol, items[start - 1] if start else None)
            found[symbol] = [*items[:start], *planted, *later]
            self.count += len(items) - start + len(planted)
        return found

    def economy(self) -> list[MacroItem]:
        items = self._data.economy
        start = bisect_right(items, self._cut.decided, key=lambda item: item.available_at)
        told = {(item.factor, item.name): item for item in items} or {(MacroFactor.RATES, ""): _statement(self._soon)}
        planted = [
            item.model_copy(
                update={
                    "macro_event_id": f"{PLANTED}-economy-{number}",
                    "doc_id": f"{PLANTED}-economy-{number}",
                    "available_at": self._soon,
                    "direction": -1.0 if item.direction > 0 else 1.0,
                    "confidence": 1.0,
                    "credibility": Credibility.OFFICIAL,
                    "surprise": None,
                }
            )
            for number, item in enumerate(told.values())
        ]
        later = [
            item.model_copy(update={"direction": -item.direction or 1.0, "confidence": 1.0 - item.confidence / 2})
            for item in items[start:]
        ]
        self.count += len(planted) + len(later)
        return [*items[:start], *planted, *later]

    def taken_back(self) -> dict[str, datetime]:
        """Forget every later correction, and take back what was known without one."""
        kept = {doc: at for doc, at in self._data.taken_back.items() if at <= self._cut.decided}
        told = {item.doc_id for items in self._data.evidence.values() for item in items}
        told |= {item.doc_id for item in self._data.economy}
        again = dict.fromkeys(sorted(told - kept.keys()), self._soon)
        self.count += len(again) + len(self._data.taken_back.keys() - kept.keys() - again.keys())
        return {**kept, **again}

    def exposures(self) -> dict[str, list[tuple[datetime, Exposures]]]:
        found = {}
        for symbol in self._symbols:
            versions = self._data.exposures.get(symbol, ())
            known = [(since, profile) for since, profile in versions if since <= self._cut.decided]
            last = known[-1][1] if known else {}
            turned = {key: -value for key, value in last.items() if value} or {MacroFactor.RATES.value: -1.0}
            found[symbol] = [*known, (self._soon, turned)]
            self.count += 1 + len(versions) - len(known)
        return found

    def links(self) -> dict[str, dict[str, list[tuple[datetime, float | None]]]]:
        """Take back what holds, and let every company compete with the next one."""
        found: dict[str, dict[str, list[tuple[datetime, float | None]]]] = {}
        for place, symbol in enumerate(self._symbols):
            histories = {**self._data.links.get(symbol, {})}
            neighbour = self._symbols[(place + 1) % len(self._symbols)]
            if neighbour != symbol:
                histories.setdefault(neighbour, ())
            for rival, history in histories.items():
                known = [(since, strength) for since, strength in history if since <= self._cut.decided]
                holds = known[-1][1] if known else None
                turned = (self._soon, 1.0 if holds is None else None)
                found.setdefault(symbol, {})[rival] = [*known, turned]
                self.count += 1 + len(history) - len(known)
        return found

    def comovements(self) -> dict[str, dict[str, list[tuple[datetime, CoMovement]]]]:
        """Measure every pair that is linked at the other extreme."""
        found: dict[str, dict[str, list[tuple[datetime, CoMovement]]]] = {}
        for symbol, rivals in self._data.links.items():
            for rival in rivals:
                history = self._data.comovements.get(symbol, {}).get(rival, ())
                known = [(since, measured) for since, measured in history if since <= self._cut.decided]
                rho = -1.0 if known and known[-1][1].rho > 0.0 else 1.0
                found.setdefault(symbol, {})[rival] = [*known, (self._soon, CoMovement(rho=rho, n=500))]
                self.count += 1 + len(history) - len(known)
        return found

    def members(self) -> dict[str, list[tuple[date, date | None]]]:
        """End every membership with the day of the cut."""
        day = self._cut.day
        found: dict[str, list[tuple[date, date | None]]] = {}
        for symbol in self._symbols:
            spans = self._data.members.get(symbol, ((date.min, None),))
            found[symbol] = [
                (first, last if last is not None and last < day else day) for first, last in spans if first <= day
            ]
            self.count += sum(1 for _, last in spans if last is None or last > day)
        return found

    def reports(self) -> dict[str, list[KnownReport]]:
        """Forget what became known later, take back what was scheduled, and let everybody report on the day."""
        found: dict[str, list[KnownReport]] = {}
        for symbol in self._symbols:
            reports = self._data.reports.get(symbol, ())
            known = [one for one in reports if one.since <= self._cut.decided]
            made_up = [KnownReport(day=self._cut.day, made=made, since=self._soon) for made in (False, True)]
            found[symbol] = [*(self._taken_off(one) for one in known), *made_up]
            self.count += len(reports) - len(known) + len(made_up)
        return found

    def _taken_off(self, report: KnownReport) -> KnownReport:
        if report.made or not report.is_known(self._cut.decided):
            return report
        self.count += 1
        return report.model_copy(update={"until": self._soon})

    def actions(self) -> dict[date, list[CorporateAction]]:
        """Change what takes effect later, and split every company in the next session."""
        found: dict[date, list[CorporateAction]] = {}
        for day, actions in self._data.actions.items():
            if day <= self._cut.day:
                found[day] = list(actions)
                continue
            self.count += len(actions)
            found[day] = [
                action.model_copy(
                    update={"cash_dividend": action.cash_dividend * 3 + 1, "split_ratio": 1 / action.split_ratio}
                )
                for action in actions
            ]
        later = [day for day in self._data.session_dates if day > self._cut.day]
        day = later[0] if later else self._cut.day + timedelta(days=1)
        made_up = [
            CorporateAction(symbol=symbol, ex_date=day, cash_dividend=_DIVIDEND, split_ratio=_SPLIT_RATIO)
            for symbol in self._symbols
        ]
        self.count += len(made_up)
        return {**found, day: made_up}

    def bars(self, actions: Mapping[date, Sequence[CorporateAction]]) -> dict[str, BarSeries]:
        later: dict[str, list[Split]] = {}
        for day, found in sorted(actions.items()):
            for action in found:
                if day > self._cut.day:
                    later.setdefault(action.symbol, []).append((day, action.split_ratio))
        return {
            symbol: BarSeries(
                symbol,
                self._changed_bars(series.bars, delisted=number % 3 == 2, first=number),
                [*(split for split in series.splits if split[0] <= self._cut.day), *later.get(symbol, ())],
            )
            for number, (symbol, series) in enumerate(self._data.bars.items())
        }

    def _changed_bars(self, bars: Sequence[KnownBar], *, delisted: bool, first: int) -> list[KnownBar]:
        found = []
        for number, known in enumerate(bars, start=first):
            behind = known.bar.session > self._cut.traded
            if not behind and known.available_at <= self._cut.settled:
                found.append(known)
                continue
            self.count += 1
            factor = _WILD[number % len(_WILD)]
            if not behind:  # it was traded at, but its close was not known yet
                changed: dict[str, Decimal | int] = {"close": _scaled(known.bar.close, factor)}
            elif delisted:
                continue
            else:
                prices = {name: _scaled(getattr(known.bar, name), factor) for name in ("open", "high", "low", "close")}
                changed = {**prices, "volume": 0 if number % 4 == 0 else known.bar.volume * (number % 9 + 2)}
            found.append(replace(known, bar=known.bar.model_copy(update=changed)))
        return found

    def _turned(self, item: EvidenceItem) -> EvidenceItem:
        return item.model_copy(
            update={
                "sentiment": -item.sentiment or 1.0,
                "confidence": 1.0 - item.confidence / 2,
                "published_at": min(item.published_at, self._cut.decided - timedelta(hours=1)),
            }
        )

    def _planted(self, symbol: str, known: EvidenceItem | None) -> list[EvidenceItem]:
        """Make up perfect filings: one with a story that was known, and one more statement of a known document."""
        strong = _filing(symbol, self._soon)
        if known is None:
            return [strong]
        turned = {"sentiment": -1.0 if known.sentiment > 0 else 1.0}
        copy = strong.model_copy(update={**turned, "shingles": known.shingles, "event_type": known.event_type})
        more = copy.model_copy(update={"evidence_id": f"{PLANTED}-more-{symbol}", "doc_id": known.doc_id})
        return [copy, more]


def _filing(symbol: str, at: datetime) -> EvidenceItem:
    name = f"{PLANTED}-{symbol}"
    return EvidenceItem(
        evidence_id=name,
        doc_id=name,
        extraction_id=name,
        symbol=symbol,
        available_at=at,
        published_at=at - timedelta(days=1),
        event_type=EventType.GUIDANCE,
        role=EntityRole.SUBJECT,
        materiality=Materiality.HIGH,
        sentiment=1.0,
        confidence=1.0,
        quote_validity=1.0,
        credibility=Credibility.OFFICIAL,
        extractor=ExtractorKind.RULES,
        content_hash=name,
        title="Made up by a check of the backtest",
    )


def _statement(at: datetime) -> MacroItem:
    return MacroItem(
        macro_event_id=PLANTED,
        doc_id=PLANTED,
        extraction_id=PLANTED,
        available_at=at,
        topic=MacroTopic.POLICY_RATE,
        factor=MacroFactor.RATES,
        direction=1.0,
        confidence=1.0,
        credibility=Credibility.OFFICIAL,
        extractor=ExtractorKind.RULES,
        content_hash=PLANTED,
    )


def _scaled(price: Decimal, factor: Decimal) -> Decimal:
    return (price * factor).quantize(MICRO, ROUND_CEILING)
