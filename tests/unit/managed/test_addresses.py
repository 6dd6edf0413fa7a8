"""A key goes to no address that only a file names."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from embedkit import open as open_collection
from embedkit.errors import CredentialsError
from embedkit.managed.addresses import PROVIDERS, refuse_foreign

ELSEWHERE = "https://elsewhere.example/v1"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_key_stays_here(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = PROVIDERS[provider]
    monkeypatch.setenv(known.key, "a-key")
    monkeypatch.delenv(known.url, raising=False)
    with pytest.raises(CredentialsError, match=f"elsewhere.example.*set {known.url}"):
        refuse_foreign(f"{provider}:model?base_url={ELSEWHERE}", "q")
    for address in (
        known.public,
        known.public + "/",
        "http://127.0.0.1:8080",
        "http://localhost/v1",
    ):
        refuse_foreign(f"{provider}:model?base_url={address}", "q")
    refuse_foreign(f"{provider}:model", "q")
    monkeypatch.setenv(known.url, ELSEWHERE + "/")
    refuse_foreign(f"{provider}:model?base_url={ELSEWHERE}", "q")


def test_without_a_key_there_is_nothing_to_lose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    refuse_foreign(f"openai:model?base_url={ELSEWHERE}", "q")


def test_a_collection_from_elsewhere_gets_no_key(
    openai_server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "good-key")
    monkeypatch.setattr("embedkit.managed.addresses._is_local", lambda address: False)
    spec = f"openai:local-embed?base_url={openai_server.url}"
    with open_collection("q", home=tmp_path / "theirs", embedder=spec) as collection:
        collection.index([{"text": "one"}, {"text": "two"}])
    shutil.copytree(tmp_path / "theirs" / "q", tmp_path / "mine" / "q")
    openai_server.reset_log()
    with open_collection("q", home=tmp_path / "mine") as collection:
        with pytest.raises(CredentialsError, match="OPENAI_BASE_URL"):
            collection.search("one")
        assert openai_server.log == []
        assert len(list(collection)) == 2
        monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
        assert collection.search("one", k=1)[0].text == "one"
