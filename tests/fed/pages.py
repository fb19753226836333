"""The board's feed and pages as they were seen in 2026, around texts that a test gives."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from datetime import UTC, datetime

from domain.fetching import HttpAnswer

BASE = "https://www.federalreserve.gov"
NOW = datetime(2026, 9, 20, 12, tzinfo=UTC)
STATEMENT_TITLE = "Federal Reserve issues FOMC statement"


def item(title: str, link: str, published: str = "Wed, 16 Sep 2026 18:00:00 GMT") -> str:
    return (
        f"<item><title>{html.escape(title)}</title><link><![CDATA[{link}]]></link><guid><![CDATA[{link}]]></guid>"
        f"<description><![CDATA[{title}]]></description><category>Monetary Policy</category>"
        f"<pubDate><![CDATA[{published}]]></pubDate></item>"
    )


def release(day: str, part: str = "a") -> str:
    return f"{BASE}/newsevents/pressreleases/monetary{day}{part}.htm"


def minutes(day: str) -> str:
    return f"{BASE}/monetarypolicy/fomcminutes{day}.htm"


def feed(items: Iterable[str]) -> bytes:
    title = "FRB: Press Release - Monetary Policy"
    return (
        f"\ufeff<?xml version='1.0' encoding='utf-8' ?><rss version='2.0'><channel><title>{title}</title>"
        f"<link>{BASE}/feeds/feeds.htm</link><description>{title}</description><language>en</language>"
        f"{''.join(items)}</channel></rss>"
    ).encode()


def page(text: str, *, day: str = "September 16, 2026", title: str = STATEMENT_TITLE, more: str = "") -> bytes:
    """A page around paragraphs. As in the original, the paragraph that tells the time of release is never closed."""
    paragraphs = [paragraph.strip() for paragraph in re.split(r"\n\s*\n", text) if paragraph.strip()]
    body = "\n".join(f"<p>{html.escape(paragraph, quote=False)}</p>" for paragraph in paragraphs)
    menu = "".join(
        f'<li><a href="/{name}.htm">{name}</a></li>' for name in ("About", "News", "Monetary Policy", "Data")
    )
    share = "".join(f'<li><a href="https://{name}.example/share">{name}</a></li>' for name in ("Facebook", "LinkedIn"))
    return f"""<!DOCTYPE html><html lang="en"><head><title>Federal Reserve Board - {title}</title></head><body>
<a class="sr-only" href="#content">Skip to main content</a><svg><title>Lock</title></svg>
<nav><ul class="nav">{menu}</ul></nav>
<div id="content" class="container" role="main"><ol class="breadcrumb"><li>Home</li><li>News &amp; Events</li></ol>
<div id="article"><div class="heading col-xs-12 col-sm-8 col-md-8">
<p class="article__time">{day}</p><h3 class="title">{title}</h3>
<p class="releaseTime">For release at 2:00 p.m. EDT
<ul class="list-unstyled"><li class="share"><a href="#">Share</a><ul>{share}</ul></li></ul></div>
<div class="col-xs-12 col-sm-8 col-md-8">{body}{more}
<p>For media inquiries, please email <a href="mailto:media@frb.gov">media@frb.gov</a> or call 202-452-2955.</p>
</div></div><div id="lastUpdate">Last Update: {day}</div></div>
<footer><a href="{minutes("20260101")}">Minutes</a><p>Board of Governors of the Federal Reserve System</p></footer>
</body></html>""".encode()


def answer(body: bytes = b"", status: int = 200, url: str = BASE, **headers: str) -> HttpAnswer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpAnswer(status=status, url=url, headers=named, body=body, fetched_at=NOW)
