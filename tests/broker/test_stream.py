"""The stream on real sockets: what it says, how its death is noticed, and how often it is connected again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from activities.adapters.alpaca import AlpacaSettings
from activities.adapters.alpaca.stream import AlpacaStream, StreamTiming
from domain.errors import ConfigurationError, VendorUnavailable
from tests.broker.stream_server import KEYS, vendor_stream, wire
from tests.paper_broker.harness import Client, bar
from workers.stream import LONGEST_PAUSE, REFUSED_PAUSE, StreamFollower, reconnect_pause

BRISK = StreamTiming(handshake=2.0, heartbeat=0.2, quiet=30.0)


def _stream(url: str, *, secret: str = KEYS["secret_key"], timing: StreamTiming = BRISK) -> AlpacaStream:
    settings = AlpacaSettings(key_id=SecretStr(KEYS["key_id"]), secret_key=SecretStr(secret), url=url)
    return AlpacaStream(settings, timing=timing)


def _update(client_order_id: str, execution: str = "", *, event: str = "fill", at: str = "10") -> dict[str, Any]:
    return {
        "event": event,
        "execution_id": execution or None,
        "timestamp": f"2026-03-02T15:00:{at}.123456789Z",
        "order": {"id": f"b-{client_order_id}", "client_order_id": client_order_id},
    }


class Desk:
    """Remembers what a follower told and asked for."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.comparisons = 0
        self.pauses: list[float] = []
        self.running = True

    async def tell(self, intent_id: str) -> bool:
        self.told.append(intent_id)
        return self.running

    async def compare(self) -> None:
        self.comparisons += 1

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0.01)

    async def until(self, condition: Any, what: str) -> None:
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.01)
        assert condition(), what


@asynccontextmanager
async def _following(stream: AlpacaStream, desk: Desk) -> AsyncIterator[None]:
    follower = StreamFollower(
        stream, mode="paper", tell=desk.tell, compare=desk.compare, sleep=desk.sleep, chance=random.Random(1)
    )
    task = asyncio.create_task(follower.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_follower_when_connected_then_it_compares_the_book_and_passes_updates_of_ours_on() -> None:
    desk = Desk()
    async with vendor_stream() as vendor, _following(_stream(vendor.url), desk):
        await vendor.somebody_listens()
        await desk.until(lambda: desk.comparisons == 1, "compared after the connect")
        await vendor.say(_update("so-paper-a1", "x1"))
        await vendor.say(_update("mine-7", "x2"))
        await vendor.say(_update("so-live-a1", "x3"))
        await vendor.say(_update("so-paper-a2-r3", "x4"))
        await desk.until(lambda: len(desk.told) == 2, "ours were told")
    assert desk.told == ["a1", "a2"]
    assert desk.comparisons == 1


async def test_follower_when_an_execution_is_repeated_then_it_is_told_once() -> None:
    desk = Desk()
    async with vendor_stream() as vendor, _following(_stream(vendor.url), desk):
        await vendor.somebody_listens()
        for _ in range(3):
            await vendor.say(_update("so-paper-a1", "x1"))
        await vendor.say(_update("so-paper-a1", event="canceled"))
        await vendor.say(_update("so-paper-a1", event="canceled"))
        await vendor.say(_update("so-paper-a1", event="canceled", at="11"))
        await vendor.say(_update("so-paper-end", "x9"))
        await desk.until(lambda: "end" in desk.told, "the last one came through")
    assert desk.told == ["a1", "a1", "a1", "end"]


async def test_follower_when_nobody_follows_the_order_then_the_book_is_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("workers.stream.BETWEEN_COMPARISONS", 0.0)
    desk = Desk()
    desk.running = False
    async with vendor_stream() as vendor, _following(_stream(vendor.url), desk):
        await vendor.somebody_listens()
        await vendor.say(_update("so-paper-late", "x1"))
        await desk.until(lambda: desk.comparisons == 2, "compared again")


async def test_follower_when_the_server_goes_then_it_connects_again_and_compares_again() -> None:
    desk = Desk()
    async with vendor_stream() as vendor, _following(_stream(vendor.url), desk):
        await vendor.somebody_listens()
        await vendor.drop()
        await desk.until(lambda: desk.comparisons == 2, "compared after the second connect")
        await vendor.somebody_listens()
        await vendor.say(_update("so-paper-a1", "x1"))
        await desk.until(lambda: desk.told == ["a1"], "told on the new connection")
    assert len(desk.pauses) == 1


async def test_follower_when_the_wire_is_dead_but_open_then_the_heartbeat_notices() -> None:
    desk = Desk()
    async with (
        vendor_stream() as vendor,
        wire(vendor.port) as line,
        _following(_stream(f"http://127.0.0.1:{line.port}"), desk),
    ):
        await vendor.somebody_listens()
        line.dead.set()
        await desk.until(lambda: len(desk.pauses) >= 1, "the death was noticed")
        line.dead.clear()
        await desk.until(lambda: desk.comparisons >= 2, "and it came back")


async def test_connection_when_nothing_is_said_for_long_then_it_is_given_up() -> None:
    quiet = StreamTiming(handshake=2.0, heartbeat=5.0, quiet=0.2)

    async def listen(url: str) -> None:
        async with _stream(url, timing=quiet).connection() as updates:
            async for update in updates:
                raise AssertionError(update)

    async with vendor_stream() as vendor:
        with pytest.raises(VendorUnavailable) as silent:
            await listen(vendor.url)
    assert silent.value.code == "STREAM_QUIET"


async def test_follower_when_every_connection_ends_at_once_then_the_pauses_grow_and_no_storm_arises() -> None:
    desk = Desk()
    async with vendor_stream() as vendor:
        vendor.hang_up_after_listening = True
        async with _following(_stream(vendor.url), desk):
            await desk.until(lambda: len(desk.pauses) == 8, "eight tries")
    lower = [min(2.0**n, LONGEST_PAUSE) / 2 for n in range(8)]
    assert all(pause >= least for pause, least in zip(desk.pauses, lower, strict=False))


async def test_follower_when_the_keys_are_refused_then_it_waits_long_and_never_says_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    desk = Desk()
    async with vendor_stream() as vendor, _following(_stream(vendor.url, secret="canary-7f3"), desk):
        await desk.until(lambda: len(desk.pauses) == 2, "two tries")
    assert set(desk.pauses) == {REFUSED_PAUSE}
    assert desk.comparisons == 0
    assert "canary-7f3" not in "".join(capsys.readouterr())


async def test_connection_when_the_keys_are_refused_then_an_operator_must_act() -> None:
    async with vendor_stream() as vendor:
        with pytest.raises(ConfigurationError):
            async with _stream(vendor.url, secret="wrong").connection():
                raise AssertionError("nobody may listen")


async def test_follower_when_the_address_is_dead_then_it_goes_on_trying() -> None:
    desk = Desk()
    async with vendor_stream() as vendor:
        gone = vendor.url
    async with _following(_stream(gone), desk):
        await desk.until(lambda: len(desk.pauses) == 3, "three tries")


@pytest.mark.parametrize("frame", [b"no json", b"[1]", b'{"stream": "trade_updates", "data": {"order": {}}}'])
async def test_follower_when_a_frame_cannot_be_read_then_it_connects_again_and_compares(frame: bytes) -> None:
    desk = Desk()
    async with vendor_stream() as vendor, _following(_stream(vendor.url), desk):
        await vendor.somebody_listens()
        await vendor.say_raw(frame)
        await desk.until(lambda: desk.comparisons == 2, "compared after the second connect")


async def test_follower_when_telling_fails_then_the_stream_is_not_lost_for_ever() -> None:
    desk = Desk()
    failures = [RuntimeError("Temporal is away")]

    async def tell(intent_id: str) -> bool:
        if failures:
            raise failures.pop()
        return await desk.tell(intent_id)

    async with vendor_stream() as vendor:
        follower = StreamFollower(_stream(vendor.url), mode="paper", tell=tell, compare=desk.compare, sleep=desk.sleep)
        task = asyncio.create_task(follower.run())
        await vendor.somebody_listens()
        await vendor.say(_update("so-paper-a1", "x1"))
        await desk.until(lambda: desk.comparisons == 2, "connected again")
        task.cancel()
        await asyncio.wait({task})


@given(st.integers(1, 60), st.integers(0, 2**32))
def test_pause_when_failures_grow_then_it_stays_within_its_bounds(failures: int, seed: int) -> None:
    pause = reconnect_pause(failures, random.Random(seed))
    assert 0.5 <= pause <= LONGEST_PAUSE
    assert pause >= min(2.0 ** (failures - 1), LONGEST_PAUSE) / 2


async def test_follower_when_the_paper_broker_fills_an_order_then_its_workflow_is_told(broker: Client) -> None:
    broker.opened(bar("AAPL", "100"))
    desk = Desk()
    async with _following(_stream(broker.address), desk):
        await desk.until(lambda: desk.comparisons == 1, "listening")
        await asyncio.to_thread(broker.market, "buy", client_order_id="so-paper-a1", qty=1)
        await desk.until(lambda: "a1" in desk.told, "told of the fill")
    assert broker.cash() == Decimal(99_900)
