from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from embedkit.generators.cohere import CohereGenerator
from embedkit.generators.managed import ManagedGenerator
from embedkit.generators.openai import OpenAIGenerator
from tests.servers.base import ApiServer

Make = Callable[..., ManagedGenerator]
KINDS = {
    "cohere": (CohereGenerator, "command-a-03-2025", "CO_API_KEY"),
    "openai": (OpenAIGenerator, "local-chat", "OPENAI_API_KEY"),
}


@pytest.fixture(params=sorted(KINDS))
def provider(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def server(provider: str, request: pytest.FixtureRequest) -> ApiServer:
    """The server of the provider."""
    found: ApiServer = request.getfixturevalue(f"{provider}_server")
    return found


@pytest.fixture
def make(
    provider: str,
    server: ApiServer,
    monkeypatch: pytest.MonkeyPatch,
    brisk: None,
    tmp_path: Path,
) -> Make:
    """Build a generator for the server."""
    kind, name, variable = KINDS[provider]
    monkeypatch.setenv(variable, "good-key")
    monkeypatch.chdir(tmp_path)

    def build(model: str = name, **options: Any) -> ManagedGenerator:
        return kind(model, base_url=server.url, **{"timeout": 5.0, **options})

    return build
