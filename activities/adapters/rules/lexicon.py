"""General finance English: what is measured, how it moves, and what is good or bad about a sentence.

Written by hand for this platform. `word*` stands for all regular forms of a verb, `a|b` for alternatives of a word,
`?word` for a word that may be missing.
"""

from __future__ import annotations

from activities.adapters.rules.phrases import Entry, Kind
from domain.extraction import EventType

STOCK = "stock"
LOSS = "loss"
FORECAST = "forecast"
EARNINGS_METRIC = "earnings"
SALES_METRIC = "sales"
ORDERS = "orders"
DIVIDEND = "dividend"
MARKET = "market"
TRANSITIVE = "transitive"
ADJECTIVE = "adjective"
WEAK = "weak"
PRICE = "price"
HEADLINE = "headline"
"""Says something in a headline alone; in prose the words are too weak or too ambiguous."""
SOFTENS = "softens"
"""A negator that takes most of the weight away without turning the sign round ("avoids a strike")."""


def _metric(value: float, tag: str, phrases: str, event: EventType | None = None) -> tuple[Entry, str]:
    return Entry(Kind.METRIC, value, tag, event), phrases


def _direction(value: float, tag: str, phrases: str) -> tuple[Entry, str]:
    return Entry(Kind.DIRECTION, value, tag, None), phrases


def _opinion(value: float, phrases: str) -> tuple[Entry, str]:
    return Entry(Kind.OPINION, value, "", None), phrases


def _headline(value: float, phrases: str) -> tuple[Entry, str]:
    return Entry(Kind.OPINION, value, HEADLINE, None), phrases


METRICS: tuple[tuple[Entry, str], ...] = (
    _metric(
        1,
        EARNINGS_METRIC,
        "profit|profits, net|operating|pretax|gross|trading|underlying|core|quarterly|annual profit|profits, pre tax "
        "profit|profits, profit before tax|taxes, profit after tax|taxes, earnings, net|operating|pretax earnings, "
        "earnings per share, eps, income, net|operating|pretax income, ebit, ebita, ebitda, profitability, "
        "operating|net|pretax result|results, result|results, result before tax|taxes, bottom line, loss per share "
        "improvement, operating surplus, cash flow|flows, net cash flow, cash flow from operations|operating, net "
        "cash, cash and cash equivalents, return on investment|equity|capital|assets, return on capital employed, "
        "roi, roe, roce, net interest income, commission income, fee income, ffo",
        EventType.EARNINGS,
    ),
    _metric(1, "margin", "margin|margins, operating|profit|gross|net|ebit|ebitda margin|margins", EventType.EARNINGS),
    _metric(
        1,
        SALES_METRIC,
        "sales, net|total|quarterly|annual|monthly|same|retail|comparable|global|domestic sales, same store sales, "
        "like for like sales, comparable store sales, revenue|revenues, total|operating|net|quarterly|annual "
        "revenue|revenues, turnover, net turnover, invoicing, top line, subscribers, subscriptions, customers, "
        "users, passengers, passenger numbers|traffic, traffic, bookings, volume|volumes, "
        "sales|cargo|trading|delivery volume|volumes, deliveries, shipments, exports, export, production, output, "
        "market share, footfall, occupancy, occupancy rate, load factor, viewership, circulation, royalties, "
        "registrations, visitor numbers, downloads, premiums, gross written premium",
        EventType.KPI_SALES,
    ),
    _metric(
        1,
        ORDERS,
        "orders, order intake|book|backlog|portfolio|stock|level|levels, orders received, new orders, backlog, stock "
        "of orders",
        EventType.KPI_SALES,
    ),
    _metric(
        1,
        FORECAST,
        "guidance, outlook, forecast|forecasts, estimate|estimates, estimation, projection|projections, "
        "target|targets, expectation|expectations, consensus, prediction|predictions, analyst|analysts view|views, "
        "street view|views, sales|profit|revenue|earnings|growth|outlook "
        "forecast|forecasts|outlook|guidance|target|targets|estimate|estimates|view, full year "
        "forecast|outlook|guidance|target|view, sales growth forecast|target",
        EventType.GUIDANCE,
    ),
    _metric(1, "target", "price target|targets, target price|prices, stock price target", EventType.ANALYST_ACTION),
    _metric(
        1, "rating", "credit rating|ratings, debt rating|ratings, issuer rating|ratings", EventType.CREDIT_DISTRESS
    ),
    _metric(
        1,
        DIVIDEND,
        "dividend|dividends, quarterly|annual|interim|final dividend|dividends, payout, pay out, dividend "
        "payout|payouts, distribution to shareholders",
        EventType.BUYBACK_DIVIDEND,
    ),
    _metric(
        1,
        STOCK,
        "share|shares, stock, share|stock price|prices, share|shares value, market "
        "capitalisation|capitalization|cap|value, adrs",
    ),
    _metric(
        1,
        MARKET,
        "stocks, wall street, wall st, ftse, dow, nasdaq, nikkei, s&p, index, indexes, futures, european shares, "
        "equities, tsx, sensex",
    ),
    _metric(
        1,
        "",
        "demand, growth, sales growth, revenue growth, profit growth, market, markets, construction, activity, "
        "business, consumption, spending, consumer spending|confidence, confidence, productivity, efficiency, cost "
        "efficiency, competitiveness, performance, liquidity, equity ratio, capital ratio, solvency, assets, net "
        "asset value, nav, value, fair value, holdings, reserves, capacity, production capacity, utilisation, "
        "utilization, capacity utilisation|utilization rate, presence, position, market position, gdp, economy, "
        "investment|investments, returns, popularity, usage, interest, trust, satisfaction, quality, awareness, "
        "momentum, economic growth, economic output, housing starts, home sales, hiring, employment, payrolls, "
        "factory orders, synergies, rents, rental income, yield, wins, fortunes, stability, resources",
    ),
    _metric(
        0.35,
        PRICE,
        "price|prices, average price|prices, selling prices, price level, rates, market rates, tariffs, fees",
    ),
    _metric(
        -0.5,
        PRICE,
        "raw material price|prices, fuel price|prices, steel price|prices, energy prices, input prices, food prices",
    ),
    _metric(
        -1,
        LOSS,
        "loss, losses, net loss|losses, operating loss|losses, pretax loss|losses, pre tax loss|losses, trading "
        "loss|losses, quarterly loss|losses, annual loss|losses, loss per share, loss after tax|taxes, loss before "
        "tax|taxes, deficit, shortfall, loss after financial items, negative cash flow",
        EventType.EARNINGS,
    ),
    _metric(
        -1,
        "cost",
        "cost|costs, expense|expenses, operating costs|expenses, "
        "labour|labor|fuel|material|funding|production|fixed|working|energy|input costs, raw material costs, "
        "charge|charges, impairment|impairments, write down|downs, writedown|writedowns, write off|offs, writeoffs, "
        "provisions, debt, debts, net debt, indebtedness, leverage, borrowing, borrowing costs, delinquencies, "
        "delinquency rates, charge offs, defaults, claims, churn, risk|risks, uncertainty, complaints, injuries, "
        "injury cases, accidents, emissions, competition, foreclosures, bankruptcies, insolvencies, outflows, net "
        "outflows, withdrawals, redemptions, cancellations, layoffs, taxes, tax bill, penalties, loan losses, bad "
        "loans, credit losses, loan loss provisions, inventory writedowns, tension|tensions, volatility, fear|fears, "
        "worries, worry, pressure, cds, spreads, bad debt|debts, capital losses, warranty costs, lead times, delays, "
        "defects, overcapacity",
    ),
    _metric(-1, "cost", "unemployment, unemployment rate, jobless claims", EventType.MACRO_RELEASE),
    _metric(
        0,
        "neutral",
        "share capital, capital expenditure, headcount, stake|stakes, inventories, tax rate, currency rates, "
        "exchange rates",
    ),
    _metric(
        0,
        "neutral",
        "number of shares, number of employees, interest rate|rates, gearing, oil price|prices, crude price|prices",
    ),
)

DIRECTIONS: tuple[tuple[Entry, str], ...] = (
    _direction(
        1,
        "",
        "rise, rises, rose, risen, rising, grow, grows, grew, grown, growing, climb*, soar*, surge*, jump*, leap*, "
        "leapt, increase*, advance, advances, advanced, double*, triple*, quadruple*, treble*, almost|nearly "
        "doubled|tripled, swell*, went|go|goes|going|gone|gone up, edge*|inch*|tick*|move* up|higher, end*|close* "
        "up|higher, spike*, skyrocket*, mount*, widen*, multiply*, accelerate*, speeded up, speed* up, pick* up, "
        "shot|shoot|shoots up, trend* higher, outgrew, swelled, snowball*, increment, uptick, upturn, upswing, "
        "tripling, doubling, quadrupling",
    ),
    _direction(0.9, "", "gain, gains, gained, gaining"),
    _direction(
        0.8,
        TRANSITIVE,
        "raise*, boost*, lift*, hike*, expand*, bolster*, broaden*, uplift*, ramp* up, scale* up, step* up, stepping "
        "up, beef* up",
    ),
    _direction(
        0.9,
        ADJECTIVE,
        "higher, larger, bigger, rising, growing, increasing, increased, expanded, raised, greater, more, record high",
    ),
    _direction(0.9, WEAK, "up"),
    _direction(
        -1,
        "",
        "fall, falls, fell, fallen, falling, drop**, decline*, decrease*, slip**, slide, slides, slid, sliding, "
        "plunge*, plummet*, tumble*, sink, sinks, sank, sunk, sinking, shrink, shrinks, shrank, shrunk, shrinking, "
        "narrow*, dip**, diminish*, shed, sheds, shedding, slump*, dive*, dove, crash*, tightened, contracted, "
        "contracting, will contract, to contract, halve*, almost|nearly halved, dwindle*, ease, eases, eased, "
        "easing, went|go|goes|going|gone|come|came|comes down, edge*|inch*|tick*|move* down|lower, end*|close* "
        "down|lower, retreat*, skid**, backtrack*, slow, slows, slowed, slowing, slow* down, slowdown, downturn, "
        "downtick, nosedive*, sag**, tack* lower, trend* lower, erode*, recede*, subside*, ebb*, collapse*, wane*, "
        "deteriorate*, tail* off, cool* off",
    ),
    _direction(
        -0.8,
        TRANSITIVE,
        "cut, cuts, cutting, slash*, reduce*, lower*, trim**, curb*, scale* back, scale* down, pare*, shave*, "
        "chop**, drag* down, rein* in",
    ),
    _direction(
        -0.9,
        ADJECTIVE,
        "lower, smaller, falling, declining, decreasing, reduced, fewer, less, slower, weaker, shrinking",
    ),
    _direction(-0.8, "", "reduction in|of, contraction, cutback, cutbacks"),
    _direction(-0.9, WEAK, "down"),
)

BEATS: tuple[tuple[Entry, str], ...] = (
    (
        Entry(Kind.BEAT, 1.0, "verb", None),
        "beat, beats, beating, exceed*, surpass*, top, tops, topped, topping, outpace*, smash*, trounce*, "
        "outstrip**, eclipse*",
    ),
    (Entry(Kind.BEAT, 1.0, "place", None), "above, ahead of, better than, higher than, more than, in excess of, over"),
    (
        Entry(Kind.BEAT, -1.0, "verb", None),
        "miss, misses, missed, missing, lag, lags, lagged, lagging, trail, trails, undershoot*, "
        "fell|fall|falls|falling|fallen short, come|comes|came up|in short",
    ),
    (
        Entry(Kind.BEAT, -1.0, "place", None),
        "below, short of, under, worse than, lower than, less than, weaker than, fell|fall|falls|falling|fallen "
        "short of, fall|falls|fell below",
    ),
)

GRAMMAR: tuple[tuple[Entry, str], ...] = (
    (
        Entry(Kind.NEGATOR, 0, "", None),
        "not, no, 't, never, neither, nor, without, cannot, unlikely, denies, denied, deny, no longer, hardly, "
        "unable to, refuse|refuses|refused to, rule|rules|ruled out, no plans",
    ),
    (Entry(Kind.NEGATOR, -0.5, "", None), "fail|fails|failed|failing to, struggle* to"),
    (
        Entry(Kind.NEGATOR, 0, SOFTENS, None),
        "avoid*, avert*, prevent*, stave|staves|staved off, fix*, plugs, plugged, patches, patched, "
        "fend|fends|fended off, offset, offsets, offsetting, recover|recovers from, to investigate",
    ),
    (
        Entry(Kind.HEDGE, 0, "", None),
        "may, might, could, possibly, perhaps, potentially, reportedly, rumor|rumour|rumors|rumours, "
        "rumored|rumoured, seem|seems, appear|appears to, speculation, consider|considers|considering, mull*, "
        "sources, source, said to, in talks, talks, would",
    ),
    (
        Entry(Kind.CONTRAST, 0, "", None),
        "despite, in spite of, although, though, even though, even as, notwithstanding, while, whereas, regardless of",
    ),
    (Entry(Kind.TURN, 0, "", None), "but, however, nevertheless, yet, still, on the other hand, in contrast"),
    (
        Entry(Kind.COMPARE, 0, "", None),
        "compared, compared with|to, compares with|to, comparing to, versus, vs, against, as against, in comparison "
        "with|to",
    ),
)

NOTHING: tuple[tuple[Entry, str], ...] = (
    (
        Entry(Kind.NOTHING, 0, "", None),
        "pleased to invite|announce, leading "
        "provider|supplier|manufacturer|company|developer|producer|player|group|vendor|maker|global|international|"
        "european|nordic, one of the leading, world 's leading, leader in the, up to, set* up, setting up, sign* up, "
        "split up, make|makes|made up, end|ends|ended up with, back up, follow up, take|takes|took up, start up, run "
        "up to, turn|turns|turned up, line|lines|lined up, step|steps|stepped up to, put|puts up, come|comes|came up "
        "with, team* up, team|teams|teamed up, head* up, wind* up, write up, gear* up, hold|holds up, break up, "
        "pull* up, give|gives|gave up, fixed term|line|rate|income|price|assets|network, speak* up, look* up, open* "
        "up, clean up, round up, wrap* up, grow* up, sum* up, warm up, follow* up, grown ups, down under, down "
        "payment, down the road, sit down, shut down on, cut off date, cut to length, clear cut, cutting edge, crew "
        "cut, no later than, no one, no less than, no doubt, no 1, no 2, not only, not just, no matter, no ., drop "
        "off point, drop box, drop side, fall into, in the fall, falls under, rise to the occasion, rising star, "
        "raise awareness, raise* the question, raise* capital, raise* funds, raise* money, raise* up, contract "
        "to|for, over the counter, more than|over a, less than a, more information, for more, more about, more and "
        "more, no more than, gain access, gains tax, capital gains tax, capital gain, capital gains, lead "
        "generation, miss out, top management, top executive, top executives, top level, top floor, on top of, top "
        "of, top to bottom, net loss carryforwards, loss adjusters, weight loss, loss of generality, tax loss, "
        "profit and loss, profit sharing, profit distribution, profit warning system, dow jones, dow chemical, stock "
        "exchange|market|option|options|split|code|exchanges|release|symbol|markets, share "
        "issue|ownership|owners|subscription|option|options|repurchase|register, shares outstanding, class shares, "
        "new shares, sales "
        "office|offices|manager|company|representative|unit|units|director|team|network|organisation|organization|"
        "process|force|floor, sales and marketing, sales and distribution, sales of shares, demand deposits, order "
        "to|matching|management, in order, target group|audience|market|markets|date|company, interest rate swap, "
        "market cap segments, income statement, income tax|taxes, business "
        "unit|units|area|areas|segment|group|division|school|hours|day|days|development|model|intelligence|solutions|"
        "line|name|practices|plan|operations|travel|systems|premises|process|processes|card|environment|support, "
        "market leader in, market maker, market research|analysis|data|place|value of, production "
        "line|lines|plant|plants|unit|units|facility|facilities|process|processes|equipment|manager|company|"
        "director, position of, positions for|in, open positions, managing positions, value added|chain, added "
        "value, value of, present value, customers in, customer service|services, capacity of, efficiency of, "
        "investment "
        "bank|banking|group|company|adviser|advisor|adviser|advisers|services|products|trust|fund|management|firm, "
        "trading day, cost free, at no cost, cost of living, low cost, expense account, risk management, risk free, "
        "competition authority|authorities|commission|law|bureau, competition act, claims to|that|it|they, business "
        "as usual, user interface, users of, export to|credit, output of, result in|from|of, resulted in, results "
        "in|from|of, as a result, end result, test results, search results, results "
        "conference|webcast|presentation|date|release|call|on, results will be, earnings "
        "call|conference|release|calendar|date|season, forecast period, target of, slide show|shows|deck, slide out, "
        "climb stairs, leap year, slow cooker, savings account|accounts|bank|banks|plan|bond|product|products, low "
        "down, supply chain management, double decker|deck|click|check|room|digit, double digits, triple a|play, "
        "grow a|your|their, growing conditions, over time, over the, over a, over to, all over, under "
        "the|a|an|this|these|construction|way|review|development|its|their|which|license|open|contract|agreement, "
        "above mentioned, above all, above ground, below ground, record|records "
        "of|company|date|label|store|keeping|book, track record, on record, off the record, on track for more",
    ),
)

OPINIONS: tuple[tuple[Entry, str], ...] = (
    _opinion(
        1.0,
        "record "
        "profit|profits|sales|revenue|revenues|results|year|quarter|earnings|orders|high|output|production|level|"
        "levels|highs|holiday, all time high|record, best ever|quarter|year|result|results|performance, highest "
        "ever, new high, new heights, month high|highs, year high|highs, week high|highs, hit*|hits|hitting record, "
        "better|stronger than expected|forecast|anticipated|feared, swing|swings|swung|swinging to|into "
        "?net|operating|quarterly profit, return|returns|returned to profit|profitability|growth|black, "
        "turn|turns|turned|turning|swing|swings|swung|swinging|move|moves|moved to|into "
        "net|operating|pretax|quarterly profit, narrow|narrows|narrowed|narrowing|contracted ?its "
        "net|operating|quarterly loss|losses, turn|turns|turned profitable|around, turned|turns|turn to "
        "profit|black|positive, back to|in profit|black|growth, in the black, turned|turn positive, broke even, "
        "strong "
        "demand|growth|sales|results|earnings|performance|quarter|year|start|profit|profits|orders|outlook|gains|"
        "position|holiday|sales growth, stronger demand|growth|sales|results|earnings, robust "
        "demand|growth|sales|results|earnings, solid demand|growth|sales|results|earnings|quarter|performance, brisk "
        "demand|sales|growth, healthy growth|demand|profit, profit boost, bumper profit|profits|year|sales, upbeat, "
        "blockbuster quarter|results|sales|year, stellar, roaring, impressive results|growth|performance, bounce* "
        "back, bounce back, bullish, raised its outlook",
    ),
    _opinion(
        0.8,
        "improve*, improvement, improvements, improved, rebound*, recover*, recovery, recoveries, rally, rallies, "
        "rallied, rallying, outperform*, thrive*, flourish*, boom*, strengthen*, stronger, excel*, gain traction, "
        "regain*, revive*, revival, good "
        "quarter|results|year|performance|growth|result|demand|start|position|progress|profit, excellent, "
        "outstanding results|performance, favourable, favorable, positive "
        "for|about|outlook|impact|effect|development|trend|result|results|trial|data|surprise|start|earnings|"
        "momentum, positive cash flow, successful, successfully, success, win, wins, won, winning, winner, triumph*, "
        "victory, victories, breakthrough, milestone, brisker, brisk, well received, gathers|gather|gathering pace, "
        "pick* up pace, cheer*, buoyed, buoyant, surprise* on the upside, boosted by, buoy*, lifted by",
    ),
    _opinion(
        0.55,
        "strong, solid, robust, healthy, good, great, better, best, benefit*, profitable, profitably, pleased, "
        "delighted, proud, happy, satisfied, confident, optimistic, optimism, encouraging, promising, attractive, "
        "exciting, opportunity, opportunities, efficient, efficiently, enhance*, advantage, advantages, competitive, "
        "leading, leader, market leader, pioneer, innovative, award winning, praise*, applaud*, welcome*, support "
        "growth, cost saving|savings, savings, yearly savings, cost cutting|reduction|reductions, savings of, annual "
        "savings, cost effectiveness, save costs, cut* costs, cutting costs, streamline*, synergy|synergies, "
        "turnaround, turn around, boost, boon, tailwind|tailwinds, upside, surplus, resilient, resilience, grow*, "
        "growth in, new customers, new contract|contracts, gain of, capital gain of, excellent track record, proven "
        "track record, in high demand, speed* recovery, weather the storm, resilient, soothe*, relief, progress, "
        "leads, seal*, soars, shine*, stand|stands tall, impress*, top list",
    ),
    _opinion(
        0.5,
        "sign|signs|signed agreement|contract|deal|accord|order|pact|letter|cooperation, has|have signed, entered "
        "into agreement|contract|partnership, cooperation agreement, strategic partnership|cooperation|alliance, "
        "partnership, partner with, teams|teamed up with, cooperation with, expand|expands|expanding|expanded "
        "operations|business|capacity|presence|its|in|into|to, expansion, new store|stores, to open|opens|opened, "
        "opening new, add|adds|adding|added jobs, create|creates|created|creating jobs|new, new jobs, "
        "hire|hires|hiring workers|staff|people, order worth|valued, contract worth|valued, deal worth|valued, "
        "orders worth, invest* in growth, acquire|acquires growth, extend* its, extended contract, repeat order, "
        "strategic fit, good cooperation, high demand, well positioned, well placed, look* forward to, strong "
        "foothold, foothold",
    ),
    _opinion(
        -1.0,
        "profit warning, profits warning, warn|warns|warned ?of|on|about ?lower ?weak "
        "profit|profits|earnings|sales|revenue|outlook|results, worse|weaker than "
        "expected|forecast|feared|anticipated, "
        "slip|slips|slipped|swing|swings|swung|fell|falls|sink|sank|plunge|plunged|plunges to|into|in "
        "?net|operating|quarterly loss|losses|red, in the red, into the red, loss making, lossmaking, unprofitable, "
        "record low|loss|losses, all time low, lowest level|levels|since|in, weak "
        "demand|sales|results|quarter|outlook|earnings|economy|growth|market, weaker "
        "demand|sales|results|outlook|growth, weakening demand|market|sales, soft demand|sales, sluggish, "
        "disappointing, disappoint*, disappointment, steep drop|fall|decline|loss, heavy loss|losses|selling, big "
        "loss|losses, huge loss|losses, sharp drop|fall|decline, month low|lows, year low|lows, week low|lows, grim, "
        "dismal, bleak, dire, gloomy, gloom, downbeat, bearish, rout, meltdown, turmoil, sell off, selloff, "
        "bloodbath, bludgeon*, hammered, battered, clobber*, slammed, pummel*",
    ),
    _opinion(
        -0.8,
        "weak, weaker, weaken*, weakness, weaknesses, suffer*, struggle*, struggling, hurt, hurts, hurting, hit "
        "by|hard, hit|hits profit|profits|sales|earnings|margins|shares, burden*, weigh* on, drag on, dragged, drag, "
        "dent, dents, dented, squeeze*, squeezed, lose, loses, losing, lost, fail, fails, failed, failing, failure, "
        "failures, flop, flops, flopped, setback, setbacks, worsen*, worse, worst, deteriorat*, deterioration, "
        "trouble, troubled, troubles, crisis, recession, slump in, woes, damage*, damaging, harm, harms, harmed, "
        "harmful, threat, threats, threaten*, halt, halts, halted, halting, suspend*, suspension, delay, delays, "
        "delayed, delaying, disrupt*, disruption, disruptions, shortage, shortages, scandal, scandals, negative "
        "impact|effect|outlook|result|cash|surprise|development|prospects|trend|eur, negatively, adverse, adversely, "
        "unfavourable, unfavorable, stagnant, stagnate*, stagnation, difficult, tough, toughest, challenging, "
        "headwind|headwinds, under pressure, come|comes|came under fire|pressure, short of expectations, "
        "underperform*, pain, painful, sour*, backlash, blow, blow to, jitters, fears hit, stuck, plagued, hampered, "
        "hamper*, tarnish*, mar, marred, jeopardy, at risk, embroiled, quit, quits, exodus, penalty, penalised",
    ),
    _opinion(
        -0.55,
        "concerns, concerned, worried, worrying, fear, feared, warn*, warning, warnings, caution*, cautious, "
        "uncertain, problem, problems, problematic, poor, poorly, bad, criticise*, criticize*, criticised, "
        "criticized, criticism, slam, slams, blast, blasts, blame*, attack, attacks, accuse*, accused, accusation, "
        "allege*, alleged, allegation, allegations, dispute*, conflict, protest*, oppose*, opposition, reject*, "
        "rejected, rejects, rejection, refuse*, blocks, blocked, blocking, ban, bans, banned, abandon*, cancel, "
        "cancels, canceled, cancelled, cancellation, scrap, scraps, scrapped, stolen, theft, fraudulent, misleading, "
        "bogus, scam, scamming, hacker, hackers, crash, crashed, explosion, spill, leak, leaks, dead, dies, died, "
        "killed, accident, arrest*, guilty, jailed, sentenced, convicted, unable, overcapacity, glut, slack, "
        "expensive, costly, regret*, unfortunately, disagreement, awkward, resign amid, pull* out, pulls|pulled "
        "plug, exits, shutdown, shut down, shuts, tension, deadlock, stall*, face|faces|faced|facing "
        "probe|pressure|challenges|lawsuit|fine|charges|questions|winter|backlash|uncertainty|claims|tough, faces, "
        "missed, overvalued, oversupply, slowdown, too high, falling demand, runs into, flee*, outflow, stumble*, "
        "scrutiny, red flag",
    ),
    (
        Entry(Kind.OPINION, 0.8, "", EventType.ANALYST_ACTION),
        "buy|accumulate|outperform|overweight recommendation, recommendation to|of buy",
    ),
    (
        Entry(Kind.OPINION, -0.8, "", EventType.ANALYST_ACTION),
        "sell|reduce|underperform|underweight recommendation, recommendation to|of sell|reduce",
    ),
    _opinion(
        0.55,
        "honored, honoured, superior, superb, positive|warm|enthusiastic reception|response|feedback, "
        "important|significant|major|big step, step forward, fits well|perfectly, perfect fit, renowned, acclaimed, "
        "profitable growth, growth initiatives, record breaking, cost advantage, competitive edge, market share "
        "gain|gains",
    ),
    _opinion(
        -0.6,
        "interrupted, interruption, interruptions, forced to, drought, shrinkage, erosion, scarcity, bottleneck, "
        "bottlenecks, thieves, embezzle*, standstill, halted, severe, severely, hardship, write|writes|wrote off|down",
    ),
    _headline(
        0.5,
        "attract*, bucks, buck trend|the, back on track, on track ?to|for, shrug* off, defies, defy, steadies, "
        "upbeat on, weathers, shield* from, steps|step|stepped up drive|push|efforts, green light, gets|get|given go "
        "ahead, sweetens offer|bid, ups stake|dividend|forecast|outlook|guidance, cash* in, back to growth, "
        "comeback, rosy, rosier, vote of confidence, thumbs up, reassure*, revamp*, bounces, reaffirms "
        "goal|guidance|outlook|forecast|target, supports ceo|board|plan|bid, clears bid|deal|takeover|buyout|merger",
    ),
    _headline(
        0.45,
        "hails, hailed, toasts, lures, woos, courts, nets, nabs, scoops, plots expansion|takeover|comeback|growth, "
        "eyes bid|deal|growth|expansion|takeover|acquisition, mulls bid|buyback|ipo|listing|float, plans "
        "ipo|float|flotation|listing|expansion|investment|buyback, to invest, invests, investing, hiring spree, "
        "windfall, jackpot, bumper, resurgent, resurgence, undervalued, outshines, outshine, risers, gainers, top "
        "riser|gainer, powers ahead|higher, propels, sparks rally, ease|eases|eased|easing "
        "fears|concerns|worries, allays, calms, "
        "dodges, spared, cleared of, acquitted, wins appeal|case|battle|fight, cashes in, blue chip, firing on all "
        "cylinders, surpasses, breaks record, on a roll, golden, fast growing",
    ),
    _headline(
        -0.55,
        "fallers, losers, laggard, laggards, biggest faller|loser, plight, peril, perilous, in doubt, limbo, bogged "
        "down, hits snag|hurdle|roadblock|buffers, snag, snags, hurdle, hurdles, hiccup, falter*, sputter*, "
        "stutter*, ailing, beleaguered, embattled, stricken, crisis hit, scandal hit, debt laden, cash strapped, "
        "under siege, in the dock, in hot water, grilled, rapped, slapped with, hit with, ordered to pay, must pay, "
        "to compensate, redress, rigging, rigged, tax avoidance|row|dodging, claw|claws|clawed back, clawback, "
        "walkout, staff anger, angry, anger, furious, lambast*, condemn*, boycott, barred, ditch, ditches, ditched, "
        "dumps, dumped, shelves plan|plans|deal, shelved, mothball*, postpone*, cools on, walk|walks|walked away, "
        "collapses, breaks down, falls through, off the table, panic, contagion, wiped off, evaporate*, dries up, "
        "margin pressure, redundancies, redundancy, closures, closure, too little too late, shaken, spat, feud, "
        "bitter, exodus, braced for, braces for, battle lines, stark, grapples, wrestles with",
    ),
    _opinion(
        -0.7,
        "torn apart, brick wall, book|books|take|takes|took charge|impairment|writedown, dealt blow, "
        "take|takes|took|taking ?its|a ?heavy toll, feel|feels|felt|feeling ?the heat|pinch|pain|strain, "
        "revolt|revolts, knocked, wipe|wipes|wiped|wiping out|off, chill, torrid, mired, bleed*, haemorrhage*, "
        "hemorrhage*, crunch, botched, bungled, flawed, derail*, thwart*, hobbled, stung, bruised, bruising, "
        "rattle|rattles|rattled, spook*, snub, snubs, snubbed, shun, shuns, shunned, outrage, fury, wrath, ire, "
        "flounder*, languish*, crumble*, wobble*, axes, axed, axing, culls, hit out at, hits out at, price war, jobs "
        "to go, job losses, most exposed, heavily exposed, mostly negative, "
        "withdraw|withdraws|withdrew|pull|pulls|pulled cash|money|funds, drop|drops|dropped out, bites, misery, "
        "nightmare, slumps, blunder*, fiasco, debacle, row over, embarrassing, embarrassment, shame, shock",
    ),
)
