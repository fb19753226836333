"""Links into the Temporal UI."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True)
class TemporalLinks:
    ui_url: str
    namespace: str

    def workflow(self, workflow_id: str, run_id: str = "") -> str:
        """Address of a workflow's page, empty where there is no UI. Without a run: all runs of the id."""
        if not self.ui_url:
            return ""
        address = f"{self.ui_url.rstrip('/')}/namespaces/{self.namespace}/workflows/{quote(workflow_id, safe='')}"
        return f"{address}/{run_id}/history" if run_id else address
