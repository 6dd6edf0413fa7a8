"""Cohere's reranker, against a server that speaks its protocol."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import embedkit
from embedkit.errors import (
    CredentialsError,
    InvalidInputError,
    ProviderError,
    QuotaError,
    RejectedError,
    UnavailableError,
)
from embedkit.rerankers.cohere import CohereReranker
from tests.servers.cohere import CohereServer

Make = Callable[..., CohereReranker]
QUERY = "How do I get my money back?"
TEXTS = [
    "The tower was built in 1889.",
    "You get your money back within two weeks.",
    "How money came to be.",
    "Rivers begin at a source.",
    "I want my money back, how do I do it?",
]


@pytest.fixture
def make(
    cohere_server: CohereServer, monkeypatch: pytest.MonkeyPatch, brisk: None, tmp_path: Path
) -> Make:
    """Build a reranker for the server."""
    monkeypatch.setenv("CO_API_KEY", "good-key")
    monkeypatch.chdir(tmp_path)

    def build(model: str = "rerank-v4.0-pro", **options: Any) -> CohereReranker:
        return CohereReranker(model, base_url=cohere_server.url, **{"timeout": 5.0, **options})

    return build


def expected(server: CohereServer, texts: list[str]) -> np.ndarray:
    return np.array([server.relevance(QUERY, text) for text in texts], np.float32)


def test_scores_stand_in_the_order_of_the_texts(make: Make, cohere_server: CohereServer) -> None:
    scores = make().rerank(QUERY, TEXTS)
    np.testing.assert_allclose(scores, expected(cohere_server, TEXTS), atol=1e-6)
    assert list(np.argsort(-scores)[:2]) == [4, 1]
    (entry,) = cohere_server.entries("rerank")
    assert (entry.query, entry.texts) == (QUERY, tuple(TEXTS))


def test_a_spec_is_enough(make: Make, cohere_server: CohereServer) -> None:
    reranker = embedkit.reranker(f"cohere:rerank-v4.0-fast?base_url={cohere_server.url}")
    assert reranker.model_id == "cohere:rerank-v4.0-fast"
    assert reranker.rerank(QUERY, TEXTS).shape == (5,)
    assert cohere_server.entries("rerank")[0].model == "rerank-v4.0-fast"


def test_equal_texts_are_sent_once_and_blank_ones_never(
    make: Make, cohere_server: CohereServer
) -> None:
    texts = ["", TEXTS[1], " \n", TEXTS[0], TEXTS[1]]
    scores = make().rerank(QUERY, texts)
    wanted = expected(cohere_server, texts)
    wanted[[0, 2]] = 0
    np.testing.assert_allclose(scores, wanted, atol=1e-6)
    assert cohere_server.entries("rerank")[0].texts == (TEXTS[1], TEXTS[0])
    assert make().rerank(QUERY, ["", " "]).tolist() == [0, 0]
    assert len(cohere_server.entries("rerank")) == 1


def test_many_texts_are_several_requests(make: Make, cohere_server: CohereServer) -> None:
    texts = [f"money number {i}" for i in range(2_001)]
    reranker = make()
    scores = reranker.rerank(QUERY, texts)
    np.testing.assert_allclose(scores, expected(cohere_server, texts), atol=1e-6)
    assert sorted(entry.n_texts for entry in cohere_server.entries("rerank")) == [1, 1000, 1000]
    assert reranker.billed_search_units == 21


def test_what_is_read_of_a_text_can_be_less(make: Make, cohere_server: CohereServer) -> None:
    reranker = make(max_tokens_per_doc=3)
    assert reranker.model_id == "cohere:rerank-v4.0-pro max_tokens_per_doc=3"
    scores = reranker.rerank(QUERY, ["one two three money back", "one two three"])
    assert scores[0] == scores[1]
    with pytest.raises(InvalidInputError, match="max_tokens_per_doc"):
        make(max_tokens_per_doc=0)


@pytest.mark.parametrize(
    "fault",
    [
        "429:0.01", "429-bare", "500", "503-html", "reset", "reset-body", "truncated-json",
        "missing-row", "extra-row", "nan", "null", "wrong-width", "timeout",
    ],
)  # fmt: skip
def test_a_fault_costs_one_more_request(
    fault: str, make: Make, cohere_server: CohereServer
) -> None:
    cohere_server.fail(fault)
    reranker = make(timeout=0.3) if fault == "timeout" else make()
    scores = reranker.rerank(QUERY, TEXTS)
    np.testing.assert_allclose(scores, expected(cohere_server, TEXTS), atol=1e-6)
    sent = len(cohere_server.entries("rerank"))
    assert sent == 2 or (fault == "timeout" and sent > 2)  # where this machine is slow itself
    assert reranker.billed_search_units == 1


def test_a_service_that_stays_down_ends_it(make: Make, cohere_server: CohereServer) -> None:
    cohere_server.fail(*["500"] * 20)
    with pytest.raises(UnavailableError, match="failed 4 times"):
        make().rerank(QUERY, TEXTS)


def test_a_used_up_quota_is_said(make: Make, cohere_server: CohereServer) -> None:
    cohere_server.quota = 0
    with pytest.raises(QuotaError, match="used up"):
        make().rerank(QUERY, TEXTS)
    assert len(cohere_server.entries("rerank")) == 1


def test_refused_texts_are_not_sent_in_parts(make: Make, cohere_server: CohereServer) -> None:
    with pytest.raises(RejectedError):
        make().rerank(QUERY, [*TEXTS, "REJECT-ME"])
    assert len(cohere_server.entries("rerank")) == 1


def test_an_unknown_model(make: Make) -> None:
    with pytest.raises(ProviderError, match="no-such-model") as refused:
        make("no-such-model").rerank(QUERY, TEXTS)
    assert refused.value.status == 404


def test_a_key_is_named_by_its_variable(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make().check_access()
    for key in ("worn-out", ""):
        monkeypatch.setenv("CO_API_KEY", key)
        for work in (lambda: make().rerank(QUERY, TEXTS), lambda: make().check_access()):
            with pytest.raises(CredentialsError, match="CO_API_KEY") as refused:
                work()
            assert refused.value.exit_code == 4


def test_limits_are_those_of_reranking(make: Make) -> None:
    assert make()._endpoint.service.limits.requests_per_minute == 1000
    assert make(plan="trial")._endpoint.service.limits.requests_per_minute == 10
    assert make(requests_per_minute=3)._endpoint.service.limits.requests_per_minute == 3


@pytest.mark.parametrize("place", [None, "a", [1]])
def test_a_place_that_is_none_is_a_bad_answer(
    make: Make, cohere_server: CohereServer, place: Any
) -> None:
    answered = cohere_server._rerank
    broken = [True]

    def answer(request: Any) -> Any:
        found = answered(request)
        if broken:
            found.payload["results"][0]["index"] = place
            broken.clear()
        return found

    cohere_server._rerank = answer  # type: ignore[method-assign]
    scores = make().rerank(QUERY, TEXTS)
    np.testing.assert_allclose(scores, expected(cohere_server, TEXTS), atol=1e-6)
    assert len(cohere_server.entries("rerank")) == 2
