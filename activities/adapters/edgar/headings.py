"""Where the items of a report begin: headings told from contents, from mentions, and from running heads.

A report has its items in order, and a heading has a text behind it, while an entry of contents has another entry: the
headings are the candidates that stand in the order of the form and have the most to them. A report that numbers its
items in an index alone is split by their titles.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from math import log2
from typing import NamedTuple

from activities.adapters.edgar.heading_candidates import (
    MAXIMUM_CANDIDATES,
    PLAIN_HEADING,
    Candidate,
    named,
    numbered,
    part_of,
)
from activities.adapters.edgar.item_titles import TITLES, Item, form_family
from activities.adapters.edgar.readable import ReadableText

_FEWEST = 3
_SHORTEST_BODY = 200
_LARGE_BODY = 5_000
_LONGEST_INDEX = 0.04
"""Share of a long text: headings that stand so close together are an index."""
_LONG_TEXT = 30_000
_BACK_MATTER = (
    ("Signatures", re.compile(r"^[ \t]{0,200}signatures?[ \t]{0,200}$", re.IGNORECASE | re.MULTILINE)),
    (
        "Financial statements",
        re.compile(
            r"^[ \t]{0,200}(?:report of independent (?:registered )?(?:certified )?(?:public )?account|"
            r"independent auditors?['’]? report|index to (?:the )?(?:consolidated )?financial statements[ \t]{0,200}$)",
            re.IGNORECASE | re.MULTILINE,
        ),
    ),
    ("Exhibits", re.compile(r"^[ \t]{0,200}(?:exhibit index|index to exhibits)[ \t]{0,200}$", re.I | re.MULTILINE)),
)


class Heading(NamedTuple):
    """An item's heading: what it says, and where its section begins."""

    item: Item
    title: str
    start: int


def item_headings(readable: ReadableText, form: str) -> tuple[Heading, ...]:
    """The headings of a report's items in the order of the text; none where the form has no items or shows none."""
    titles = TITLES.get(form_family(form))
    if titles is None:
        return ()
    length = len(readable.text)
    candidates = sorted(numbered(readable, titles), key=_by_place)[:MAXIMUM_CANDIDATES]
    by_name = sorted(named(readable, titles), key=_by_place)[:MAXIMUM_CANDIDATES]
    chosen = _in_order(candidates, length)
    if len(chosen) < _FEWEST or _is_index(chosen, length):
        of_each = _best_of_each(by_name, length)
        chosen = of_each if len(of_each) >= min(_FEWEST, len(chosen)) else [] if _is_index(chosen, length) else chosen
    else:
        chosen = _with_stragglers(chosen, candidates, length)
        chosen = _with_unnumbered(chosen, by_name)
    return tuple(heading._replace(start=_with_part(readable.text, heading.start)) for heading in chosen)


def back_matter(text: str, after: int) -> tuple[tuple[str, int], ...]:
    """What follows the last item: signatures, and financial statements that stand behind them or before."""
    found = ((name, pattern.search(text, after)) for name, pattern in _BACK_MATTER)
    starts = [(name, match.start()) for name, match in found if match]
    return tuple(sorted(starts, key=lambda entry: entry[1]))


def _by_place(candidate: Candidate) -> tuple[int, float]:
    return candidate.start, -candidate.weight


def _in_order(candidates: Sequence[Candidate], length: int) -> list[Heading]:
    """The candidates in ascending order of their items that weigh the most together."""
    best: dict[Item, tuple[float, int]] = {}
    steps: list[tuple[Item, Candidate, int]] = []
    for candidate, body in zip(candidates, _bodies(candidates, length), strict=True):
        reached: list[tuple[Item, float, int]] = []
        for item in candidate.items:
            before = max((value for known, value in best.items() if known < item), default=(0.0, -1))
            reached.append((item, before[0] + _worth(candidate, body), before[1]))
        for item, weight, previous in reached:
            if item not in best or weight > best[item][0]:
                steps.append((item, candidate, previous))
                best[item] = (weight, len(steps) - 1)
    _, at = max(best.values(), default=(0.0, -1))
    chosen: list[Heading] = []
    while at >= 0:
        item, candidate, at = steps[at]
        chosen.append(Heading(item, candidate.title, candidate.start))
    return chosen[::-1]


def _best_of_each(candidates: Sequence[Candidate], length: int) -> list[Heading]:
    """For each item the candidate that weighs the most, in the order of the text, whatever order that is."""
    best: dict[Item, tuple[float, Candidate]] = {}
    for candidate, body in zip(candidates, _bodies(candidates, length), strict=True):
        for item in candidate.items:
            if item not in best or _worth(candidate, body) > best[item][0]:
                best[item] = (_worth(candidate, body), candidate)
    by_start: dict[int, Heading] = {}
    for item, (_, candidate) in sorted(best.items()):
        by_start.setdefault(candidate.start, Heading(item, candidate.title, candidate.start))
    return [by_start[start] for start in sorted(by_start)]


def _worth(candidate: Candidate, body: int) -> float:
    return candidate.weight + min(6.0, log2(1 + body / _SHORTEST_BODY))


def _bodies(candidates: Sequence[Candidate], length: int) -> list[int]:
    """For each candidate, how far it is to the next one of another item."""
    ends = [length] * len(candidates)
    for at in range(len(candidates) - 2, -1, -1):
        same = set(candidates[at].items) & set(candidates[at + 1].items)
        ends[at] = ends[at + 1] if same else candidates[at + 1].start
    return [end - candidate.start for candidate, end in zip(candidates, ends, strict=True)]


def _is_index(chosen: Sequence[Heading], length: int) -> bool:
    if len(chosen) < _FEWEST or length < _LONG_TEXT:
        return False
    return chosen[-1].start - chosen[0].start < _LONGEST_INDEX * length


def _with_stragglers(chosen: list[Heading], candidates: Sequence[Candidate], length: int) -> list[Heading]:
    """Add headings out of order, well titled, of items that have no other: behind the first, or with much to them."""
    known = {heading.item for heading in chosen}
    starts = {heading.start for heading in chosen}
    added: list[Heading] = []
    for candidate, body in zip(candidates, _bodies(candidates, length), strict=True):
        items = [item for item in candidate.items if item not in known]
        is_behind = candidate.start > chosen[0].start or body > _LARGE_BODY
        if items and is_behind and candidate.weight >= PLAIN_HEADING and candidate.start not in starts:
            added.append(Heading(items[0], candidate.title, candidate.start))
            known.add(items[0])
            starts.add(candidate.start)
    return sorted(chosen + added, key=lambda heading: heading.start)


def _with_unnumbered(chosen: list[Heading], candidates: Sequence[Candidate]) -> list[Heading]:
    """Add headings that have a title and no number, where they stand between the items that theirs is between."""
    known = {heading.item for heading in chosen}
    starts = {heading.start for heading in chosen}
    added: list[Heading] = []
    for candidate in candidates:
        items = [item for item in candidate.items if item not in known]
        if not items or candidate.start in starts:
            continue
        around = next((pair for pair in pairwise(chosen) if pair[0].start < candidate.start < pair[1].start), None)
        if around and around[0].item < items[0] < around[1].item:
            added.append(Heading(items[0], candidate.title, candidate.start))
            known.add(items[0])
            starts.add(candidate.start)
    return sorted(chosen + added, key=lambda heading: heading.start)


def _with_part(text: str, start: int) -> int:
    """Where the part begins that an item is the first of: the line before may name it."""
    for _ in range(3):
        end = text.rfind("\n", 0, max(start - 1, 0)) + 1
        line = text[end : start - 1] if start else ""
        if not start or (line.strip() and not part_of(line)):
            break
        start = end
    while start < len(text) and text[start] == "\n":
        start += 1
    return start
