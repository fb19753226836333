"""What a person does with forms alone, as the browser sends them without a script."""

from __future__ import annotations

from typing import Any

import pytest

from api.auth import COOKIE
from api.keys import Scope
from domain.actors import spoken
from tests.api.browser import person, signed_in
from tests.api.harness import Caller, Platform, caller, eventually
from tests.dashboard.visitor import Page, Visitor, sign_in
from workflows.names import Queue

pytestmark = pytest.mark.stack

UNPRICED = "LMT"
"""A symbol of which no test puts bars into the book: its orders cost what they were planned at, $50 a share."""


async def status_of(api: Caller, approval_id: str) -> str:
    return str((await api.get(f"/v1/approvals/{approval_id}"))["status"])


@pytest.mark.parametrize(("answer", "status"), [("approve", "approved"), ("decline", "declined")])
async def test_inbox_when_answered_then_the_order_is_decided_as_the_api_would(
    platform: Platform, visitor: Visitor, unlike: dict[str, Any], answer: str, status: str
) -> None:
    async with platform.working(Queue.TRADING):
        waiting = await platform.waiting(UNPRICED, **unlike)
        page = await visitor.get("/inbox")
        card = page.tree.get_element_by_id(f"approval-{waiting['approval_id']}")
        assert "700" in card.text_content()
        assert "$35,000.00" in card.text_content()
        assert "NOTIONAL_ABOVE_THRESHOLD" in card.text_content()
        after = await visitor.fill(
            page, f"/inbox/{waiting['approval_id']}/review", answer=answer, reason="read all of it"
        )
        assert after.path == "/inbox"
        assert after.tree.xpath("//*[@role='status' and contains(@class, 'good')]")
        decided = await caller(platform).get(f"/v1/approvals/{waiting['approval_id']}")
        assert (decided["status"], decided["decision_reason"]) == (status, "read all of it")


async def test_inbox_when_the_order_is_not_the_one_shown_then_it_is_refused_with_what_to_do(
    platform: Platform, visitor: Visitor, unlike: dict[str, Any]
) -> None:
    async with platform.working(Queue.TRADING):
        waiting = await platform.waiting("AAPL", **unlike)
        path = f"/inbox/{waiting['approval_id']}/review"
        page = await visitor.get(f"/inbox/{waiting['approval_id']}")
        refused = await visitor.fill(
            page, path, answer="approve", reason="in good faith", order_hash="0" * 32, status=409
        )
        assert "ORDER_HASH_MISMATCH" in refused.text
        assert refused.answer.headers["x-request-id"] in refused.text
        again = refused.tree.xpath("//input[@name='reason' and @id='again-reason']/@value")
        assert again == ["in good faith"], "what was typed is not lost"
        assert await status_of(caller(platform), waiting["approval_id"]) == "pending"
        await visitor.fill(page, path, answer="decline", reason="the end of the test")


async def test_pause_when_no_reason_is_typed_then_trading_is_paused_and_can_be_resumed(
    platform: Platform, visitor: Visitor
) -> None:
    async with platform.working(Queue.TRADING):
        page = await visitor.get("/decisions")
        paused = await visitor.fill(page, "/pause", reason="")
        assert paused.path == "/decisions", "one stays on the page"
        assert "Trading is paused" in paused.text
        assert (await caller(platform).get("/v1/trading/status"))["state"] == "reducing"

        async def resumable() -> Page | None:
            answer = await visitor.get("/")
            sent = answer.form("/resume").form_values()
            data = {**dict(sent), "reason": "looked at everything"}
            done = await visitor("POST", "/resume", data=data, follow_redirects=True)
            return Page(done) if done.status_code == 200 else None

        resumed = await eventually(resumable)
        assert "Trading goes on" in resumed.text


@pytest.mark.parametrize("token", ["", "0" * 64])
async def test_form_when_its_token_is_not_the_sessions_then_nothing_is_done(visitor: Visitor, token: str) -> None:
    answer = await visitor("POST", "/pause", data={"csrf_token": token, "reason": "forged"})
    assert answer.status_code == 403
    assert "CSRF_INVALID" in answer.text


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.test"}, {"Sec-Fetch-Site": "cross-site"}])
async def test_form_when_another_site_sends_it_then_it_is_refused(visitor: Visitor, headers: dict[str, str]) -> None:
    page = await visitor.get("/")
    data = dict(page.form("/pause").form_values())
    answer = await visitor("POST", "/pause", data=data, headers=headers)
    assert answer.status_code == 403
    assert "FORM_FROM_ELSEWHERE" in answer.text


async def test_theme_when_chosen_then_it_stays_and_another_word_is_system(visitor: Visitor) -> None:
    page = await visitor.get("/settings")
    assert (await visitor.fill(page, "/theme", theme="dark")).tree.get("data-theme") == "dark"
    assert (await visitor.get("/inbox")).tree.get("data-theme") == "dark"
    assert (await visitor.fill(page, "/theme", theme="no such theme")).tree.get("data-theme") == "system"


async def test_sign_out_when_done_then_the_pages_are_closed(platform: Platform) -> None:
    async with Visitor(platform.app) as browser:
        await sign_in(browser)
        page = await browser.get("/")
        left = await browser.fill(page, "/sign-out")
        assert left.path == "/sign-in"
        assert (await browser("GET", "/")).status_code == 303


async def test_act_when_the_proof_is_too_old_then_it_is_asked_for_and_the_act_follows(platform: Platform) -> None:
    async with platform.working(Queue.TRADING), Visitor(platform.app) as browser:
        name = await person(platform, Scope.READ, Scope.TRADE_CONTROL)
        signed = await signed_in(platform, name, proven=False)
        browser.cookies.set(COOKIE, signed.token, domain="dashboard.test", path="/")
        page = await browser.get("/")
        await browser.fill(page, "/pause", reason="before the proof")
        page = await browser.get("/")
        asked = await browser.fill(page, "/resume", reason="after the proof", status=403)
        assert "Prove that it is you" in asked.text
        wrong = await browser.fill(asked, "/step-up", step_up_key="sk_wrong_wrong", status=401)
        assert wrong.tree.xpath("//*[@role='alert']//code")
        key = await platform.key(Scope.READ, person=name)
        done = await browser.fill(wrong, "/step-up", step_up_key=key)
        assert "Trading goes on" in done.text
        assert (await caller(platform).get("/v1/trading/status"))["state"] == "active"


async def test_approval_when_the_same_person_proposed_it_then_the_button_is_off_and_says_why(
    platform: Platform, unlike: dict[str, Any]
) -> None:
    async with platform.working(Queue.TRADING), Visitor(platform.app) as browser:
        waiting = await platform.waiting("AAPL", **unlike)
        name = await person(platform, Scope.READ, Scope.APPROVE, Scope.TRADE_CONTROL)
        await sign_in(browser, await platform.key(Scope.READ, Scope.APPROVE, Scope.TRADE_CONTROL, person=name))
        page = await browser.get("/inbox")
        await browser.fill(page, f"/inbox/{waiting['approval_id']}/amend", quantity="600", reason="a little less")

        async def anew() -> Page | None:
            page = await browser.get("/inbox")
            return page if page.tree.xpath("//*[@class='barred']") else None

        page = await eventually(anew)
        card = page.tree.xpath("//article[.//*[@class='barred']]")[0]
        assert "You proposed or changed this order" in card.text_content()
        assert card.xpath(".//button[@value='approve']/@disabled")
        assert not card.xpath(".//button[@value='decline']/@disabled")
        await browser.fill(page, card.xpath(".//form[@class='answer']/@action")[0], answer="decline", reason="the end")


async def test_two_people_when_they_look_at_once_then_neither_sees_as_the_other(
    platform: Platform, visitor: Visitor
) -> None:
    async with Visitor(platform.app) as other:
        await sign_in(other, await platform.key(Scope.READ, person=await person(platform, Scope.READ)))
        for _ in range(3):
            mine, theirs = await visitor.get("/settings"), await other.get("/settings")
            assert mine.tree.xpath("//*[@class='who']/text()") != theirs.tree.xpath("//*[@class='who']/text()")


async def test_sample_universe_when_asked_for_twice_then_it_is_there_once(platform: Platform, visitor: Visitor) -> None:
    for _ in range(2):
        page = await visitor.fill(await visitor.get("/welcome"), "/welcome/sample")
        assert "Sample universe (10)" in page.text
    lists = await caller(platform).get("/v1/watchlists", limit=200)
    assert [each["name"] for each in lists["data"]].count("Sample universe") == 1


async def test_source_when_its_address_is_none_then_the_page_says_why_and_keeps_what_was_typed(
    visitor: Visitor,
) -> None:
    page = await visitor.get("/welcome")
    tested = await visitor.fill(
        page, "/welcome/source", source_id="nowhere", kind="feed", address="no address", what="test"
    )
    assert tested.tree.xpath("//*[@role='alert']//code")
    assert tested.tree.xpath("//input[@name='address']/@value") == ["no address"]


async def test_settings_when_a_line_is_no_change_then_it_is_named(visitor: Visitor) -> None:
    page = await visitor.get("/settings")
    refused = await visitor.fill(page, "/settings/config", changes="limits.name_cap: 0.04", reason="a try", status=422)
    assert "CHANGE_INVALID" in refused.text
    assert "line=1" in refused.text


async def test_what_if_when_asked_then_it_stands_on_the_page_with_who_asked(
    platform: Platform, visitor: Visitor, unlike: dict[str, Any]
) -> None:
    made = await platform.recommendation("AAPL", **unlike)
    at = f"/decisions/{made.recommendation_id}"
    asked = await visitor.fill(await visitor.get(at), f"{at}/what-if", engine="rules")
    assert asked.path == at
    assert "is being computed" in asked.text
    (article,) = asked.tree.xpath("//article[@class='whatif']")
    assert "rules" in article.text_content()
    (listed,) = (await caller(platform).get(f"/v1/recommendations/{made.recommendation_id}/what-ifs"))["data"]
    assert spoken(listed["requested_by"]) in article.text_content()
