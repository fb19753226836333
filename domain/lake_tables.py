"""Every table of the lake, as data. The pages of the documentation, the API and the exports are made from it.

Left out on purpose: texts of documents, what models were asked and answered, what people wrote as their reasons, and
whatever lets somebody in. Money stays the decimal that it is in the book.
"""

from __future__ import annotations

from collections.abc import Mapping

from domain.lake import LakeTable, unknown_table
from domain.lake_research import DECIDING, READING
from domain.lake_trading import MARKET, TRADING

TABLES: tuple[LakeTable, ...] = (*READING, *DECIDING, *TRADING, *MARKET)
BY_NAME: Mapping[str, LakeTable] = {each.name: each for each in TABLES}


def require_table(name: str) -> LakeTable:
    """A table by its name.

    Raises:
        InvalidInput: there is none of that name.
    """
    if (found := BY_NAME.get(name)) is None:
        raise unknown_table(name, sorted(BY_NAME))
    return found
