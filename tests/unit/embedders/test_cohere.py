"""Cohere's models as embedders, against a server on loopback."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from embedkit import registry
from embedkit.embedders.cohere import MODELS, CohereEmbedder
from embedkit.errors import (
    CredentialsError,
    EmbedkitError,
    InvalidInputError,
    ProviderError,
    QuotaError,
    RejectedError,
    UnavailableError,
)
from tests.servers import vectors as made

KEY = "good-key"
Make = Callable[..., CohereEmbedder]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedkit.managed.service._FIRST_WAIT", 0.001)
    monkeypatch.setattr("embedkit.managed.service._LONGEST_WAIT", 0.004)


@pytest.fixture
def make(cohere_server: Any, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Make an embedder of the server's."""
    monkeypatch.setenv("CO_API_KEY", KEY)

    def embedder(model: str = "embed-v4.0", **options: Any) -> CohereEmbedder:
        options = {"inputs_per_minute": 1_000_000, "timeout": 5, **options}
        return CohereEmbedder(model, base_url=cohere_server.url, **options)

    return embedder


TEXTS = ["how do I get my money back?", "Wie spät ist es?", "日本語の文", "x", "a b c " * 40]
WIDTHS = [(model, dim) for model, known in MODELS.items() for dim in (None, *known.dimensions)]


@pytest.mark.parametrize(("model", "dimension"), WIDTHS)
def test_every_model_in_every_width(
    make: Make, cohere_server: Any, model: str, dimension: int | None
) -> None:
    embedder = make(model, dimension=dimension)
    vectors = embedder.embed(TEXTS)
    width = dimension or MODELS[model].dimensions[0]
    assert embedder.dim == width
    assert vectors.shape == (5, width)
    expected = [cohere_server.vector(text, model=model, dimension=width) for text in TEXTS]
    np.testing.assert_allclose(vectors, np.stack(expected), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_the_default_width_has_one_name(make: Make) -> None:
    """The same vectors must not count as another model's."""
    assert make().model_id == make(dimension=1536).model_id
    assert make(dimension=512).model_id != make().model_id
    assert make(truncate="START").model_id != make().model_id
    assert make(precision="int8").model_id != make().model_id
    assert make(inputs_per_minute=7).model_id == make().model_id


@pytest.mark.parametrize(
    ("input_type", "sent"),
    [
        ("document", "search_document"),
        ("query", "search_query"),
        ("classification", "classification"),
        ("clustering", "clustering"),
    ],
)
def test_input_types(make: Make, cohere_server: Any, input_type: Any, sent: str) -> None:
    vectors = make(dimension=256).embed(TEXTS[:2], input_type=input_type)
    [entry] = cohere_server.entries()
    assert entry.input_type == sent
    expected = [cohere_server.vector(t, input_type=sent, dimension=256) for t in TEXTS[:2]]
    np.testing.assert_allclose(vectors, np.stack(expected), atol=1e-6)


def test_an_unknown_input_type_is_refused_before_anything_is_sent(
    make: Make, cohere_server: Any
) -> None:
    with pytest.raises(InvalidInputError, match="input_type"):
        make().embed(["x"], input_type="image")  # type: ignore[arg-type]
    assert cohere_server.log == []


def test_codes_of_one_byte_a_number(make: Make, cohere_server: Any) -> None:
    batch = make(dimension=256, precision="int8").embed_batch(TEXTS)
    expected = [made.int8(cohere_server.vector(text, dimension=256)) for text in TEXTS]
    assert batch.codes is not None
    assert batch.codes.dtype == np.int8
    np.testing.assert_array_equal(batch.codes, np.stack(expected))
    exact = np.stack([cohere_server.vector(text, dimension=256) for text in TEXTS])
    assert ((batch.vectors * exact).sum(axis=1) > 0.999).all()


def test_codes_of_one_bit_a_number(make: Make, cohere_server: Any) -> None:
    batch = make(dimension=256, precision="binary").embed_batch(TEXTS)
    exact = np.stack([cohere_server.vector(text, dimension=256) for text in TEXTS])
    assert batch.codes is not None
    assert batch.codes.dtype == np.uint8
    np.testing.assert_array_equal(batch.codes, np.packbits(exact > 0, axis=1))
    np.testing.assert_allclose(batch.vectors, np.where(exact > 0, 1, -1) / 16, atol=1e-6)


@pytest.mark.parametrize("side", ["END", "START"])
def test_a_long_text_is_cut_at_one_end(make: Make, cohere_server: Any, side: Any) -> None:
    text = " ".join(f"word{i}" for i in range(600))
    vectors = make("embed-english-light-v3.0", truncate=side).embed([text])
    known: Any = {"model": "embed-english-light-v3.0", "truncate": side}
    np.testing.assert_allclose(vectors[0], cohere_server.vector(text, **known), atol=1e-6)


def test_a_long_text_may_be_refused_and_the_others_not(make: Make) -> None:
    long = " ".join(f"word{i}" for i in range(600))
    embedder = make("embed-english-light-v3.0", truncate="NONE")
    deliveries = list(embedder.embed_stream(["one", long, "two"]))
    good = sorted(p for d in deliveries if d.embeddings is not None for p in d.places)
    [bad] = [delivery for delivery in deliveries if delivery.embeddings is None]
    assert (good, list(bad.places), bad.final) == ([0, 2], [1], True)
    assert "more than 512 tokens" in str(bad.failure)
    with pytest.raises(RejectedError, match="the text at position 1"):
        embedder.embed(["one", long, "two"])


def test_a_very_long_text_goes_alone(make: Make, cohere_server: Any) -> None:
    long = "many words " * 60_000
    vectors = make(dimension=256).embed(["a", long, "b"])
    np.testing.assert_allclose(vectors[1], cohere_server.vector(long, dimension=256), atol=1e-5)
    sent = sorted(list(map(len, entry.texts)) for entry in cohere_server.entries())
    assert sent == [[1], [1], [len(long)]]


def test_many_texts_go_in_batches_equal_ones_once_and_the_order_is_kept(
    make: Make, cohere_server: Any
) -> None:
    texts = [f"text {i % 250}" for i in range(700)]
    vectors = make(dimension=256).embed(texts)
    expected = [cohere_server.vector(text, dimension=256) for text in texts]
    np.testing.assert_allclose(vectors, np.stack(expected), atol=1e-6)
    stats = cohere_server.stats()
    assert stats["largest_batch"] <= 96
    assert stats["texts_sent"] == 250
    assert set(stats["sent"].values()) == {1}


def test_deliveries_hold_each_place_once_and_what_was_billed(
    make: Make, cohere_server: Any
) -> None:
    texts = [f"text {i % 150}" for i in range(300)]
    deliveries = list(make(dimension=256).embed_stream(texts))
    assert sorted(p for d in deliveries for p in d.places) == list(range(300))
    assert sum(delivery.sent for delivery in deliveries) == 150
    billed = [delivery.billed_tokens for delivery in deliveries]
    assert sum(map(int, billed)) == cohere_server.stats()["billed_tokens"]  # type: ignore[arg-type]
    for delivery in deliveries:
        assert delivery.embeddings is not None
        for place, vector in zip(delivery.places, delivery.embeddings.vectors, strict=True):
            expected = cohere_server.vector(texts[place], dimension=256)
            np.testing.assert_allclose(vector, expected, atol=1e-6)


def test_an_empty_list_is_not_sent(make: Make, cohere_server: Any) -> None:
    assert make(dimension=512).embed([]).shape == (0, 512)
    assert list(make().embed_stream([])) == []
    assert cohere_server.log == []


def test_half_a_surrogate_pair_is_refused_before_anything_is_sent(
    make: Make, cohere_server: Any
) -> None:
    with pytest.raises(InvalidInputError, match="surrogate"):
        make().embed(["good", "bad \ud800"])
    with pytest.raises(InvalidInputError, match="surrogate"):
        make().embed_stream(["good", "bad \ud800"])
    assert cohere_server.log == []


@pytest.mark.parametrize(
    "options",
    [
        {"dimension": 100},
        {"dimension": 0},
        {"model": "embed-english-v3.0", "dimension": 512},
        {"model": "another", "dimension": -1},
        {"precision": "int4"},
        {"truncate": "MIDDLE"},
        {"plan": "gold"},
        {"concurrency": 0},
        {"dimension": "wide"},
    ],
)
def test_options_that_cannot_be_meant(make: Make, cohere_server: Any, options: Any) -> None:
    model = options.pop("model", "embed-v4.0")
    query = "&".join(f"{name}={value}" for name, value in options.items())
    spec = f"cohere:{model}?base_url={cohere_server.url}&{query}"
    with pytest.raises(InvalidInputError) as raised:
        registry.create("embedder", spec).embed(["x"])  # type: ignore[attr-defined]
    assert raised.value.exit_code == 2
    assert cohere_server.log == []


@pytest.fixture
def preview(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server have a model that we do not know."""
    from tests.servers import cohere

    model = cohere.Model("embed", 1000, (320, 64), choice=True)
    monkeypatch.setitem(cohere.MODELS, "embed-preview", model)


@pytest.mark.parametrize("precision", ["float32", "int8", "binary"])
def test_an_unknown_model_tells_its_width_by_a_vector(
    make: Make, cohere_server: Any, preview: None, precision: Any
) -> None:
    embedder = make("embed-preview", precision=precision)
    assert embedder.dim == 320
    assert embedder.dim == 320
    assert len(cohere_server.entries()) == 1
    assert embedder.max_tokens is None
    assert embedder.embed(["a", "b"]).shape == (2, 320)
    assert make("embed-preview", dimension=64).embed(["a"]).shape == (1, 64)


def test_a_model_that_is_not_there(make: Make, cohere_server: Any) -> None:
    with pytest.raises(ProviderError, match="model 'nothing' not found") as raised:
        make("nothing").embed(["x"])
    assert raised.value.status == 404
    assert len(cohere_server.entries()) == 1


def test_a_query_is_given_up_sooner_than_a_run(make: Make, cohere_server: Any) -> None:
    embedder = make()
    embedder.embed(["so that it has answered"])
    for input_type, attempts in (("query", 4), ("document", 8)):
        before = len(cohere_server.entries())
        cohere_server.fail(*["500"] * attempts)
        with pytest.raises(UnavailableError, match=f"failed {attempts} times"):
            embedder.embed(["x"], input_type=input_type)  # type: ignore[arg-type]
        assert len(cohere_server.entries()) - before == attempts


@pytest.mark.parametrize(("limit", "texts", "largest"), [(30, 30, 30), (150, 120, 75)])
def test_requests_fill_a_limit(
    make: Make, cohere_server: Any, limit: int, texts: int, largest: int
) -> None:
    make(inputs_per_minute=limit, dimension=256).embed([f"t{i}" for i in range(texts)])
    assert cohere_server.stats()["largest_batch"] == largest


def every_error(make: Make, server: Any, monkeypatch: pytest.MonkeyPatch, secret: str) -> Any:
    """Yield what a person may see of all that goes wrong."""
    embedder = make(dimension=256)
    yield embedder
    yield embedder.limits
    for fault in ("quota", "status:400", "status:402", "status:404", "429:4000", "500"):
        server.fail(*[fault] * (8 if fault == "500" else 1))
        with pytest.raises(EmbedkitError) as raised:
            embedder.embed(["x"])
        yield raised.value
    server.keys.clear()
    for call in (lambda: embedder.embed(["x"]), embedder.check_access):
        with pytest.raises(CredentialsError) as raised_key:
            call()
        yield raised_key.value
    monkeypatch.setenv("CO_API_KEY", f"{secret}\nsecond line")
    with pytest.raises(CredentialsError) as raised_key:
        make().check_access()
    yield raised_key.value
    monkeypatch.setenv("CO_API_KEY", secret)
    server.stop()
    with pytest.raises(UnavailableError) as raised_down:
        make().embed(["x"])
    yield raised_down.value


def told(value: Any) -> str:
    """Return all the text of an error, of those behind it, and of what they hold."""
    texts: list[str] = []
    while value is not None:
        held = getattr(value, "__dict__", {})
        texts += [repr(value), str(value), repr(held), *getattr(value, "__notes__", ())]
        value = getattr(value, "__cause__", None) or getattr(value, "__context__", None)
    return "\n".join(texts)


def test_the_key_is_nowhere_to_be_read(
    make: Make,
    cohere_server: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    secret = "a-secret-of-ours-0123456789"
    cohere_server.keys.add(secret)
    monkeypatch.setenv("CO_API_KEY", secret)
    with caplog.at_level(logging.DEBUG):
        seen = list(every_error(make, cohere_server, monkeypatch, secret))
    assert len(seen) > 10
    assert any(isinstance(value, QuotaError) for value in seen)
    assert any(entry.key == secret for entry in cohere_server.log)
    for value in seen:
        text = told(value) if isinstance(value, BaseException) else repr(value)
        assert secret not in text
    assert secret not in caplog.text
    assert all(secret not in repr(vars(record)) for record in caplog.records)
    out, err = capfd.readouterr()
    assert secret not in out + err
