"""A walk through the pages with a real browser. Runs in the environment that has Playwright: JSON in, JSON out."""

from __future__ import annotations

import json
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe_core_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

SECONDS = 30_000
PAGES = {
    "overview": "/",
    "inbox": "/inbox",
    "decisions": "/decisions",
    "orders": "/orders",
    "symbols": "/symbols",
    "symbol": "/symbols/SBUX",
    "documents": "/documents",
    "search": "/documents?q=profit",
    "agents": "/agents",
    "agent": "/agents/document-extractor",
    "backtests": "/backtests",
    "jobs": "/jobs",
    "job": "/jobs/trading-engine",
    "dead-letters": "/dead-letters",
    "people": "/people",
    "person": "/people/owner",
    "settings": "/settings",
    "welcome": "/welcome",
}
SERIOUS = ("serious", "critical")


class Walk:
    """One installation, one browser, and what was noticed on the way."""

    def __init__(self, browser: Browser, wanted: dict[str, str]) -> None:
        self.browser = browser
        self.address = wanted["address"]
        self.key = wanted["key"]
        self.lost = wanted["lost"]
        self.shots = Path(wanted["directory"])
        self.console: list[str] = []
        self.outside: list[str] = []

    def context(self, **options: Any) -> BrowserContext:
        context = self.browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
        context.set_default_timeout(SECONDS)
        context.on("console", lambda message: self._said(message.type, message.text))
        context.on("weberror", lambda error: self._said("error", str(error.error)))
        context.on("request", lambda request: self._asked(request.url))
        return context

    def signed_in(self, **options: Any) -> Page:
        page = self.context(**options).new_page()
        page.goto(f"{self.address}/sign-in")
        page.get_by_label("API key").fill(self.key)
        page.get_by_role("button", name="Sign in with a key").click()
        expect(page.locator("#banner")).to_be_visible()
        return page

    def go(self, page: Page, path: str) -> None:
        answer = page.goto(self.address + path)
        assert answer is not None
        assert answer.status == 200, f"{path}: {answer.status}"

    def shoot(self, page: Page, name: str) -> None:
        page.screenshot(path=str(self.shots / f"{name}.png"), full_page=True)

    def expected(self, status: int) -> None:
        """Forget that the browser called an answer an error that the step has asked for."""
        self.console = [each for each in self.console if f"status of {status} " not in each]

    def _said(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.console.append(f"{kind}: {text}")

    def _asked(self, url: str) -> None:
        if urlsplit(url).hostname != urlsplit(self.address).hostname and not url.startswith("data:"):
            self.outside.append(url)


def decision_of(walk: Walk, page: Page, symbol: str) -> None:
    walk.go(page, f"/decisions?symbol={symbol}&action=buy")
    page.locator("#list tbody tr td a").first.click()
    expect(page.get_by_role("heading", name="In plain words")).to_be_visible()


def pictures(walk: Walk) -> Any:
    """Every page, dark and light, wide and at 360 pixels, where none may scroll sideways."""
    narrow = {}
    for theme in ("dark", "light"):
        page = walk.signed_in(color_scheme=theme)
        for name, path in PAGES.items():
            walk.go(page, path)
            walk.shoot(page, f"{name}-{theme}")
        decision_of(walk, page, "SBUX")
        walk.shoot(page, f"decision-{theme}")
        page.context.close()
        page = walk.signed_in(color_scheme=theme, viewport={"width": 360, "height": 780})
        for name, path in PAGES.items():
            walk.go(page, path)
            narrow[name] = page.evaluate("document.documentElement.scrollWidth")
            walk.shoot(page, f"{name}-360-{theme}")
        decision_of(walk, page, "SBUX")
        narrow["decision"] = page.evaluate("document.documentElement.scrollWidth")
        walk.shoot(page, f"decision-360-{theme}")
        page.context.close()
    return narrow


def accessible(walk: Walk) -> Any:
    """What axe finds serious, by page."""
    found: dict[str, list[str]] = {}
    for theme in ("dark", "light"):
        page = walk.signed_in(color_scheme=theme)
        for name, path in PAGES.items():
            walk.go(page, path)
            found[f"{name}, {theme}"] = _serious(page)
        decision_of(walk, page, "SBUX")
        found[f"decision, {theme}"] = _serious(page)
        page.context.close()
    page = walk.context().new_page()
    walk.go(page, "/sign-in")
    found["sign-in"] = _serious(page)
    page.context.close()
    return {name: problems for name, problems in found.items() if problems}


def _serious(page: Page) -> list[str]:
    violations = Axe().run(page)["violations"]
    return [
        f"{each['id']}: {each['nodes'][0]['html'][:160]} {each['nodes'][0].get('failureSummary', '')[:200]}"
        for each in violations
        if each["impact"] in SERIOUS
    ]


def quotes(walk: Walk) -> Any:
    """A decision, and its strongest quote marked within the text of its document."""
    page = walk.signed_in()
    decision_of(walk, page, "SBUX")
    link = page.locator("#waterfall tbody tr.document a").first
    title = link.inner_text()
    link.click()
    marked = page.locator("#sources .text mark").first
    expect(marked).to_be_visible()
    words, around = marked.inner_text(), page.locator("#sources .text").first.inner_text()
    page.context.close()
    return {"title": title, "quote": words, "in_text": words in around, "longer": len(around) > len(words)}


def what_if(walk: Walk) -> Any:
    """Ask again by the rules and wait on the page for the answer."""
    page = walk.signed_in()
    decision_of(walk, page, "SBUX")
    page.locator("#what-if button", has_text="Ask").click()
    expect(page.locator("#what-if article.whatif table")).to_be_visible(timeout=120_000)
    row = page.locator("#what-if tbody tr", has_text="Decision").first.inner_text()
    page.context.close()
    return row.split()


def approve(walk: Walk) -> Any:
    page = walk.signed_in()
    walk.go(page, "/inbox")
    card = page.locator("article.approval", has_text="AAPL")
    card.get_by_label("Reason for your answer").fill("strong quarter")
    card.get_by_role("button", name="Approve").click()
    expect(page.locator(".notice.good")).to_contain_text("Approved")
    said = page.locator("#decided tr", has_text="AAPL").first.inner_text()
    page.context.close()
    return said


def decline(walk: Walk) -> Any:
    """With the keyboard alone."""
    page = walk.signed_in()
    walk.go(page, "/")
    page.keyboard.press("g")
    page.keyboard.press("i")
    page.wait_for_url("**/inbox")
    card = page.locator("article.approval", has_text="SBUX")
    card.get_by_label("Reason for your answer").focus()
    page.keyboard.type("too expensive")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".notice.good")).to_contain_text("Declined")
    said = page.locator("#decided tr", has_text="too expensive").first.inner_text()
    page.context.close()
    return said


def cancel(walk: Walk) -> Any:
    """Take back the order that was approved, while another page of it is open and renews itself."""
    page, watching = walk.signed_in(), walk.signed_in(viewport={"width": 360, "height": 780})
    walk.go(page, "/orders")
    row = page.locator("#open tr", has_text="AAPL")
    expect(row).to_be_visible(timeout=60_000)
    row.get_by_role("link").first.click()
    expect(page.locator("#order header [role=status]")).to_contain_text("accepted", timeout=60_000)
    watching.goto(page.url)
    page.locator("#order summary", has_text="Cancel").click()
    page.get_by_label("Reason", exact=True).fill("the story was wrong")
    page.get_by_role("button", name="Cancel the order").click()
    expect(page.locator(".notice.good")).to_contain_text("The order is canceled")
    walk.shoot(page, "order-canceled")
    expect(watching.locator("#order header [role=status]")).to_contain_text("canceled", timeout=60_000)
    said = watching.locator("#order section[aria-labelledby=way-head] tbody tr").last.inner_text()
    page.context.close()
    watching.context.close()
    return said


def people(walk: Walk) -> Any:
    """Add a person at 360 pixels, make a link, and come in with it without scripts in another browser."""
    page = walk.signed_in(viewport={"width": 360, "height": 780})
    walk.go(page, "/people")
    page.locator("summary", has_text="Add a person").click()
    page.get_by_label("Name", exact=True).first.fill("Anna")
    page.get_by_role("button", name="Add", exact=True).click()
    said = page.locator("#add-name-wrong").inner_text()
    walk.expected(422)
    page.get_by_label("Name", exact=True).first.fill("anna")
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("button", name="Make a sign-in link").click()
    link = page.get_by_label("The link").inner_text()
    walk.shoot(page, "link-360")
    theirs = walk.context(java_script_enabled=False).new_page()
    theirs.goto(link)
    theirs.get_by_role("button", name="Sign in with this link").click()
    name = theirs.locator(".person .who").inner_text()
    theirs.context.close()
    page.context.close()
    return [said, name]


def pause_without_scripts(walk: Walk) -> Any:
    page = walk.signed_in(java_script_enabled=False)
    walk.go(page, "/decisions")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".pill.trading-reducing")).to_contain_text("paused")
    walk.shoot(page, "paused")
    page.get_by_label("Reason to resume").fill("looked at everything")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator(".pill.trading-active")).to_be_visible()
    where = urlsplit(page.url).path
    page.context.close()
    return where


def renewed(walk: Walk) -> Any:
    """What one person does is seen on another's page by itself, and an open detail stays open."""
    watching, acting = walk.signed_in(), walk.signed_in()
    walk.go(watching, "/")
    walk.go(acting, "/")
    watching.locator("#equity-panel summary").click()
    acting.get_by_label("Reason to pause").fill("to be seen")
    acting.get_by_role("button", name="Pause").click()
    expect(watching.locator("#banner .trading-reducing")).to_be_visible(timeout=60_000)
    kept = watching.locator("#equity-panel details").evaluate("each => each.open")
    acting.get_by_label("Reason to resume").fill("was seen")
    acting.get_by_role("button", name="Resume").click()
    expect(watching.locator("#banner .trading-active")).to_be_visible(timeout=60_000)
    watching.context.close()
    acting.context.close()
    return kept


def retry(walk: Walk) -> Any:
    page = walk.signed_in()
    walk.go(page, "/dead-letters")
    row = page.locator("tr", has_text=walk.lost)
    walk.shoot(page, "dead-letter")
    row.get_by_label("Reason").fill("once more")
    row.get_by_role("button", name="Retry").click()
    expect(page.locator(".notice.good")).to_contain_text("failed step")
    page.context.close()
    return True


def keys(walk: Walk) -> Any:
    page = walk.signed_in()
    walk.go(page, "/")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()
    page.keyboard.press("Tab")
    first = page.evaluate("document.activeElement.textContent")
    page.keyboard.press("p")
    typing = page.evaluate("document.activeElement.name")
    page.context.close()
    return [first, typing]


STEPS: tuple[Callable[[Walk], Any], ...] = (
    pictures,
    accessible,
    quotes,
    what_if,
    keys,
    pause_without_scripts,
    renewed,
    approve,
    cancel,
    decline,
    people,
    retry,
)


def main() -> None:
    wanted = json.load(sys.stdin)
    told: dict[str, Any] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=wanted["browser"], args=["--no-sandbox"])
        walk = Walk(browser, wanted)
        for step in STEPS:
            try:
                told[step.__name__] = {"value": step(walk)}
            except Exception:
                told[step.__name__] = {"failed": re.sub(r"\x1b\[[0-9;]*m", "", traceback.format_exc())}
        browser.close()
    told["console"], told["outside"] = walk.console, walk.outside
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
