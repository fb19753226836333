"""The URL guard: hostile spellings, resolved addresses, the operator's own servers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.web.addresses import refusal
from activities.adapters.web.guard import GuardPolicy, UrlGuard
from domain.errors import ConfigurationError, InvalidInput, StonksError, VendorUnavailable
from tests.web.server import OTHER_PUBLIC, PUBLIC, Names

HOSTILE = [
    "",
    "example.com",
    "//example.com/",
    "/path",
    "https:/example.com",
    "https:example.com",
    "https://",
    "https:///path",
    "http://example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "javascript://example.com/%0aalert(1)",
    "https://user@example.com/",
    "https://user:password@example.com/",
    "https://example.com@127.0.0.1/",
    "https://127.0.0.1#@example.com/",
    "https://127.0.0.1?@example.com/",
    "https://example.com\\@127.0.0.1/",
    "https://127.0.0.1\\.example.com/",
    "https://example.com:22/",
    "https://example.com:8443/",
    "https://example.com:0/",
    "https://example.com:65979/",
    "https://example.com:-1/",
    "https://example.com:+443/",
    "https://example.com:٤٤٣/",
    "https://example.com:443:443/",
    "https://example.com..:443/",
    "https://.example.com/",
    "https://exa mple.com/",
    " https://example.com/",
    "https://example.com/\r\nHost: evil",
    "https://exam\tple.com/",
    "https://example.com\x00.evil.com/",
    "https://example%2ecom/",
    "https://127.0.0.1%2f@example.com/",
    "https://-example.com/",
    "https://exa_mple.com/",
    "https://" + "a" * 64 + ".com/",
    "https://" + "a." * 130 + "com/",
    "https://example.com/" + "a" * 8_000,
    "https://127.0.0.1/",
    "https://127.0.0.1./",
    "https://127.1/",
    "https://127.0.1/",
    "https://0/",
    "https://2130706433/",
    "https://2130706433./",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0X7F.0.0.0X1/",
    "https://0x/",
    "https://017700000001/",
    "https://0177.0.0.1/",
    "https://127.0.0.01/",
    "https://00000177.1/",
    "https://127.0.0.256/",
    "https://1.2.3.4.5/",
    "https://134744072/",
    "https://010.8.8.8/",
    "https://１２７.０.０.１/",
    "https://①②⑦.⓪.⓪.①/",
    "https://127。0。0。1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://2852039166/",
    "https://0xa9fea9fe/",
    "https://0251.0376.0251.0376/",
    "https://100.100.100.200/",
    "https://168.63.129.16/",
    "https://192.0.0.192/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://172.31.255.255/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
    "https://0.0.0.0/",
    "https://0.1.2.3/",
    "https://224.0.0.1/",
    "https://239.255.255.250/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    "https://198.18.0.1/",
    "https://192.0.2.1/",
    "https://[::1]/",
    "https://[::]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[0000:0000:0000:0000:0000:0000:0000:0001]/",
    "https://[::127.0.0.1]/",
    "https://[::8.8.8.8]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::FFFF:A9FE:A9FE]/",
    "https://[::ffff:0:10.0.0.1]/",
    "https://[::ffff:0:8.8.8.8]/",
    "https://[2002:7f00:1::]/",
    "https://[2002:a00:1::1]/",
    "https://[2002:c0a8:101::1]/",
    "https://[64:ff9b::127.0.0.1]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[64:ff9b:1::a00:1]/",
    "https://[2001:0:53aa:64c:0:fbff:f5ff:fffe]/",
    "https://[2606:4700::5efe:10.0.0.1]/",
    "https://[2606:4700::200:5efe:7f00:1]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fe80::1%eth0]/",
    "https://[2606:4700::1111%25eth0]/",
    "https://[fec0::1]/",
    "https://[fc00::1]/",
    "https://[fd00:ec2::254]/",
    "https://[fd20:ce::254]/",
    "https://[ff02::1]/",
    "https://[2001:db8::1]/",
    "https://[100::1]/",
    "https://[127.0.0.1]/",
    "https://[example.com]/",
    "https://[::1/",
    "https://::1/",
    "https://[2606:4700::1111]evil/",
    "https://[2606:4700::1111]@127.0.0.1/",
]

ALLOWED = [
    ("https://example.com", "https://example.com/"),
    ("HTTPS://EXAMPLE.COM:443/A?b=C#d", "https://example.com/A?b=C"),
    ("https://example.com.:80/", "https://example.com:80/"),
    ("https://bücher.example/ü?ä=ö", "https://xn--bcher-kva.example/%C3%BC?%C3%A4=%C3%B6"),
    ("https://ｅｘａｍｐｌｅ.com/", "https://example.com/"),
    ("https://8.8.8.8/", "https://8.8.8.8/"),
    ("https://172.32.0.1/", "https://172.32.0.1/"),
    ("https://100.128.0.1/", "https://100.128.0.1/"),
    ("https://[2606:4700::1111]:443/", "https://[2606:4700::1111]/"),
    ("https://[64:ff9b::8.8.8.8]/", "https://[64:ff9b::808:808]/"),
    ("https://1password.com/a%2Fb", "https://1password.com/a%2Fb"),
    ("https://10.example.com?x=1", "https://10.example.com/?x=1"),
]


@pytest.mark.parametrize("url", HOSTILE)
def test_check_when_the_url_is_hostile_then_it_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        UrlGuard().check(url)
    assert raised.value.code == "URL_REFUSED"
    assert "password" not in str(raised.value) or "a user name or a password" in str(raised.value)


@pytest.mark.parametrize(("url", "text"), ALLOWED)
def test_check_when_the_url_is_public_then_it_is_normalised(url: str, text: str) -> None:
    checked = UrlGuard().check(url)
    assert checked.text == text
    assert UrlGuard().check(checked.text) == checked


def test_check_when_http_and_a_port_are_allowed_then_they_pass() -> None:
    guard = UrlGuard(GuardPolicy(allow_http=True, ports=frozenset({8080})))
    assert guard.check("http://example.com:8080/").port == 8080
    assert guard.check("http://example.com/").port == 80
    with pytest.raises(InvalidInput, match="ports 80, 443, 8080 are allowed"):
        guard.check("http://example.com:8081/")
    with pytest.raises(InvalidInput, match="loopback"):
        guard.check("http://127.0.0.1:8080/")


def test_check_when_a_server_is_the_operators_own_then_only_that_host_and_port_pass() -> None:
    guard = UrlGuard(GuardPolicy(own_servers=frozenset({"127.0.0.1:9000", "[::1]:9000", "Files.Lan.:9000"})))
    for url in ("http://127.0.0.1:9000/", "http://[::1]:9000/", "http://[0:0::1]:9000/", "http://files.lan:9000/"):
        assert guard.check(url).port == 9000
    for url in ("http://127.0.0.1:9001/", "http://127.0.0.2:9000/", "http://files.lan/", "http://2130706433:9000/"):
        with pytest.raises(InvalidInput):
            guard.check(url)


@pytest.mark.parametrize("entry", ["files.lan", "", ":80", "files.lan:x", "http://files.lan:80", "a@b:80", "[::1"])
def test_policy_when_an_own_server_is_misspelt_then_the_operator_is_told(entry: str) -> None:
    with pytest.raises(ConfigurationError):
        UrlGuard(GuardPolicy(own_servers=frozenset({entry})))


async def test_addresses_when_all_are_public_then_they_are_returned() -> None:
    guard = UrlGuard(resolver=Names(example_com=[[PUBLIC, OTHER_PUBLIC, PUBLIC]]))
    assert await guard.addresses("example.com", 443) == (PUBLIC, OTHER_PUBLIC)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:10.0.0.1", "fe80::1%eth0", "169.254.169.254", "x", ""])
async def test_addresses_when_one_of_them_is_not_public_then_the_host_is_refused(address: str) -> None:
    guard = UrlGuard(resolver=Names(example_com=[[PUBLIC, address]]))
    with pytest.raises(InvalidInput, match="ADDRESS_REFUSED"):
        await guard.addresses("example.com", 443)


async def test_addresses_when_an_own_server_leads_to_metadata_then_it_is_refused() -> None:
    names = Names(files_lan=[["10.0.0.7"], ["169.254.169.254"]])
    guard = UrlGuard(GuardPolicy(own_servers=frozenset({"files.lan:80"})), names)
    assert await guard.addresses("files.lan", 80) == ("10.0.0.7",)
    with pytest.raises(InvalidInput, match="kind=link-local"):
        await guard.addresses("files.lan", 80)


async def test_addresses_when_the_host_does_not_resolve_then_it_is_tried_again_later() -> None:
    with pytest.raises(VendorUnavailable, match="HOST_NOT_RESOLVED"):
        await UrlGuard(resolver=Names()).addresses("example.com", 443)


async def test_addresses_when_the_host_is_an_address_then_no_resolver_is_asked() -> None:
    names = Names()
    assert await UrlGuard(resolver=names).addresses("8.8.8.8", 443) == ("8.8.8.8",)
    assert names.asked == []


@given(st.ip_addresses(v=4))
def test_refusal_when_an_ipv4_address_is_refused_then_so_is_every_embedding(address: object) -> None:
    if refusal(str(address)):
        for prefix in ("::ffff:", "::", "64:ff9b::", "2606:4700::5efe:"):
            assert refusal(f"{prefix}{address}")


@given(st.ip_addresses().filter(lambda address: address.is_private or address.is_multicast or address.is_link_local))
def test_refusal_when_the_standard_library_calls_it_private_then_it_is_refused(address: object) -> None:
    assert refusal(str(address))


@given(st.one_of(st.text(max_size=60), st.text(max_size=40).map("https://{}/".format)))
def test_check_when_given_any_text_then_nothing_but_our_errors_is_raised(text: str) -> None:
    try:
        checked = UrlGuard().check(text)
    except StonksError:
        return
    assert checked.text.isascii()
    assert UrlGuard().check(checked.text) == checked
