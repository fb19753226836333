"""The end of the outbox, read once a process and handed to every stream.

    one reader: horizon -> what is new -> messages -> a bounded queue a stream -> the client
    one stream: what the client has missed, from memory or the book -> then its queue

The reader looks every second, and at once where something was published. It runs while anybody listens. A client that
does not keep up is cut off, and one that begins again says how far it has read.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC

import structlog

from domain.errors import VendorUnavailable
from domain.feed import FeedKind, FeedMessage, Happened, messages
from domain.notifications import Event
from store import outbox
from store.database import Database
from store.tables.platform import OutboxEvent

log = structlog.get_logger(__name__)

POLL_SECONDS = 1.0
RETRY_SECONDS = 1.0
ATTEMPTS = 2
"""So often the reader fails to begin before those who wait for it are told. How long it takes says nothing: the process
may be busy with them."""
PAGE = 500
QUEUE = 2_000
"""Messages that wait for a client before it counts as too slow."""
REMEMBERED = 5_000
"""Messages kept in memory, so that clients that come back after a moment cost no reading."""
BACKLOGS_AT_ONCE = 2
MOST_STREAMS = 1_000


@dataclass(frozen=True)
class Frame:
    """A message as it is sent, encoded once for all clients."""

    sequence: int
    kind: FeedKind
    encoded: bytes


def frame(message: FeedMessage) -> Frame:
    body = json.dumps(message.body, ensure_ascii=True, separators=(",", ":"))
    encoded = f"id: {message.sequence}\nevent: {message.kind.value}\ndata: {body}\n\n".encode()
    return Frame(message.sequence, message.kind, encoded)


class Subscription:
    """What waits for one client."""

    def __init__(self, kinds: frozenset[FeedKind]) -> None:
        self.kinds = kinds
        self.begins_at = 0
        """How far the reader had come when the client was let in: what lies before it comes from elsewhere."""
        self.seen = 0
        """How far everything was offered to it."""
        self.cut = False
        """It did not keep up: what it has not taken is gone."""
        self.over = False
        """The process stops."""
        self._waiting: deque[Frame] = deque()
        self._news = asyncio.Event()

    def offer(self, frames: Iterable[Frame], *, until: int) -> None:
        if self.cut:
            return
        self.seen = until
        self._waiting.extend(each for each in frames if each.kind in self.kinds)
        if len(self._waiting) > QUEUE:
            self.cut = True
            self._waiting.clear()
        if self._waiting or self.cut:
            self._news.set()

    def end(self) -> None:
        self.over = True
        self._news.set()

    async def take(self, seconds: float) -> list[Frame]:
        """All that waits, once there is something; nothing where the time is up, or where it is cut off or over."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return []
        if not self.cut and not self.over:
            self._news.clear()
        taken = list(self._waiting)
        self._waiting.clear()
        return taken


class Tail:
    """`database` is asked for when the first client comes."""

    def __init__(self, database: Callable[[], Database]) -> None:
        self._database = database
        self._subscriptions: set[Subscription] = set()
        self._remembered: deque[Frame] = deque(maxlen=REMEMBERED)
        self._remembered_from = 0
        self._position: int | None = None
        self._begins: asyncio.Future[None] | None = None
        """While somebody waits for the reader to begin."""
        self._task: asyncio.Task[None] | None = None
        self._backlogs = asyncio.Semaphore(BACKLOGS_AT_ONCE)
        self._over = False

    async def subscribe(self, kinds: frozenset[FeedKind]) -> Subscription:
        """Let a client in. Whoever does so must `leave`.

        Raises:
            VendorUnavailable: the database does not answer, or the process stops.
        """
        subscription = Subscription(kinds)
        self._subscriptions.add(subscription)
        try:
            if len(self._subscriptions) > MOST_STREAMS:
                raise VendorUnavailable(
                    "TOO_MANY_STREAMS", "Close one, or try again later", found=len(self._subscriptions) - 1
                )
            if self._over:
                raise VendorUnavailable("STREAM_CLOSING", "The process stops: connect again in a moment")
            if self._task is None:
                self._task = asyncio.create_task(self._run(), name="outbox-tail")
            if self._position is None:
                self._begins = self._begins or asyncio.get_running_loop().create_future()
                await asyncio.shield(self._begins)
        except BaseException:
            self.leave(subscription)
            raise
        subscription.begins_at = subscription.seen = self._position or 0
        return subscription

    def leave(self, subscription: Subscription) -> None:
        """Forget a client; without any, nobody reads."""
        self._subscriptions.discard(subscription)
        if not self._subscriptions and self._task is not None:
            self._task.cancel()
            self._task, self._position, self._begins = None, None, None
            self._remembered.clear()

    def close(self) -> None:
        """Let every stream end now."""
        self._over = True
        for subscription in self._subscriptions:
            subscription.end()

    async def is_lost(self, subscription: Subscription, after: int) -> bool:
        """Whether a client cannot begin behind this number: what follows was removed, or it never was of this book."""
        if self._remembers(after):
            return False
        async with self._backlogs, self._database().transaction() as session:
            newest = max(await outbox.newest(session), subscription.begins_at)
            return not await outbox.removed_up_to(session) <= after <= newest

    async def missed(self, subscription: Subscription, after: int) -> AsyncIterator[list[Frame]]:
        """What was published behind a number and before the client was let in, in order."""
        while after < subscription.begins_at and not subscription.over:
            if self._remembers(after):
                found = [each for each in self._remembered if after < each.sequence <= subscription.begins_at]
                after = subscription.begins_at
            else:
                async with self._backlogs, self._database().transaction() as session:
                    rows = await outbox.after(session, after, until=subscription.begins_at, limit=PAGE)
                found = _frames(rows)
                after = found[-1].sequence if found else subscription.begins_at
            yield [each for each in found if each.kind in subscription.kinds]

    def _remembers(self, after: int) -> bool:
        """Whether all that follows is in memory, and no message there begins before it."""
        if self._position is None or not self._remembered_from <= after <= self._position:
            return False
        before = self._remembered_from
        for each in self._remembered:
            if each.sequence > after:
                return each.kind is not FeedKind.DOCUMENT or before == after
            before = each.sequence
        return True

    async def _run(self) -> None:
        for attempt in itertools.count(1):
            try:
                async with outbox.listening(self._database()) as news:
                    while True:
                        news.clear()
                        await self._read()
                        try:
                            async with asyncio.timeout(POLL_SECONDS):
                                await news.wait()
                        except TimeoutError:
                            continue
            except Exception as error:  # the streams stay: what they miss meanwhile is read afterwards
                log.warning("outbox_not_read", error=f"{type(error).__name__}: {error}"[:300])
                if attempt >= ATTEMPTS:
                    self._not_begun(error)
            await asyncio.sleep(RETRY_SECONDS)

    async def _read(self) -> None:
        """Hand out what is new, up to the horizon."""
        if self._position is None:
            self._position = self._remembered_from = await self._horizon()
            if self._begins is not None:
                self._begins.set_result(None)
                self._begins = None
            return
        async with self._database().transaction() as session:
            if await outbox.newest(session) <= self._position:
                return
        until = await self._horizon()
        while self._position < until:
            async with self._database().transaction() as session:
                rows = await outbox.after(session, self._position, until=until, limit=PAGE)
            found = _frames(rows)
            self._position = found[-1].sequence if len(rows) == PAGE else until
            self._remember(found)
            for subscription in self._subscriptions:
                subscription.offer(found, until=self._position)

    async def _horizon(self) -> int:
        return await outbox.horizon(self._database()) or 0

    def _not_begun(self, error: Exception) -> None:
        """Tell those who wait for the beginning that the database does not answer; whoever comes then waits anew."""
        if self._begins is None:
            return
        waiting, self._begins = self._begins, None
        told = VendorUnavailable("DATABASE_UNAVAILABLE", "Is it running? `stonks doctor` tells")
        told.__cause__ = error
        waiting.set_exception(told)
        waiting.exception()  # all of them may have left

    def _remember(self, frames: Sequence[Frame]) -> None:
        for each in frames:
            if len(self._remembered) == REMEMBERED:
                self._remembered_from = self._remembered[0].sequence
            self._remembered.append(each)


def _frames(rows: Sequence[OutboxEvent]) -> list[Frame]:
    return [frame(message) for message in messages([_happened(row) for row in rows])]


def _happened(row: OutboxEvent) -> Happened:
    return Happened(
        sequence=row.sequence or 0,
        event=Event(
            event_id=row.event_id,
            event=row.event,
            subject_id=row.subject_id,
            body=row.body,
            occurred_at=row.occurred_at.astimezone(UTC),
        ),
    )
