"""The server of Cohere's API, through the official SDK."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import cohere
import httpx
import numpy as np
import pytest
from cohere.core.api_error import ApiError

from tests.servers.cohere import CohereServer

TEXTS = ["how far is the moon", "who wrote hamlet", "how far is the sun", "Hamlet"]
Embed = Callable[..., Any]


@pytest.fixture
def client(cohere_server: CohereServer) -> cohere.ClientV2:
    return cohere.ClientV2(
        api_key="good-key",
        base_url=cohere_server.url,
        max_retries=0,
        timeout=30,
        client_name="embedkit-tests",
        httpx_client=httpx.Client(trust_env=False),
    )


@pytest.fixture
def embed(client: cohere.ClientV2) -> Embed:
    defaults = {
        "model": "embed-v4.0",
        "input_type": "search_document",
        "embedding_types": ["float"],
    }
    return lambda texts=TEXTS, **options: client.embed(texts=texts, **{**defaults, **options})


def status_of(call: Callable[..., Any], *given: Any, **options: Any) -> int | None:
    with pytest.raises(ApiError) as caught:
        call(*given, **options)
    assert set(caught.value.body) == {"id", "message"}
    return caught.value.status_code


def test_every_encoding_is_the_same_vector(embed: Embed, cohere_server: CohereServer) -> None:
    kinds = ["float", "int8", "uint8", "binary", "ubinary", "base64"]
    reply = embed(embedding_types=kinds, output_dimension=256)
    truth = np.array([cohere_server.vector(text, dimension=256) for text in TEXTS])
    assert np.allclose(np.linalg.norm(truth, axis=1), 1)
    assert np.array_equal(np.array(reply.embeddings.float_, np.float32), truth)
    raw = b"".join(base64.b64decode(row) for row in reply.embeddings.base64)
    assert np.array_equal(np.frombuffer(raw, "<f4").reshape(4, 256), truth)
    small = np.array(reply.embeddings.int8)
    assert np.array_equal(small, np.rint(127 * truth / np.abs(truth).max(axis=1, keepdims=True)))
    assert np.array_equal(np.array(reply.embeddings.uint8), small + 128)
    bits = np.unpackbits(np.array(reply.embeddings.ubinary, np.uint8), axis=1)
    assert np.array_equal(bits, truth > 0)
    assert np.array_equal(np.array(reply.embeddings.binary), np.packbits(bits, axis=1) - 128.0)


def test_vectors_mean_something(cohere_server: CohereServer) -> None:
    texts = [*TEXTS, "the moon is how far", "moon far"]
    documents = np.array([cohere_server.vector(text) for text in texts])
    queries = np.array([cohere_server.vector(text, input_type="search_query") for text in texts])
    near = queries @ documents.T
    assert list(near.argmax(axis=1)) == list(range(len(texts)))
    assert near[0, 2] > near[0, 1] + 0.3
    assert not np.array_equal(queries, documents)


def test_tokens_and_truncation(embed: Embed, cohere_server: CohereServer) -> None:
    assert embed(["how far, really?", "x"]).meta.billed_units.input_tokens == 6
    long = " ".join(f"w{number}" for number in range(600))
    model = "embed-english-v3.0"
    assert status_of(embed, [long], model=model, truncate="NONE") == 400
    for side, words in (("END", range(512)), ("START", range(88, 600))):
        reply = embed([long], model=model, truncate=side)
        kept = cohere_server.vector(" ".join(f"w{number}" for number in words), model=model)
        assert np.array_equal(np.array(reply.embeddings.float_[0], np.float32), kept)
        assert reply.meta.billed_units.input_tokens == 512


@pytest.mark.parametrize(
    ("status", "options"),
    [
        (400, {"texts": ["t"] * 97}),
        (400, {"texts": []}),
        (400, {"input_type": "document"}),
        (400, {"truncate": "MIDDLE"}),
        (400, {"embedding_types": ["double"]}),
        (400, {"output_dimension": 300}),
        (400, {"output_dimension": 1024, "model": "embed-english-v3.0"}),
        (400, {"texts": ["fine", "please REJECT-ME now"]}),
        (404, {"model": "embed-v9"}),
        (404, {"model": "rerank-v3.5"}),
        (422, {"texts": [1]}),
        (422, {"texts": "one"}),
        (422, {"output_dimension": "256"}),
        (422, {"request_options": {"additional_body_parameters": {"colour": "red"}}}),
    ],
)
def test_it_is_strict(embed: Embed, status: int, options: dict[str, Any]) -> None:
    assert status_of(embed, **options) == status


def test_input_type_is_required(cohere_server: CohereServer) -> None:
    url = f"{cohere_server.url}/v2/embed"
    body = {"model": "embed-v4.0", "texts": ["a"]}
    key = {"Authorization": "Bearer good-key"}
    assert httpx.post(url, json=body, headers=key, trust_env=False).status_code == 400
    assert httpx.post(url, json=body, trust_env=False).status_code == 401
    assert httpx.post(url, content=b"{", headers=key, trust_env=False).status_code == 400


def test_keys(client: cohere.ClientV2, embed: Embed, cohere_server: CohereServer) -> None:
    check = cohere.base_client.BaseCohere.check_api_key
    assert check(client).valid
    cohere_server.keys.discard("good-key")
    assert status_of(embed) == 401
    assert status_of(check, client) == 401
    assert [entry.key for entry in cohere_server.log] == ["good-key"] * 3


def test_models(client: cohere.ClientV2) -> None:
    assert client.models.get("embed-english-v3.0").context_length == 512
    named = [model.name for model in client.models.list(endpoint="rerank").models]
    assert "rerank-v4.0-pro" in named
    assert "embed-v4.0" not in named
    assert status_of(client.models.get, "embed-v9") == 404


def test_rerank(client: cohere.ClientV2, cohere_server: CohereServer) -> None:
    ask = {"model": "rerank-v4.0-pro", "query": "how far is the moon"}
    reply = client.rerank(documents=TEXTS[::-1], top_n=3, **ask)
    scores = [result.relevance_score for result in reply.results]
    assert [result.index for result in reply.results][:2] == [3, 1]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 3
    assert scores[0] == cohere_server.relevance("how far is the moon", TEXTS[0])
    assert reply.meta.billed_units.search_units == 1
    assert status_of(client.rerank, documents=["d"] * 10_001, **ask) == 400
    assert status_of(client.rerank, documents=[{"text": "d"}], **ask) == 422
    assert status_of(client.rerank, documents=TEXTS, top_n=0, **ask) == 400


def test_chat(client: cohere.ClientV2, cohere_server: CohereServer) -> None:
    def say(**options: Any) -> Any:
        messages = [{"role": "user", "content": "name a large city"}]
        return client.chat(model="command-a-03-2025", messages=messages, **options)

    first, again, other = (say(seed=seed, logprobs=True) for seed in (1, 1, 2))
    text = first.message.content[0].text
    assert text == again.message.content[0].text != other.message.content[0].text
    assert "".join(item.text for item in first.logprobs) == text
    assert all(item.logprobs[0] < 0 for item in first.logprobs)
    assert first.usage.billed_units.output_tokens == len(first.logprobs)
    assert first.finish_reason == "COMPLETE"
    assert say(seed=1, max_tokens=2).finish_reason == "MAX_TOKENS"
    word = text.split()[2]
    stopped = say(seed=1, stop_sequences=[f" {word}"], logprobs=True)
    assert stopped.finish_reason == "STOP_SEQUENCE"
    assert stopped.message.content[0].text == text[: text.index(f" {word}")]
    assert "".join(item.text for item in stopped.logprobs) == stopped.message.content[0].text
    cohere_server.answer_with = lambda messages, seed: f"{messages[-1]} {seed}"
    assert say(seed=5).message.content[0].text == "name a large city 5"
    for wrong in ({"temperature": 1.5}, {"k": 501}, {"p": 1.0}, {"stop_sequences": ["s"] * 6}):
        assert status_of(say, **wrong) == 400
    assert status_of(client.chat, model="command-a-03-2025", messages=[]) == 400


def test_the_log_tells_what_was_asked(embed: Embed, cohere_server: CohereServer) -> None:
    embed()
    embed(TEXTS[:1], input_type="search_query", output_dimension=512)
    first, second = cohere_server.entries()
    assert first.texts == tuple(TEXTS)
    assert (first.status, first.delivered, first.good) == (200, True, True)
    assert (first.client, first.model) == ("embedkit-tests", "embed-v4.0")
    assert (second.input_type, second.dimension) == ("search_query", 512)
    assert second.connection == first.connection
    stats = cohere_server.stats()
    assert stats["texts_sent"] == stats["texts_delivered"] == 5
    assert stats["sent"][TEXTS[0]] == stats["delivered"][TEXTS[0]] == 2
    assert stats["resent"] == {}
    assert (stats["largest_batch"], stats["max_concurrency"]) == (4, 1)
    embed(TEXTS[:1])
    assert cohere_server.stats()["resent"] == {TEXTS[0]: 1}
    cohere_server.reset_log()
    assert cohere_server.stats()["requests"] == 0
