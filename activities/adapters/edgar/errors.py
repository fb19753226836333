"""What EDGAR's answers mean when they are not what was asked for.

One status stands for several things here, so the page decides. A page titled "Request Rate Threshold Exceeded" is
sent both to callers who were too fast and to callers who did not declare who they are; only its heading tells.
"""

from __future__ import annotations

from domain.errors import NotFound, VendorRejected, VendorThrottled
from domain.fetching import HttpAnswer, require_success

VENDOR = "edgar"
BLOCKED_SECONDS = 600.0
"""The page of the rate limit says that the block is lifted after ten minutes without requests."""
_LOOKED_AT = 20_000
_UNDECLARED = b"undeclared automated tool"
_TOO_FAST = b"<title>sec.gov | request rate threshold exceeded"
_TITLED_PAGE = (b"<!doctype html", b"<html")
_NO_SUCH_FILE = (b"<code>accessdenied</code>", b"<code>nosuchkey</code>")
_FORBIDDEN = 403


def require_answer(answer: HttpAnswer) -> None:
    """Raise the error that an answer stands for; an answer with a body to read passes.

    Raises:
        VendorRejected: the user agent names nobody, or the request is refused for another reason.
        VendorThrottled: too many requests a second; EDGAR wants ten minutes of silence.
        NotFound: there is no such file. The archive also answers 403 `AccessDenied` for a file that does not exist.
        VendorUnavailable: EDGAR is away.
    """
    page = answer.body[:_LOOKED_AT].lower()
    is_error = answer.status >= 400
    url = answer.url.partition("?")[0]
    if (is_error or page.lstrip().startswith(_TITLED_PAGE)) and _UNDECLARED in page:
        hint = "Set the source's user_agent to a name and a contact e-mail"
        raise VendorRejected("EDGAR_USER_AGENT_UNDECLARED", hint, vendor=VENDOR, status=answer.status, url=url)
    if (is_error or page.lstrip().startswith(_TITLED_PAGE)) and _TOO_FAST in page:
        hint = "The fetch resumes by itself"
        raise VendorThrottled(
            "VENDOR_THROTTLED",
            hint,
            retry_after_seconds=BLOCKED_SECONDS,
            vendor=VENDOR,
            status=answer.status,
            url=url,
        )
    if answer.status == _FORBIDDEN and any(code in page for code in _NO_SUCH_FILE):
        raise NotFound("VENDOR_NOT_FOUND", "Check the source's CIKs", vendor=VENDOR, status=answer.status, url=url)
    require_success(answer, VENDOR)
