"""What the doctor says of services: no key, a good one, a bad one, nobody there."""

from __future__ import annotations

from typing import Any

import pytest

from embedkit.managed.examine import services


@pytest.fixture(autouse=True)
def only_cohere(cohere_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("CO_API_KEY", "good-key")
    monkeypatch.setenv("CO_API_URL", cohere_server.url)


def told() -> tuple[str, str, str]:
    """Return the state, detail and remedy of Cohere."""
    found = {name: rest for name, *rest in services()}
    assert found["service OpenAI"][0] == "absent"
    state, detail, remedy = found["service Cohere"]
    return state, detail, remedy


def test_a_good_key_and_the_model_it_would_use(
    cohere_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, detail, remedy = told()
    assert (state, remedy) == ("ok", "")
    assert f"embed-v4.0 at {cohere_server.url}" in detail
    monkeypatch.setenv("EMBEDKIT_EMBEDDER", "cohere:embed-english-v3.0")
    assert "embed-english-v3.0" in told()[1]
    assert cohere_server.stats()["texts_sent"] == 0, "asking costs nothing"


def test_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CO_API_KEY")
    state, detail, remedy = told()
    assert state == "absent"
    assert "CO_API_KEY" in detail
    assert "CO_API_KEY" in remedy


def test_a_bad_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CO_API_KEY", "bad-key-123")
    state, detail, remedy = told()
    assert state == "broken"
    assert "refuses the key in CO_API_KEY" in detail
    assert "bad-key-123" not in detail + remedy


def test_an_unknown_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDKIT_EMBEDDER", "cohere:embed-v9")
    state, detail, _ = told()
    assert state == "broken"
    assert "embed-v9" in detail


def test_nobody_there(cohere_server: Any) -> None:
    cohere_server.stop()
    state, detail, remedy = told()
    assert state == "broken"
    assert "cannot be reached" in detail
    assert "CO_API_URL" in remedy
