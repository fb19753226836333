"""What happens in a trial: orders, what people do about them, and the disturbance. A function of seed and number."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from cli.paper_broker.faults import ORDERS_PATH, STREAM_PATH, FaultKind
from cli.stack.names import PartName
from domain.decisions import Side, TradingState

SYMBOLS = ("ASPEN", "BIRCH", "CEDAR", "ELM", "FIR", "HAZEL")
PRICE = Decimal(50)
APPROVAL_ABOVE = Decimal(600)
"""Dollars: larger purchases wait for a person."""
LOOKUP_PATH, FILLS_PATH, CHANGES_PATH = "/v2/orders:by_client_order_id", "/v2/account/activities*", "/v2/orders/*"


class Way(StrEnum):
    """How an order comes about, and what is done to it."""

    PLANNED = "planned"
    """An intent in the book, and its workflow: as the engine's tick leaves them."""
    BY_HAND = "by_hand"
    """Through the API and the engine; another person must approve it."""
    CANCELED = "canceled"
    """It rests at the broker, and is canceled."""
    REPLACED = "replaced"
    """It rests at the broker, is replaced by a larger one, and filled."""


@dataclass(frozen=True)
class Line:
    """One order of a trial. `think` is how many seconds people take, `approve` what they say where they are asked."""

    way: Way
    symbol: str
    side: Side
    quantity: int
    approve: bool
    think: float


@dataclass(frozen=True)
class Kill:
    """End a process with SIGKILL."""

    part: PartName


@dataclass(frozen=True)
class Fault:
    """Have the broker's next `count` requests of a kind suffer."""

    kind: FaultKind
    path: str = ORDERS_PATH
    method: str = ""
    count: int = 1
    seconds: float = 0.0
    """How long a request lies about before it is carried out."""


@dataclass(frozen=True)
class Stop:
    """Pause or halt trading for some seconds, then resume. `late`: a post lies about at the broker meanwhile."""

    state: TradingState
    seconds: float
    late: bool = False


Disturbance = Kill | Fault | Stop


@dataclass(frozen=True)
class Script:
    """`at` is when the disturbance strikes, in seconds after the first order begins.

    `beside` is a fault that waits from the beginning: a process may then die while a request of its own hangs.
    """

    seed: int
    number: int
    lines: tuple[Line, ...]
    disturbance: Disturbance
    at: float
    beside: Fault | None = None

    @property
    def label(self) -> str:
        beside = f", {label_of(self.beside)}" if self.beside else ""
        return label_of(self.disturbance) + beside


DECK: tuple[Disturbance, ...] = (
    *(Kill(part) for part in PartName),
    *(Fault(kind) for kind in FaultKind),
    Stop(TradingState.REDUCING, 0.0),
    Stop(TradingState.HALTED, 0.0),
    Stop(TradingState.REDUCING, 0.0, late=True),
    Stop(TradingState.HALTED, 0.0, late=True),
)
"""Each comes once before any comes again, so that no process dies often enough to be given up by the supervisor."""

AT_ANY_REQUEST = frozenset(
    {
        FaultKind.ERROR_504_AFTER_COMMIT,
        FaultKind.HANG,
        FaultKind.HANG_BEFORE_COMMIT,
        FaultKind.STORM_429,
        FaultKind.RESET_BEFORE_COMMIT,
        FaultKind.RESET_AFTER_COMMIT,
    }
)

HANGS = frozenset({FaultKind.HANG, FaultKind.HANG_BEFORE_COMMIT})
LONGEST_LIE = 12.0
"""Seconds: longer than a client waits for an answer, shorter than a request may be under way in a campaign."""


def script_of(seed: int, number: int) -> Script:
    """The trial with this number, counted from 0."""
    turn, place = divmod(number, len(DECK))
    deck = random.Random(f"{seed}/deck/{turn}").sample(DECK, len(DECK))
    chance = random.Random(f"{seed}/{number}")
    disturbance = _drawn(deck[place], chance)
    lines = [_line(chance, way) for way in _ways(chance, disturbance)]
    waits = isinstance(disturbance, Fault) and (disturbance.method == "PATCH" or chance.random() < 0.7)
    doubled = turn > 0 and isinstance(disturbance, Kill) and chance.random() < 0.4
    beside = _drawn_fault(Fault(chance.choice(sorted(AT_ANY_REQUEST))), chance) if doubled else None
    if isinstance(disturbance, Stop) and disturbance.late:
        lies_about = round(chance.uniform(2.0, LONGEST_LIE), 3)
        beside = Fault(FaultKind.HANG_BEFORE_COMMIT, seconds=lies_about)
        disturbance = replace(disturbance, seconds=lies_about)
        lines = [replace(line, side=Side.BUY) for line in lines]  # a pause forbids nothing else
    return Script(
        seed=seed,
        number=number,
        lines=tuple(lines),
        disturbance=disturbance,
        at=0.0 if waits else round(chance.uniform(0.0, 1.2), 3),
        beside=beside,
    )


def label_of(disturbance: Disturbance) -> str:
    match disturbance:
        case Kill(part):
            return f"kill {part.value}"
        case Fault(kind):
            return kind.value
        case Stop(state, _, late):
            return ("late " if late else "") + ("pause" if state is TradingState.REDUCING else "halt")


def _drawn(card: Disturbance, chance: random.Random) -> Disturbance:
    """Draw what the card leaves open."""
    if isinstance(card, Stop):
        return replace(card, seconds=round(chance.uniform(0.2, 1.0), 3))
    return _drawn_fault(card, chance) if isinstance(card, Fault) else card


def _drawn_fault(card: Fault, chance: random.Random) -> Fault:
    if card.kind is FaultKind.SILENT_STREAM:
        return Fault(card.kind, STREAM_PATH, count=chance.randint(1, 8))
    if card.kind is FaultKind.FILL_BEFORE_REPLACE:
        return Fault(card.kind, CHANGES_PATH, "PATCH")
    if card.kind in AT_ANY_REQUEST:
        path, method = chance.choice(
            [(ORDERS_PATH, ""), (ORDERS_PATH, ""), (LOOKUP_PATH, "GET"), (FILLS_PATH, "GET"), (CHANGES_PATH, "")]
        )
        most = 6 if card.kind is FaultKind.STORM_429 else 1 if card.kind in HANGS else 3
        seconds = round(chance.uniform(1.0, LONGEST_LIE), 3) if card.kind is FaultKind.HANG_BEFORE_COMMIT else 0.0
        return Fault(card.kind, path, method, chance.randint(1, most), seconds)
    return Fault(card.kind, count=chance.randint(1, 3))


def _ways(chance: random.Random, disturbance: Disturbance) -> list[Way]:
    ways = [Way.PLANNED, Way.PLANNED]
    if isinstance(disturbance, Fault) and disturbance.path == CHANGES_PATH:
        return [*ways, Way.REPLACED if disturbance.method == "PATCH" else chance.choice([Way.REPLACED, Way.CANCELED])]
    return [*ways, *chance.choice([(Way.BY_HAND,), (Way.CANCELED,), (Way.REPLACED,), (Way.PLANNED, Way.PLANNED)])]


def _line(chance: random.Random, way: Way) -> Line:
    resting = way in (Way.CANCELED, Way.REPLACED)
    return Line(
        way=way,
        symbol="" if resting else chance.choice(SYMBOLS),
        side=Side.BUY if resting or chance.random() < 0.55 else Side.SELL,
        quantity=chance.randint(3, 16),
        approve=chance.random() < 0.7,
        think=round(chance.uniform(0.0, 0.8), 3),
    )
