"""What the double is asked, what it shall answer, and in which ways it can fail."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

BUSY = "server busy, please try again.  maximum pending requests exceeded"
CRASHED = "llama-server process has terminated: exit status 2"
MID_STREAM = "an error was encountered while running the model"
OVERLOADED = "too many concurrent requests"
BAD_OPTIONS = "invalid options: num_ctx"
CHARACTERS_PER_TOKEN = 4

_BEGIN = re.compile(r"^(\S+) BEGIN [A-Z]+$", re.MULTILINE)
_CANDIDATE = re.compile(r"^([A-Z0-9][A-Z0-9.\-]{0,19})\*?: (.*)$", re.MULTILINE)


class Fault(StrEnum):
    """How an answer can go wrong."""

    NONE = "none"
    RESET_BEFORE = "reset-before"
    """The connection is reset before a single byte of the answer."""
    RESET_MIDDLE = "reset-middle"
    """The connection is reset after some of the answer."""
    ENDS_EARLY = "ends-early"
    """The stream ends as if it were whole, without its last object."""
    STALL = "stall"
    """Half of the answer comes, and then nothing ever."""
    ERROR = "error"
    """500 in place of an answer."""
    ERROR_MIDDLE = "error-middle"
    """An error object as a line of the stream."""
    CUT = "cut"
    """Half of the answer, and the server says that its length ended it."""
    BROKEN_LINE = "broken-line"
    """A line of the stream that is no JSON."""
    HTML = "html"
    """200 and a web page, as a proxy may answer."""
    REFUSED = "refused"
    """400 in place of an answer."""
    BUSY = "busy"
    """503 in place of an answer, as when the queue is full."""
    THROTTLED = "throttled"
    """429 in place of an answer."""


@dataclass(frozen=True)
class Turn:
    """One answer. What is None is as the switches say."""

    text: str = '{"events": []}'
    fault: Fault = Fault.NONE
    thinking: str = ""
    latency: float | None = None
    first_token: float | None = None
    error: str = ""
    """Words of an error, in place of the usual ones."""
    retry_after: str = ""
    """Header that goes with busy and throttled."""


@dataclass
class Switches:
    """How the server behaves at every answer; may be changed at any time."""

    latency: float = 0.0
    """Seconds from the first piece of an answer to its last."""
    first_token: float = 0.0
    """Seconds before the first piece."""
    slots: int = 4
    """Answers computed at a time."""
    max_queue: int = 512
    """Requests that wait for a slot; one more is sent away."""
    pieces: int = 16
    """Most pieces of a streamed answer."""


@dataclass
class Counts:
    """What has happened since the start, and what is happening."""

    requests: int = 0
    """Questions that arrived, whatever became of them."""
    refused: int = 0
    """Sent away before anything was computed."""
    completed: int = 0
    failed: int = 0
    """Ended by a fault of the server."""
    cancelled: int = 0
    """Ended because the client had gone, in the queue or while computing."""
    running: int = 0
    waiting: int = 0
    most_running: int = 0
    most_waiting: int = 0
    cut_prompts: int = 0
    """Questions longer than their context, which the real server would shorten without a word."""
    lists: int = 0
    shows: int = 0


@dataclass(frozen=True)
class Call:
    """One question, as it arrived."""

    body: Mapping[str, Any] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False, default_factory=dict)

    @property
    def model(self) -> str:
        return str(self.body.get("model") or "")

    @property
    def stream(self) -> bool:
        return self.body.get("stream") is not False

    @property
    def think(self) -> Any:
        return self.body.get("think")

    @property
    def options(self) -> Mapping[str, Any]:
        return self.body.get("options") or {}

    @property
    def schema(self) -> Any:
        return self.body.get("format")

    @property
    def messages(self) -> list[dict[str, Any]]:
        if "messages" not in self.body and "prompt" in self.body:
            return [{"role": "user", "content": self.body["prompt"]}]
        return list(self.body.get("messages") or [])

    @property
    def system(self) -> str:
        return self._first("system")

    @property
    def user(self) -> str:
        return self._first("user")

    def _first(self, role: str) -> str:
        return next((said["content"] for said in self.messages if said["role"] == role), "")

    @property
    def characters(self) -> int:
        return sum(len(said["content"] or "") for said in self.messages)

    @property
    def mark(self) -> str:
        """What every line of the shown text begins with; empty where nothing is shown."""
        begin = _BEGIN.search(self.user)
        return begin[1] if begin else ""

    @property
    def shown(self) -> str:
        """The text between the marks, without them."""
        begin = _BEGIN.search(self.user)
        if begin is None:
            return ""
        lines = []
        for line in self.user[begin.end() + 1 :].splitlines():
            if line.startswith(f"{begin[1]} END "):
                break
            lines.append(line.removeprefix(begin[1]).removeprefix(" "))
        return "\n".join(lines)

    @property
    def candidates(self) -> dict[str, tuple[str, ...]]:
        """Symbols and names, as the question lists them above the text."""
        head = self.user.partition(" BEGIN ")[0]
        return {found[1]: tuple(found[2].split("; ")) for found in _CANDIDATE.finditer(head)}
