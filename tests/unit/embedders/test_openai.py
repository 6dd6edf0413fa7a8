"""The embedder of OpenAI's protocol, against a server that speaks it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import embedkit
from embedkit.embedders.openai import OpenAIEmbedder
from embedkit.errors import (
    CredentialsError,
    InvalidInputError,
    ProviderError,
    QuotaError,
    RejectedError,
    UnavailableError,
)
from embedkit.managed.budget import BudgetReached, Meter
from tests.servers import openai as protocol
from tests.servers import vectors
from tests.servers.openai import OpenAIServer

Make = Callable[..., OpenAIEmbedder]
TEXTS = [f"How many rivers are there in country {i}?" for i in range(20)]


@pytest.fixture
def make(
    openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, brisk: None, tmp_path: Path
) -> Make:
    """Build an embedder for the server."""
    monkeypatch.setenv("OPENAI_API_KEY", "good-key")
    monkeypatch.chdir(tmp_path)

    def build(model: str = "text-embedding-3-small", **options: Any) -> OpenAIEmbedder:
        return OpenAIEmbedder(model, base_url=openai_server.url, **{"timeout": 5.0, **options})

    return build


def expected(server: OpenAIServer, texts: list[str], **options: Any) -> np.ndarray:
    return np.stack([server.vector(text, **options) for text in texts])


def same(got: np.ndarray, wanted: np.ndarray) -> None:
    np.testing.assert_allclose(got, wanted, atol=1e-6)


def test_vectors_are_the_services(make: Make, openai_server: OpenAIServer) -> None:
    same(make().embed(TEXTS), expected(openai_server, TEXTS))
    (entry,) = openai_server.entries()
    assert entry.dimension is None
    assert entry.key == "good-key"


def test_a_spec_is_enough(openai_server: OpenAIServer, make: Make) -> None:
    spec = f"openai:text-embedding-3-small?base_url={openai_server.url}&dimension=64"
    embedder = embedkit.embedder(spec)
    assert embedder.dim == 64
    same(embedder.embed(TEXTS), expected(openai_server, TEXTS, dimension=64))
    assert {entry.dimension for entry in openai_server.entries()} == {64}


def test_rows_in_any_order_find_their_text(make: Make, openai_server: OpenAIServer) -> None:
    openai_server.shuffled = True
    same(make().embed(TEXTS), expected(openai_server, TEXTS))


def test_batches_hold_so_many_texts_and_equal_ones_once(
    make: Make, openai_server: OpenAIServer
) -> None:
    texts = TEXTS + TEXTS[:5] + [f"text {i}" for i in range(13)]
    same(make(batch_size=10).embed(texts), expected(openai_server, texts))
    assert sorted(entry.n_texts for entry in openai_server.entries()) == [3, 10, 10, 10]
    assert max(openai_server.stats()["sent"].values()) == 1


def test_a_model_nobody_knows_is_asked_for_its_width(
    make: Make, openai_server: OpenAIServer
) -> None:
    embedder = make("local-embed")
    assert embedder.model_id == "openai:local-embed"
    assert openai_server.log == [], "its name costs nothing"
    assert embedder.dim == 384
    assert len(openai_server.entries()) == 1
    same(embedder.embed(TEXTS), expected(openai_server, TEXTS, model="local-embed"))
    assert len(openai_server.entries()) == 2


def test_a_published_width_costs_no_request(make: Make, openai_server: OpenAIServer) -> None:
    assert make("text-embedding-3-large").dim == 3072
    assert openai_server.log == []


def test_prefixes_are_sent_and_named(make: Make, openai_server: OpenAIServer) -> None:
    embedder = make(query_prefix="query: ", document_prefix="passage: ")
    wanted = "openai:text-embedding-3-small dimension=1536 query_prefix='query: ' "
    assert embedder.model_id == wanted + "document_prefix='passage: '"
    same(embedder.embed(["Rome"], input_type="query"), expected(openai_server, ["query: Rome"]))
    embedder.embed(["Rome"])
    embedder.embed(["Rome"], input_type="clustering")
    sent = [entry.texts for entry in openai_server.entries()]
    assert sent == [("query: Rome",), ("passage: Rome",), ("passage: Rome",)]


def test_a_prefix_counts_against_a_budget(make: Make, openai_server: OpenAIServer) -> None:
    prefix = "Represent this sentence for searching relevant passages of any kind whatever: "
    meter = Meter(max_cost=0.02 * 300 / 1e6, price=0.02)  # 300 tokens
    texts = [f"text {i}" for i in range(100)]
    with pytest.raises(BudgetReached):
        list(make(document_prefix=prefix).embed_stream(texts, meter=meter))
    assert 0 < openai_server.stats()["billed_tokens"] <= 300


def test_blanks_at_the_end_of_a_prefix_survive_a_spec(make: Make) -> None:
    made = embedkit.registry.create("embedder", "openai:m?dimension=8&query_prefix=query: ")
    assert made.query_prefix == "query: "


def test_an_empty_text_is_sent_as_a_blank(make: Make, openai_server: OpenAIServer) -> None:
    same(make().embed(["", "Rome"]), expected(openai_server, [" ", "Rome"]))


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"batch_size": 2049}, {"dimension": 0}])
def test_options_out_of_bounds_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(options))):
        OpenAIEmbedder("m", **options)  # type: ignore[arg-type]


def test_what_is_billed_is_told(make: Make, openai_server: OpenAIServer) -> None:
    deliveries = list(make(batch_size=6).embed_stream(TEXTS))
    assert sorted(place for one in deliveries for place in one.places) == list(range(20))
    billed = sum(one.billed_tokens or 0 for one in deliveries)
    assert billed == sum(map(openai_server.tokens, TEXTS))
    assert make().price == 0.02


def test_limits_come_from_the_spec_then_the_settings(make: Make, tmp_path: Path) -> None:
    (tmp_path / "embedkit.toml").write_text(
        "[limits.openai]\nconcurrency = 2\n[limits.openai.embed]\ntokens_per_minute = 1000\n"
    )
    limits = make(concurrency=3).limits
    assert (limits.concurrency, limits.tokens_per_minute, limits.timeout) == (3, 1000, 5.0)
    assert make().limits.inputs_per_minute is None


# -- servers that take less ------------------------------------------------------------------------


def test_a_server_that_refuses_base64_is_asked_for_numbers(
    make: Make, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(protocol.EMBED, "encoding_format")
    embedder = make(batch_size=5)
    same(embedder.embed(TEXTS[:5]), expected(openai_server, TEXTS[:5]))
    same(embedder.embed(TEXTS[5:]), expected(openai_server, TEXTS[5:]))
    assert [entry.status for entry in openai_server.entries()] == [400, 200, 200, 200, 200]


def test_a_server_that_does_not_know_base64_is_understood(
    make: Make, openai_server: OpenAIServer
) -> None:
    def numbers(model: str, text: str, kind: str, width: int, encoding: str) -> list[float]:
        listed: list[float] = vectors.embed(model, text, kind, width).tolist()
        return listed

    openai_server._encoded = numbers  # type: ignore[assignment]
    same(make().embed(TEXTS), expected(openai_server, TEXTS))
    assert len(openai_server.entries()) == 1


def test_a_refused_text_does_not_pass_for_a_refused_field(
    make: Make, openai_server: OpenAIServer
) -> None:
    embedder = make()
    with pytest.raises(RejectedError, match=r"position 1: OpenAI refuses it"):
        embedder.embed(["Rome", "REJECT-ME", "Oslo"])
    same(embedder.embed(TEXTS), expected(openai_server, TEXTS))
    with pytest.raises(RejectedError):
        embedder.embed(["REJECT-ME now"])
    said = {entry.texts: entry.status for entry in openai_server.entries()}
    assert (said[tuple(TEXTS)], said["REJECT-ME now",]) == (200, 400)
    asked = [entry.texts for entry in openai_server.entries()]
    assert asked.count(("REJECT-ME now",)) == 1, "the field was taken before: it is the text"


def test_a_server_of_small_batches_is_given_smaller_ones(
    make: Make, openai_server: OpenAIServer
) -> None:
    openai_server.most_inputs = 5
    same(make().embed(TEXTS), expected(openai_server, TEXTS))


def test_usage_may_be_missing(make: Make, openai_server: OpenAIServer) -> None:
    embedder = make()
    answered = openai_server._embed

    def without_usage(request: Any) -> Any:
        answer = answered(request)
        del answer.payload["usage"]
        for item in answer.payload["data"]:
            del item["index"]
        return answer

    openai_server._embed = without_usage  # type: ignore[method-assign]
    (delivery,) = embedder.embed_stream(TEXTS)
    assert delivery.billed_tokens is None
    assert delivery.embeddings is not None
    same(delivery.embeddings.vectors, expected(openai_server, TEXTS))


# -- what goes wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        "429:0.01", "429-bare", "500", "503-html", "status:502", "reset", "reset-body",
        "truncated-json", "missing-row", "extra-row", "nan", "null", "wrong-width", "timeout",
    ],
)  # fmt: skip
def test_a_fault_costs_one_more_request(
    fault: str, make: Make, openai_server: OpenAIServer
) -> None:
    openai_server.fail(fault)
    embedder = make(timeout=0.3) if fault == "timeout" else make()
    same(embedder.embed(TEXTS), expected(openai_server, TEXTS))
    sent = len(openai_server.entries())
    assert sent == 2 or (fault == "timeout" and sent > 2)  # where this machine is slow itself


@pytest.mark.parametrize("fault", ["missing-row", "null", "wrong-width"])
def test_a_fault_among_numbers_is_noticed_too(
    fault: str, make: Make, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(protocol.EMBED, "encoding_format")
    embedder = make()
    embedder.embed(["the first"])
    openai_server.fail(fault)
    same(embedder.embed(TEXTS), expected(openai_server, TEXTS))


def test_a_service_that_stays_down_is_named(make: Make, openai_server: OpenAIServer) -> None:
    openai_server.fail(*["500"] * 20)
    with pytest.raises(UnavailableError, match=r"OpenAI at http://127.* failed 4 times.*500"):
        make().embed(["Rome"], input_type="query")


def test_nobody_there(make: Make, openai_server: OpenAIServer) -> None:
    embedder = make()
    openai_server.stop()
    with pytest.raises(UnavailableError, match="cannot be reached"):
        embedder.embed(TEXTS)


def test_a_used_up_quota_is_not_asked_again(make: Make, openai_server: OpenAIServer) -> None:
    openai_server.quota = 0
    with pytest.raises(QuotaError, match="used up: You exceeded your current quota"):
        make().embed(TEXTS)
    assert len(openai_server.entries()) == 1


def test_what_arrived_before_the_quota_is_handed_over(
    make: Make, openai_server: OpenAIServer
) -> None:
    openai_server.quota = 2
    arriving = make(batch_size=5, concurrency=1).embed_stream(TEXTS)
    assert [*next(arriving).places, *next(arriving).places] == list(range(10))
    with pytest.raises(QuotaError):
        next(arriving)


def test_an_unknown_model(make: Make, openai_server: OpenAIServer) -> None:
    with pytest.raises(ProviderError, match="`no-such-model` does not exist") as refused:
        make("no-such-model").embed(TEXTS)
    assert refused.value.status == 404
    assert len(openai_server.entries()) == 1


def test_a_width_that_the_model_has_not(make: Make) -> None:
    with pytest.raises(ProviderError, match="dimensions"):
        make("local-embed", dimension=100).embed(TEXTS)


def test_a_refused_key_names_the_variable(
    make: Make, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "worn-out")
    for work in (lambda: make().embed(TEXTS), lambda: make().check_access()):
        with pytest.raises(CredentialsError, match="OPENAI_API_KEY") as refused:
            work()
        assert refused.value.exit_code == 4
        assert "worn-out" not in str(refused.value)


def test_without_a_key_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    embedder = OpenAIEmbedder("text-embedding-3-small")  # costs nothing, so needs nothing
    assert embedder.dim == 1536
    for work in (lambda: embedder.embed(TEXTS), embedder.check_access):
        with pytest.raises(CredentialsError, match="OPENAI_API_KEY"):
            work()
