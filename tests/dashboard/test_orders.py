"""Orders on their pages: what is under way, how it changes, and taking one back with a reason."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from api.dashboard.client import Reading
from api.dashboard.routes.orders import asked
from api.keys import Scope
from tests.api.browser import person
from tests.api.harness import Platform, caller, eventually
from tests.dashboard.test_pages import assert_sound
from tests.dashboard.visitor import Visitor, sign_in
from workflows.names import Queue

pytestmark = pytest.mark.stack

STATE = "string(//*[@id='order']//header//*[@role='status'])"
SYMBOL = "CMCSA"
"""A symbol of which no other test has orders."""


@pytest.fixture
async def resting(platform: Platform, unlike: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """An order that nobody need approve and that the broker has not filled, while its workflow goes on."""
    platform.broker.fill = False
    async with platform.working(Queue.TRADING):
        request = await platform.order(SYMBOL, quantity=10, **unlike)

        async def at_the_broker() -> Any:
            rows = (await caller(platform).get("/v1/orders", symbol=SYMBOL, limit=200))["data"]
            found = [row for row in rows if (row["intent_id"], row["status"]) == (request.intent_id, "accepted")]
            return found[0] if found else None

        yield await eventually(at_the_broker)
    platform.broker.fill = True


async def test_order_when_canceled_then_it_takes_a_reason_and_its_page_shows_how_it_ended(
    platform: Platform, visitor: Visitor, resting: dict[str, Any]
) -> None:
    at = f"/orders/{resting['order_id']}"
    for path in ("/", "/orders", at):
        page = await visitor.get(path)
        assert_sound(page)
        form = page.form(f"{at}/cancel")
        assert form.xpath("ancestor::details[not(@open)]"), "nothing is canceled by one press"
        assert form.xpath(".//input[@name='reason' and @required]")
    assert "accepted" in page.tree.xpath(STATE)
    refused = await visitor.fill(page, f"{at}/cancel", reason="", status=422)
    assert_sound(refused)
    assert refused.tree.xpath("//input[@name='reason' and @aria-invalid='true']/ancestor::details/@open")
    done = await visitor.fill(refused, f"{at}/cancel", reason="the story was wrong")
    assert done.path == at
    assert "The order is canceled" in done.text
    assert_sound(done)
    assert "canceled" in done.tree.xpath(STATE)
    way = done.tree.xpath("//section[@aria-labelledby='way-head']//tbody/tr/td[1]")
    assert [each.text_content() for each in way] == ["pending", "accepted", "canceled"]
    assert done.tree.xpath(f"//form[@action='{at}/cancel']") == []
    late = await visitor.fill(page, f"{at}/cancel", reason="once more")
    assert "The order is canceled" in late.text
    assert f"{at}/cancel" not in (await visitor.get("/orders")).answer.text


async def test_order_when_it_was_filled_before_then_that_is_what_the_page_says(
    platform: Platform, visitor: Visitor, unlike: dict[str, Any]
) -> None:
    async with platform.working(Queue.TRADING):
        request = await platform.order(SYMBOL, quantity=11, **unlike)

        async def filled() -> Any:
            rows = (await caller(platform).get("/v1/orders", symbol=SYMBOL, status="filled"))["data"]
            return next((row for row in rows if row["intent_id"] == request.intent_id), None)

        order = await eventually(filled)
    at = f"/orders/{order['order_id']}"
    page = await visitor.get("/orders")
    sent = {**dict(page.form("/pause").form_values()), "reason": "too late", "next": ""}
    answer = await visitor("POST", f"{at}/cancel", data=sent, follow_redirects=True)
    assert "filled before it could be canceled" in type(page)(answer).text
    shown = await visitor.get(at)
    assert_sound(shown)
    assert "$50.00" in shown.tree.xpath("string(//section[@aria-labelledby='fills-head'])")


async def test_order_when_it_changes_then_the_part_that_renews_itself_says_so(
    visitor: Visitor, resting: dict[str, Any]
) -> None:
    at = f"/orders/{resting['order_id']}"
    part = "//*[@id='order' and contains(@data-live, 'order') and contains(@data-live, 'fill')]"
    before = await visitor.get(f"{at}?fragment=order")
    assert "accepted" in before.tree.xpath(f"string({part}//header)")
    await visitor.fill(await visitor.get(at), f"{at}/cancel", reason="the end of the test")
    after = await visitor.get(f"{at}?fragment=order")
    assert "canceled" in after.tree.xpath(f"string({part}//header)")


async def test_order_when_one_may_only_read_then_there_is_no_way_to_cancel_and_a_form_is_refused(
    platform: Platform, visitor: Visitor, resting: dict[str, Any]
) -> None:
    at = f"/orders/{resting['order_id']}"
    async with Visitor(platform.app) as browser:
        await sign_in(browser, await platform.key(Scope.READ, person=await person(platform, Scope.READ)))
        page = await browser.get(at)
        assert "may not cancel" in page.text
        assert page.tree.xpath(f"//form[@action='{at}/cancel']") == []
        token = dict(page.form("/pause").form_values())["csrf_token"]
        answer = await browser("POST", f"{at}/cancel", data={"csrf_token": token, "reason": "mine"})
        assert (answer.status_code, "SCOPE_MISSING" in answer.text) == (403, True)
    await visitor.fill(await visitor.get(at), f"{at}/cancel", reason="the end of the test")


async def test_order_when_unknown_then_the_problem_says_so(visitor: Visitor) -> None:
    page = await visitor.get("/orders/no-such-order", status=404)
    assert "ORDER_NOT_FOUND" in page.text


def test_asked_when_approvals_cannot_be_read_then_no_order_counts_as_waiting() -> None:
    assert asked(Reading(value=None)) == {}
    assert asked(Reading(value={"data": [{"intent_id": "i", "approval_id": "a"}]})) == {"i": "a"}
