from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from embedkit.embedders.hub import hub_cache, hub_reachable, hub_revision

COMMIT = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize("name", [None, "HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"])
def test_our_idea_of_the_hubs_cache_is_the_hubs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str | None
) -> None:
    for other in ("HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(other, raising=False)
    if name:
        monkeypatch.setenv(name, str(tmp_path / "x"))
    run = subprocess.run(
        [sys.executable, "-c", "from huggingface_hub.constants import HF_HUB_CACHE as c; print(c)"],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=True,
    )
    assert hub_cache("a/b") == Path(run.stdout.strip()) / "models--a--b"


def test_a_revision_means_the_commit_that_the_cache_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    refs = tmp_path / "models--sentence-transformers--some-model" / "refs"
    refs.mkdir(parents=True)
    (refs / "main").write_text(COMMIT)
    assert hub_revision("sentence-transformers/some-model", None) == COMMIT
    assert hub_revision("sentence-transformers/some-model", "main") == COMMIT
    assert hub_revision("some-model", None) is None
    assert hub_revision("sentence-transformers/some-model", "v2") is None
    assert hub_revision("some-model", "f" * 40) == "f" * 40


def test_the_hub_is_reachable_where_its_address_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
        assert hub_reachable()
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        assert not hub_reachable()
        monkeypatch.delenv("HF_HUB_OFFLINE")
    assert not hub_reachable()


def test_behind_a_proxy_the_client_is_left_to_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert hub_reachable()
