"""Every recorded error answer, and the one page that has two meanings."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from activities.adapters.edgar.errors import require_answer
from domain.errors import NotFound, StonksError, VendorRejected, VendorThrottled, VendorUnavailable
from tests.edgar.conftest import answered

Read = Callable[[str], bytes]
UNDECLARED = (
    b"<!DOCTYPE html><html><head><title>SEC.gov | Request Rate Threshold Exceeded</title></head>"
    b"<body><h1>Your Request Originates from an Undeclared Automated Tool</h1></body></html>"
)


@pytest.mark.parametrize(
    ("name", "status", "error", "code"),
    [
        ("http_403.xml", 403, NotFound, "VENDOR_NOT_FOUND"),
        ("http_404.xml", 404, NotFound, "VENDOR_NOT_FOUND"),
        ("http_503.html", 503, VendorUnavailable, "VENDOR_UNAVAILABLE"),
        ("rate_exceeded_page.html", 403, VendorThrottled, "VENDOR_THROTTLED"),
        ("rate_exceeded_page.html", 429, VendorThrottled, "VENDOR_THROTTLED"),
        ("rate_exceeded_page.html", 200, VendorThrottled, "VENDOR_THROTTLED"),
    ],
)
def test_recorded_error_when_read_then_it_is_what_it_stands_for(
    sec: Read, name: str, status: int, error: type[StonksError], code: str
) -> None:
    with pytest.raises(error) as raised:
        require_answer(answered(sec(f"error_responses/{name}"), status))
    assert raised.value.code == code
    assert "y=1" not in str(raised.value)


def test_rate_page_when_read_then_the_wait_is_the_ten_minutes_it_names(sec: Read) -> None:
    page = sec("error_responses/rate_exceeded_page.html")
    assert b"waiting 10 minutes" in page
    with pytest.raises(VendorThrottled) as raised:
        require_answer(answered(page, 403))
    assert raised.value.retry_after_seconds == 600.0


def test_same_title_when_the_heading_says_undeclared_then_the_user_agent_is_refused() -> None:
    with pytest.raises(VendorRejected, match="EDGAR_USER_AGENT_UNDECLARED"):
        require_answer(answered(UNDECLARED, 403))


def test_forbidden_when_the_page_is_unknown_then_it_is_refused() -> None:
    with pytest.raises(VendorRejected, match="VENDOR_CREDENTIALS_REFUSED"):
        require_answer(answered(b"no", 403))


def test_filing_when_it_quotes_the_pages_then_it_passes() -> None:
    require_answer(answered(b"<SEC-DOCUMENT>a\n" + UNDECLARED))
