"""How well kinds of events are found: precision, recall and F1 for each kind, with what is known of their uncertainty.

A document is a pair of sets: what it tells of, and what was found in it. Anything named by a string can be scored so:
kinds of events, items of an 8-K, companies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Set
from typing import Annotated

from pydantic import Field

from domain.evaluation import Interval, wilson
from domain.model import Model

Count = Annotated[int, Field(ge=0)]


class TypeScore(Model):
    """One kind's hits and misses over all documents.

    A rate without anything to be a rate of is None: precision where the kind was never found, recall where it never
    occurred. Intervals are Wilson's at 95 %.
    """

    type: str
    right: Count
    """Expected and found."""
    wrong: Count
    """Found and not expected."""
    missed: Count
    """Expected and not found."""

    @property
    def support(self) -> int:
        """In how many documents it occurs."""
        return self.right + self.missed

    @property
    def found(self) -> int:
        return self.right + self.wrong

    @property
    def precision(self) -> float | None:
        return self.right / self.found if self.found else None

    @property
    def recall(self) -> float | None:
        return self.right / self.support if self.support else None

    @property
    def f1(self) -> float | None:
        """The harmonic mean of precision and recall, 0 where one of them is; None where there is no case."""
        total = self.support + self.found
        return 2 * self.right / total if total else None

    @property
    def precision_interval(self) -> Interval:
        return wilson(self.right, self.found)

    @property
    def recall_interval(self) -> Interval:
        return wilson(self.right, self.support)

    @property
    def f1_interval(self) -> Interval:
        """From the share J of hits among all that was expected or found, which is a rate: F1 = 2 J / (1 + J)."""
        share = wilson(self.right, self.right + self.wrong + self.missed)
        return Interval(low=2 * share.low / (1 + share.low), high=2 * share.high / (1 + share.high))


class EventScores(Model):
    """The table: a row for each kind that occurred or was found, in the order of their names."""

    documents: Count
    exact: Count
    """Documents of which exactly the expected kinds were found."""
    rows: tuple[TypeScore, ...]

    def of(self, type_: str) -> TypeScore:
        """The row of a kind; one without counts where it neither occurred nor was found."""
        empty = TypeScore(type=type_, right=0, wrong=0, missed=0)
        return next((row for row in self.rows if row.type == type_), empty)

    @property
    def micro(self) -> TypeScore:
        """All kinds counted together, so that a frequent one weighs more."""
        return TypeScore(
            type="micro",
            right=sum(row.right for row in self.rows),
            wrong=sum(row.wrong for row in self.rows),
            missed=sum(row.missed for row in self.rows),
        )

    @property
    def macro_precision(self) -> float | None:
        """The mean over the kinds that were found."""
        return _mean(row.precision for row in self.rows)

    @property
    def macro_recall(self) -> float | None:
        """The mean over the kinds that occurred."""
        return _mean(row.recall for row in self.rows)

    @property
    def macro_f1(self) -> float | None:
        """The mean over all kinds of the table: one that was found without occurring counts as 0."""
        return _mean(row.f1 for row in self.rows)

    @property
    def exact_interval(self) -> Interval:
        return wilson(self.exact, self.documents)


def score_events(documents: Iterable[tuple[Set[str], Set[str]]]) -> EventScores:
    """Score documents, each as what is expected of it and what was found in it."""
    right: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    count = exact = 0
    for expected, found in documents:
        right.update(str(each) for each in expected & found)
        wrong.update(str(each) for each in found - expected)
        missed.update(str(each) for each in expected - found)
        count += 1
        exact += expected == found
    return EventScores(
        documents=count,
        exact=exact,
        rows=tuple(
            TypeScore(type=name, right=right[name], wrong=wrong[name], missed=missed[name])
            for name in sorted({*right, *wrong, *missed})
        ),
    )


def _mean(rates: Iterable[float | None]) -> float | None:
    known = [rate for rate in rates if rate is not None]
    return sum(known) / len(known) if known else None
