"""Sign-in at a provider: the way there and back, and everything a token must not be."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from api.app import create_app
from api.auth import COOKIE
from api.keys import Scope
from api.operations import people as operations
from api.operations.oidc import local_path
from api.routes.session import OIDC_COOKIE
from domain.errors import ConfigurationError, StonksError
from tests.api.browser import Browser, person
from tests.api.harness import Platform, assert_problem
from tests.api.oidc_server import CLIENT, SECRET, Provider, Wishes
from workers import access
from workers.settings import load

pytestmark = pytest.mark.stack

NOW = int(time.time())


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    running = Provider()
    yield running
    running.stop()


class House:
    """An application that knows the provider, and one person who has an account there."""

    def __init__(self, platform: Platform, provider: Provider, name: str) -> None:
        self.platform, self.provider, self.name = platform, provider, name
        self.subject = f"subject of {name}"
        settings = load(
            {
                "STONKS_OIDC_ISSUER": provider.issuer,
                "STONKS_OIDC_CLIENT_ID": CLIENT,
                "STONKS_OIDC_CLIENT_SECRET": SECRET,
                "STONKS_OIDC_NAME": "the office",
                "STONKS_OIDC_OWN_SERVER": f"127.0.0.1:{provider.port}",
                "STONKS_OIDC_PEOPLE": f"sub:{self.subject}={name}, {name}@Example.com={name}",
            }
        )
        self.oidc = access.oidc_provider(settings)
        self.app: FastAPI = create_app(platform.dependencies(oidc=self.oidc, oidc_people=access.oidc_people(settings)))
        provider.wishes = Wishes(subject=self.subject)

    async def start(self, browser: Browser, *, next_path: str = "/inbox") -> dict[str, str]:
        answer = await browser("GET", "/v1/session/oidc/start", params={"next": next_path})
        assert answer.status_code == 302, answer.text
        return self.provider.authorize(answer.headers["location"])

    async def arrive(self, browser: Browser, **changes: str) -> Any:
        back = await self.start(browser)
        return await browser("GET", "/v1/session/oidc/callback", params={**back, **changes})


@pytest.fixture
async def house(platform: Platform, provider: Provider) -> AsyncIterator[House]:
    provider.published = ["rsa-1", "ec-1"]
    provider.issuer_told = ""
    made = House(platform, provider, await person(platform, Scope.READ))
    yield made
    assert made.oidc is not None
    await made.oidc.aclose()


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
async def test_sign_in_when_the_provider_vouches_then_the_session_begins_where_one_was(
    house: House, algorithm: str
) -> None:
    house.provider.wishes.algorithm = algorithm
    browser = Browser(house.app)
    methods = (await browser("GET", "/v1/session/methods")).json()
    assert methods["oidc"] == {"name": "the office", "start_url": "/v1/session/oidc/start"}
    answer = await house.arrive(browser)
    assert (answer.status_code, answer.headers["location"]) == (303, "/inbox")
    assert set(browser.cookies) == {COOKIE}
    view = (await browser("GET", "/v1/session")).json()
    assert (view["person"]["name"], view["method"], view["scopes"]) == (house.name, "oidc", ["read"])
    assert view["step_up_until"] is not None
    listed = await operations.read(house.platform.parts.database, house.name)
    assert listed.oidc_subject == house.subject


@pytest.mark.parametrize(
    ("wishes", "code"),
    [
        ({"claims": {"nonce": "another"}}, "OIDC_TOKEN_INVALID"),
        ({"claims": {"nonce": None}}, "OIDC_TOKEN_INVALID"),
        ({"claims": {"aud": "somebody-else"}}, "OIDC_TOKEN_INVALID"),
        ({"claims": {"aud": [CLIENT, "somebody-else"]}}, "OIDC_TOKEN_INVALID"),
        ({"claims": {"azp": "somebody-else"}}, "OIDC_TOKEN_INVALID"),
        ({"claims": {"aud": None}}, "OIDC_TOKEN_INVALID"),
        ({"claims": {"iss": "https://evil.test"}}, "OIDC_TOKEN_INVALID"),
        ({"claims": {"exp": NOW - 3_600}}, "OIDC_TOKEN_INVALID"),
        ({"claims": {"exp": None}}, "OIDC_TOKEN_INVALID"),
        ({"claims": {"exp": float("nan")}}, "OIDC_TOKEN_INVALID"),
        ({"claims": {"iat": NOW + 86_400}}, "OIDC_TOKEN_INVALID"),
        ({"claims": {"nbf": NOW + 86_400}}, "OIDC_TOKEN_INVALID"),
        ({"claims": {"sub": ""}}, "OIDC_TOKEN_INVALID"),
        ({"algorithm": "none"}, "OIDC_TOKEN_INVALID"),
        ({"algorithm": "HS256"}, "OIDC_TOKEN_INVALID"),
        ({"algorithm": "PS256"}, "OIDC_TOKEN_INVALID"),
        ({"key_id": "ec-1"}, "OIDC_TOKEN_INVALID"),
        ({"key_id": "unknown"}, "OIDC_TOKEN_INVALID"),
        ({"raw": "no.token.atall"}, "OIDC_TOKEN_INVALID"),
        ({"raw": ""}, "OIDC_ANSWER_INVALID"),
    ],
)
async def test_sign_in_when_the_token_is_not_what_it_must_be_then_nobody_is_signed_in(
    house: House, wishes: dict[str, Any], code: str
) -> None:
    house.provider.wishes = Wishes(**{"subject": house.subject, **wishes})
    browser = Browser(house.app)
    assert_problem(await house.arrive(browser), 502, code)
    assert COOKIE not in browser.cookies


async def test_token_when_signed_by_another_key_then_nobody_is_signed_in(house: House) -> None:
    other = Provider()
    other.issuer = house.provider.issuer
    browser = Browser(house.app)
    back = await house.start(browser)
    other.wishes = Wishes(subject=house.subject)
    house.provider.wishes = Wishes(raw=other.token(house.provider.grants[back["code"]]))
    other.stop()
    answer = await browser("GET", "/v1/session/oidc/callback", params=back)
    assert_problem(answer, 502, "OIDC_TOKEN_INVALID")


async def test_answer_when_used_again_or_by_another_browser_then_401(house: House) -> None:
    browser, other = Browser(house.app), Browser(house.app)
    back = await house.start(browser)
    await house.start(other)
    for thief in (other, Browser(house.app)):
        assert_problem(await thief("GET", "/v1/session/oidc/callback", params=back), 401, "OIDC_STATE_INVALID")
    wrong = await browser("GET", "/v1/session/oidc/callback", params={**back, "state": "another"})
    assert_problem(wrong, 401, "OIDC_STATE_INVALID")
    kept = browser.cookies[OIDC_COOKIE]
    assert (await browser("GET", "/v1/session/oidc/callback", params=back)).status_code == 303
    browser.cookies[OIDC_COOKIE] = kept
    assert_problem(await browser("GET", "/v1/session/oidc/callback", params=back), 401, "OIDC_STATE_INVALID")


async def test_code_when_the_provider_took_it_before_then_nobody_is_signed_in(house: House) -> None:
    browser = Browser(house.app)
    first = await house.start(browser)
    assert (await browser("GET", "/v1/session/oidc/callback", params=first)).status_code == 303
    fresh = Browser(house.app)
    again = await house.start(fresh)
    answer = await fresh("GET", "/v1/session/oidc/callback", params={**again, "code": first["code"]})
    assert_problem(answer, 502, "OIDC_CODE_REFUSED")
    # A code that another sign-in was given does not fit this one's verifier.
    one, two = Browser(house.app), Browser(house.app)
    mine, theirs = await house.start(one), await house.start(two)
    swapped = await one("GET", "/v1/session/oidc/callback", params={**mine, "code": theirs["code"]})
    assert_problem(swapped, 502, "OIDC_CODE_REFUSED")


async def test_provider_when_down_or_another_then_it_is_said_and_a_page_goes_back_to_sign_in(house: House) -> None:
    house.provider.wishes.down = True
    answer = await Browser(house.app)("GET", "/v1/session/oidc/start")
    assert_problem(answer, 503, "OIDC_PROVIDER_AWAY")
    house.provider.wishes.down = False
    house.provider.issuer_told = "https://evil.test"
    assert_problem(await Browser(house.app)("GET", "/v1/session/oidc/start"), 502, "OIDC_ISSUER_MISMATCH")
    house.provider.issuer_told = ""
    browser = Browser(house.app)
    back = await house.start(browser)
    house.provider.wishes.down = True
    page = await browser("GET", "/v1/session/oidc/callback", params=back, headers={"Accept": "text/html,*/*"})
    assert (page.status_code, page.headers["location"]) == (303, "/sign-in?problem=OIDC_PROVIDER_AWAY")
    assert COOKIE not in browser.cookies
    declined = {"state": "x", "error": "access_denied"}
    answer = await Browser(house.app)("GET", "/v1/session/oidc/callback", params=declined)
    assert_problem(answer, 401, "OIDC_DECLINED")


async def test_provider_when_it_changed_its_keys_then_they_are_asked_for_again(house: House) -> None:
    assert (await house.arrive(Browser(house.app))).status_code == 303
    house.provider.published = ["rsa-2"]
    house.provider.wishes.key_id = "rsa-2"
    assert_problem(await house.arrive(Browser(house.app)), 502, "OIDC_TOKEN_INVALID")  # asked a moment ago
    assert house.oidc is not None
    assert house.oidc._keys is not None
    house.oidc._keys.fetched_at = house.oidc._keys.fetched_at.replace(year=2020)
    assert (await house.arrive(Browser(house.app))).status_code == 303


async def test_account_when_listed_by_mail_then_only_a_verified_address_counts(house: House) -> None:
    mail = {"email": f"{house.name}@example.com"}
    house.provider.wishes = Wishes(subject="by mail", claims=mail)
    assert_problem(await house.arrive(Browser(house.app)), 403, "OIDC_PERSON_UNKNOWN")
    for untrue in ("true", 1, False):
        house.provider.wishes.claims = {**mail, "email_verified": untrue}
        assert_problem(await house.arrive(Browser(house.app)), 403, "OIDC_PERSON_UNKNOWN")
    house.provider.wishes.claims = {**mail, "email_verified": True}
    assert (await house.arrive(Browser(house.app))).status_code == 303
    # From now on that account is the person, whatever its address; another one of the same address is not.
    house.provider.wishes.claims = {}
    assert (await house.arrive(Browser(house.app))).status_code == 303
    house.provider.wishes = Wishes(subject="somebody else", claims={**mail, "email_verified": True})
    assert_problem(await house.arrive(Browser(house.app)), 409, "OIDC_ACCOUNT_TAKEN")


async def test_person_when_disabled_then_the_provider_signs_in_nobody(house: House) -> None:
    assert (await house.arrive(Browser(house.app))).status_code == 303
    await operations.change(house.platform.parts.database, name=house.name, actor="test", disabled=True)
    assert_problem(await house.arrive(Browser(house.app)), 403, "OIDC_PERSON_UNKNOWN")


async def test_provider_when_not_configured_then_404(platform: Platform) -> None:
    for path in ("start", "callback?state=x&code=y"):
        assert_problem(await Browser(platform.app)("GET", f"/v1/session/oidc/{path}"), 404, "OIDC_NOT_CONFIGURED")


async def test_provider_when_it_is_inside_the_network_and_not_named_then_it_is_not_asked(
    platform: Platform, provider: Provider
) -> None:
    settings = load({"STONKS_OIDC_ISSUER": provider.issuer, "STONKS_OIDC_CLIENT_ID": CLIENT})
    oidc = access.oidc_provider(settings)
    before = len(provider.asked)
    app = create_app(platform.dependencies(oidc=oidc))
    assert_problem(await Browser(app)("GET", "/v1/session/oidc/start"), 422, "URL_REFUSED")
    assert len(provider.asked) == before
    assert oidc is not None
    await oidc.aclose()


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("/inbox", "/inbox"),
        ("/decisions/x?y=1#z", "/decisions/x?y=1#z"),
        ("//evil.test", "/"),
        ("/\\evil.test", "/"),
        ("https://evil.test", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\r\nSet-Cookie: x=y", "/"),
        ("", "/"),
        ("/" + "a" * 500, "/"),
    ],
)
def test_next_when_it_leads_elsewhere_then_the_start_page_is_meant(given: str, found: str) -> None:
    assert local_path(given) == found


@pytest.mark.parametrize("entry", ["anna", "anna=anna", "=anna", "anna@example.com=", "a@b.c=Engine"])
def test_people_when_the_setting_is_wrong_then_it_is_said(entry: str) -> None:
    with pytest.raises(StonksError, match=r"SETTING_INVALID|PERSON_NAME_INVALID"):
        access.oidc_people(load({"STONKS_OIDC_PEOPLE": entry}))


def test_client_when_not_named_then_the_start_says_so() -> None:
    with pytest.raises(ConfigurationError, match="STONKS_OIDC_CLIENT_ID"):
        access.oidc_provider(load({"STONKS_OIDC_ISSUER": "https://login.example.com"}))
