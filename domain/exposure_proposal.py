"""A proposed exposure profile: a company's prices and the factors' series as they were known -> estimates to accept.

    weeks in common -> factors with enough of them -> ridge towards the sector's profile -> beside the current profile

What there is no series for (regulation, an unquoted region) keeps the exposure that somebody gave.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from domain.bar_series import KnownBar
from domain.documents import NEW_YORK
from domain.errors import Conflict
from domain.exposure_estimation import EstimatedExposures, estimate_exposures, sector_prior
from domain.factor_series import (
    RISKLESS,
    WEEKS_A_YEAR,
    Change,
    Dated,
    FactorSeries,
    SeriesKind,
    adjoining,
    changes,
    common_weeks,
    levels,
    series_for,
)
from domain.ids import digest
from domain.layer_config import ExposureConfig
from domain.macro_items import state_key
from domain.market import CorporateAction
from domain.model import Model, Utc
from domain.price_history import PriceHistory, price_history
from domain.registry import ExposureKey, Exposures, factor_of


@dataclass(frozen=True)
class ExposureInputs:
    """What the book held at the instant, and possibly later: the cut is made here."""

    symbol: str
    sector: str
    as_of: datetime
    bars: Mapping[str, Sequence[KnownBar]]
    """Of the company and of the funds that stand for factors."""
    actions: Sequence[CorporateAction] = ()
    figures: Mapping[str, Dated] = field(default_factory=dict)
    """By series, the figures that were known at the instant."""
    sector_profiles: Sequence[Exposures] = ()
    """Of the sector's other companies, as they stood at the instant."""
    current: Exposures = field(default_factory=dict)


class ProposedFactor(Model):
    """One factor of a proposal."""

    factor: ExposureKey
    series: str
    """What stands for it: `figures DGS10`, `bars of SPY`."""
    current: float | None = None
    """In the profile in force; None: it does not name the factor."""
    proposed: float
    standard_error: float
    unclipped: float
    prior: float
    """The mean of the sector's other companies; 0 where none has a profile."""


class LeftOut(Model):
    """A factor without an estimate, and why."""

    factor: ExposureKey
    reason: str


class EstimateProblem(Model):
    """Why there is no estimate at all, and what to do."""

    code: str
    detail: str
    hint: str


class ExposureProposal(Model):
    """What an estimation came to. Nothing of it counts before a person accepts it."""

    estimate_id: str
    """A function of everything that was read: the same id is the same estimate."""
    symbol: str
    as_of: Utc
    weeks: int = 0
    first_week: date | None = None
    """End of the first week's change."""
    last_week: date | None = None
    explained: float | None = None
    """R squared in the weeks used; below 0 where the prior fits worse than nothing."""
    prior_weight: float | None = None
    """How much of an estimate is the prior's, where factors are uncorrelated: lambda / (T - 1 + lambda)."""
    prior_companies: int = 0
    riskless: str = ""
    """The series of the riskless rate; empty: the book has none, and 0 was taken."""
    factors: tuple[ProposedFactor, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    profile: Exposures
    """What would be in force: the estimates, and what the current profile says of other factors."""
    problem: EstimateProblem | None = None

    @property
    def provenance(self) -> str:
        """Where the numbers come from, in a line."""
        named = ", ".join(f"{each.factor} ({each.series})" for each in self.factors)
        return (
            f"estimated {self.estimate_id} as of {self.as_of:%Y-%m-%dT%H:%MZ} from {self.weeks} weeks "
            f"to {self.last_week}: {named}; R2 {self.explained:.2f}"
        )[:2_000]

    def require(self) -> ExposureProposal:
        """Insist on an estimate.

        Raises:
            Conflict: there is none.
        """
        if self.problem is not None:
            raise Conflict(self.problem.code, self.problem.hint, symbol=self.symbol, found=self.problem.detail)
        return self


@dataclass(frozen=True)
class _Chosen:
    """The series of one factor."""

    series: FactorSeries
    levels: Dated


def propose_exposures(inputs: ExposureInputs, config: ExposureConfig) -> ExposureProposal:
    """Estimate a company's exposures from its weekly returns, as of an instant; nothing that was known later counts.

    Raises:
        InvalidInput: bars or actions contradict themselves.
    """
    today = inputs.as_of.astimezone(NEW_YORK).date()
    prices = price_history(inputs.bars, inputs.actions, as_of=inputs.as_of)
    own = levels(prices.dated(inputs.symbol), Change.RELATIVE)
    if not own:
        return _without(inputs, "NO_BARS", "no bars", _backfill(inputs.symbol, config))
    have = _weeks([own], today)
    if have < config.minimum_weeks:
        found = f"{have} weeks of prices, needed are {config.minimum_weeks}"
        return _without(inputs, "TOO_FEW_WEEKS", found, _backfill(inputs.symbol, config))
    chosen, left_out = _choose(inputs, prices, own, today, config)
    if not chosen:
        return _without(inputs, "NO_FACTOR_SERIES", "no series of any factor", _add_series(inputs.sector), left_out)
    weeks = adjoining(common_weeks([own, *(each.levels for each in chosen.values())], before=today))
    weeks = weeks[-config.window_weeks :]
    returns = {key: changes(each.levels, weeks) for key, each in chosen.items()}
    flat = sorted(key for key, values in returns.items() if min(values) == max(values))
    left_out += [LeftOut(factor=key, reason=f"{chosen[key].series} never moves") for key in flat]
    returns = {key: values for key, values in returns.items() if key not in flat}
    riskless, rate = _riskless(inputs.figures, weeks)
    excess = [change - lent for change, lent in zip(changes(own, weeks), rate, strict=True)]
    if not returns or min(excess) == max(excess):
        found = "prices that never move" if returns else "series that never move"
        return _without(inputs, "NOTHING_MOVES", found, "Look at the bars and figures of the book", left_out)
    prior = _in_our_words(sector_prior(inputs.sector_profiles), returns)
    estimated = estimate_exposures(excess, returns, config=config, prior=prior)
    return _proposal(inputs, config, estimated, chosen, left_out, weeks, riskless, (excess, returns))


def _proposal(
    inputs: ExposureInputs,
    config: ExposureConfig,
    estimated: EstimatedExposures,
    chosen: Mapping[str, _Chosen],
    left_out: Sequence[LeftOut],
    weeks: Sequence[tuple[date, date]],
    riskless: str,
    read: tuple[Sequence[float], Mapping[str, Sequence[float]]],
) -> ExposureProposal:
    excess, returns = read
    current = _in_our_words(inputs.current, estimated.factors)
    ends = [day for _, day in weeks]
    return ExposureProposal(
        estimate_id="ee_"
        + digest(
            inputs.symbol,
            inputs.as_of,
            config.model_dump_json(),
            ends,
            _rounded(excess),
            *((key, str(chosen[key].series), _rounded(values)) for key, values in sorted(returns.items())),
            estimated.model_dump_json(),
            length=20,
        ),
        symbol=inputs.symbol,
        as_of=inputs.as_of,
        weeks=estimated.weeks,
        first_week=ends[0],
        last_week=ends[-1],
        explained=estimated.explained,
        prior_weight=round(config.penalty_weeks / (estimated.weeks - 1 + config.penalty_weeks), 4),
        prior_companies=len(inputs.sector_profiles),
        riskless=riskless,
        factors=tuple(
            ProposedFactor(
                factor=key,
                series=str(chosen[key].series),
                current=current.get(key),
                proposed=each.exposure,
                standard_error=each.standard_error,
                unclipped=each.unclipped,
                prior=each.prior,
            )
            for key, each in estimated.factors.items()
        ),
        left_out=tuple(left_out),
        profile=_merged(inputs.current, estimated.profile),
    )


def _choose(
    inputs: ExposureInputs, prices: PriceHistory, own: Dated, today: date, config: ExposureConfig
) -> tuple[dict[str, _Chosen], list[LeftOut]]:
    """Take of each factor the first series with enough weeks, and drop the shortest until all have enough together."""
    found: dict[str, _Chosen] = {}
    tried: dict[str, list[str]] = {}
    absent: dict[str, list[str]] = {}
    for series in series_for(inputs.sector):
        if series.factor in found:
            continue
        if series.kind is SeriesKind.BARS and series.name == inputs.symbol:
            tried.setdefault(series.factor, []).append(f"{series} are the company's own")
            continue
        values = inputs.figures.get(series.name, {}) if series.kind is SeriesKind.FIGURES else prices.dated(series.name)
        known = levels(values, series.change)
        weeks = _weeks([own, known], today)
        if weeks >= config.minimum_weeks:
            found[series.factor] = _Chosen(series, known)
        elif known:
            short = f"{series}: {weeks} weeks in common, needed are {config.minimum_weeks}"
            tried.setdefault(series.factor, []).append(short)
        else:
            absent.setdefault(series.factor, []).append(str(series))
    for factor, names in absent.items():
        tried.setdefault(factor, []).append(f"not in the book: {', '.join(names)}")
    left_out = [
        LeftOut(factor=factor, reason="; ".join(reasons)) for factor, reasons in tried.items() if factor not in found
    ]
    while found and _weeks([own, *(each.levels for each in found.values())], today) < max(
        config.minimum_weeks, len(found) + 2
    ):
        shortest = min(found, key=lambda key: (_weeks([own, found[key].levels], today), key))
        dropped = found.pop(shortest)
        left_out.append(LeftOut(factor=shortest, reason=f"{dropped.series} shares too few weeks with the others"))
    return found, left_out


def _weeks(series: Sequence[Dated], today: date) -> int:
    """Changes in common; the window is as long as it may be."""
    return len(adjoining(common_weeks(series, before=today)))


def _riskless(figures: Mapping[str, Dated], weeks: Sequence[tuple[date, date]]) -> tuple[str, list[float]]:
    """What a week's loan paid, known when the week began."""
    for name in RISKLESS:
        known = sorted(figures.get(name, {}).items())
        if known and known[0][0] <= weeks[0][0]:
            rates, at = [], 0
            for began, _ in weeks:
                while at + 1 < len(known) and known[at + 1][0] <= began:
                    at += 1
                rates.append(known[at][1] / 100.0 / WEEKS_A_YEAR)
            return name, rates
    return "", [0.0] * len(weeks)


def _rounded(returns: Sequence[float]) -> list[float]:
    """Leave out what differs between machines."""
    return [round(value, 10) + 0.0 for value in returns]


def _in_our_words(profile: Mapping[str, float], keys: Mapping[str, object]) -> dict[str, float]:
    """Name a profile's exposures as the estimate names its factors; other factors are left out."""
    ours = {_state(key): key for key in keys}
    return {ours[_state(key)]: value for key, value in profile.items() if _state(key) in ours}


def _merged(current: Exposures, estimated: Exposures) -> Exposures:
    ours = {_state(key) for key in estimated}
    kept = {key: value for key, value in current.items() if _state(key) not in ours}
    return dict(sorted({**kept, **estimated}.items()))


def _state(key: str) -> str:
    return state_key(*factor_of(key))


def _without(
    inputs: ExposureInputs, code: str, detail: str, hint: str, left_out: Sequence[LeftOut] = ()
) -> ExposureProposal:
    return ExposureProposal(
        estimate_id="",
        symbol=inputs.symbol,
        as_of=inputs.as_of,
        left_out=tuple(left_out),
        profile=dict(sorted(inputs.current.items())),
        problem=EstimateProblem(code=code, detail=detail, hint=hint),
    )


def _backfill(symbol: str, config: ExposureConfig) -> str:
    return (
        f"Add daily bars of {symbol}: {config.minimum_weeks + 1} weeks at least, {config.window_weeks} are used. "
        "A source of kind polygon_bars or alpaca_bars with an early `since` reads them"
    )


def _add_series(sector: str) -> str:
    figures = list(dict.fromkeys(each.name for each in series_for(sector) if each.kind is SeriesKind.FIGURES))
    funds = ["SPY", *(each.name for each in series_for(sector) if each.factor.startswith("sector:"))]
    return (
        f"Add a source of kind fred with series such as {', '.join(figures)}, "
        f"or daily bars of funds such as {', '.join(funds)}"
    )
