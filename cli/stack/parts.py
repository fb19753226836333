"""What the supervisor needs to know about a part."""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from cli.stack.credentials import Credentials
from cli.stack.names import PartName
from cli.stack.process import Command
from cli.stack.state import StateDirectory

PROBE_TIMEOUT_SECONDS = 2.0


class NotReady(Exception):
    """A part does not do its work yet; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Context:
    """What all parts of one stack share.

    Attributes:
        environment: the contract, with every secret.
        inherited: the caller's environment.
    """

    directory: StateDirectory
    ports: Mapping[str, int]
    credentials: Credentials
    environment: Mapping[str, str]
    inherited: Mapping[str, str]
    external: frozenset[PartName]


class Part(ABC):
    """One part of the stack: how it is run and how it proves that it works."""

    name: PartName
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    grace_seconds: ClassVar[float] = 10.0
    stall_seconds: ClassVar[float | None] = None
    """How long a part may accept connections without doing its work before it is killed and started again."""

    def __init__(self, context: Context) -> None:
        self._context = context

    @property
    def external(self) -> bool:
        return self.name in self._context.external

    @property
    @abstractmethod
    def address(self) -> str:
        """Where clients reach it."""

    def check_installed(self) -> None:  # noqa: B027 - most parts need nothing beside this project
        """Raise ConfigurationError where the part cannot be run on this machine."""

    def prepare(self) -> None:  # noqa: B027 - not every part needs it
        """Make what the part expects to find. Called in the main thread before each spawn; may block."""

    @abstractmethod
    def command(self) -> Command:
        """Return the program to run."""

    @abstractmethod
    def probe(self) -> None:
        """Do one real operation. Called in a thread of its own; returns within a few seconds.

        Raises:
            ConfigurationError: it can never work like this.
            Exception: not yet.
        """

    def clean_up(self) -> None:  # noqa: B027 - not every part leaves something behind
        """Remove what the part leaves behind when it has ended."""
