"""The servers and the `stonks` command of the operators' tests."""

from __future__ import annotations

from tests.api.conftest import api, platform
from tests.api.test_exposures import economy
from tests.operate.conftest import cli

__all__ = ["api", "cli", "economy", "platform"]
