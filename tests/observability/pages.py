"""Pages of metrics as a scraper sees them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@dataclass(frozen=True)
class Page:
    """One scrape. Families have their names without `_total`."""

    families: Mapping[str, Metric]

    @classmethod
    def of(cls, found: Iterable[Metric]) -> Page:
        families = list(found)
        names = [family.name for family in families]
        assert len(names) == len(set(names)), "a family is there twice"
        return cls({family.name: family for family in families})

    @classmethod
    def of_registry(cls, registry: CollectorRegistry) -> Page:
        return cls.of(registry.collect())

    def value(self, name: str, **labels: str) -> float:
        """The sample with these labels, by its whole name; 0 where there is none."""
        return self.sum(name, **labels)

    def sum(self, name: str, **labels: str) -> float:
        """All samples of the name that have these labels among theirs."""
        return sum(
            sample.value
            for family in self.families.values()
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def by(self, name: str, label: str, **labels: str) -> dict[str, float]:
        """Values of the samples that are not 0, by one of their labels."""
        return {
            sample.labels[label]: sample.value
            for family in self.families.values()
            for sample in family.samples
            if sample.name == name and sample.value and labels.items() <= sample.labels.items()
        }

    @property
    def sample_names(self) -> set[str]:
        return {sample.name for family in self.families.values() for sample in family.samples}

    @property
    def labels(self) -> dict[str, set[str]]:
        """Every value of every label, the bounds of buckets left out."""
        found: dict[str, set[str]] = {}
        for family in self.families.values():
            for sample in family.samples:
                for name, value in sample.labels.items():
                    if name != "le":
                        found.setdefault(name, set()).add(value)
        return found


def parsed(text: str) -> Page:
    """Read OpenMetrics text with a parser that is strict about it."""
    return Page.of(text_string_to_metric_families(text))


def scrape(url: str) -> Page:
    answer = httpx.get(url, headers={"Accept": OPENMETRICS}, timeout=10, trust_env=False)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    return parsed(answer.text)


def gained(before: Mapping[Any, float], after: Mapping[Any, float]) -> dict[Any, float]:
    """What counters gained between two scrapes."""
    return {key: value - before.get(key, 0) for key, value in after.items() if value != before.get(key, 0)}
