"""What the items of periodic reports are called: how an item's heading is told from a mention of it."""

from __future__ import annotations

from typing import NamedTuple


class Item(NamedTuple):
    """An item of a form. Reports are ordered by part, number and letter."""

    part: int
    """1 to 4; 0 where the form's items are numbered through its parts."""
    number: int
    letter: str = ""

    def code(self) -> str:
        """`7A`, and with its part where the numbers begin anew in each: `II.1A`."""
        return (f"{'I' * self.part}." if self.part else "") + f"{self.number}{self.letter}"


_ANNUAL = """
1 business|description of business; 1A risk factors; 1B unresolved staff comments; 1C cybersecurity;
2 properties|description of property; 3 legal proceedings;
4 mine safety|submission of matters|reserved|removed|executive officers;
5 market for registrants common|market for the registrants|market for our common|market for|market price;
6 selected|reserved; 7 managements discussion|management;
7A quantitative and qualitative|quantitative|qualitative;
8 financial statements|consolidated financial statements; 9 changes in|disagreements;
9A controls and procedures|controls; 9B other information;
9C disclosure regarding foreign;
10 directors|executive officers; 11 executive compensation; 12 security ownership; 13 certain relationships;
14 principal account|exhibits|controls; 15 exhibit|financial statement schedules|principal account; 16 form 10|summary
"""
_QUARTERLY_FIRST = """
1 financial statements|consolidated financial statements|condensed consolidated|interim financial|unaudited;
1A risk factors; 2 managements discussion|management; 3 quantitative and qualitative|quantitative|qualitative;
4 controls and procedures|controls
"""
_QUARTERLY_SECOND = """
1 legal proceedings; 1A risk factors; 2 unregistered sales of equity|unregistered|changes in securities;
3 defaults; 4 mine safety|submission of matters|reserved|removed; 5 other information; 6 exhibits
"""
_FOREIGN_ANNUAL = """
1 identity of directors; 2 offer statistics; 3 key information; 4 information on the company; 4A unresolved staff;
5 operating and financial review; 6 directors; 7 major shareholders; 8 financial information; 9 the offer;
10 additional information; 11 quantitative|qualitative; 12 description of securities; 13 defaults;
14 material modifications; 15 controls|reserved; 16 reserved; 16A audit committee; 16B code of ethics;
16C principal account; 16D exemptions; 16E purchases; 16F change; 16G corporate governance; 16H mine safety;
16I disclosure regarding foreign; 16J insider trading; 16K cybersecurity;
17 financial statements; 18 financial statements; 19 exhibits|financial statements
"""


def _read(part: int, table: str) -> dict[Item, tuple[str, ...]]:
    found: dict[Item, tuple[str, ...]] = {}
    for entry in table.replace("\n", " ").split(";"):
        code, _, titles = entry.strip().partition(" ")
        digits = code.rstrip("ABCDEFGHIJK")
        found[Item(part, int(digits), code[len(digits) :])] = tuple(titles.split("|"))
    return found


TITLES: dict[str, dict[Item, tuple[str, ...]]] = {
    "10-K": _read(0, _ANNUAL),
    "10-Q": _read(1, _QUARTERLY_FIRST) | _read(2, _QUARTERLY_SECOND),
    "20-F": _read(0, _FOREIGN_ANNUAL),
}
"""How the titles of each form's items begin, in lower case."""
_FAMILIES = {"10-KT": "10-K", "10-K405": "10-K", "10-KSB": "10-K", "10-QT": "10-Q", "10-QSB": "10-Q"}


def form_family(form: str) -> str:
    """The form whose items a form has: `10-K` for `10-K405/A`; a form without numbered items is its own."""
    base = form.upper().partition("/")[0].strip()
    return _FAMILIES.get(base, base)
