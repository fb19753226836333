"""Every page: well-formed, without anything inline, usable without sight or scripts, and safe with hostile text."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from api.app import create_app
from cli.migrate import migrate
from cli.stack.supervisor import Stack
from domain.errors import ModelOutputInvalid
from store.database import Database
from tests.api.harness import BOOTSTRAP_KEY, NOW, Platform, eventually
from tests.dashboard.visitor import Page, Visitor, sign_in
from tests.namespaces import new_namespace
from workers.settings import load
from workflows.names import Queue

pytestmark = pytest.mark.stack

PAGES = (
    "/",
    "/inbox",
    "/decisions",
    "/decisions?symbol=AAPL&action=buy",
    "/orders",
    "/orders?symbol=AAPL&status=filled",
    "/symbols",
    "/symbols?q=apple",
    "/symbols/AAPL",
    "/documents",
    "/documents?symbol=AAPL&status=processed",
    "/agents",
    "/agents/document-extractor",
    "/backtests",
    "/backtests/compare",
    "/jobs",
    "/jobs?stage=document&status=completed",
    "/dead-letters",
    "/people",
    "/settings",
    "/welcome",
)
EACH = 3
"""Pages of a kind whose links are followed."""
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'`{{7*7}}</title><style>*{display:none}</style>"


def assert_sound(page: Page) -> None:
    """Hold what every page promises: nothing inline, landmarks, names for what is filled in, ids that are unique."""
    tree, where = page.tree, page.path
    assert tree.xpath("//style") == [], where
    assert tree.xpath("//@style") == [], where
    assert [each for each in tree.xpath("//script") if each.text or not each.get("src")] == [], where
    assert [name for each in tree.iter() for name in each.attrib if str(name).startswith("on")] == [], where
    assert [
        link for link in tree.xpath("//@href | //@src | //@action") if link.strip().lower().startswith("javascript")
    ] == []
    assert tree.get("lang") == "en", where
    assert len(tree.xpath("//main")) == 1, where
    assert len(tree.xpath("//h1")) == 1, where
    assert tree.xpath("string(//title)").endswith("Stonks Oracle"), where
    ids = Counter(tree.xpath("//@id"))
    assert [key for key, count in ids.items() if count > 1] == [], where
    for field in tree.xpath("//input[not(@type='hidden')] | //select | //textarea"):
        named = (
            tree.xpath(f'//label[@for="{field.get("id")}"]')
            or field.xpath("ancestor::label")
            or field.get("aria-label")
        )
        assert named, (where, field.get("name"))
    for table in tree.xpath("//table"):
        assert table.xpath(".//thead//th[@scope='col']"), where
    assert "{{" not in page.text.replace("{{7*7}}", ""), where
    assert "Undefined" not in page.text, where


def assert_headers(page: Page) -> None:
    policy = page.answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert page.answer.headers["cache-control"] == "no-store"
    assert page.answer.headers["x-content-type-options"] == "nosniff"
    assert page.answer.headers["x-request-id"]


@pytest.mark.parametrize("path", PAGES)
async def test_page_when_signed_in_then_it_is_sound_and_says_mode_and_state(visitor: Visitor, path: str) -> None:
    page = await visitor.get(path)
    assert_sound(page)
    assert_headers(page)
    banner = page.tree.get_element_by_id("banner").text_content()
    assert "paper" in banner
    assert re.search(r"trading|paused|halted", banner)
    assert "breaker" in banner
    assert page.form("/pause") is not None or page.form("/resume") is not None
    assert page.tree.xpath("//a[@class='skip' and @href='#main']")


@pytest.mark.parametrize("path", PAGES)
async def test_page_when_nobody_is_signed_in_then_it_leads_to_the_sign_in_and_back(
    platform: Platform, path: str
) -> None:
    async with Visitor(platform.app) as stranger:
        refused = await stranger("GET", path)
        assert refused.status_code == 303
        page = await stranger.get(path)
        assert_sound(page)
        assert_headers(page)
        arrived = await stranger.fill(page, "/sign-in", key="test-bootstrap-key-that-is-wrong", status=401)
        assert "KEY_INVALID" in arrived.text or "SIGN_IN" in arrived.text


async def test_sign_in_when_it_was_asked_for_a_page_then_that_page_follows(platform: Platform) -> None:
    async with Visitor(platform.app) as browser:
        page = await browser.get("/decisions?action=buy")
        arrived = await browser.fill(page, "/sign-in", key=BOOTSTRAP_KEY)
        assert arrived.path == "/decisions"
        assert arrived.tree.xpath("//select[@name='action']/option[@selected]/text()") == ["buy"]
        cookie = next(each for each in browser.cookies.jar if each.name == "__Host-stonks")
        assert cookie.secure
        assert cookie.has_nonstandard_attr("HttpOnly")


@pytest.mark.parametrize("target", ["//evil.test/", "https://evil.test/", "/\\evil.test", "javascript:alert(1)"])
async def test_sign_in_when_the_address_leads_elsewhere_then_it_ends_on_the_overview(
    platform: Platform, target: str
) -> None:
    async with Visitor(platform.app) as browser:
        answer = await browser("POST", "/sign-in", data={"key": BOOTSTRAP_KEY, "next": target})
        assert answer.status_code == 303
        assert answer.headers["location"] == "/"


async def test_pages_when_followed_then_every_link_of_them_leads_somewhere(
    platform: Platform, visitor: Visitor, unlike: dict[str, Any]
) -> None:
    async with platform.working(Queue.TRADING):
        await platform.waiting("AAPL", **unlike)
        seen: set[str] = set()
        kinds: Counter[str] = Counter()
        waiting = ["/"]
        while waiting:
            path = waiting.pop(0)
            kind = path.split("?")[0].rpartition("/")[0] or path
            if path in seen or path == "/docs" or kinds[kind] == EACH:
                continue
            kinds[kind] += 1
            seen.add(path)
            page = await visitor.get(path.split("#")[0])
            assert_sound(page)
            waiting += [link for link in page.links() if link not in seen]
    assert {"/inbox", "/decisions", "/agents", "/settings", "/dead-letters"} <= {path.split("?")[0] for path in seen}
    assert any(path.startswith("/decisions/") for path in seen)


async def test_document_when_its_words_are_hostile_then_they_are_text_on_every_page(
    platform: Platform, visitor: Visitor
) -> None:
    await platform.document(HOSTILE, at=NOW, symbols=("AAPL",), publisher=HOSTILE, source_id="hostile-wire")
    page = await visitor.get("/documents?symbol=AAPL&source=hostile-wire")
    assert_sound(page)
    assert "<script>alert(1)</script>" in page.tree.text_content()
    assert "<script>alert(1)" not in page.answer.text
    assert "49" not in re.findall(r"`(\d+)<", page.answer.text)


async def test_dead_letters_when_several_failed_at_once_then_each_has_fields_of_its_own(
    platform: Platform, visitor: Visitor
) -> None:
    letters = []
    async with platform.working(Queue.INGEST, Queue.EXTRACT, Queue.RESEARCH):
        for title in ("Acme loses a page", "Acme loses another page"):
            letter = await platform.document(title, at=NOW)
            platform.extractor.errors[letter.doc_id] = [ModelOutputInvalid("MODEL_ANSWER_INVALID", field="events")]
            await platform.process(letter)
            letters.append(f"document/{letter.doc_id}")

    async def listed() -> Page | None:
        page = await visitor.get("/dead-letters?error_type=MODEL_ANSWER_INVALID")
        return page if set(letters) <= set(page.tree.xpath("//input[@name='workflow_id']/@value")) else None

    page = await eventually(listed)
    assert_sound(page)
    for letter in letters:
        (form,) = page.tree.xpath(f"//form[input[@name='workflow_id' and @value='{letter}']]")
        (reason,) = form.xpath(".//input[@name='reason']/@id")
        assert form.xpath(f".//label[@for='{reason}']")


async def test_address_when_it_is_hostile_then_the_page_says_so_as_text(visitor: Visitor) -> None:
    for path in (
        "/decisions/%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "/decisions?symbol=%3Cscript%3E&cursor=%22%3E%3Cb%3E",
    ):
        answer = await visitor("GET", path, headers={"Accept": "text/html"})
        assert answer.status_code in (200, 404, 422)
        assert "<script>alert(1)" not in answer.text
        assert_sound(Page(answer))


async def test_address_when_nothing_is_there_then_a_person_gets_a_page_and_a_program_a_problem(
    platform: Platform, visitor: Visitor
) -> None:
    page = await visitor.get("/no-such-page", status=404)
    assert_sound(page)
    assert_headers(page)
    for path in ("/no-such-page", "/v1/no-such-thing"):
        answer = await visitor("GET", path, headers={"Accept": "application/json"})
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
    assert (await visitor("GET", "/v1/trading/pause")).status_code == 405


async def test_decision_when_unknown_then_the_problem_has_its_code_and_request_id(visitor: Visitor) -> None:
    page = await visitor.get("/decisions/no-such-decision", status=404)
    assert_sound(page)
    assert "RECOMMENDATION_NOT_FOUND" in page.text
    assert page.answer.headers["x-request-id"] in page.text


async def test_fragment_when_asked_for_then_only_that_part_comes(visitor: Visitor) -> None:
    answer = await visitor("GET", "/?fragment=positions,protection,banner,nav,no-such-part")
    assert answer.status_code == 200
    page = Page(answer)
    assert set(page.tree.xpath("//*[@data-live]/@id")) == {"positions", "protection", "banner", "nav"}
    assert page.tree.xpath("//main") == []


@pytest.mark.parametrize("path", PAGES)
async def test_part_when_it_renews_itself_then_its_page_can_give_it_alone(visitor: Visitor, path: str) -> None:
    ids = (await visitor.get(path)).tree.xpath("//*[@data-live]/@id")
    blocks = ",".join(each.replace("-", "_") for each in ids)
    address = f"{path}{'&' if '?' in path else '?'}fragment={blocks}"
    alone = Page(await visitor("GET", address))
    assert set(alone.tree.xpath("//*[@data-live]/@id")) == set(ids)


async def test_static_files_when_asked_for_then_they_are_kept_and_typed(visitor: Visitor) -> None:
    page = await visitor.get("/")
    for address in page.tree.xpath("//link/@href | //script/@src"):
        answer = await visitor("GET", address)
        assert answer.status_code == 200, address
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert (await visitor("GET", "/static/../pages.py")).status_code == 404


@pytest.fixture(scope="session")
async def nothing(servers: Stack, platform: Platform) -> AsyncIterator[Visitor]:
    """A browser on an installation in which nothing has happened: a database and a namespace of its own, both new."""
    async with platform.parts.database.engine.connect() as connection:
        plain = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await plain.exec_driver_sql("CREATE DATABASE nothing")
    changed = {**servers.environment(), "STONKS_DB_NAME": "nothing"}
    await asyncio.to_thread(migrate, changed)
    database = Database(load(changed).database())
    client = await new_namespace(servers, "nothing")
    async with Visitor(create_app(platform.dependencies(database=database, client=client))) as browser:
        await sign_in(browser)
        yield browser
    await database.close()


@pytest.mark.parametrize("path", PAGES)
async def test_page_when_the_installation_is_empty_then_it_names_what_to_do_next(nothing: Visitor, path: str) -> None:
    page = await nothing.get(path)
    assert_sound(page)
    if path in ("/", "/inbox", "/decisions", "/orders", "/documents", "/backtests", "/jobs", "/dead-letters"):
        assert page.tree.xpath("//*[contains(@class, 'empty')]"), "an empty part says so"
    if path == "/":
        assert "$0" not in page.tree.xpath("//main")[0].text_content(), "what is not known is no zero"
