"""The OpenAI-compatible server, through HTTP."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from tests.servers.openai import OpenAIServer

TEXTS = ["how far is the moon", "who wrote hamlet", "how far is the sun"]
Post = Callable[..., httpx.Response]


@pytest.fixture
def post(openai_server: OpenAIServer) -> Iterator[Post]:
    key = {"Authorization": "Bearer good-key"}
    with httpx.Client(base_url=openai_server.url, headers=key, trust_env=False) as client:
        yield lambda path, **body: client.post(path, json=body)


def test_embeddings(post: Post, openai_server: OpenAIServer) -> None:
    ask = {"model": "text-embedding-3-small", "input": TEXTS, "dimensions": 512}
    truth = np.array([openai_server.vector(text, dimension=512) for text in TEXTS])
    reply = post("/embeddings", **ask).json()
    assert reply["usage"] == {"prompt_tokens": 13, "total_tokens": 13}
    rows = [item["embedding"] for item in reply["data"]]
    assert np.array_equal(np.array(rows, np.float32), truth)
    reply = post("/embeddings", encoding_format="base64", **ask).json()
    raw = b"".join(base64.b64decode(item["embedding"]) for item in reply["data"])
    assert np.array_equal(np.frombuffer(raw, "<f4").reshape(3, 512), truth)
    one = post("/embeddings", model="local-embed", input="one").json()["data"]
    assert [len(item["embedding"]) for item in one] == [384]


def test_rows_may_come_in_any_order(post: Post, openai_server: OpenAIServer) -> None:
    openai_server.shuffled = True
    texts = [f"text {number}" for number in range(40)]
    data = post("/embeddings", model="local-embed", input=texts).json()["data"]
    order = [item["index"] for item in data]
    assert order != sorted(order) == list(range(40))
    truth = openai_server.vector(texts[order[0]], model="local-embed")
    assert np.array_equal(np.array(data[0]["embedding"], np.float32), truth)


@pytest.mark.parametrize(
    ("status", "code", "body"),
    [
        (404, "model_not_found", {"model": "none"}),
        (400, None, {"input": []}),
        (400, None, {"input": ["a", ""]}),
        (400, None, {"input": ["a"] * 2049}),
        (400, None, {"input": "word " * 8193}),
        (400, None, {"input": 3}),
        (400, None, {"dimensions": 128}),
        (400, None, {"encoding_format": "hex"}),
        (400, None, {"colour": "red"}),
        (400, None, {"input": "REJECT-ME"}),
    ],
)
def test_it_is_strict(post: Post, status: int, code: str | None, body: dict[str, Any]) -> None:
    reply = post("/embeddings", **{"model": "local-embed", "input": "a", **body})
    assert reply.status_code == status
    assert reply.json()["error"]["code"] == code


def test_keys_and_quota(post: Post, openai_server: OpenAIServer) -> None:
    openai_server.fail("quota", "429:3")
    ask = {"model": "local-embed", "input": "a"}
    assert post("/embeddings", **ask).json()["error"]["type"] == "insufficient_quota"
    limited = post("/embeddings", **ask)
    assert limited.headers["Retry-After"] == "3"
    assert limited.json()["error"]["code"] == "rate_limit_exceeded"
    url = f"{openai_server.url}/models"
    assert httpx.get(url, trust_env=False).status_code == 401
    openai_server.keys = None
    models = httpx.get(url, trust_env=False).json()["data"]
    assert {"id": "local-embed", "object": "model", "created": 0, "owned_by": "test"} in models


def test_chat(post: Post) -> None:
    ask = {"model": "local-chat", "messages": [{"role": "user", "content": "name a city"}]}
    reply = post("/chat/completions", n=3, seed=4, logprobs=True, **ask).json()
    texts = [choice["message"]["content"] for choice in reply["choices"]]
    assert len(set(texts)) == 3
    for choice, text in zip(reply["choices"], texts, strict=True):
        content = choice["logprobs"]["content"]
        assert "".join(item["token"] for item in content) == text
        assert all(item["logprob"] < 0 for item in content)
        assert choice["finish_reason"] == "stop"
    again = post("/chat/completions", seed=4, max_tokens=2, **ask).json()["choices"][0]
    assert again["finish_reason"] == "length"
    assert texts[0].startswith(again["message"]["content"])
    assert again["logprobs"] is None
    assert post("/chat/completions", temperature=3, **ask).status_code == 400
    assert post("/chat/completions", model="local-chat", messages=[]).status_code == 400
