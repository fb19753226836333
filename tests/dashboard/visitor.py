"""A browser without scripts: it follows links, fills in forms and keeps cookies."""

from __future__ import annotations

from typing import Any, Self

import httpx
from fastapi import FastAPI
from lxml import html

from tests.api.harness import BOOTSTRAP_KEY

HERE = "https://dashboard.test"


class Page:
    """An answer as a document."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.status = answer.status_code
        self.path = answer.request.url.path
        self.tree = html.document_fromstring(answer.text or "<html></html>")

    @property
    def text(self) -> str:
        """What a person reads, with one space between words."""
        return " ".join(self.tree.text_content().split())

    def form(self, action: str) -> Any:
        """The first form that a button of it sends to an address."""
        found = self.tree.xpath(f'//form[@action="{action}" or .//button[@formaction="{action}"]]')
        assert found, f"no form goes to {action} on {self.path}"
        return found[0]

    def links(self) -> list[str]:
        """Addresses within the dashboard that the page leads to, in order and once each."""
        found = [str(each) for each in self.tree.xpath("//a/@href | //svg//a/@href")]
        return list(dict.fromkeys(each for each in found if each.startswith("/") and not each.startswith("/v1/")))


class Visitor:
    """Speaks HTTP to the pages without a socket."""

    def __init__(self, app: FastAPI) -> None:
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=HERE, timeout=60)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    @property
    def cookies(self) -> httpx.Cookies:
        return self._client.cookies

    async def __call__(self, method: str, path: str, **options: Any) -> httpx.Response:
        return await self._client.request(method, path, **options)

    async def get(self, path: str, *, status: int = 200) -> Page:
        """Open a page, through redirects."""
        answer = await self._client.get(path, headers={"Accept": "text/html"}, follow_redirects=True)
        assert answer.status_code == status, answer.text
        return Page(answer)

    async def fill(self, page: Page, action: str, *, status: int = 200, **fields: str) -> Page:
        """Fill in the form that goes to an address, press its button and follow to the page after it."""
        form = page.form(action)
        sent = {name: value for name, value in form.form_values() if name not in fields}
        answer = await self._client.post(action, data={**sent, **fields}, follow_redirects=True)
        assert answer.status_code == status, answer.text
        return Page(answer)


async def sign_in(browser: Visitor, key: str = BOOTSTRAP_KEY) -> Page:
    return await browser.fill(await browser.get("/sign-in"), "/sign-in", key=key)
