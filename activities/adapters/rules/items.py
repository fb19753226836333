"""What the items of an 8-K and the forms of filings announce, before a word under them is read.

An item's heading or a form states what happened; how good or bad that is follows where it always means the same.
"""

from __future__ import annotations

from typing import NamedTuple

from activities.adapters.rules.tokens import Span, word_set
from domain.extraction import EntityRole, EventType

SURE = 0.95
"""Confidence in what a heading or a form states by itself."""
SAID = 0.75
"""And of a document that only looks like a filing: its title is none."""
LEAVING = -0.25
"""What the departure of a principal officer means by itself."""
DILUTION = -0.35
CLEAR = 0.8
"""From this vote on a sentence may make an event of its own."""


class Meaning(NamedTuple):
    """What an item or a form announces. `sentiment` is what it means for the filer by itself, in [-1, 1]."""

    type: EventType | None
    """None: the words under it must tell."""
    sentiment: float = 0.0
    by_words: bool = False
    """Whether the sentences under it may say more of how good or bad it is."""


E = EventType

BESIDE_RESULTS = frozenset({E.GUIDANCE, E.BUYBACK_DIVIDEND})
"""What a release of results may announce besides."""
NOT_A_FILERS = frozenset(
    {
        E.OTHER,
        E.RUMOUR,
        E.MACRO_RELEASE,
        E.POLICY_RATE,
        E.COMMODITY_GEOPOLITICS,
        E.SECTOR_REGULATION,
        E.ANALYST_ACTION,
        E.INDEX_CHANGE,
    }
)
"""Kinds of events that no company files about itself; its lawyers' prose sounds like some of them."""

ITEMS: dict[str, Meaning] = {
    "1.01": Meaning(E.CONTRACT),
    "1.02": Meaning(E.CONTRACT, -0.3),
    "1.03": Meaning(E.CREDIT_DISTRESS, -1.0),
    "1.04": Meaning(E.RECALL_SAFETY, -0.2),
    "1.05": Meaning(E.OUTAGE_CYBER, -0.6),
    "2.01": Meaning(E.MA_ACQUIRER, 0.1),
    "2.02": Meaning(E.EARNINGS, 0.0, by_words=True),
    "2.03": Meaning(E.ISSUANCE),
    "2.04": Meaning(E.CREDIT_DISTRESS, -0.7),
    "2.05": Meaning(E.LABOUR, -0.3),
    "2.06": Meaning(E.EARNINGS, -0.5),
    "3.01": Meaning(E.CREDIT_DISTRESS, -0.6),
    "3.02": Meaning(E.ISSUANCE, -0.35),
    "4.01": Meaning(E.ACCOUNTING_FRAUD),
    "4.02": Meaning(E.ACCOUNTING_FRAUD, -0.9),
    "5.01": Meaning(E.MA_TARGET, 0.2),
    "5.02": Meaning(E.MANAGEMENT),
    "7.01": Meaning(None, by_words=True),
    "8.01": Meaning(None, by_words=True),
    "1": Meaning(E.MA_TARGET, 0.2),
    "2": Meaning(E.MA_ACQUIRER, 0.1),
    "3": Meaning(E.CREDIT_DISTRESS, -1.0),
    "4": Meaning(E.ACCOUNTING_FRAUD),
    "5": Meaning(None, by_words=True),
    "6": Meaning(E.MANAGEMENT),
    "9": Meaning(None, by_words=True),
    "12": Meaning(E.EARNINGS, 0.0, by_words=True),
}
"""The items of an 8-K; plain numbers are those before 23 August 2004. What is not here (votes, bylaws, codes of ethics,
exhibits) is no event of the taxonomy. Costs of closing down (2.05) are counted as labour, impairments (2.06) as
earnings, a change of auditors (4.01) as an accounting matter of no sign."""

_MERGER = (
    r"agreement and plan of merger|merger agreement|(?:definitive|business combination|transaction) agreement (?:to|"
    r"pursuant to which[^.]{0,200}will) (?:be acquired|acquire|merge|combine)|business combination agreement|"
    r"(?:stock|equity|share|asset|membership interest) purchase agreement[^.]{0,300}(?:acquire|all of the)"
)
_DEBT = (
    r"(?:credit|loan|note purchase|financing|forbearance) (?:and security )?agreement|indenture|credit facilit\w+|"
    r"term loan|revolving (?:credit|loan)|(?:senior|convertible|subordinated|promissory) notes?\b"
)
_EQUITY = (
    r"(?:securities|stock|share) purchase agreement|underwriting agreement|subscription agreement|private placement|"
    r"at[- ]the[- ]market|registered direct|sales agreement|equity distribution agreement|placement agen\w+"
)
REFINED: dict[str, tuple[tuple[str, Meaning], ...]] = {
    "1.01": (
        (_MERGER, Meaning(E.MA_ACQUIRER, 0.1)),
        (_EQUITY, Meaning(E.ISSUANCE, -0.35)),
        (_DEBT, Meaning(E.ISSUANCE)),
    ),
    "1.02": ((_MERGER, Meaning(E.MA_ACQUIRER, -0.3)), (_DEBT, Meaning(E.ISSUANCE))),
    "3.01": (
        (_MERGER + r"|effective time of the merger|consummation of the merger", Meaning(E.MA_TARGET, 0.2)),
        (r"voluntar\w+|transfer (?:of )?(?:the |its )?listing|regain\w* compliance", Meaning(E.CREDIT_DISTRESS)),
    ),
    "4.01": ((r"\bresign\w*|disagreements? with|material weakness", Meaning(E.ACCOUNTING_FRAUD, -0.3)),),
}
"""What the words under an item make of it: the first expression found decides."""
FORMS: dict[str, Meaning] = {
    "10-K": Meaning(E.EARNINGS, 0.0, by_words=True),
    "10-Q": Meaning(E.EARNINGS, 0.0, by_words=True),
    "20-F": Meaning(E.EARNINGS, 0.0, by_words=True),
    "40-F": Meaning(E.EARNINGS, 0.0, by_words=True),
    "424B": Meaning(E.ISSUANCE),
    "S-1": Meaning(E.ISSUANCE),
    "S-3": Meaning(E.ISSUANCE),
    "F-1": Meaning(E.ISSUANCE),
    "F-3": Meaning(E.ISSUANCE),
    "S-4": Meaning(E.MA_ACQUIRER),
    "F-4": Meaning(E.MA_ACQUIRER),
    "DEFM14A": Meaning(E.MA_TARGET),
    "PREM14A": Meaning(E.MA_TARGET),
    "SC TO-T": Meaning(E.MA_TARGET, 0.4),
    "SC 14D9": Meaning(E.MA_TARGET, 0.2),
    "SC 13E3": Meaning(E.MA_TARGET, 0.3),
    "SC TO-I": Meaning(E.BUYBACK_DIVIDEND, 0.3),
    "SC 13D": Meaning(E.INSIDER_OWNERSHIP, 0.3),
    "SC 13G": Meaning(E.INSIDER_OWNERSHIP),
    "144": Meaning(E.INSIDER_OWNERSHIP, -0.15),
    "3": Meaning(E.INSIDER_OWNERSHIP),
    "4": Meaning(E.INSIDER_OWNERSHIP),
    "5": Meaning(E.INSIDER_OWNERSHIP),
    "NT 10-K": Meaning(E.ACCOUNTING_FRAUD, -0.4),
    "NT 10-Q": Meaning(E.ACCOUNTING_FRAUD, -0.4),
    "8-K": Meaning(None, by_words=True),
    "6-K": Meaning(None, by_words=True),
    "EX-99": Meaning(None, by_words=True),
}
"""What a form means before it is read."""
SILENT = word_set(
    "13F-HR 13F-NT 497 497K 485BPOS N-CEN N-CSR NPORT-P N-PX 24F-2NT ATS-N ATS-N-W ABS-15G ABS-EE 10-D UPLOAD CORRESP "
    "DEF_14A DEFA14A PRE_14A ARS 11-K CERT EFFECT D FWP POS_AM S-8 8-A12B 15-12G 15-12B 25-NSE 25 SD 40-APP"
)
"""Forms that tell of no event of a company's own; blanks stand as underscores."""


class Part(NamedTuple):
    """A stretch of a filing and what it tells of: `head` is what states it, `body` what is read besides."""

    item: str
    """The 8-K item, or the form."""
    meaning: Meaning
    role: EntityRole
    head: tuple[Span, ...]
    body: Span
