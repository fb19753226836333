"""The servers, the API and the `stonks` command of the tests of notifications."""

from __future__ import annotations

from tests.api.conftest import api, platform
from tests.operate.conftest import cli

__all__ = ["api", "cli", "platform"]
