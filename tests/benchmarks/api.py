"""The API on a large book, against a bare route that reads the same rows; pages far inside lists; words in search.

Both are processes of their own, served in the same way, and take turns in short bursts of the same questions from this
process: what is compared is the two of a round. The book is the packaged demo's, copied to a million documents and a
hundred thousand orders (see `book`); `STONKS_BENCH_DOCUMENTS` and `STONKS_BENCH_ORDERS` make it smaller for a look, and
`STONKS_BENCH_STATE` names a directory in which it stays for the next run.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from sqlmodel import select

from api import keys
from api.keys import Scope
from api.paging import encode
from cli.migrate import migrate
from cli.stack.names import PartName
from cli.stack.supervisor import Stack
from store import cash_ledger
from store.database import Database
from store.tables.access import Person
from tests.benchmarks.book import COMMON_WORD, RARE_WORD, Size, enlarge
from tests.benchmarks.figure import Figure
from tests.benchmarks.load import Asker, Burst, burst, joined
from tests.conftest import REPOSITORY, clean_environment
from workers.parts import Parts
from workers.settings import load

DOCUMENTS = int(os.environ.get("STONKS_BENCH_DOCUMENTS", "1000000"))
ORDERS = int(os.environ.get("STONKS_BENCH_ORDERS", "100000"))
AT_ONCE = 8
ROUNDS = 9
SECONDS = 2.0
GOAL = 0.7
PAGE, FAR_PAGE, STEP = 50, 1_000, 200
FLAT = 1.5
"""What a page far inside may cost at most, in first pages: medians of single answers differ by as much on their own."""
SAMPLES = 15
SYMBOL = "INTC"
"""A company with many documents in the demo."""

FOUND = f"/v1/search?q={COMMON_WORD}&order=time"
"""Its far cursor is made from the book: every hit on the way there would fetch a text for its snippet."""
LISTS = (
    "/v1/documents",
    f"/v1/documents?symbol={SYMBOL}",
    "/v1/documents?source=replay-documents",
    "/v1/orders",
    "/v1/orders?status=filled",
    "/v1/trading/decisions",
    "/v1/trading/decisions?state=filled",
    "/v1/events",
    f"/v1/events?symbol={SYMBOL}",
    "/v1/fills",
    "/v1/signals",
    "/v1/recommendations",
    "/v1/account/ledger",
    f"/v1/account/ledger?symbol={SYMBOL}",
    FOUND,
)
ALONE = ("/v1/account",)
"""Answers that are no lists, and could cost what the book is long."""
SEARCHES = {
    "rare_word.by_rank": f"/v1/search?q={RARE_WORD}",
    "rare_word.by_time": f"/v1/search?q={RARE_WORD}&order=time",
    "common_word.by_rank": f"/v1/search?q={COMMON_WORD}",
    "common_word.by_time": f"/v1/search?q={COMMON_WORD}&order=time",
}


@dataclass(frozen=True)
class Served:
    """Both servers, and what is asked of them."""

    port: int
    bare_port: int
    key: str
    routes: Mapping[str, tuple[list[str], list[str]]]
    """By name: paths of the API, and of the bare routes."""
    far_hit: tuple[int, str]
    """The page of what is found far inside, and its cursor."""


def api_on_a_large_book() -> Iterable[Figure]:
    with large_book() as stack, bare_server(stack) as bare_port:
        served = asyncio.run(_prepare(stack, bare_port))
        for measure in (_against_bare, _words, _alone, _far_inside):
            for figure in asyncio.run(measure(served)):
                print(f"{figure.name} {figure.value:.3f} {figure.unit}", file=sys.stderr, flush=True)
                yield figure


@contextmanager
def large_book() -> Iterator[Stack]:
    """The demo's stack with a book of that size, the API with no limit of requests."""
    with tempfile.TemporaryDirectory(prefix="stonks-bench-") as passing:
        directory = Path(os.environ.get("STONKS_BENCH_STATE", passing))
        loaded = directory / f"loaded-{DOCUMENTS}-{ORDERS}"
        if not loaded.exists():
            demo = [sys.executable, "-m", "cli.main", "demo", "--state", str(directory), "--json"]
            subprocess.run(demo, cwd=REPOSITORY, env=clean_environment(), check=True, capture_output=True)
        parts = (PartName.POSTGRES, PartName.TEMPORAL, PartName.OBJECTS, PartName.API)
        environment = {**clean_environment(), "STONKS_API_REQUESTS_PER_MINUTE": "0"}
        with Stack(directory / "demo", mode="replay", inherited=environment, parts=parts) as stack:
            stack.start(before_application=migrate)
            if not loaded.exists():
                began = time.perf_counter()
                asyncio.run(_enlarge(stack))
                loaded.touch()
                print(f"loaded in {time.perf_counter() - began:.0f} s", file=sys.stderr)
            yield stack


async def _enlarge(stack: Stack) -> None:
    settings = load(stack.environment()).database()
    connection = await asyncpg.connect(
        host=settings.host,
        port=settings.port,
        user=settings.user,
        password=settings.password.get_secret_value(),
        database=settings.name,
    )
    try:
        await enlarge(connection, Size(DOCUMENTS, ORDERS))
    finally:
        await connection.close()
    database = Database(settings)
    try:
        async with database.transaction() as session:
            await cash_ledger.sum_up(session)  # as the next mark of the account does
    finally:
        await database.close()


@contextmanager
def bare_server(stack: Stack) -> Iterator[int]:
    """The bare routes in a process of their own, ended with the block."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.bare", str(port)],
        cwd=REPOSITORY,
        env={**clean_environment(), **stack.environment()},
        stdout=subprocess.DEVNULL,
    )
    try:
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/overview", trust_env=False).raise_for_status()
                break
            except httpx.ConnectError:
                assert process.poll() is None, "the bare server ended"
                time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(30)


async def _prepare(stack: Stack, bare_port: int) -> Served:
    """Make a key of a person, and choose what is asked: pages one after the other, and the newest order's reasons."""
    parts = await Parts.connect(load(stack.environment()))
    try:
        async with parts.database.transaction() as session:
            owner = (await session.exec(select(Person).limit(1))).one()
            _, key = await keys.issue(
                session,
                name="bench",
                scopes=[Scope.READ],
                expires_at=None,
                actor="bench",
                now=datetime.now(UTC),
                person=owner,
            )
        (traded,) = await parts.database.run(
            "SELECT recommendation_id FROM orders JOIN order_intents USING (intent_id) ORDER BY created_at DESC LIMIT 1"
        )
        ends = await parts.database.run(
            "SELECT available_at, doc_id FROM documents ORDER BY available_at DESC, doc_id DESC LIMIT 1000"
        )
        far = min(FAR_PAGE, DOCUMENTS // 2 // PAGE)
        (hit,) = await parts.database.run(
            "SELECT available_at, doc_id FROM document_search WHERE search @@ to_tsquery('simple', $1) "
            "ORDER BY available_at DESC, doc_id DESC LIMIT 1 OFFSET $2",
            COMMON_WORD,
            (far - 1) * PAGE - 1,
        )
    finally:
        await parts.close()
    ours, theirs = [], []
    for row in ends[PAGE - 1 :: PAGE]:
        ours.append(f"/v1/documents?cursor={encode('documents', [row['available_at'].isoformat(), row['doc_id']])}")
        at = row["available_at"].isoformat().replace("+00:00", "Z")
        theirs.append(f"/documents?at={at}&key={row['doc_id']}")
    explained = traded["recommendation_id"]
    routes = {
        "overview": (["/v1/overview"], ["/overview"]),
        "documents": (ours, theirs),
        "explanation": ([f"/v1/recommendations/{explained}/explanation"], [f"/explanation/{explained}"]),
    }
    far_hit = (far, encode("search-time", [0.0, hit["available_at"].isoformat(), hit["doc_id"]]))
    return Served(int(stack.environment()["STONKS_API_PORT"]), bare_port, key.get_secret_value(), routes, far_hit)


async def _against_bare(served: Served) -> list[Figure]:
    figures = []
    for name, (paths, bare_paths) in served.routes.items():
        await _check(served, name, paths[0], bare_paths[0])
        mine: list[Burst] = []
        bare: list[Burst] = []
        for number in range(-1, ROUNDS):
            pair = [(mine, served.port, served.key, paths), (bare, served.bare_port, "", bare_paths)]
            for bursts, port, key, asked in pair if number % 2 else reversed(pair):
                found = await _burst(port, key, asked)
                if number >= 0:  # the first is for getting warm
                    bursts.append(found)
        figures += _figures(name, mine, bare)
    return figures


async def _burst(port: int, key: str, paths: Sequence[str]) -> Burst:
    """Over new connections: those that rest while the other server is asked may be closed."""
    askers = [await Asker.connect(port, key=key) for _ in range(AT_ONCE)]
    try:
        return await burst(askers, paths, lasts=SECONDS)
    finally:
        for asker in askers:
            asker.close()


async def _check(served: Served, name: str, path: str, bare_path: str) -> None:
    """Both must answer with about the same: as much, and of documents the very same rows."""
    ours, theirs = await Asker.connect(served.port, key=served.key), await Asker.connect(served.bare_port)
    mine, bare = await ours.get(path), await theirs.get(bare_path)
    ours.close()
    theirs.close()
    assert 0.5 < len(mine) / len(bare) < 2, f"{name}: {len(mine)} bytes against {len(bare)}"
    if name == "documents":
        assert json.loads(mine)["data"] == json.loads(bare)["data"]


def _figures(name: str, mine: Sequence[Burst], bare: Sequence[Burst]) -> list[Figure]:
    how = (
        f"{DOCUMENTS} documents, {ORDERS} orders; {ROUNDS} rounds of {SECONDS} s each, {AT_ONCE} connections, taking "
        "turns; median; a key of a person is looked up at every request, the bare route asks for none"
    )
    ratio = statistics.median(one.rate / other.rate for one, other in zip(mine, bare, strict=True))
    all_of_mine, all_of_bare = joined(mine), joined(bare)
    return [
        Figure(f"api.{name}.rate", all_of_mine.rate, "requests/s", how),
        Figure(f"api.{name}.bare.rate", all_of_bare.rate, "requests/s", how),
        Figure(f"api.{name}.ratio", ratio, "ratio", how, at_least=GOAL),
        Figure(f"api.{name}.p99", 1000 * all_of_mine.percentile(0.99), "ms", how),
        Figure(f"api.{name}.bare.p99", 1000 * all_of_bare.percentile(0.99), "ms", how),
    ]


async def _far_inside(served: Served) -> list[Figure]:
    """Of each list the first page against the thousandth, or the last where there are fewer."""
    asker = await Asker.connect(served.port, key=served.key)
    figures = []
    for path in LISTS:
        number, far = served.far_hit if path == FOUND else await _walk(asker, path)
        first_page, far_page = _with(path, limit=PAGE), _with(path, limit=PAGE, cursor=far)
        near, away = await _alternating(asker, first_page, far_page)
        how = f"page {number} of {PAGE} rows against page 1, one question at a time, taking turns; medians of {SAMPLES}"
        name = path.removeprefix("/v1/").replace("?", ".").replace("/", ".")
        figures.append(Figure(f"api.list.{name}", away / near, "ratio", how, at_most=FLAT))
        figures.append(Figure(f"api.list.{name}.page_1", 1000 * near, "ms", how))
    asker.close()
    return figures


async def _walk(asker: Asker, path: str) -> tuple[int, str]:
    """The number of the page that a cursor begins, and the cursor."""
    cursor, rows = "", 0
    while rows < PAGE * (FAR_PAGE - 1):
        page: Any = json.loads(await asker.get(_with(path, limit=STEP, cursor=cursor)))
        if not page["has_more"]:
            break
        cursor, rows = page["next_cursor"], rows + len(page["data"])
    assert cursor, f"{path} has one page alone"
    return 1 + rows // PAGE, cursor


async def _alternating(asker: Asker, one: str, other: str) -> tuple[float, float]:
    """Medians of the seconds that two questions take, asked in turns."""
    seconds: dict[str, list[float]] = {one: [], other: []}
    for _ in range(SAMPLES):
        for path in (one, other):
            begun = time.perf_counter()
            await asker.get(path)
            seconds[path].append(time.perf_counter() - begun)
    return statistics.median(seconds[one]), statistics.median(seconds[other])


async def _words(served: Served) -> list[Figure]:
    asker = await Asker.connect(served.port, key=served.key)
    figures = []
    for name, path in SEARCHES.items():
        answer = json.loads(await asker.get(path))
        seconds, _ = await _alternating(asker, path, path + "&limit=20")
        how = f"{len(answer['data'])} hits with their snippets, one question at a time; median of {SAMPLES}"
        figures.append(Figure(f"api.search.{name}", 1000 * seconds, "ms", how))
    asker.close()
    return figures


async def _alone(served: Served) -> list[Figure]:
    """Against the smallest page of orders: what any answer that reads the book costs."""
    asker = await Asker.connect(served.port, key=served.key)
    figures = []
    for path in ALONE:
        seconds, smallest = await _alternating(asker, path, _with("/v1/orders", limit=1))
        how = f"against a page of one order, one question at a time, taking turns; medians of {SAMPLES}"
        name = path.removeprefix("/v1/").replace("/", ".")
        figures.append(Figure(f"api.alone.{name}", 1000 * seconds, "ms", how))
        figures.append(Figure(f"api.alone.{name}.ratio", seconds / smallest, "ratio", how))
    asker.close()
    return figures


def _with(path: str, *, limit: int, cursor: str = "") -> str:
    return f"{path}{'&' if '?' in path else '?'}limit={limit}" + (f"&cursor={cursor}" if cursor else "")
