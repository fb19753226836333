"""Which entries of the feed are followed, and where to: paths of a known form, on the configured host only."""

from __future__ import annotations

import re
from datetime import date
from typing import NamedTuple
from urllib.parse import urlsplit

from domain.sources import FedDocument

FEED_PATH = "/feeds/press_monetary.xml"
ALLOWED_PATHS = "/newsevents/pressreleases/monetaryYYYYMMDDa.htm or /monetarypolicy/fomcminutesYYYYMMDD.htm"
_PATHS = (
    re.compile(
        r"/newsevents/(?:pressreleases/|press/monetary/)(?P<name>(?:monetary)?(?P<day>\d{8})(?P<part>[a-z]\d?))\.htm",
        re.ASCII,
    ),
    re.compile(r"/monetarypolicy/(?P<name>fomcminutes(?P<day>\d{8})(?P<part>))\.htm", re.ASCII),
)
_MAX_URL_CHARACTERS = 500
_WORDS = re.compile(r"[a-z]+")


class Path(NamedTuple):
    """A page of the board: where, which day its name tells, and which of that day's it is."""

    path: str
    name: str
    day: date
    part: str
    """`a` for the first release of a day; empty for minutes."""

    @property
    def is_minutes(self) -> bool:
        """The minutes themselves; a release about them only links there."""
        return not self.part


def kind_of_title(title: str) -> FedDocument | None:
    """Tell statements and minutes of the Committee from the board's other releases: discount rates, projections."""
    words = set(_WORDS.findall(title[:500].lower()))
    if "fomc" not in words and not {"open", "market", "committee"} <= words:
        return None
    if "minutes" in words:
        return FedDocument.MINUTES
    return FedDocument.STATEMENT if "statement" in words and "projections" not in words else None


def followed(url: str, base_url: str) -> Path | None:
    """Return the page that a link leads to; None for another host or a path of no known form."""
    if len(url) > _MAX_URL_CHARACTERS or not url.isascii() or not url.isprintable() or "\\" in url:
        return None
    try:
        link, base = urlsplit(url), urlsplit(base_url)
        is_own = not link.netloc or ("@" not in link.netloc and is_same_host(url, base_url))
    except ValueError:
        return None
    if not is_own or link.scheme not in ("", "http", "https"):
        return None
    return _path(link.path.removeprefix(base.path.rstrip("/")))


def is_same_host(url: str, base_url: str) -> bool:
    """Whether a URL is on the configured host, with or without `www.`."""
    try:
        hosts = [(urlsplit(each).hostname or "").removeprefix("www.") for each in (url, base_url)]
    except ValueError:
        return False
    return hosts[0] == hosts[1] != ""


def _path(path: str) -> Path | None:
    for form in _PATHS:
        found = form.fullmatch(path)
        if found is None:
            continue
        digits = found["day"]
        try:
            day = date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
        except ValueError:
            return None
        return Path(path, found["name"], day, found["part"])
    return None
