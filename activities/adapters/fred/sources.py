"""The source that FRED offers."""

from __future__ import annotations

from activities.adapters.contract import SourceAdapter
from activities.adapters.fred import releases

RELEASES = SourceAdapter(first=releases.first_request, judge=releases.judge, read=releases.read)
