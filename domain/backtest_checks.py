"""Proofs of a backtest on its own data: whoever doubts a result can run them.

    truncation     another future changes nothing up to a session
    relabelling    other names for the same companies change nothing
    costs          the same fills never end higher at higher costs
    future         no fact says that it was known before it was there
    replayability  decisions computed again from their records are the same bytes

Source: quantitative specification, section 4. A check that passed has compared something: see its counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum

from domain.backtest import BacktestRequest, BacktestState
from domain.backtest_data import BacktestData
from domain.backtest_mutations import another_future, cut_at, new_names, relabelled, symbols_of
from domain.backtest_play import Played, play
from domain.backtest_refills import OWN_COSTS, RISING, cost_models, equity_with, fills_of
from domain.backtest_rows import (
    PLANNED,
    Difference,
    Kind,
    Row,
    first_difference,
    rows_of,
    without,
)
from domain.backtest_stamps import StampFinding, facts_of, stamp_findings
from domain.decisions import DecisionRecord, Recommendation
from domain.documents import NEW_YORK
from domain.model import Model
from domain.recommendation import replay
from domain.record_text import canonical_bytes

CUTS = 5
"""Sessions of the period after which the future is changed, when nobody says which."""
REACH = 20
"""Sessions before each of them that are played again."""
SAMPLE = 200
"""Decisions that are computed again from their records."""


class CheckName(StrEnum):
    TRUNCATION = "truncation"
    RELABELLING = "relabelling"
    COSTS = "costs"
    FUTURE = "future"
    REPLAYABILITY = "replayability"


class Compared(Model):
    """How much a check has looked at."""

    sessions: int = 0
    """Played or valued again, over all runs."""
    decisions: int = 0
    """Assessments of a symbol at an instant, whether or not they changed anything."""
    orders: int = 0
    fills: int = 0
    facts: int = 0
    """Changed, left out or made up; renamed; or looked at."""


class CheckResult(Model):
    """What a check came to."""

    name: CheckName
    passed: bool
    compared: Compared
    difference: Difference | None = None
    """The first, where it did not pass; a finding tells more than one where the check is about facts."""
    findings: tuple[StampFinding, ...] = ()
    note: str = ""


Progress = Callable[[CheckName | None, int, int], None]
"""Told the check, its sessions played so far, and how many it will play; None: the run that all are compared with."""


def run_checks(
    data: BacktestData,
    request: BacktestRequest,
    *,
    code_version: str,
    cuts: Sequence[int] | None = None,
    reach: int | None = REACH,
    seed: int = 0,
    sample: int = SAMPLE,
    progress: Progress | None = None,
) -> tuple[CheckResult, ...]:
    """Run every check, in the order of `CheckName`; see each for its arguments.

    Args:
        cuts: numbers of sessions done; None: some, evenly over the period, the last session among them.
    """
    total = len(data.sessions)
    chosen = spread_cuts(total) if cuts is None else cuts
    stops = {*_stops(chosen, reach), total}
    count = _counter(progress, None, total)
    original = play(data, request, code_version=code_version, stops=stops, sample=sample, advance=count)
    return (
        check_truncation(
            data, request, code_version=code_version, cuts=chosen, reach=reach, original=original, progress=progress
        ),
        check_relabelling(data, request, code_version=code_version, seed=seed, original=original, progress=progress),
        check_costs(original.end, data, request),
        check_future(data),
        check_replayability(data, request, code_version=code_version, sample=sample, original=original),
    )


def spread_cuts(sessions: int, number: int = CUTS) -> tuple[int, ...]:
    """Choose numbers of sessions done, evenly spread, the last one among them."""
    return tuple(sorted({-(-sessions * nth // number) for nth in range(1, number + 1)} - {0}))


# -- truncation -------------------------------------------------------------------------------------------------------


def check_truncation(
    data: BacktestData,
    request: BacktestRequest,
    *,
    code_version: str,
    cuts: Sequence[int],
    reach: int | None = None,
    original: Played | None = None,
    progress: Progress | None = None,
) -> CheckResult:
    """Change everything that became known after a session, and compare all up to it, bit for bit.

    Twice for each cut: at the session's close its whole state is compared; before its open what was decided and planned
    for it, and there its own bar is changed as well. See `domain.backtest_mutations.another_future`.

    Args:
        cuts: numbers of sessions done, from 1.
        reach: sessions before each cut that are played again on the changed data; None: all from the first.
        original: of the same data and request, with states at the cuts and `reach` sessions before them.
    """
    cuts = sorted({min(cut, len(data.sessions)) for cut in cuts if cut > 0})
    base = original or play(data, request, code_version=code_version, stops=_stops(cuts, reach))
    found = _Tally()
    count = _counter(progress, CheckName.TRUNCATION, sum(2 * (cut - _start(cut, reach)) for cut in cuts))
    for cut in cuts:
        start, session = _start(cut, reach), data.sessions[cut - 1]
        for before_open in (True, False):
            changed, facts = another_future(data, cut, cut_at(data, cut, before_open=before_open))
            state = base.states[start] if start else None
            other = play(changed, request, code_version=code_version, stops=(cut,), state=state, advance=count)
            days = {one.date for one in data.sessions[start:cut]}
            expected = [*(row for row in base.assessments if row.session in days), *rows_of(base.states[cut])]
            again = [*other.assessments, *rows_of(other.end)]
            if before_open:
                expected = [row for row in expected if row.kind in PLANNED]
                again = [row for row in again if row.kind in PLANNED]
            when = "before the open" if before_open else "at the close"
            detail = f"with other facts after {session.date} {when}"
            difference = first_difference(expected, again, detail)
            if difference is None and not before_open and base.states[cut] != other.end:
                difference = _lists_differ(base.states[cut], detail)
            found.add(other, sessions=cut - start, facts=facts, difference=difference)
    return found.result(CheckName.TRUNCATION, note="which companies are followed has no history and stays as it is")


def _start(cut: int, reach: int | None) -> int:
    return 0 if reach is None else max(0, cut - max(1, reach))


def _stops(cuts: Iterable[int], reach: int | None) -> set[int]:
    return {stop for cut in cuts for stop in (cut, _start(cut, reach))}


def _lists_differ(state: BacktestState, detail: str) -> Difference:
    return Difference(
        session=state.marks[-1].session,
        kind=Kind.LIST,
        symbol="",
        field="",
        expected="one order of orders, decisions and trades",
        found="another",
        detail=detail,
    )


# -- relabelling ------------------------------------------------------------------------------------------------------

HASHED = {
    Kind.ASSESSMENT: frozenset({"record_hash"}),
    Kind.DECISION: frozenset({"recommendation_id"}),
    Kind.ORDER: frozenset({"recommendation_id", "intent_id"}),
    Kind.SALE: frozenset({"intent_id"}),
    Kind.POSITION: frozenset({"trade"}),
}
"""What a name legitimately has an effect on: ids that hash it, and the place of a trade in a list that is in the order
of the symbols within a session."""


def check_relabelling(
    data: BacktestData,
    request: BacktestRequest,
    *,
    code_version: str,
    seed: int = 0,
    original: Played | None = None,
    progress: Progress | None = None,
) -> CheckResult:
    """Give the companies each other's names, and compare everything once it has its own names back.

    Left out is what `HASHED` names, and the order of a session's entries. A thesis begins with its symbol and is
    compared with the own name put back there.

    Args:
        seed: chooses who gets whose name: see `domain.backtest_mutations.new_names`.
        original: of the same data and request, to the end.
    """
    symbols = symbols_of(data)
    base = original or play(data, request, code_version=code_version)
    count = _counter(progress, CheckName.RELABELLING, len(data.sessions))
    found = _Tally()
    if symbols:
        names = new_names(symbols, seed)
        other = play(relabelled(data, names), request, code_version=code_version, advance=count)
        own = {new: old for old, new in names.items()}
        expected = without([*base.assessments, *rows_of(base.end)], HASHED)
        again = without((_renamed(row, own) for row in (*other.assessments, *rows_of(other.end))), HASHED)
        moved = sum(1 for old, new in names.items() if old != new)
        difference = first_difference(expected, again, f"with {moved} of {len(names)} symbols renamed")
        found.add(other, sessions=len(data.sessions), facts=facts_of(data), difference=difference)
    return found.result(
        CheckName.RELABELLING, note="ids that hash a symbol and the order within a session are left out"
    )


def _renamed(row: Row, names: Mapping[str, str]) -> Row:
    if not row.symbol:
        return row
    symbol = names[row.symbol]
    values = tuple((name, _own(name, value, row.symbol, symbol)) for name, value in row.values)
    return row._replace(symbol=symbol, values=values)


def _own(name: str, value: object, symbol: str, own: str) -> object:
    if name == "symbol":
        return own
    if name == "thesis" and isinstance(value, str) and value.startswith(f"{symbol}: "):
        return own + value[len(symbol) :]
    return value


# -- costs, facts, records --------------------------------------------------------------------------------------------


def check_costs(state: BacktestState, data: BacktestData, request: BacktestRequest) -> CheckResult:
    """Book the fills of a run again at other costs: higher ones never leave more, at no session.

    At the costs of the request they leave exactly what the run did.

    Args:
        state: of a run of the request on the data.
    """
    curves = {
        name: equity_with(costs, state, data, request.opening_cash)
        for name, costs in cost_models(request.costs).items()
    }
    difference = None
    for at, mark in enumerate(state.marks):
        wrong = [
            (f"equity with {higher}", f"at most {curves[lower][at]}, as with {lower}", curves[higher][at])
            for lower, higher in RISING
            if curves[higher][at] > curves[lower][at]
        ]
        if mark.equity != curves[OWN_COSTS][at]:
            wrong.insert(0, ("equity", f"{mark.equity}, as the run has it", curves[OWN_COSTS][at]))
        if wrong:
            field, expected, found = wrong[0]
            difference = Difference(
                session=mark.session,
                kind=Kind.MARK,
                symbol="",
                field=field,
                expected=expected,
                found=str(found),
                detail="with the fills of the run booked again",
            )
            break
    fills = len(fills_of(state))
    return CheckResult(
        name=CheckName.COSTS,
        passed=difference is None,
        compared=Compared(
            sessions=len(state.marks) * len(curves), orders=len(state.orders) + len(state.working), fills=fills
        ),
        difference=difference,
        note="" if fills else "nothing was bought or sold, so that nothing cost anything",
    )


def check_future(data: BacktestData) -> CheckResult:
    """Look for facts whose stamps cannot be. Those that only ask for a look are told, but do not fail the check."""
    findings = stamp_findings(data)
    return CheckResult(
        name=CheckName.FUTURE,
        passed=not any(finding.impossible for finding in findings),
        compared=Compared(facts=facts_of(data)),
        findings=findings,
    )


def check_replayability(
    data: BacktestData,
    request: BacktestRequest,
    *,
    code_version: str,
    sample: int = SAMPLE,
    original: Played | None = None,
) -> CheckResult:
    """Compute a sample of decisions again from the bytes of their records: the same bytes come out.

    Args:
        sample: number of decisions at most, drawn by the hashes of their records.
        original: of the same data and request, with a sample.
    """
    base = original or play(data, request, code_version=code_version, sample=sample)
    difference = None
    for recommendation, record in base.sample:
        again = replay(DecisionRecord.model_validate_json(canonical_bytes(record)))
        if again.model_dump_json() != recommendation.model_dump_json():
            difference = _replay_difference(recommendation, again)
            break
    return CheckResult(
        name=CheckName.REPLAYABILITY,
        passed=difference is None,
        compared=Compared(decisions=len(base.sample)),
        difference=difference,
        note="" if base.sample else "nothing was decided",
    )


def _replay_difference(recommendation: Recommendation, again: Recommendation) -> Difference:
    names = type(recommendation).model_fields
    field = next((name for name in names if getattr(recommendation, name) != getattr(again, name)), "record_hash")
    return Difference(
        session=recommendation.as_of.astimezone(NEW_YORK).date(),
        kind=Kind.DECISION,
        symbol=recommendation.symbol,
        field=field,
        expected=str(getattr(recommendation, field)),
        found=str(getattr(again, field)),
        detail=f"replay of recommendation {recommendation.recommendation_id}",
    )


# -- counting ---------------------------------------------------------------------------------------------------------


class _Tally:
    """What a check's runs have compared so far, and the first difference of all."""

    def __init__(self) -> None:
        self._sessions = self._decisions = self._orders = self._fills = self._facts = 0
        self._difference: Difference | None = None

    def add(self, other: Played, *, sessions: int, facts: int, difference: Difference | None) -> None:
        self._sessions += sessions
        self._decisions += len(other.assessments)
        self._orders += len(other.end.orders) + len(other.end.working)
        self._fills += len(fills_of(other.end))
        self._facts += facts
        if difference is not None and (self._difference is None or difference.session < self._difference.session):
            self._difference = difference

    def result(self, name: CheckName, *, note: str = "") -> CheckResult:
        return CheckResult(
            name=name,
            passed=self._difference is None,
            compared=Compared(
                sessions=self._sessions,
                decisions=self._decisions,
                orders=self._orders,
                fills=self._fills,
                facts=self._facts,
            ),
            difference=self._difference,
            note=note,
        )


def _counter(progress: Progress | None, name: CheckName | None, total: int) -> Callable[[], None] | None:
    """Count the sessions of a check for whoever waits for it."""
    if progress is None:
        return None
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        progress(name, done, total)

    return advance
