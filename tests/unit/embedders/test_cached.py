"""The cache before an embedder: nothing is sent twice, nothing that arrived is lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedkit import open as open_collection
from embedkit.caching import Space, VectorCache
from embedkit.embedders.base import BaseEmbedder
from embedkit.embedders.cached import CachedEmbedder
from embedkit.embedders.hashing import HashingEmbedder
from embedkit.errors import (
    CredentialsError,
    DimensionMismatchError,
    EmbeddingError,
    InvalidInputError,
    QuotaError,
    RejectedError,
    UnavailableError,
)
from embedkit.protocols import Embedder, StreamingEmbedder
from embedkit.quantized import decode, encode
from embedkit.store.vectors import content_key
from embedkit.testing import check_embedder
from embedkit.types import Delivery, Embeddings, InputType, Precision

DIM = 64


class CountingEmbedder(HashingEmbedder):
    """Remembers the texts of each call, and refuses the text ``bad``."""

    def __init__(self, *, dim: int = DIM) -> None:
        super().__init__(dim=dim)
        self.calls: list[list[str]] = []

    def _embed(self, texts: list[str], input_type: InputType) -> Embeddings:
        self.calls.append(texts)
        if "bad" in texts:
            raise EmbeddingError("the model does not take 'bad'")
        tokens = np.array([len(text.split()) for text in texts], np.int64)
        return Embeddings(super()._embed(texts, input_type).vectors, tokens, 512)

    @property
    def sent(self) -> list[str]:
        return [text for call in self.calls for text in call]


class QuantisedEmbedder(CountingEmbedder):
    """Delivers codes, and the vectors decoded from them."""

    def __init__(self, precision: Precision) -> None:
        super().__init__()
        self._kept = precision

    @property
    def precision(self):
        return self._kept

    def _embed(self, texts: list[str], input_type: InputType) -> Embeddings:
        vectors = super()._embed(texts, input_type).vectors
        if input_type != "document":
            return Embeddings(vectors, None, 512)
        codes = encode(vectors, self.precision)
        return Embeddings(decode(codes, self.precision, self.dim), None, 512, codes)


class StreamedEmbedder(CountingEmbedder):
    """Delivers three texts at a time, the last first; stops before the text ``stop``."""

    stop_with: Exception = QuotaError("the month is used up")
    final = True

    def embed_stream(
        self, texts: Sequence[str], *, input_type: InputType = "document", meter: object = None
    ) -> Iterator[Delivery]:
        for start in reversed(range(0, len(texts), 3)):
            places = [p for p in range(start, min(start + 3, len(texts))) if texts[p] != "bad"]
            some = [texts[place] for place in places]
            if "stop" in some:
                raise self.stop_with
            if some:
                result = self.embed_batch(some, input_type=input_type)
                yield Delivery(places, result, sent=len(some), billed_tokens=7 * len(some))
        if "bad" in texts:
            yield Delivery([list(texts).index("bad")], failure="no", sent=1, final=self.final)


@pytest.fixture
def cache(tmp_path: Path) -> VectorCache:
    return VectorCache(tmp_path, bound=10**9)


def fresh(texts: Sequence[str]) -> np.ndarray:
    return HashingEmbedder(dim=DIM).embed(texts)


def collected(deliveries: Iterator[Delivery], n: int) -> tuple[np.ndarray, dict[int, str]]:
    """Return the vectors of all places (NaN where there is none) and the failures."""
    vectors = np.full((n, DIM), np.nan, np.float32)
    failures = {}
    told: list[int] = []
    for delivery in deliveries:
        told += delivery.places
        if delivery.embeddings is None:
            (place,) = delivery.places
            failures[place] = str(delivery.failure)
        else:
            vectors[list(delivery.places)] = delivery.embeddings.vectors
    assert sorted(told) == list(range(n)), "every place exactly once"
    return vectors, failures


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def test_it_is_an_embedder_like_the_one_behind(cache: VectorCache) -> None:
    inner = CountingEmbedder()
    cached = CachedEmbedder(inner, cache)
    assert isinstance(cached, Embedder)
    assert isinstance(cached, StreamingEmbedder)
    assert (cached.model_id, cached.dim) == (inner.model_id, inner.dim)
    assert cached.precision == "float32"
    assert cached.inner is inner
    assert repr(cached) == f"<CachedEmbedder {inner.model_id}>"
    assert CachedEmbedder(QuantisedEmbedder("int8"), cache).precision == "int8"


@pytest.mark.parametrize("inner", [CountingEmbedder, StreamedEmbedder])
def test_it_keeps_the_contract_of_embedders(tmp_path: Path, inner: type[CountingEmbedder]) -> None:
    check_embedder(lambda: CachedEmbedder(inner(), VectorCache(tmp_path, bound=10**9)))


@pytest.mark.parametrize("inner", [CountingEmbedder, StreamedEmbedder])
def test_equal_texts_are_sent_once_and_known_ones_not_at_all(
    cache: VectorCache, inner: type[CountingEmbedder]
) -> None:
    texts = ["one", "two", "one", "three", "two", "one"]
    counting = inner()
    assert same_bits(CachedEmbedder(counting, cache).embed(texts), fresh(texts))
    assert sorted(counting.sent) == ["one", "three", "two"]
    again = inner()
    more = ["four", *texts, "four"]
    assert same_bits(CachedEmbedder(again, cache).embed(more), fresh(more))
    assert again.sent == ["four"]
    assert same_bits(CachedEmbedder(again, cache).embed(more), fresh(more))
    assert again.sent == ["four"]


def test_kinds_of_text_and_models_are_apart(cache: VectorCache) -> None:
    inner, wider = CountingEmbedder(), CountingEmbedder(dim=96)
    for kind in ("document", "query", "document", "query"):
        CachedEmbedder(inner, cache).embed(["one"], input_type=kind)
    assert CachedEmbedder(wider, cache).embed(["one"]).shape == (1, 96)
    assert inner.sent == ["one", "one"]
    assert wider.sent == ["one"]


def test_tokens_are_told_where_all_are_known(cache: VectorCache) -> None:
    cached = CachedEmbedder(CountingEmbedder(), cache)
    first = cached.embed_batch(["one two", "one", "one two"])
    assert first.tokens is not None
    assert first.tokens.tolist() == [2, 1, 2]
    assert first.max_tokens == 512
    mixed = cached.embed_batch(["one", "three"])
    assert (mixed.tokens, mixed.max_tokens) == (None, 512)
    assert cached.embed_batch(["one"]).tokens is None
    nothing = cached.embed_batch([])
    assert nothing.vectors.shape == (0, DIM)


@pytest.mark.parametrize("precision", ["int8", "binary"])
def test_codes_are_kept_as_delivered(cache: VectorCache, precision: Precision) -> None:
    texts = [f"text {i}" for i in range(30)]
    inner = QuantisedEmbedder(precision)
    first = CachedEmbedder(inner, cache).embed_batch(texts)
    again = CachedEmbedder(inner, cache).embed_batch(texts[::-1])
    assert len(inner.sent) == 30
    assert first.codes is not None
    assert again.codes is not None
    assert same_bits(again.codes, first.codes[::-1])
    assert same_bits(again.vectors, first.vectors[::-1])
    space = cache.info().spaces[0]
    assert (space.precision, space.bytes) == (
        precision,
        30 * DIM // (1 if precision == "int8" else 8),
    )


def test_a_stream_tells_hits_first_and_who_paid(cache: VectorCache) -> None:
    inner = StreamedEmbedder()
    cached = CachedEmbedder(inner, cache)
    cached.embed(["b", "d"])
    told = list(cached.embed_stream(["a", "b", "c", "a", "d", "e", "f", "b"]))
    assert sorted(told[0].places) == [1, 4, 7]
    assert (told[0].sent, told[0].billed_tokens) == (0, None)
    assert told[0].embeddings is not None
    assert told[0].embeddings.tokens is None
    assert [(sorted(d.places), d.sent, d.billed_tokens) for d in told[1:]] == [
        ([6], 1, 7),
        ([0, 2, 3, 5], 3, 21),
    ]


@pytest.mark.parametrize("inner", [CountingEmbedder, StreamedEmbedder])
def test_a_bad_text_costs_only_itself(cache: VectorCache, inner: type[CountingEmbedder]) -> None:
    texts = [*(f"t{i}" for i in range(9)), "bad", "t3", "bad", "t10"]
    vectors, failures = collected(CachedEmbedder(inner(), cache).embed_stream(texts), 13)
    assert set(failures) == {9, 11}
    good = [i for i in range(13) if i not in failures]
    assert same_bits(vectors[good], fresh([texts[i] for i in good]))
    again = inner()
    _, failures = collected(CachedEmbedder(again, cache).embed_stream(texts), 13)
    assert set(failures) == {9, 11}
    assert set(again.sent) <= {"bad"}


@pytest.mark.parametrize("inner", [CountingEmbedder, StreamedEmbedder])
def test_half_of_a_character_is_the_inner_embedder_s_business(
    cache: VectorCache, inner: type[CountingEmbedder]
) -> None:
    cached = CachedEmbedder(inner(), cache)
    with pytest.raises(InvalidInputError, match="position 1"):
        cached.embed(["fine", "\ud800"])
    if inner is CountingEmbedder:
        vectors, failures = collected(cached.embed_stream(["fine", "\ud800"]), 2)
        assert set(failures) == {1}
        assert same_bits(vectors[:1], fresh(["fine"]))


def test_what_arrived_before_the_end_is_kept(cache: VectorCache) -> None:
    texts = ["stop", *(f"t{i}" for i in range(10))]
    inner = StreamedEmbedder()
    stream = CachedEmbedder(inner, cache).embed_stream(texts)
    arrived = [place for _ in range(3) for place in next(stream).places]
    with pytest.raises(QuotaError):
        next(stream)
    assert sorted(arrived) == list(range(3, 11))
    again = StreamedEmbedder()
    with pytest.raises(QuotaError):
        CachedEmbedder(again, cache).embed(texts)
    assert again.sent == []
    assert cache.info().entries == 8


def test_it_is_kept_before_it_is_told(cache: VectorCache) -> None:
    inner = StreamedEmbedder()
    stream = CachedEmbedder(inner, cache).embed_stream([f"t{i}" for i in range(9)])
    places = next(stream).places
    space = Space(inner.model_id, "document", DIM)
    found, _ = cache.get(space, [content_key(f"t{place}") for place in places])
    assert len(found) == 3
    stream.close()


@pytest.mark.parametrize(("final", "error"), [(True, RejectedError), (False, UnavailableError)])
def test_a_failure_is_raised_after_the_rest_was_kept(
    cache: VectorCache, final: bool, error: type[Exception]
) -> None:
    inner = StreamedEmbedder()
    inner.final = final
    with pytest.raises(error, match="no"):
        CachedEmbedder(inner, cache).embed(["bad", "a", "b", "c", "d"])
    assert cache.info().entries == 4


def test_errors_of_the_inner_embedder_pass(cache: VectorCache) -> None:
    with pytest.raises(EmbeddingError, match="does not take"):
        CachedEmbedder(CountingEmbedder(), cache).embed(["a", "bad"])

    class Refused(CountingEmbedder):
        def _embed(self, texts: list[str], input_type: InputType) -> Embeddings:
            raise CredentialsError("no key")

    cached = CachedEmbedder(Refused(), cache)
    with pytest.raises(CredentialsError):
        cached.embed(["a"])
    with pytest.raises(CredentialsError):
        list(cached.embed_stream(["a", "b"]))


class Careless:
    """An embedder without our base class, which returns what it was told to."""

    model_id = "careless"
    dim = 2

    def __init__(self, result: Embeddings) -> None:
        self.result = result

    def embed(self, texts: Sequence[str], *, input_type: InputType = "document") -> np.ndarray:
        return self.result.vectors

    def embed_batch(
        self, texts: Sequence[str], *, input_type: InputType = "document"
    ) -> Embeddings:
        return self.result


@pytest.mark.parametrize(
    ("vectors", "error"),
    [
        ([[1, 0]], DimensionMismatchError),
        ([[1, 0, 0], [0, 1, 0]], DimensionMismatchError),
        ([[1, 0], [np.nan, 1]], InvalidInputError),
    ],
)
def test_what_is_not_sound_is_never_kept(
    cache: VectorCache, vectors: list[list[float]], error: type[Exception]
) -> None:
    inner = Careless(Embeddings(np.array(vectors, np.float32)))
    with pytest.raises(error, match="careless"):
        CachedEmbedder(inner, cache).embed(["a", "b"])
    assert cache.info().entries == 0


@pytest.mark.parametrize("shape", [(2, 3), (1, 2)])
def test_codes_of_another_shape_are_never_kept(cache: VectorCache, shape: tuple[int, int]) -> None:
    inner = Careless(Embeddings(np.eye(2, dtype=np.float32), codes=np.zeros(shape, np.int8)))
    inner.precision = "int8"  # type: ignore[attr-defined]
    with pytest.raises(DimensionMismatchError, match="codes from careless"):
        CachedEmbedder(inner, cache).embed(["a", "b"])
    assert cache.info().entries == 0


def test_without_a_cache_it_still_works(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("in the way")
    inner = CountingEmbedder()
    cached = CachedEmbedder(inner, VectorCache(tmp_path / "home", bound=10**9))
    for _ in range(2):
        assert same_bits(cached.embed(["a", "b", "a"]), fresh(["a", "b", "a"]))
    assert inner.sent == ["a", "b", "a", "b"]


def test_many_texts_are_looked_up_in_parts(
    cache: VectorCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedkit.embedders.cached._LOOKED_UP", 10)
    texts = [f"t{i % 37}" for i in range(100)]
    inner = CountingEmbedder()
    cached = CachedEmbedder(inner, cache)
    cached.embed(texts[:20])
    assert same_bits(cached.embed(texts), fresh(texts))
    assert len(inner.sent) == 37
    assert isinstance(inner, BaseEmbedder)


def test_a_width_that_somebody_knows_is_not_asked_for(
    openai_server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "good-key")
    spec = f"openai:local-embed?base_url={openai_server.url}"
    with open_collection("q", home=tmp_path, embedder=spec) as collection:
        plan = collection.index([{"text": "one"}, {"text": "two"}], dry_run=True)
        assert plan.embedded == 2
        assert openai_server.entries("embed") == [], "a plan costs nothing"
        collection.index([{"text": "one"}, {"text": "two"}])
        assert openai_server.stats()["sent"] == {"width": 1, "one": 1, "two": 1}
    openai_server.reset_log()
    with open_collection("q", home=tmp_path) as collection:
        collection.search("one")
    with open_collection("other", home=tmp_path, embedder=spec) as collection:
        collection.index([{"text": "one"}, {"text": "three"}])
    assert openai_server.stats()["sent"] == {"one": 1, "three": 1}, "a query, and a new text"


@pytest.mark.parametrize("precision", ["int8", "binary"])
def test_what_was_paid_for_in_full_is_not_paid_for_again_to_be_smaller(
    cohere_server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, precision: str
) -> None:
    monkeypatch.setenv("CO_API_KEY", "good-key")
    spec = f"cohere:embed-v4.0?dimension=256&base_url={cohere_server.url}"
    texts = [f"text number {i}" for i in range(30)]
    with open_collection("full", home=tmp_path, embedder=spec) as full:
        full.index(texts)
        full.search("a query")
    cohere_server.reset_log()
    small = f"{spec}&precision={precision}"
    with open_collection("small", home=tmp_path, embedder=small) as collection:
        assert collection.index([*texts, "one more"], dry_run=True).embedded == 1
        report = collection.index([*texts, "one more"])
        assert (report.embedded, report.cached) == (1, 30)
        assert collection.search(texts[3], k=1)[0].text == texts[3]
        collection.search("a query")
    assert cohere_server.stats()["sent"] == {"one more": 1, texts[3]: 1}
    cohere_server.reset_log()
    with open_collection("paid", home=tmp_path / "other", embedder=small) as paid:
        paid.index(texts)
        ids = [record.id for record in paid]
        with open_collection("small", home=tmp_path) as collection:
            for id in ids[:5]:
                assert [hit.id for hit in paid.similar(id, 3)] == [
                    hit.id for hit in collection.similar(id, 3)
                ], "as if the service had been asked"
