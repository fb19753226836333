"""Which error a status stands for, and how long a vendor asks to wait."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from domain.errors import NotFound, StonksError, VendorRejected, VendorThrottled, VendorUnavailable
from domain.fetching import HttpAnswer, require_success, retry_after_seconds

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)


def _answer(status: int, **headers: str) -> HttpAnswer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpAnswer(status=status, url="https://vendor.example/v1/news?apiKey=abc", headers=named, fetched_at=NOW)


@pytest.mark.parametrize("status", [200, 204, 299, 304])
def test_status_when_good_or_unchanged_then_nothing_is_raised(status: int) -> None:
    require_success(_answer(status), "vendor")


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (400, VendorRejected, "VENDOR_REFUSED"),
        (401, VendorRejected, "VENDOR_CREDENTIALS_REFUSED"),
        (403, VendorRejected, "VENDOR_CREDENTIALS_REFUSED"),
        (404, NotFound, "VENDOR_NOT_FOUND"),
        (408, VendorUnavailable, "VENDOR_UNAVAILABLE"),
        (410, NotFound, "VENDOR_NOT_FOUND"),
        (429, VendorThrottled, "VENDOR_THROTTLED"),
        (500, VendorUnavailable, "VENDOR_UNAVAILABLE"),
        (503, VendorUnavailable, "VENDOR_UNAVAILABLE"),
        (302, VendorRejected, "VENDOR_REFUSED"),
    ],
)
def test_status_when_bad_then_its_error_is_raised_without_the_query(
    status: int, error: type[StonksError], code: str
) -> None:
    with pytest.raises(error) as raised:
        require_success(_answer(status), "vendor")
    assert raised.value.code == code
    assert "https://vendor.example/v1/news" in str(raised.value)
    assert "abc" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("999999", 3_600.0),
        ("Wed, 01 May 2024 12:01:30 GMT", 90.0),
        ("Wed, 01 May 2024 11:00:00 GMT", 0.0),
        ("Wed, 01 May 2024 12:01:30 -0000", 90.0),
        ("", 30.0),
        ("soon", 30.0),
        ("-5", 30.0),
        ("1e9", 30.0),
        ("٣", 30.0),
    ],
)
def test_retry_after_when_given_then_seconds_and_dates_are_understood(text: str, seconds: float) -> None:
    assert retry_after_seconds(_answer(429, retry_after=text)) == seconds
