"""What kinds of events a phrase announces, what that means by itself, and how much and how long each kind matters."""

from __future__ import annotations

from typing import NamedTuple

from activities.adapters.rules.phrases import Entry, Kind
from domain.extraction import EventType, Horizon, Materiality


class Default(NamedTuple):
    """How much a kind of event matters when it is stated of the subject, and for how long."""

    materiality: Materiality
    horizon: Horizon


DEFAULTS: dict[EventType, Default] = {
    EventType.EARNINGS: Default(Materiality.HIGH, Horizon.WEEKS),
    EventType.GUIDANCE: Default(Materiality.HIGH, Horizon.WEEKS),
    EventType.KPI_SALES: Default(Materiality.MEDIUM, Horizon.DAYS),
    EventType.ANALYST_ACTION: Default(Materiality.MEDIUM, Horizon.DAYS),
    EventType.MA_TARGET: Default(Materiality.HIGH, Horizon.DAYS),
    EventType.MA_ACQUIRER: Default(Materiality.MEDIUM, Horizon.WEEKS),
    EventType.BUYBACK_DIVIDEND: Default(Materiality.MEDIUM, Horizon.WEEKS),
    EventType.ISSUANCE: Default(Materiality.MEDIUM, Horizon.WEEKS),
    EventType.INSIDER_OWNERSHIP: Default(Materiality.LOW, Horizon.WEEKS),
    EventType.MANAGEMENT: Default(Materiality.MEDIUM, Horizon.WEEKS),
    EventType.PRODUCT_LAUNCH: Default(Materiality.LOW, Horizon.WEEKS),
    EventType.CONTRACT: Default(Materiality.MEDIUM, Horizon.WEEKS),
    EventType.PRODUCT_APPROVAL: Default(Materiality.HIGH, Horizon.WEEKS),
    EventType.RECALL_SAFETY: Default(Materiality.MEDIUM, Horizon.WEEKS),
    EventType.OUTAGE_CYBER: Default(Materiality.MEDIUM, Horizon.DAYS),
    EventType.SUPPLY_CHAIN: Default(Materiality.MEDIUM, Horizon.DAYS),
    EventType.LITIGATION_FIRM: Default(Materiality.MEDIUM, Horizon.WEEKS),
    EventType.SECTOR_REGULATION: Default(Materiality.MEDIUM, Horizon.QUARTERS),
    EventType.CREDIT_DISTRESS: Default(Materiality.HIGH, Horizon.WEEKS),
    EventType.ACCOUNTING_FRAUD: Default(Materiality.HIGH, Horizon.QUARTERS),
    EventType.LABOUR: Default(Materiality.MEDIUM, Horizon.DAYS),
    EventType.INDEX_CHANGE: Default(Materiality.LOW, Horizon.DAYS),
    EventType.MACRO_RELEASE: Default(Materiality.LOW, Horizon.DAYS),
    EventType.POLICY_RATE: Default(Materiality.LOW, Horizon.WEEKS),
    EventType.COMMODITY_GEOPOLITICS: Default(Materiality.LOW, Horizon.DAYS),
    EventType.RUMOUR: Default(Materiality.LOW, Horizon.INTRADAY),
    EventType.OTHER: Default(Materiality.LOW, Horizon.DAYS),
}

BUY = "buy"
BOUGHT = "bought"
SELL = "sell"
MERGE = "merge"


def _says(event: EventType, value: float, phrases: str, tag: str = "") -> tuple[Entry, str]:
    return Entry(Kind.OPINION, value, tag, event), phrases


E = EventType

EVENTS: tuple[tuple[Entry, str], ...] = (
    _says(
        E.EARNINGS,
        0,
        "quarterly|annual|full|first|second|third|fourth|half|interim report|results|earnings, posts, "
        "reports, first|second|third|fourth quarter, q1, q2, q3, q4, half year, full year, quarterly, "
        "fiscal year",
    ),
    _says(
        E.GUIDANCE,
        0,
        "expects, expect, sees, forecasts, anticipates, foresees, projects, estimates that, guides, "
        "reaffirms, reaffirmed, confirms its, reiterates, affirms",
    ),
    _says(
        E.ANALYST_ACTION,
        0.9,
        "upgrade*, initiated ?with|at buy|outperform|overweight, raises|raised|lifts|lifted to "
        "buy|overweight|outperform, top pick, buy rating, outperform rating, to overweight, to outperform, "
        "adds to conviction buy list, positive rating, broker recommends",
    ),
    _says(
        E.ANALYST_ACTION,
        -0.9,
        "initiated ?with|at sell|underperform|underweight, to underweight, to underperform, sell rating, "
        "cuts to sell|neutral|hold, to sell from, removed from conviction, cut|cuts to "
        "hold|neutral|sell|underweight|underperform, downgraded by, analyst downgrade",
    ),
    _says(
        E.ANALYST_ACTION,
        0,
        "price target, target price, brokerage, recommendation, starts|start|initiates|initiated coverage, "
        "analyst rating",
    ),
    _says(
        E.CREDIT_DISTRESS,
        -0.9,
        "downgrade*, default*, bankruptcy, bankrupt, insolvency, insolvent, chapter 11, creditor|creditors "
        "protection, going concern, liquidation, receivership, debt restructuring, junk status, "
        "cut|cuts|cut|lowers|lowered ?credit ?debt rating|ratings, negative watch, watch negative, outlook "
        "to negative, negative outlook, may cut ratings, distressed, bailout, covenant breach, missed "
        "payment, notice of delisting, delisting notice, minimum bid price, bid price requirement, event of default, "
        "notice of acceleration, substantial doubt",
    ),
    _says(
        E.CREDIT_DISTRESS,
        0.8,
        "raises|raised|upgrades|upgraded ?credit|debt rating|ratings, emerge|emerges|emerged from "
        "bankruptcy, outlook to positive, outlook to stable, repays debt, refinanc*, refinancing",
    ),
    _says(
        E.CREDIT_DISTRESS,
        0,
        "affirms ratings, assigns rating|ratings|rtgs, moody 's, fitch, standard & poor 's, s&p rates, "
        "rating agency, credit rating",
    ),
    _says(
        E.MA_ACQUIRER,
        0.15,
        "acquire*, buys, buying, bought, purchase, purchases, purchased, take|takes|taken|took over, taking "
        "over, to buy, will buy, offers|offered|bids|bid to buy|acquire, agree* to buy|acquire, snap* up, "
        "bid for, bids for, offer for, makes offer, swoop* for, take|takes|took stake, buys|bought stake, "
        "raises stake, raised stake, clinch* deal, acquisition of, takeover of, buyout of",
        BUY,
    ),
    _says(
        E.MA_TARGET,
        0.5,
        "acquired|bought by, to be acquired|bought|purchased|taken ?over by, bought out by, taken "
        "over|private by, takeover target|interest|approach|offer|bid|speculation|talk, "
        "acquisition|takeover|buyout by, receives|received bid|offer, rejects bid|offer, buyout offer, "
        "explores|exploring|explore sale, explores strategic alternatives, strategic alternatives, put|puts "
        "itself up for sale, up for sale",
        BOUGHT,
    ),
    _says(
        E.MA_ACQUIRER,
        0.15,
        "agreement and plan of merger|reorganization, entered|enter into agreement and plan of merger, business "
        "combination agreement, merge|merges|merged|merging ?with, merger, merger of, tie up with, combine* with, "
        "merger with",
        MERGE,
    ),
    _says(E.MA_ACQUIRER, 0.0, "acquisition|acquisitions, takeover|takeovers, buyout, m&a, tender offer, deal, deals"),
    _says(
        E.MA_ACQUIRER,
        0.2,
        "sell|sells|sold|selling ?its|off|majority|minority "
        "unit|business|stake|assets|division|operations|arm|units|interests|rights, sale of "
        "unit|business|stake|assets|division, divest*, divestment, divestiture, dispos* of, disposal of, "
        "offload*, spin* off, spin off, spinoff, carve out, to sell, agreed to sell",
        SELL,
    ),
    _says(
        E.BUYBACK_DIVIDEND,
        0.7,
        "share|stock repurchase program|programme|authorization|plan, "
        "share|stock buyback|buybacks|repurchase|repurchases, buyback, buy|buys|bought back shares|stock, "
        "buy|buying back, repurchase program|programme, special dividend, dividend hike|increase, "
        "raise*|boost*|hike*|increase*|lift*|reinstate*|resume* ?quarterly|annual|interim dividend, return* "
        "cash|capital to shareholders, dividends unleashed",
    ),
    _says(E.BUYBACK_DIVIDEND, 0.1, "declare* ?quarterly|annual|cash|regular|special dividend|dividends"),
    _says(
        E.BUYBACK_DIVIDEND,
        -0.8,
        "cut|cuts|slash|slashes|slashed|suspend|suspends|suspended|scrap|scraps|scrapped|omit|omits|pass|"
        "passes|axe|axes|axed|halve|halves|halved "
        "?quarterly|annual|interim|final dividend",
    ),
    _says(
        E.ISSUANCE,
        -0.35,
        "share|stock|equity|rights|public offering|issue|sale|placement, raise* equity|capital, capital "
        "raising|increase|hike, dilutes, dilutive, dilution, dilute, sell|sells|sold|selling shares|stock, "
        "convertible notes|bonds, secondary offering",
    ),
    _says(
        E.ISSUANCE,
        0,
        "ipo, ipos, initial public offering, files for ipo, bond|bonds|notes, bond issue|sale|offering, "
        "debt offering|sale, sukuk, prices offering, senior notes, warrants, share subscription",
    ),
    _says(
        E.INSIDER_OWNERSHIP,
        -0.4,
        "insider selling, sold his|her shares, sells stake in, sell* stake in, cut|cuts|reduces|trims stake "
        "in, unloads shares, dumps shares, founder sells",
    ),
    _says(
        E.INSIDER_OWNERSHIP,
        0.4,
        "insider buying, raises|raised|increases|increased|ups|boosts stake|holding in, takes|took stake "
        "in, activist investor|fund|shareholder, discloses stake",
    ),
    _says(
        E.INSIDER_OWNERSHIP,
        0,
        "ownership stake, shareholding, holdings of shares, share of votes, flagging, insider, stake in",
    ),
    _says(
        E.MANAGEMENT,
        0,
        "appoint*, name|names|named ?as ceo|cfo|chief|chairman|president|head|executive|coo|director, new "
        "ceo|cfo|chief|chairman|head|president, to retire, retires, hires, hired, elects, elected, promot* "
        "to, ceo succession, succeed|succeeds as, joins board, board member, appointment, taps, recruits, "
        "poach*, joins",
    ),
    _says(
        E.MANAGEMENT,
        -0.25,
        "step|steps|stepped|stepping down, resign*, resignation, quits, depart*, departure, departures, "
        "ousted, oust|ousts, fires ceo, leaves company, leaves post, sacked, sack|sacks, to leave, "
        "boardroom clearout",
    ),
    _says(
        E.PRODUCT_LAUNCH,
        0.1,
        "launch*, launch, unveil*, introduce*, roll* out, rollout, debut*, release|releases|released "
        "?its|the version|product|phone|tablet|service|model, new "
        "product|products|model|models|version|service, to offer, unwrap*, begin* selling",
    ),
    _says(
        E.CONTRACT,
        0.7,
        "win|wins|won|winning order|orders|contract|contracts|deal|deals|bid|tender|mandate, awarded "
        "contract|contracts|order|mandate|deal, award of contract, has|have|been|was awarded, "
        "receive|receives|received|receiving order|orders|contract, "
        "land|lands|landed|bag|bags|bagged|clinch|clinches|clinched|secure|secures|secured|securing "
        "contract|contracts|order|orders|deal|deals|deliveries",
    ),
    _says(
        E.CONTRACT,
        0.5,
        "sign|signs|signed|signing agreement|agreements|contract|contracts|deal|pact|accord|memorandum, "
        "ink|inks|inked|strike|strikes|struck deal|agreement|pact, supply agreement|contract|deal, entered "
        "into agreement|contract, order for, orders for, orders from, order from, will "
        "supply|deliver|provide, to supply|deliver, licensing deal|agreement, joint venture, alliance, "
        "partnership|partnerships, partner* with, team* up ?with, contract|contracts with|for|worth, deal "
        "with, agreement with, cooperation agreement, jv",
    ),
    _says(
        E.CONTRACT,
        -0.8,
        "lose|loses|lost|losing contract|contracts|order|orders|deal|bid|customer|customers|client, "
        "cancel|cancels|canceled|cancelled|cancels order|orders|contract|contracts, "
        "terminate|terminates|terminated contract|agreement|deal, scrap|scraps|scrapped order|contract|deal",
    ),
    _says(
        E.PRODUCT_APPROVAL,
        0.9,
        "fda approves|approved|approval|clears|okays|clearance|nod, approved by ?us|u.s|eu "
        "fda|regulators|regulator|eu|commission|authority, "
        "win|wins|won|get|gets|got|gain|gains|receive|receives|received|secure|secures "
        "?fda|eu|us|u.s|regulatory approval|clearance|nod|ok|okay, approves drug, backs approval, "
        "recommends approval, panel backs, backs drug, meets main|primary goal|endpoint, successful trial, "
        "positive trial, promising data, study shows benefit, trial success, wins backing",
    ),
    _says(
        E.PRODUCT_APPROVAL,
        -0.9,
        "rejected by fda|regulators, fda rejects|declines|delays|warning|warns|refuses, fail|fails|failed "
        "in|to trial|study, trial failure|fails|failed|flop|flops, study fails, missed|misses main|primary "
        "goal|endpoint, complete response letter, halts trial|study|trials|studies, stops|stopped "
        "trial|study, denies approval, panel|advisers|advisors rejects|rejected|reject, panel rejects|"
        "votes against, flops in study|trial, did not meet",
    ),
    _says(
        E.PRODUCT_APPROVAL,
        0,
        "fda, clinical trial|trials|study, phase i|ii|iii|1|2|3, late stage trial|study, mid stage "
        "trial|study, drug candidate, advisory panel",
    ),
    _says(
        E.RECALL_SAFETY,
        -0.8,
        "recall*, recall, safety probe|defect|defects|concern|concerns|issue|issues|problem|problems|risk, "
        "faulty, defective, grounded, grounds fleet, contamination, oil spill, explosion at, refinery fire, "
        "plant fire, blast at, injured|killed at, worker dies|killed|falls, emergency landing, crash probe, "
        "airbag|airbags, unintended acceleration, safety warning, oil leak, fire at",
    ),
    _says(
        E.OUTAGE_CYBER,
        -0.7,
        "outage|outages, hacked, hack, hacks, hackers, hacking, cyber attack|attacks|breach, "
        "cyberattack|cyberattacks, data breach, security breach|flaw|hole|vulnerability, malware, service "
        "disruption|disruptions, virus, glitch|glitches, network failure, customers ' data, exposed "
        "customers, power outage, blackout|blackouts, bug",
    ),
    _says(
        E.SUPPLY_CHAIN,
        -0.6,
        "supply chain|shortage|disruption|disruptions|constraints, parts shortage, component "
        "shortage|shortages, shortage of, "
        "halt|halts|halted|suspend|suspends|suspended|stop|stops|stopped|stopping "
        "production|output|operations|plant, shut|shuts|shutting ?down "
        "plant|plants|output|platform|refinery|unit|factory|some|production, plant shutdown, force majeure, "
        "production halt|cut|cuts, closure of plant, production delays, delivery delays, shut in",
    ),
    _says(
        E.SUPPLY_CHAIN,
        0.4,
        "resume|resumes|resumed|restart|restarts|restarted ?full "
        "production|operations|output|plant|unit|service, resumption of production|operations",
    ),
    _says(
        E.LITIGATION_FIRM,
        -0.7,
        "sue|sues|sued|suing, lawsuit|lawsuits, class action, legal action|battle|threat, files|filed "
        "suit|complaint|charges, fined, fine|fines of|over|for|on, to pay fine, penalty, charged with, "
        "charges against, indict*, subpoena*, probe|probes|probed|probing, investigat*, under "
        "investigation, investigation|investigations into, raid|raids|raided, antitrust "
        "probe|complaint|investigation|case|suit|hearing|concerns, patent suit|lawsuit|infringement|case, "
        "infring*, accused of, alleges, bribe|bribes|bribery|bribing, accus* of, jailed, pleads|pleaded "
        "guilty, faces lawsuit|suit|charges|fine|trial, mis selling, money laundering, price fixing, libor, "
        "back tax, found guilty|liable, injunction against, import ban, sales ban",
    ),
    _says(
        E.LITIGATION_FIRM,
        0.6,
        "win|wins|won ?patent ?court|legal|appeal "
        "case|ruling|lawsuit|suit|battle|dismissal|verdict|trial|appeal|injunction, "
        "lawsuit|lawsuits|suit|suits|charges|case|cases|claims dismissed|dropped|thrown|tossed, "
        "dismiss|dismisses|dismissed|drop|drops|dropped|toss|tosses|tossed antitrust|patent "
        "complaint|lawsuit|lawsuits|suit, dismiss|dismisses|dismissed|drop|drops|dropped|toss|tosses|tossed "
        "lawsuit|lawsuits|suit|suits|charges|case|cases|claims|complaint|complaints|probe, cleared of, "
        "acquitted, overturn*, court backs|sides",
    ),
    _says(
        E.LITIGATION_FIRM,
        -0.15,
        "settle|settles|settled|settling, settlement, settlements, agrees to pay, to pay to settle, "
        "resolve|resolves|resolved dispute|lawsuit|claims|probe",
    ),
    _says(
        E.LITIGATION_FIRM,
        0,
        "court, judge, jury, trial date, ruling, litigation, appeals court, supreme court, arbitration, "
        "patent|patents, antitrust, dispute, fcpa",
    ),
    _says(
        E.SECTOR_REGULATION,
        -0.3,
        "new|tougher|tighter|stricter rules|regulation|regulations|curbs|limits, crackdown, volcker rule, "
        "dodd frank, ban on, curbs on, capital requirements|surcharge, levy|levies, sanctions, tariff on, "
        "tariffs on, emission rules, debit fee, swipe fees",
    ),
    _says(
        E.SECTOR_REGULATION,
        0,
        "regulator|regulators, regulation, regulatory, lawmakers, legislation, senate, congress, european "
        "commission, bill, fcc, sec rule, epa, basel, watchdog, competition authorities",
    ),
    _says(
        E.ACCOUNTING_FRAUD,
        -1.0,
        "accounting fraud|scandal|irregularities|probe|errors|error, restat*, restate|restates|restated "
        "results|earnings|accounts, fraud, fraud probe|charges, misstat*, overstated "
        "profit|profits|earnings|revenue, embezzl*, ponzi, cooked|cooking books, short seller report, "
        "falsif*, auditor resigns|quits, sec fraud, rogue trader|trading, insider trading",
    ),
    _says(
        E.LABOUR,
        -0.7,
        "lay|lays|laid|laying off, layoff|layoffs, lay offs, lay off, job cuts|losses, "
        "cut|cuts|cutting|axe|axes|axing|slash|slashes|slashing|shed|sheds|eliminate|eliminates|eliminating "
        "?to|about|over|some|around|another|hundreds|thousands ?of "
        "jobs|staff|workforce|positions|workers|employees, jobs at risk, redundant, redundancies, personnel "
        "reductions|negotiations|reduction, staff reduction|reductions|cuts, strike|strikes "
        "by|at|over|action|threat|vote|continues|hits|enters, workers strike, on strike, walkout|walkouts, "
        "picket, boycott|boycotts|boycotting, labour|labor unrest|dispute|strike, downsiz*, down sizing, "
        "given notice, give notice to, terminations, dismissals, temporarily laid off, temporary lay offs, "
        "job losses, plant closure|closures, store closures, close|closes|closing|shut|shuts|shutting ?down "
        "?some|four|two|three|several|hundreds "
        "mills|mill|plants|plant|stores|factories|factory|branches|lines|offices|restaurants",
    ),
    _says(
        E.LABOUR,
        -0.35,
        "plant closure|closures, store closures, close|closes|closing|shut|shuts|shutting ?down "
        "mills|mill|plants|plant|stores|factories|factory|branches|lines|offices|restaurants",
    ),
    _says(
        E.LABOUR,
        0.4,
        "tentative deal|agreement with union|uaw, reach|reaches|reached ?tentative ?labor|labour "
        "deal|agreement|contract with uaw|union|workers|pilots, end|ends|ended strike, ratif* "
        "contract|deal, workers approve|ratify|back|vote",
    ),
    _says(E.LABOUR, 0, "union|unions, uaw, labor|labour talks|contract|deal|pact|costs, strike"),
    _says(
        E.INDEX_CHANGE,
        0.4,
        "added to s&p|index|ftse|dow, join|joins|joining ?s&p|ftse|dow|nasdaq index|500|100, to join "
        "s&p|index, promoted to ftse",
    ),
    _says(E.INDEX_CHANGE, -0.5, "removed|dropped|deleted|evicted|relegated|ejected from s&p|index|ftse|dow|nasdaq"),
    _says(
        E.MACRO_RELEASE,
        0,
        "jobless claims, payrolls, nonfarm, gdp, consumer confidence|sentiment|prices, cpi, ppi, retail "
        "sales data, factory activity|output|data, ism, pmi, housing starts, home sales, durable goods, "
        "trade deficit|balance|gap, economic data, jobs data|report, euro zone, eurozone, unemployment, "
        "inflation, debt crisis, debt ceiling, recession fears, u.s economy, sovereign debt",
    ),
    _says(
        E.POLICY_RATE,
        0,
        "fed|ecb|boe|boj raises|cuts|holds|keeps|hikes|policy|meeting|minutes|rate|rates, federal reserve, "
        "interest rate decision|cut|cuts|hike|hikes, rate hike|cut|cuts|hikes, bernanke, yellen, monetary "
        "policy, quantitative easing, central bank",
    ),
    _says(
        E.COMMODITY_GEOPOLITICS,
        0,
        "oil price|prices, crude, brent, opec, gold, copper, aluminium, aluminum, corn, wheat, gasoline, "
        "natural gas, hurricane, tropical storm, war, sanctions on, embargo, libya, iran, iraq, pipeline, "
        "oil exports",
    ),
    _says(
        E.RUMOUR,
        0,
        "rumor|rumors|rumour|rumours, market talk, market chatter, speculation, reportedly, said to be, "
        "sources say, people familiar",
    ),
)
