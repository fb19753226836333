"""People and keys on their pages: made, shown once, limited, ended; and what is wrong stands beside its field."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator

import pytest

from api.auth import COOKIE
from api.keys import Scope
from tests.api.browser import person, signed_in
from tests.api.harness import Platform, caller
from tests.dashboard.test_pages import assert_sound
from tests.dashboard.visitor import Visitor, sign_in
from workflows.names import Queue

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module", autouse=True)
async def _engine_answers(platform: Platform) -> AsyncIterator[None]:
    """Without a worker every page would wait for the engine's word as long as it waits at most."""
    async with platform.working(Queue.TRADING):
        yield


def new_name() -> str:
    return f"p{secrets.token_hex(5)}"


async def test_person_when_added_then_a_link_shown_once_signs_the_person_in(
    platform: Platform, visitor: Visitor
) -> None:
    name = new_name()
    added = await visitor.fill(
        await visitor.get("/people"), "/people", name=name, **{"scope-read": "yes", "scope-approve": "yes"}
    )
    assert added.path == f"/people/{name}"
    assert "A sign-in link lets the person in" in added.text
    assert set(added.tree.xpath(f"//form[@action='/people/{name}/scopes']//input[@checked]/@name")) == {
        "scope-read",
        "scope-approve",
    }
    shown = await visitor.fill(added, f"/people/{name}/link")
    assert_sound(shown)
    (address,) = shown.tree.xpath("//pre[@aria-label='The link']/text()")
    link = re.fullmatch(r"https://dashboard\.test(/sign-in\?link=[\w-]+)", address)
    assert link is not None
    assert address not in (await visitor.get(f"/people/{name}")).text, "it is shown once"
    async with Visitor(platform.app) as theirs:
        assert (await theirs.fill(await theirs.get(link[1]), "/sign-in")).path == "/"
        listed = await visitor.get(f"/people/{name}")
        assert "link" in listed.tree.xpath("string(//section[@aria-labelledby='sessions-head'])")
        out = await visitor.fill(listed, f"/people/{name}/sign-out")
        assert f"{name} is signed in nowhere" in out.text
        assert (await theirs("GET", "/")).status_code == 303


async def test_settings_when_one_signs_out_everywhere_then_every_browser_of_the_person_has_to_sign_in_again(
    platform: Platform,
) -> None:
    name = await person(platform)
    key = await platform.key(person=name)
    async with Visitor(platform.app) as here, Visitor(platform.app) as there:
        for browser in (here, there):
            await sign_in(browser, key)
        page = await here.get("/settings")
        assert_sound(page)
        assert (await here.fill(page, "/sign-out/everywhere")).path == "/sign-in"
        assert not here.cookies
        assert (await there("GET", "/settings")).headers["location"].startswith("/sign-in")


@pytest.mark.parametrize(
    ("name", "field", "said"),
    [
        ("Anna Smith", "add-name", "pattern"),
        ("engine", "add-name", "PERSON_NAME_INVALID"),
        ("owner", "add-name", "PERSON_EXISTS"),
    ],
)
async def test_person_when_the_name_may_not_be_given_then_the_form_says_so_beside_it(
    visitor: Visitor, name: str, field: str, said: str
) -> None:
    page = await visitor.get("/people")
    form = page.form("/people")
    sent = {**dict(form.form_values()), "name": name, "scope-ops:write": "yes"}
    answer = await visitor("POST", "/people", data=sent)
    assert answer.status_code in (409, 422)
    refused = type(page)(answer)
    assert_sound(refused)
    (typed,) = refused.tree.xpath(f"//input[@id='{field}']")
    assert (typed.get("value"), typed.get("aria-invalid")) == (name, "true")
    assert refused.tree.get_element_by_id(typed.get("aria-describedby")).text_content()
    assert said in refused.text
    assert refused.tree.xpath("//input[@name='scope-ops:write' and @checked]"), "what was chosen is kept"
    assert answer.headers["x-request-id"] in refused.text


async def test_person_when_limited_and_shut_out_then_the_api_says_the_same(
    platform: Platform, visitor: Visitor
) -> None:
    name = await person(platform, Scope.READ, Scope.APPROVE)
    key = await platform.key(Scope.READ, person=name)
    page = await visitor.get(f"/people/{name}")
    sent = {key: value for key, value in page.form(f"/people/{name}/scopes").form_values() if key != "scope-approve"}
    changed = await visitor("POST", f"/people/{name}/scopes", data=sent, follow_redirects=True)
    assert changed.status_code == 200
    assert (await caller(platform).get(f"/v1/people/{name}"))["scopes"] == ["read"]
    out = await visitor.fill(page, f"/people/{name}/disable")
    assert "Shut out" in out.text
    assert (await caller(platform, key)("GET", "/v1/overview")).status_code == 401
    assert out.tree.xpath(f"//form[@action='/people/{name}/link']") == []
    back = await visitor.fill(out, f"/people/{name}/enable")
    assert "Let in again" in back.text
    assert (await caller(platform, key)("GET", "/v1/overview")).status_code == 200


@pytest.mark.parametrize("whose", ["person", "service"])
async def test_key_when_made_then_it_is_shown_once_works_and_can_be_ended(
    platform: Platform, visitor: Visitor, whose: str
) -> None:
    name = await person(platform, Scope.READ)
    at, action = (f"/people/{name}", f"/people/{name}/keys") if whose == "person" else ("/people", "/keys")
    label = f"laptop {secrets.token_hex(3)}"
    page = await visitor.get(at)
    fields = {"name": label, "scope-read": "yes", "expires_in_days": "7", "unattended": "yes"}
    made = await visitor.fill(page, action, **fields)
    assert_sound(made)
    (key,) = made.tree.xpath("//section[contains(@class, 'once')]//pre/text()")
    assert (await caller(platform, key)("GET", "/v1/overview")).status_code == 200
    again = await visitor.fill(page, action, **fields)
    assert "cannot be shown again" in again.text, "the same form is one act"
    listed = await visitor.get(at)
    assert key not in listed.text
    (row,) = listed.tree.xpath(f"//tr[th[starts-with(., '{label}')]]")
    assert "unattended" in row.text_content()
    assert ("a service" in row.text_content()) == (whose == "service")
    await visitor.fill(listed, row.xpath(".//form/@action")[0])
    assert (await caller(platform, key)("GET", "/v1/overview")).status_code == 401


async def test_key_when_its_form_is_wrong_then_each_field_says_what(visitor: Visitor) -> None:
    page = await visitor.get("/people")
    refused = await visitor.fill(page, "/keys", name="", expires_in_days="soon", status=422)
    assert_sound(refused)
    for field in ("key-name", "key-expires_in_days"):
        assert refused.tree.xpath(f"//input[@id='{field}']/@aria-invalid") == ["true"]
        assert refused.tree.get_element_by_id(f"{field}-wrong").text_content()
    assert refused.tree.xpath("//input[@id='key-expires_in_days']/@value") == ["soon"]


async def test_people_when_one_may_not_administer_then_the_page_says_so_and_acts_are_refused(
    platform: Platform,
) -> None:
    async with Visitor(platform.app) as browser:
        name = await person(platform, Scope.READ)
        await sign_in(browser, await platform.key(Scope.READ, person=name))
        page = await browser.get("/people")
        assert_sound(page)
        assert "shown to administrators" in page.text
        assert page.tree.xpath("//form[@action='/people' or @action='/keys']") == []
        token = dict(page.form("/pause").form_values())["csrf_token"]
        for path in ("/people", f"/people/{name}/disable", f"/people/{name}/keys", f"/people/{name}/sign-out"):
            answer = await browser("POST", path, data={"csrf_token": token, "name": "x"})
            assert (answer.status_code, "SCOPE_MISSING" in answer.text) == (403, True), path
        assert (await browser("GET", "/people/owner")).status_code == 403


async def test_person_when_the_proof_is_too_old_then_it_is_asked_for_and_the_link_follows(platform: Platform) -> None:
    async with Visitor(platform.app) as browser:
        admin = await person(platform, Scope.READ, Scope.ADMIN)
        signed = await signed_in(platform, admin, proven=False)
        browser.cookies.set(COOKIE, signed.token, domain="dashboard.test", path="/")
        name = await person(platform, Scope.READ)
        page = await browser.get(f"/people/{name}")
        asked = await browser.fill(page, f"/people/{name}/link", status=403)
        assert "Prove that it is you" in asked.text
        key = await platform.key(Scope.READ, person=admin)
        shown = await browser.fill(asked, "/step-up", step_up_key=key)
        assert shown.tree.xpath("//pre[@aria-label='The link']")
        assert key not in shown.answer.text


async def test_link_when_the_person_was_shut_out_meanwhile_then_the_same_page_says_so(
    platform: Platform, visitor: Visitor
) -> None:
    name = await person(platform, Scope.READ)
    page = await visitor.get(f"/people/{name}")
    await visitor.fill(page, f"/people/{name}/disable")
    refused = await visitor.fill(page, f"/people/{name}/link", status=404)
    assert_sound(refused)
    assert refused.tree.xpath("//main//*[@role='alert']//code/text()[.='PERSON_DISABLED']")
    assert refused.tree.xpath("//h1/text()") == [name], "one stays on the page"
