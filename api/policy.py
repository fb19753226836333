"""Which routes ask for more than a key: in one place, so that it can be read and audited as a list.

A test holds that every route named here exists. Paths are those of the OpenAPI document.
"""

from __future__ import annotations

import re

Route = tuple[str, str]
"""Method and path."""

STEP_UP: frozenset[Route] = frozenset(
    {
        ("PATCH", "/v1/trading/config"),
        ("POST", "/v1/trading/config/proposals/{proposal_id}/review"),
        ("POST", "/v1/trading/resume"),
        ("POST", "/v1/trading/reset"),
        ("POST", "/v1/trading/breakers/{name}/reset"),
        ("POST", "/v1/trading/reserve/release"),
        ("POST", "/v1/trading/reconciliations/{reconciliation_id}/differences/{difference_id}/accept"),
        ("POST", "/v1/orders/overrides"),
        ("PUT", "/v1/risk/limits"),
        ("POST", "/v1/approvals/{approval_id}/review"),
        ("POST", "/v1/agents/{agent_id}/variants/{variant_id}/activate"),
        ("POST", "/v1/agents/{agent_id}/variants/{variant_id}/promote"),
        ("POST", "/v1/api-keys"),
        ("POST", "/v1/people"),
        ("PATCH", "/v1/people/{name}"),
        ("PUT", "/v1/people/{name}/password"),
        ("POST", "/v1/people/{name}/sign-in-links"),
        ("PUT", "/v1/session/password"),
    }
)
"""What resumes, loosens, overrides, approves or lets people in: a proof that is at most five minutes old."""

HEAVY: frozenset[Route] = frozenset(
    {
        ("POST", "/v1/backtests"),
        ("POST", "/v1/backtests/sweeps"),
        ("POST", "/v1/agents/{agent_id}/test"),
        ("POST", "/v1/agents/{agent_id}/evaluations"),
        ("POST", "/v1/recommendations/{recommendation_id}/what-ifs"),
        ("POST", "/v1/documents/{doc_id}/reprocess"),
        ("POST", "/v1/companies/{symbol}/competitors/infer"),
        ("POST", "/v1/sources/{source_id}/test"),
        ("POST", "/v1/lake/publications"),
        ("GET", "/v1/audit/verify"),
        ("GET", "/v1/audit/export"),
        ("POST", "/v1/backups"),
        ("POST", "/v1/backups/{backup_id}/drill"),
    }
)
"""What costs a model, a backtest, a vendor's answer, the whole audit log or the whole book: fewer of them a minute."""

NEVER_LIMITED: frozenset[Route] = frozenset({("POST", "/v1/trading/pause"), ("POST", "/v1/trading/halt")})
"""What stops trading is answered however often one asks."""

BODY_BYTES = 256 * 1024
"""What a request may have at most; a longer body is refused before it is read."""
LONG_BODY_BYTES = 4 * 1024 * 1024
LONG_BODIES: frozenset[Route] = frozenset(
    {
        ("POST", "/v1/backtests"),
        ("POST", "/v1/documents"),
        ("POST", "/v1/agents/{agent_id}/evaluations"),
    }
)
"""Whole texts, samples of sentences, and an index as it was: longer than anything else that is sent."""

_LONG = tuple((method, re.compile(re.sub(r"\{[a-z_]+\}", "[^/]+", path))) for method, path in sorted(LONG_BODIES))


def most_bytes(method: str, path: str) -> int:
    """How long the body of a request may be."""
    long = any(each == method and pattern.fullmatch(path) for each, pattern in _LONG)
    return LONG_BODY_BYTES if long else BODY_BYTES
