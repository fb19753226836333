"""The fetcher against a hostile server: statuses, caps, redirects, secrets, rebinding."""

from __future__ import annotations

import asyncio
import gzip
import logging
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from activities.adapters.web.fetch import FetchLimits, WebFetcher
from activities.adapters.web.guard import GuardPolicy, UrlGuard
from domain.errors import (
    ConfigurationError,
    InvalidInput,
    StonksError,
    VendorRejected,
    VendorThrottled,
    VendorUnavailable,
)
from domain.fetching import Credential, CredentialPlace, HttpAnswer, HttpRequest, require_success
from tests.web.server import (
    HostileServer,
    Names,
    drip,
    hang,
    raw,
    redirect,
    reply,
)

NOW = datetime(2026, 3, 2, 15, 30, tzinfo=UTC)
SECRET = "s3cr3t+/key=42"
KEYS = {"vendor_key": SecretStr(SECRET)}
IN_HEADER = Credential(reference="vendor_key", place=CredentialPlace.HEADER, name="Authorization", prefix="Bearer ")
IN_QUERY = Credential(reference="vendor_key", place=CredentialPlace.QUERY, name="apiKey")
LIMITS = FetchLimits(total_seconds=3, connect_seconds=1, idle_seconds=0.5, wire_bytes=100_000, body_bytes=1_000_000)


@pytest.fixture
async def server() -> AsyncIterator[HostileServer]:
    async with HostileServer() as server:
        yield server


def own(server: HostileServer, limits: FetchLimits = LIMITS) -> WebFetcher:
    """A fetcher for which the hostile server is one of the operator's own."""
    guard = UrlGuard(GuardPolicy(own_servers=frozenset({f"127.0.0.1:{server.port}"})))
    return WebFetcher(guard, credentials=KEYS, limits=limits)


async def get(server: HostileServer, path: str, limits: FetchLimits = LIMITS, **more: object) -> HttpAnswer:
    async with own(server, limits) as fetcher:
        request = HttpRequest.model_validate({"url": f"http://127.0.0.1:{server.port}{path}", **more})
        return await fetcher.fetch(request, now=NOW)


async def refused(server: HostileServer, path: str, kind: type[StonksError], **more: object) -> StonksError:
    with pytest.raises(kind) as raised:
        await get(server, path, **more)  # type: ignore[arg-type]
    assert_no_secret(repr(raised.value), str(raised.value.fields))
    assert raised.value.__cause__ is None
    return raised.value


def assert_no_secret(*texts: str) -> None:
    for text in texts:
        assert "s3cr3t" not in text.lower()


async def test_fetch_when_all_is_well_then_the_answer_is_whole(server: HostileServer) -> None:
    server.replies["/a"] = reply(body=b"hello", headers=[("ETag", '"1"'), ("Set-Cookie", "id=1")])
    answer = await get(server, "/a?x=1", params={"q": "a b&c"}, headers={"X-Mine": "yes"})
    assert answer == HttpAnswer(
        status=200,
        url=f"http://127.0.0.1:{server.port}/a?x=1&q=a+b%26c",
        headers={"etag": '"1"'},
        body=b"hello",
        fetched_at=NOW,
    )
    target, headers = server.requests[0]
    assert target == "/a?x=1&q=a+b%26c"
    assert headers["host"] == f"127.0.0.1:{server.port}"
    assert headers["x-mine"] == "yes"
    assert headers["accept-encoding"] == "gzip, deflate"


async def test_fetch_when_nothing_changed_then_304_comes_back(server: HostileServer) -> None:
    server.replies["/a"] = reply(304, headers=[("ETag", '"1"')], length=10**9)
    answer = await get(server, "/a", etag='"1"', last_modified="Mon, 02 Mar 2026 15:00:00 GMT")
    require_success(answer, "vendor")
    assert (answer.status, answer.body) == (304, b"")
    assert server.requests[0][1]["if-none-match"] == '"1"'
    assert server.requests[0][1]["if-modified-since"] == "Mon, 02 Mar 2026 15:00:00 GMT"


async def test_fetch_when_a_stored_etag_cannot_be_sent_then_it_is_left_out(server: HostileServer) -> None:
    server.replies["/a"] = reply()
    await get(server, "/a", etag='"1"\r\nX-Evil: 1', last_modified="ä")
    assert not {"x-evil", "if-none-match", "if-modified-since"} & server.requests[0][1].keys()


async def test_fetch_when_a_cookie_is_set_then_it_is_never_sent(server: HostileServer) -> None:
    server.replies["/a"] = reply(headers=[("Set-Cookie", "id=1; Path=/")])
    async with own(server) as fetcher:
        for _ in range(2):
            await fetcher.fetch(HttpRequest(url=f"http://127.0.0.1:{server.port}/a"), now=NOW)
    assert "cookie" not in server.requests[1][1]


async def test_fetch_when_throttled_then_the_vendors_wait_is_told(server: HostileServer) -> None:
    server.replies["/a"] = reply(429, headers=[("Retry-After", "17")])
    with pytest.raises(VendorThrottled) as raised:
        require_success(await get(server, "/a"), "vendor")
    assert raised.value.retry_after_seconds == 17


async def test_fetch_when_the_vendor_is_away_then_its_status_comes_back(server: HostileServer) -> None:
    server.replies["/a"] = reply(503, body=b"away")
    answer = await get(server, "/a")
    assert (answer.status, answer.body) == (503, b"away")
    with pytest.raises(VendorUnavailable):
        require_success(answer, "vendor")


async def test_fetch_when_the_server_hangs_then_it_is_unavailable(server: HostileServer) -> None:
    server.replies["/a"] = hang
    assert (await refused(server, "/a", VendorUnavailable)).code == "VENDOR_TIMEOUT"


async def test_fetch_when_the_body_drips_then_the_total_time_ends_it(server: HostileServer) -> None:
    server.replies["/a"] = drip(0.1)
    started = time.monotonic()
    error = await refused(server, "/a", VendorUnavailable, limits=LIMITS.model_copy(update={"total_seconds": 1.0}))
    assert error.code == "VENDOR_TIMEOUT"
    assert time.monotonic() - started > 0.9


async def test_fetch_when_the_body_is_truncated_then_it_is_unavailable(server: HostileServer) -> None:
    server.replies["/a"] = reply(body=b"half", length=8)
    assert (await refused(server, "/a", VendorUnavailable)).code == "VENDOR_DISCONNECTED"


async def test_fetch_when_a_chunked_body_is_truncated_then_it_is_unavailable(server: HostileServer) -> None:
    server.replies["/a"] = raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
    assert (await refused(server, "/a", VendorUnavailable)).code == "VENDOR_DISCONNECTED"


async def test_fetch_when_compressed_data_is_truncated_then_it_is_unavailable(server: HostileServer) -> None:
    server.replies["/a"] = reply(body=gzip.compress(b"whole" * 100)[:-9], headers=[("Content-Encoding", "gzip")])
    assert (await refused(server, "/a", VendorUnavailable)).code == "RESPONSE_TRUNCATED"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00" * 1_000,
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 999999 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000 + b"\r\n\r\n",
    ],
)
async def test_fetch_when_the_answer_is_no_http_then_only_our_errors_are_raised(
    server: HostileServer, data: bytes
) -> None:
    server.replies["/a"] = raw(data)
    await refused(server, "/a", StonksError)


async def test_fetch_when_nobody_listens_then_it_is_unavailable() -> None:
    async with HostileServer() as server:
        port = server.port
    guard = UrlGuard(GuardPolicy(own_servers=frozenset({f"127.0.0.1:{port}"})))
    async with WebFetcher(guard, limits=LIMITS) as fetcher:
        with pytest.raises(VendorUnavailable, match="VENDOR_UNREACHABLE"):
            await fetcher.fetch(HttpRequest(url=f"http://127.0.0.1:{port}/"), now=NOW)


@pytest.mark.parametrize(("size", "fits"), [(99_999, True), (100_000, True), (100_001, False)])
@pytest.mark.parametrize("announced", [True, False])
async def test_fetch_when_the_body_is_big_then_the_cap_holds(
    server: HostileServer, size: int, fits: bool, announced: bool
) -> None:
    server.replies["/a"] = reply(body=b"x" * size, length=size if announced else -1)
    if fits:
        assert len((await get(server, "/a")).body) == size
    else:
        assert (await refused(server, "/a", VendorRejected)).code == "RESPONSE_TOO_LARGE"


@pytest.mark.parametrize(("size", "fits"), [(1_000_000, True), (1_000_001, False)])
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "raw deflate"])
async def test_fetch_when_the_body_is_compressed_then_the_cap_is_on_what_it_holds(
    server: HostileServer, size: int, fits: bool, encoding: str
) -> None:
    window = {"gzip": 31, "deflate": 15, "raw deflate": -15}[encoding]
    compressor = zlib.compressobj(wbits=window)
    body = compressor.compress(b"x" * size) + compressor.flush()
    server.replies["/a"] = reply(body=body, headers=[("Content-Encoding", encoding.rpartition(" ")[2])])
    if fits:
        answer = await get(server, "/a")
        assert answer.body == b"x" * size
        assert "content-encoding" not in answer.headers
    else:
        assert (await refused(server, "/a", VendorRejected)).code == "RESPONSE_TOO_LARGE"


async def test_fetch_when_the_body_is_a_gzip_bomb_then_memory_stays_bounded(server: HostileServer) -> None:
    compressor = zlib.compressobj(9, wbits=31)
    bomb = b"".join(compressor.compress(bytes(1_000_000)) for _ in range(80)) + compressor.flush()
    assert len(bomb) < LIMITS.wire_bytes
    server.replies["/a"] = reply(body=bomb, headers=[("Content-Encoding", "gzip")])
    tracemalloc.start()
    try:
        error = await refused(server, "/a", VendorRejected)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert error.code == "RESPONSE_TOO_LARGE"
    assert peak < 8_000_000


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "x" * 5_000])
async def test_fetch_when_the_encoding_was_not_asked_for_then_it_is_refused(
    server: HostileServer, encoding: str
) -> None:
    server.replies["/a"] = reply(body=b"x", headers=[("Content-Encoding", encoding)])
    assert (await refused(server, "/a", VendorRejected)).code == "RESPONSE_ENCODING_REFUSED"


async def test_fetch_when_redirected_then_the_last_answer_comes_back(server: HostileServer) -> None:
    for number in range(5):
        server.replies[f"/{number}"] = redirect(f"{number + 1}?n={number}", (301, 302, 303, 307, 308)[number])
    server.replies["/5"] = reply(body=b"there")
    answer = await get(server, "/0", headers={"X-Mine": "1"}, credentials=[IN_HEADER, IN_QUERY])
    assert (answer.body, answer.url) == (b"there", f"http://127.0.0.1:{server.port}/5?n=4")
    assert all(headers["authorization"] == f"Bearer {SECRET}" for _, headers in server.requests)
    assert server.requests[-1][0] == "/5?n=4&apiKey=s3cr3t%2B%2Fkey%3D42"


async def test_fetch_when_redirected_six_times_or_in_a_loop_then_it_ends(server: HostileServer) -> None:
    for number in range(6):
        server.replies[f"/{number}"] = redirect(f"/{number + 1}")
    server.replies["/loop"] = redirect("/loop")
    for path in ("/0", "/loop"):
        server.requests.clear()
        assert (await refused(server, path, VendorRejected)).code == "REDIRECT_LIMIT"
        assert len(server.requests) == 6


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "https://[::ffff:10.0.0.1]/",
        "//2130706433/",
        "https://user:s3cr3t@example.com/",
        "file:///etc/passwd",
        "https://[broken",
        "http://example.com/",
        "https://example.com/ /x",
        "https://example.com:8443/",
    ],
)
async def test_fetch_when_redirected_to_what_the_guard_refuses_then_it_ends(
    server: HostileServer, location: str
) -> None:
    server.replies["/a"] = redirect(location)
    assert (await refused(server, "/a", VendorRejected)).code == "REDIRECT_REFUSED"


async def test_fetch_when_the_origin_changes_then_credentials_stay_behind_for_good() -> None:
    async with HostileServer() as first, HostileServer() as second:
        here, there = f"http://127.0.0.1:{first.port}", f"http://127.0.0.1:{second.port}"
        first.replies["/a"] = redirect(f"{there}/b?apiKey=s3cr3t%2b%2Fkey%3D42&copy={SECRET}&x=1")
        second.replies["/b"] = redirect(f"{here}/c")
        first.replies["/c"] = reply(headers=[("X-Echo", f"key {SECRET} and s3cr3t%2B%2Fkey%3D42")])
        guard = UrlGuard(
            GuardPolicy(own_servers=frozenset({here.removeprefix("http://"), there.removeprefix("http://")}))
        )
        async with WebFetcher(guard, credentials=KEYS, limits=LIMITS) as fetcher:
            request = HttpRequest(
                url=f"{here}/a",
                headers={"X-Token": "t", "Accept": "x/y"},
                credentials=(IN_HEADER, IN_QUERY),
                etag='"1"',
            )
            answer = await fetcher.fetch(request, now=NOW)
    assert_no_secret(repr(second.requests), repr(first.requests[1]), repr(answer), repr(vars(fetcher)))
    assert second.requests[0][0] == "/b?x=1"
    for _, headers in (second.requests[0], first.requests[1]):
        assert not {"authorization", "x-token"} & headers.keys()
        assert (headers["accept"], headers["if-none-match"]) == ("x/y", '"1"')
    assert answer.headers["x-echo"] == "key *** and ***"


async def test_fetch_when_a_redirect_repeats_the_secret_in_its_path_then_it_is_refused(server: HostileServer) -> None:
    server.replies["/a"] = redirect("https://example.com/s3cr3t%252B%252Fkey=42")
    assert (await refused(server, "/a", VendorRejected, credentials=[IN_QUERY])).code == "URL_CARRIES_SECRET"


async def test_fetch_when_the_secret_is_in_the_query_then_no_log_and_no_answer_tells_it(
    server: HostileServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.replies["/a"] = reply()
    with caplog.at_level(logging.DEBUG):
        answer = await get(server, "/a?apiKey=old&x=1", credentials=[IN_QUERY, IN_HEADER])
    assert server.requests[0][0] == "/a?x=1&apiKey=s3cr3t%2B%2Fkey%3D42"
    assert answer.url.endswith("/a?x=1")
    assert_no_secret(caplog.text, repr(answer))


@pytest.mark.parametrize("keys", [{}, {"vendor_key": SecretStr("")}])
async def test_fetch_when_a_credential_is_missing_then_its_reference_is_named(keys: dict[str, SecretStr]) -> None:
    async with WebFetcher(UrlGuard(resolver=Names()), credentials=keys) as fetcher:
        with pytest.raises(ConfigurationError, match="CREDENTIAL_MISSING: reference=vendor_key"):
            await fetcher.fetch(HttpRequest(url="https://example.com/", credentials=(IN_HEADER,)), now=NOW)


@pytest.mark.parametrize("value", [f"{SECRET}\r\nX-Evil: 1", f"{SECRET}ä", f"{SECRET} ", f"{SECRET}\n"])
async def test_fetch_when_a_credential_cannot_be_sent_then_it_is_not_told(value: str) -> None:
    async with WebFetcher(UrlGuard(resolver=Names()), credentials={"vendor_key": SecretStr(value)}) as fetcher:
        with pytest.raises(ConfigurationError, match="CREDENTIAL_INVALID: reference=vendor_key") as raised:
            await fetcher.fetch(HttpRequest(url="https://example.com/", credentials=(IN_HEADER,)), now=NOW)
    assert_no_secret(str(raised.value))


@pytest.mark.parametrize(
    "header", [("Host", "evil"), ("X\r\nY", "1"), ("X", "1\r\nY: 2"), ("Connection", "x"), ("", "")]
)
async def test_fetch_when_a_header_cannot_be_sent_then_nothing_is(
    server: HostileServer, header: tuple[str, str]
) -> None:
    await refused(server, "/a", InvalidInput, headers=dict([header]))
    assert server.requests == []


async def test_fetch_when_the_environment_names_a_proxy_then_it_is_ignored(
    server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.replies["/a"] = reply(body=b"direct")
    assert (await get(server, "/a")).body == b"direct"


async def test_fetch_when_many_run_at_once_then_each_gets_its_own_answer(server: HostileServer) -> None:
    for number in range(40):
        server.replies[f"/{number}"] = reply(body=str(number).encode())
    async with own(server) as fetcher:
        urls = [f"http://127.0.0.1:{server.port}/{number}" for number in range(40)]
        answers = await asyncio.gather(*(fetcher.fetch(HttpRequest(url=url), now=NOW) for url in urls))
    assert [answer.body for answer in answers] == [str(number).encode() for number in range(40)]
