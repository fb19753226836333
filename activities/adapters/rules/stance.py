"""Score what a sentence about the economy implies for monetary policy: +1 hawkish (tighter), -1 dovish (easier).

A topic says which way policy leans when there is more of it; a movement or a level says whether there is. Their
product is a contribution, and some phrases speak for themselves. Words and signs are textbook economics: policy leans
against inflation, strong demand and tight labour markets, and supports a weak economy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from activities.adapters.rules.confidence import OPTIMISM
from activities.adapters.rules.phrases import Entry, Hit, Kind, PhraseTable
from activities.adapters.rules.tokens import Token, tokens_of, word_set
from domain.evaluation import DOVISH, HAWKISH, NEUTRAL

CALLED = 0.2
"""From this absolute score on, a sentence is called hawkish or dovish."""

_PRICES, _ECONOMY, _SLACK, _SUPPLY, _RATES = "prices", "economy", "slack", "supply", "rates"
_EASE, _STRESS, _MARKETS, _DEFICIT, _MONEY = "ease", "stress", "markets", "deficit", "money"
_VERB, _LEVEL, _ADJECTIVE, _CAUSE, _AIM = "verb", "level", "adjective", "cause", "aim"
"""How a movement finds its topic: a verb looks left first, all others right first; a cause or an aim acts on it."""


def _topic(value: float, tag: str, phrases: str) -> tuple[Entry, str]:
    return Entry(Kind.METRIC, value, tag, None), phrases


def _move(value: float, tag: str, phrases: str) -> tuple[Entry, str]:
    return Entry(Kind.DIRECTION, value, tag, None), phrases


def _says(value: float, phrases: str) -> tuple[Entry, str]:
    return Entry(Kind.OPINION, value, "", None), phrases


def _grammar(kind: Kind, phrases: str) -> tuple[Entry, str]:
    return Entry(kind, 0, "", None), phrases


_TOPICS: tuple[tuple[Entry, str], ...] = (
    _topic(
        1.0,
        _PRICES,
        "inflation, core|headline|underlying|price|consumer|wage|trend|measured|actual inflation, consumer|core "
        "price inflation, pce|cpi inflation, inflation "
        "rate|rates|expectations|pressures|compensation|risks|readings|outlook, expected inflation, longer run|term "
        "inflation expectations, inflationary pressure|pressures, cpi, pce price index, "
        "consumer|producer|import|energy|oil|gasoline|food|commodity|house|home|housing|core|input|crude|asset "
        "prices, ?crude oil price|prices, consumer|producer price index, prices, price|cost|wage|compensation "
        "pressure|pressures, wage|wages, wage|compensation growth|gains|increases, nominal|real wages, labor|labour "
        "costs|compensation, unit labor|labour costs, hourly compensation|earnings, average hourly earnings, "
        "employment cost index, costs, energy|input|production costs, pricing power, rents, shelter costs",
    ),
    _topic(
        1.0,
        _ECONOMY,
        "gdp, real gdp, gdp growth, real gdp growth, economic|business "
        "activity|growth|output|expansion|conditions|performance|outlook|data, economy, growth, economic outlook, "
        "activity, output, ?aggregate|domestic|final|private|consumer|global demand, "
        "?consumer|household|business|capital|personal|consumption|government spending|expenditures|outlays, "
        "consumption, ?business|fixed|residential|capital investment, business fixed investment, "
        "industrial|manufacturing|factory production|output|activity, manufacturing, production, employment, "
        "?nonfarm|private payroll|payrolls, payroll employment, nonfarm payroll employment, hiring, job "
        "gains|growth|creation|openings, jobs, labor|labour market|markets|demand, labor|labour market conditions, "
        "housing, housing market|activity|starts|sector, home sales|building, residential construction, "
        "construction, retail sales, sales, consumer|business confidence|sentiment, confidence, exports, "
        "capacity|resource utilization, vacancies, orders, new orders, household|disposable|personal|real "
        "income|incomes, income, expansion, job market, potential growth, momentum",
    ),
    _topic(
        0.6,
        _MARKETS,
        "equity|stock|share prices, stock market, equity indexes, household|financial wealth, wealth, corporate "
        "profits|earnings, profits, treasury|government ?bond|securities yield|yields, yields, bond yields, longer "
        "term interest rates|yields",
    ),
    _topic(
        0.8,
        _DEFICIT,
        "trade|budget|federal|fiscal|external deficit|deficits, current account deficit|deficits, "
        "deficit|deficits, imports",
    ),
    _topic(
        -0.8,
        _MONEY,
        "m2, money supply|growth, monetary aggregates, m2 growth, loan demand, demand for loans|credit, bank "
        "lending|credit, lending, credit growth",
    ),
    _topic(
        -1.0,
        _SLACK,
        "unemployment, unemployment rate, jobless|unemployment rate|claims, initial claims, claims for unemployment "
        "insurance, joblessness, resource|labor|labour|economic slack, margin|margins of slack, "
        "slack, excess capacity, spare capacity, underutilization, layoffs, job losses, underemployment, unused "
        "resources, output gap",
    ),
    _topic(
        -0.8,
        _SUPPLY,
        "productivity, ?labor|trend|structural productivity ?growth, ?foreign exchange value of the dollar, "
        "dollar, value of the dollar, u.s dollar, competition, competitive pressures, globalization, aggregate "
        "supply, potential output",
    ),
    _topic(
        1.0,
        _RATES,
        "?federal funds rate, funds rate, target range, target range for the federal funds rate, federal funds rate "
        "target, target for the federal funds rate, policy rate|rates, interest rates, ?short term interest|policy "
        "rates, real interest rates, rates, path of the federal funds rate, rate path, discount rate, target federal "
        "funds rate",
    ),
    _topic(
        -1.0,
        _EASE,
        "?policy|monetary accommodation, degree of accommodation, ?monetary|fiscal|policy stimulus, monetary policy "
        "accommodation, ?asset|securities|bond purchases, purchases of ?treasury|longer securities, ?large scale "
        "asset|securities purchases, balance sheet, pace of ?asset purchases, securities holdings, holdings of "
        "securities",
    ),
    _topic(
        -0.8,
        _STRESS,
        "?credit|risk spreads, risk premiums, volatility, strains, ?financial stress, uncertainty, uncertainties, "
        "risk aversion, delinquencies, defaults, foreclosures, lending standards, credit conditions|standards, "
        "financial conditions, financial market conditions|strains, turmoil, bankruptcies, risks to growth, trade "
        "tensions",
    ),
)
_MOVES: tuple[tuple[Entry, str], ...] = (
    _move(
        1.0,
        _VERB,
        "rise, rises, rose, risen, appreciate*, appreciation, increase*, grow, grows, grew, grown, growing, climb*, "
        "surge*, jump*, accelerate*, strengthen*, firmed, firming, improve*, expand*, rebound*, recover*, advance*, "
        "gain, gains, gained, pick|picks|picked|picking up, pickup, "
        "move|moves|moved|moving|edge|edged|edging|step|stepped|turn|turned|tick|ticked|drift|drifted|trend|"
        "trended|ramp|ramped|go|went|come|came|bounce|bounced up|higher, upturn, uptick, run|running|ran "
        "up|high|hot, soar*, tighten*, tightening, acceleration, increases, gather*, intensify*, mount*, outpace*, "
        "exceed*, revive*, strengthening, upward revision|revisions, revised up",
    ),
    _move(
        1.0,
        _ADJECTIVE,
        "higher, rising, increasing, stronger, faster, tighter, greater, accelerating, improving, heightened, more "
        "rapid, further gains|increases in, increase|increases|rise|pickup|acceleration in, upward "
        "pressure|pressures on",
    ),
    _move(
        1.0,
        _CAUSE,
        "boost*, raise*, raising, lift*, push|pushes|pushed|pushing up, put|putting|puts upward pressure on, "
        "add|adds|added|adding to, spur**, fuel*, drive|driving|drove up",
    ),
    _move(
        1.0,
        _AIM,
        "support*, stimulate*, bolster*, foster*, promote*, promoting, sustain*",
    ),
    _move(
        0.9,
        _LEVEL,
        "strong, robust, solid, brisk, rapid, vigorous, buoyant, high, elevated, tight, strength, strength in|of, "
        "hot, healthy, upbeat, above, above trend|potential, well above, excessive, favorable, persistent, "
        "surprising strength, highest, unsustainable, strongly, rapidly, briskly, too high, large, sharp",
    ),
    _move(
        -1.0,
        _VERB,
        "fall, falls, fell, fallen, drop**, decline*, decrease*, slip**, slide, slid, plunge*, plummet*, tumble*, "
        "weaken*, soften*, slow, slows, slowed, slowing, slow* down, slowdown, moderated, decelerate*, deceleration, "
        "contract, contracts, contracted, contracting, contraction, deteriorate*, deterioration, ease, eases, eased, "
        "easing, shrink, shrank, shrunk, shrinking, diminish*, abate*, recede*, subside*, wane*, retreat*, "
        "move|moves|moved|moving|edge|edged|edging|step|stepped|turn|turned|tick|ticked|drift|drifted|trend|"
        "trended|go|went|come|came down|lower, downturn, dip**, reduction, reductions, shortfall, narrow*, drag, "
        "downward revision|revisions, revised down, sink, sank, loosen*, dissipate*, falter*, stall*, "
        "lose|lost|losing momentum|steam, dampened, disappoint*, run|running|ran below, undershoot*, depreciate*, "
        "depreciation, restrained, fade*",
    ),
    _move(
        -1.0,
        _ADJECTIVE,
        "lower, falling, declining, decreasing, slower, weaker, softer, diminished, smaller, depressed, "
        "reduction|reductions|decline|declines|drop|slowing|weakening|softening in, deteriorating, slowing, downward "
        "pressure|pressures on",
    ),
    _move(
        -1.0,
        _CAUSE,
        "restrain*, damp, damps, damping, dampen*, weigh* on, depress*, constrain*, limit, limits, "
        "hold|holds|holding|held down, push|pushes|pushed|pushing down, put|putting|puts downward pressure on, drag "
        "on, suppress*, inhibit*, cut, cuts, cutting, lower*, slow the",
    ),
    _move(
        -1.0,
        _AIM,
        "reduce*, reducing, remove*, removal of, removing, withdraw*, withdrawal of, unwind*, normalize*, taper*, "
        "scale* back, contain, containing, control, controlling, bring|bringing|brought down, curb*, end|ending "
        "?the, conclude|concluding, keep, combat, fight, against",
    ),
    _move(
        -0.9,
        _LEVEL,
        "weak, soft, subdued, low, sluggish, muted, tepid, anemic, lackluster, below, well below, weakness, weakness "
        "in, softness, softness in, slow, depressed, poor, short of, fragile, lowest, flat, quite low, too low, "
        "stubbornly low, persistently low, strained, adverse, disappointing, unfavorable, lower than",
    ),
)
_PHRASES: tuple[tuple[Entry, str], ...] = (
    _says(
        1.0,
        "policy|monetary|further|additional|measured|gradual firming|tightening|restraint, ?further tightening of "
        "policy|monetary, tighten ?monetary policy, tighter ?monetary policy, firming of policy, policy firming, "
        "less accommodative, more|sufficiently restrictive, restrictive policy|stance, rate increases|hikes, "
        "increases in the ?target federal funds rate, withdrawal of accommodation, policy normalization, "
        "normalization of policy, normalize policy, overheating, overheat, wage price spiral, inflation above, "
        "preemptive, inflation fighting, high inflation, hyperinflation, stagflation, inflationary, inflation "
        "concerns|fears|scare, concern|concerns|worries about inflation, risk|risks of|that ?higher inflation, pent "
        "up demand, labor|labour|worker shortages, above potential|trend growth, liftoff, lift off, sellers market, "
        "cost of living, raise rates, raising rates, raised rates, restore price stability, bring inflation ?back "
        "down, upside risk|risks, supply|capacity constraints, bottlenecks, shortages",
    ),
    _says(
        0.4,
        "price stability, credibility, well anchored, firmly anchored, anchored, vigilant, vigilance, low and stable "
        "inflation, low inflation, anchor|anchoring inflation expectations, anchored inflation expectations",
    ),
    _says(
        -1.0,
        "policy|monetary|further|additional easing, easing of policy|monetary|the, ease policy|monetary, easier "
        "policy, highly|very|remain|remains|stay|more accommodative, accommodative, rate cuts, reductions in the "
        "?target federal funds rate, cut rates, lower rates, cutting rates, deflation, deflationary, disinflation, "
        "disinflationary, zero|effective lower bound, lower bound, quantitative easing, monetary stimulus, lower for "
        "longer, below 2 percent, below our|its|the ?2 ?longer ?run objective|goal|target, less than 2 percent, run "
        "moderately above 2 percent, extended|considerable period|time, exceptionally low ?levels, stimulative, "
        "below potential|trend, concerns about growth|weakness, weakening economy, lost jobs, loss of jobs, short of "
        "maximum employment, not at maximum employment, economic downturn",
    ),
    _says(
        -0.6,
        "maximum employment, forward guidance, pause, sluggishness, recession, recessions, pandemic, coronavirus, "
        "covid, financial crisis, headwinds, hardship, damage, patient, patience, downside "
        "risk|risks, out of work, terrorist attacks, virus, turbulence, downside, fiscal drag, credit crunch, long "
        "way from, support the ?u.s economy|recovery|expansion, economic recovery, recovery",
    ),
)
_GRAMMAR: tuple[tuple[Entry, str], ...] = (
    _grammar(
        Kind.NEGATOR,
        "not, no, never, neither, nor, without, cannot, 't, little, unlikely, hardly, absence of, lack of, no "
        "longer, rather than, few, fail*",
    ),
    _grammar(
        Kind.HEDGE,
        "could, might, may, would, if, should, possible, possibly, whether, potentially, suppose, tend|tends to, "
        "model, models, figure, chart, literature, paper, theory, hypothesis, rule, question, example, history, "
        "research, evidence, studies",
    ),
    _grammar(Kind.CONTRAST, "although, though, while, whereas, even though, despite, notwithstanding, even as"),
    _grammar(Kind.TURN, "but, however, nevertheless, nonetheless"),
    _grammar(
        Kind.NOTHING,
        "inflation target|targeting|objective|goal, price stability objective, on balance, in part, labor force, "
        "employment report, high frequency, low income, growth of the, interest income, in light of, slow moving, "
        "balance of payments, monetary policy, federal reserve, high school, growth rate, as well as, at least, "
        "above all, as above, full employment, moderate pace, expansion of",
    ),
)
_DEFINITIONS = (*_TOPICS, *_MOVES, *_PHRASES, *_GRAMMAR)
_TABLE = PhraseTable(_DEFINITIONS)

_GAINS: dict[tuple[str, bool], float | dict[str, float]] = {
    (_PRICES, True): {_ADJECTIVE: 1.0, _VERB: 0.8, _LEVEL: 0.8, _CAUSE: 0.7},
    (_PRICES, False): {_LEVEL: 1.1, _VERB: 0.65, _ADJECTIVE: 0.65, _CAUSE: 0.5, _AIM: -0.7},
    (_ECONOMY, True): {_LEVEL: 0.65, _VERB: 0.5, _ADJECTIVE: 0.1},
    (_ECONOMY, False): {_LEVEL: 0.95, _ADJECTIVE: 0.7, _CAUSE: 0.4, _VERB: 0.3},
    (_SLACK, True): 0.85,
    (_SLACK, False): {_VERB: 0.35},
    (_RATES, True): 0.5,
    (_RATES, False): {_LEVEL: 0.3, _CAUSE: 0.7, _VERB: 0.4},
    (_SUPPLY, True): {_LEVEL: 0.4, _ADJECTIVE: 0.4, _VERB: 0.15},
    (_DEFICIT, True): 0.8,
    (_EASE, True): 0.7,
    (_EASE, False): 0.6,
}
"""How much a topic weighs that goes up (True) or down, by the kind of movement; what is not listed weighs 0.3.

A central bank answers rising prices and rising unemployment most; a slowdown from a high level hardly moves it. Keeping
inflation down on purpose takes a tight policy, hence the negative gain.
"""
_STOPS = frozenset(";:") | {".", "!", "?", "--", "—"}
_USUAL = {_PRICES: (1.8, 2.6), _SLACK: (4.0, 6.0)}
"""Percent a year of inflation, and percent of the labour force without work, between which nothing follows."""
_RATED = word_set("inflation rate unemployment prices pce cpi")
_BE = word_set("is are was were be been being")
_REACH_LEFT = 14
_NEGATED = -0.5
_HEDGED = 0.85
_CONCEDED = 0.5
_ECHO = 0.35
_FAINTLY = 0.8
_FAINT = word_set(
    "somewhat slightly little modestly modest moderate moderately gradual gradually bit marginally largely partly "
    "stable unchanged mixed steady roughly balanced broadly"
)

# Ridge fits on the tuning half of the labelled sentences: constant, strength; constant, nothing found.
_WHEN_CALLED = (-0.569, 1.408)
_WHEN_NOT = (-0.09, 1.74)


@dataclass(slots=True)
class StanceReading:
    """A sentence read for its stance: its contributions, hawkish ones positive."""

    parts: list[float] = field(default_factory=list)

    @property
    def raw(self) -> float:
        """The balance of all contributions, without bounds."""
        hawkish = [part for part in self.parts if part > 0]
        dovish = [-part for part in self.parts if part < 0]
        return _together(hawkish) - _together(dovish)

    @property
    def score(self) -> float:
        """The stance in [-1, 1]."""
        return math.tanh(self.raw)


def _together(weights: list[float]) -> float:
    if not weights:
        return 0.0
    strongest = max(weights)
    return strongest + _ECHO * (sum(weights) - strongest)


def read_stance(text: str, start: int = 0, end: int | None = None) -> StanceReading:
    """Read the sentence `text[start:end]`."""
    tokens = tokens_of(text, start, len(text) if end is None else end)
    reading = StanceReading()
    hits = _TABLE.find(tokens)
    if hits:
        _Composer(reading, tokens, hits).run()
    return reading


def stance(text: str) -> float:
    """Score a sentence in [-1, 1]: positive is hawkish, negative dovish, 0 says nothing about policy."""
    return read_stance(text).score


def stance_label(score: float) -> str:
    """Name the stance of a score: hawkish, dovish or neutral."""
    return HAWKISH if score >= CALLED else DOVISH if score <= -CALLED else NEUTRAL


def stance_confidence(reading: StanceReading) -> float:
    """Return the chance, in [0, 1], that the sentence's label is right."""
    if abs(reading.score) >= CALLED:
        constant, strength = _WHEN_CALLED
        logit = constant + strength * abs(reading.raw)
    else:
        constant, silence = _WHEN_NOT
        logit = constant + silence * (not reading.parts)
    return 1 / (1 + math.exp(OPTIMISM - logit))


def judge_stance(text: str) -> tuple[str, float]:
    """Label a sentence and say how sure that is."""
    reading = read_stance(text)
    return stance_label(reading.score), stance_confidence(reading)


class _Composer:
    """Adds up what the phrases of one sentence imply."""

    def __init__(self, reading: StanceReading, tokens: list[Token], hits: list[Hit]) -> None:
        self.reading = reading
        self.tokens = tokens
        self.hits = hits

    def run(self) -> None:
        for at, hit in enumerate(self.hits):
            kind = hit.entry.kind
            if kind is Kind.DIRECTION:
                topic = self._topic_of(at, hit)
                if topic is not None:
                    self._add(self._effect(hit.entry, topic.entry), at)
            elif kind is Kind.OPINION:
                self._add(hit.entry.value, at)
            elif kind is Kind.METRIC:
                self._add(self._level(hit), at)

    def _level(self, hit: Hit) -> float:
        """Compare a rate of inflation or unemployment stated right after its name with what is usual."""
        usual = _USUAL.get(hit.entry.tag)
        if usual is None or self.tokens[hit.last - 1].low not in _RATED:
            return 0.0
        for index in range(hit.last, min(len(self.tokens) - 1, hit.last + 7)):
            token = self.tokens[index]
            if token.low in _STOPS or token.low == ",":
                return 0.0
            if token.is_number and self.tokens[index + 1].low in ("percent", "%", "pct"):
                low, high = usual
                return 0.5 * hit.entry.value * ((token.value > high) - (token.value < low))
        return 0.0

    def _effect(self, move: Entry, topic: Entry) -> float:
        gain = _GAINS.get((topic.tag, move.value > 0), 0.3)
        if not isinstance(gain, float):
            gain = gain.get(move.tag, 0.0)
        return topic.value * move.value * gain

    def _add(self, value: float, at: int) -> None:
        if value == 0:
            return
        if self._preceded_by(Kind.NEGATOR, at, 4):
            value *= _NEGATED
        if self._preceded_by(Kind.HEDGE, at, 8):
            value *= _HEDGED
        if self._preceded_by(Kind.CONTRAST, at, 20):
            value *= _CONCEDED
        hit = self.hits[at]
        around = self.tokens[max(0, hit.first - 2) : hit.last + 3]
        if any(token.low in _FAINT for token in around):
            value *= _FAINTLY
        self.reading.parts.append(value)

    def _topic_of(self, at: int, hit: Hit) -> Hit | None:
        tag = hit.entry.tag
        if tag == _VERB:
            return self._left(at) or self._right(at, 6)
        if tag in (_CAUSE, _AIM):
            return self._subject_of_passive(at, hit) or self._right(at, 6)
        return self._right(at, 3 if tag == _LEVEL else 4) or self._left(at)

    def _subject_of_passive(self, at: int, hit: Hit) -> Hit | None:
        """Find the instrument of "purchases were reduced". "Inflation was contained" tells of no aim."""
        if hit.first == 0 or self.tokens[hit.first - 1].low not in _BE:
            return None
        topic = self._left(at)
        return topic if topic is not None and topic.entry.tag in (_EASE, _RATES) else None

    def _left(self, at: int) -> Hit | None:
        here = self.hits[at].first
        for hit in reversed(self.hits[:at]):
            if here - hit.last > _REACH_LEFT or hit.entry.kind is Kind.TURN or self._stopped(hit.last, here):
                return None
            if hit.entry.kind is Kind.METRIC:
                return hit
        return None

    def _right(self, at: int, reach: int) -> Hit | None:
        here = self.hits[at].last
        for hit in self.hits[at + 1 :]:
            if hit.first - here > reach or hit.entry.kind is Kind.TURN or self._stopped(here, hit.first, ","):
                return None
            if hit.entry.kind is Kind.METRIC:
                return hit
        return None

    def _stopped(self, first: int, last: int, also: str = "") -> bool:
        return any(token.low in _STOPS or token.low == also for token in self.tokens[first:last])

    def _preceded_by(self, kind: Kind, at: int, reach: int) -> bool:
        here = self.hits[at].first
        for hit in reversed(self.hits[:at]):
            if here - hit.last >= reach:
                return False
            if hit.entry.kind is kind:
                return not self._stopped(hit.last, here, ",")
        return False
