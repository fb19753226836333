"""What the Temporal server of docker compose is told about task queues with a rate limit."""

from __future__ import annotations

from pathlib import Path

import yaml

from domain.sources import LIMITED_KINDS, RateGroup
from workflows import names

CONFIG = Path(__file__).resolve().parents[2] / "deploy" / "temporal" / "dynamicconfig" / "prod.yaml"


def test_queues_with_a_limit_when_served_then_each_has_one_partition_and_so_its_whole_limit() -> None:
    found = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    limited = {names.fetch_queue(group) for group in RateGroup if group is not RateGroup.FILES}
    limited |= {names.turn_queue(kind) for kind in LIMITED_KINDS}

    for key in ("matching.numTaskqueueReadPartitions", "matching.numTaskqueueWritePartitions"):
        assert {each["constraints"]["taskQueueName"] for each in found[key] if each["value"] == 1} == limited
