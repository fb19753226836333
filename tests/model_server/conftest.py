"""A double for every test, and a real server where one is named."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from activities.adapters.ollama import OllamaServer
from tests.model_server.server import MODEL, ModelServerDouble

REAL_URL, REAL_MODEL = "STONKS_TEST_OLLAMA_URL", "STONKS_TEST_OLLAMA_MODEL"


@dataclass(frozen=True)
class Target:
    """A server to ask, and a model that it holds."""

    url: str
    model: str
    double: bool


@pytest.fixture(scope="session")
async def running_double() -> AsyncIterator[ModelServerDouble]:
    async with ModelServerDouble() as running:
        yield running


@pytest.fixture
async def double(running_double: ModelServerDouble) -> ModelServerDouble:
    """A double that knows nothing of the tests before."""
    await running_double.quiet()
    running_double.reset()
    return running_double


@pytest.fixture
async def server(double: ModelServerDouble) -> AsyncIterator[OllamaServer]:
    asked = OllamaServer(double.url)
    yield asked
    await asked.close()


@pytest.fixture(params=["double", "real"])
async def target(request: pytest.FixtureRequest, double: ModelServerDouble) -> Target:
    """The double, and a real Ollama as well where the environment names one: what holds for both."""
    if request.param == "double":
        return Target(double.url, MODEL, double=True)
    url, model = os.environ.get(REAL_URL, ""), os.environ.get(REAL_MODEL, "")
    if not url or not model:
        pytest.skip(f"no real Ollama: set {REAL_URL} and {REAL_MODEL} to ask one")
    return Target(url, model, double=False)


@pytest.fixture
async def target_server(target: Target) -> AsyncIterator[OllamaServer]:
    asked = OllamaServer(target.url)
    yield asked
    await asked.close()
