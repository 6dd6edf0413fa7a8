"""Fixtures of the servers, for every folder of tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.servers.base import ApiServer
from tests.servers.cohere import CohereServer
from tests.servers.openai import OpenAIServer
from tests.servers.process import ServerProcess

SERVERS: dict[str, type[ApiServer]] = {"cohere": CohereServer, "openai": OpenAIServer}


@pytest.fixture
def cohere_server() -> Iterator[CohereServer]:
    """Cohere on loopback; the key is ``good-key``."""
    with CohereServer() as server:
        yield server


@pytest.fixture
def openai_server() -> Iterator[OpenAIServer]:
    """An OpenAI-compatible service on loopback; the key is ``good-key``."""
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def serve() -> Iterator[Callable[..., Any]]:
    """Start a server by name with its parameters; it ends with the test.

    ``serve("cohere", limits=Limits(inputs=100, window=1))`` runs in this process,
    ``serve("cohere", process=True, limits={"inputs": 100, "window": 1})`` in its own.
    """
    with ExitStack() as stack:

        def start(name: str, *, process: bool = False, **options: Any) -> Any:
            made = ServerProcess(name, **options) if process else SERVERS[name](**options)
            return stack.enter_context(made)

        yield start


@pytest.fixture
def on_loopback(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], str]:
    """Fill the ``{cohere}`` and ``{openai}`` of a spec with a server's address, and set its key."""

    def fill(spec: str) -> str:
        addresses = {}
        for name, variable in (("cohere", "CO_API_KEY"), ("openai", "OPENAI_API_KEY")):
            if f"{{{name}}}" in spec:
                monkeypatch.setenv(variable, "good-key")
                addresses[name] = request.getfixturevalue(f"{name}_server").url
        for name, address in addresses.items():
            spec = spec.replace(f"{{{name}}}", address)
        return spec

    return fill


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that fail are sent again at once."""
    monkeypatch.setattr("embedkit.managed.service._FIRST_WAIT", 0.01)
    monkeypatch.setattr("embedkit.managed.service._LONGEST_WAIT", 0.02)
