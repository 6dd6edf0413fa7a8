"""Everything that loads torch: it takes seconds, so it is all in this one module."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from embedkit import registry
from embedkit.embedders.minilm import MiniLMEmbedder
from embedkit.embedders.minilm_model import Precision, write_model
from embedkit.embedders.pretrained import best_device, resolve_devices
from embedkit.embedders.sentence_transformers import SentenceTransformersEmbedder
from embedkit.errors import EmbeddingError, InvalidInputError, WeightsError

pytestmark = pytest.mark.slow

TEXTS = [
    "How do I get my money back?",
    "what is the capital of France",
    "",
    "   ",
    "a\0b",
    "Où est la bibliothèque ? Straße, Ελλάδα, 東京都, שלום עולם, مرحبا",
    "Smile 😀, a family 👩‍👩‍👧 and a flag 🇳🇱",
    "[SEP] in the [MASK] middle [CLS]",
    "supercalifragilistic" * 30,
    "The quick brown fox jumps over the lazy dog. " * 12,
    "alpha bravo " * 126 + "ab",
    "alpha bravo " * 127 + "abc",
    "one two three four five " * 300,
    "word, " * 2000,
]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Keep torch's threads from spinning beside those of other tests."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def original(packaged: Path) -> Any:
    """The packaged model in the library that it was published for."""
    return SentenceTransformer(str(packaged), device="cpu", local_files_only=True)


@pytest.fixture
def local(packaged: Path) -> SentenceTransformersEmbedder:
    embedder: SentenceTransformersEmbedder = registry.create(
        "embedder", f"sentence-transformers:{packaged}?device=cpu"
    )
    return embedder


def test_minilm_equals_sentence_transformers(original: Any) -> None:
    expected = original.encode(TEXTS, normalize_embeddings=True)
    cosines = (MiniLMEmbedder().embed(TEXTS) * expected).sum(axis=1)
    assert cosines.min() >= 0.99999


def test_int8_keeps_the_ranking_of_similarities(original: Any) -> None:
    expected = original.encode(TEXTS, normalize_embeddings=True)
    vectors = MiniLMEmbedder("int8").embed(TEXTS)
    assert (vectors * expected).sum(axis=1).mean() > 0.98
    pairs = np.triu_indices(len(TEXTS), 1)
    agreement = np.corrcoef((vectors @ vectors.T)[pairs], (expected @ expected.T)[pairs])[0, 1]
    assert agreement > 0.99


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_the_converted_model_is_the_converters_to_the_byte(
    packaged: Path, tmp_path: Path, precision: Precision
) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    write_model(packaged / "model.safetensors", ours, precision)
    _converters_own(packaged, theirs, None if precision == "fp32" else precision)
    assert (ours / "model.bin").read_bytes() == (theirs / "model.bin").read_bytes()
    assert json.loads((ours / "config.json").read_text()) == json.loads(
        (theirs / "config.json").read_text()
    )


def _converters_own(packaged: Path, folder: Path, quantization: str | None) -> None:
    """Convert with CTranslate2's own specification classes."""
    from ctranslate2.specs import common_spec, transformer_spec
    from safetensors.numpy import load_file

    weights = load_file(packaged / "model.safetensors")
    encoder = transformer_spec.TransformerEncoderSpec(
        6,
        12,
        pre_norm=False,
        activation=common_spec.Activation.GELU,
        layernorm_embedding=True,
        num_source_embeddings=2,
        embeddings_merge=common_spec.EmbeddingsMerge.ADD,
    )
    spec = transformer_spec.TransformerEncoderModelSpec(encoder, pooling_layer=False)
    encoder.scale_embeddings = False
    spec.register_vocabulary(["[UNK]"] * 30522)
    spec.config.unk_token = "[UNK]"
    spec.config.layer_norm_epsilon = 1e-12

    def set_norm(to: Any, name: str) -> None:
        to.gamma, to.beta = weights[f"{name}.weight"], weights[f"{name}.bias"]

    def set_linear(to: Any, *names: str) -> None:
        to.weight = np.concatenate([weights[f"{name}.weight"] for name in names])
        to.bias = np.concatenate([weights[f"{name}.bias"] for name in names])

    encoder.embeddings[0].weight = weights["embeddings.word_embeddings.weight"]
    encoder.embeddings[1].weight = weights["embeddings.token_type_embeddings.weight"]
    encoder.position_encodings.encodings = weights["embeddings.position_embeddings.weight"]
    set_norm(encoder.layernorm_embedding, "embeddings.LayerNorm")
    for i, layer in enumerate(encoder.layer):
        at = f"encoder.layer.{i}"
        own = [f"{at}.attention.self.{name}" for name in ("query", "key", "value")]
        set_linear(layer.self_attention.linear[0], *own)
        set_linear(layer.self_attention.linear[1], f"{at}.attention.output.dense")
        set_norm(layer.self_attention.layer_norm, f"{at}.attention.output.LayerNorm")
        set_linear(layer.ffn.linear_0, f"{at}.intermediate.dense")
        set_linear(layer.ffn.linear_1, f"{at}.output.dense")
        set_norm(layer.ffn.layer_norm, f"{at}.output.LayerNorm")
    spec.validate()
    spec.optimize(quantization=quantization)
    spec.save(str(folder))
    assert ctranslate2.contains_model(str(folder))


def test_a_local_model_equals_the_original(
    local: SentenceTransformersEmbedder, original: Any
) -> None:
    result = local.embed_batch(TEXTS)
    np.testing.assert_allclose(
        result.vectors, original.encode(TEXTS, normalize_embeddings=True), atol=1e-5
    )
    assert result.tokens is not None
    ours = MiniLMEmbedder().embed_batch(TEXTS)
    np.testing.assert_array_equal(result.tokens, ours.tokens)
    assert result.max_tokens == ours.max_tokens


def test_the_name_is_known_without_loading_and_follows_the_weights(
    packaged: Path, tmp_path: Path, flip: Callable[[Path, int], None]
) -> None:
    first = SentenceTransformersEmbedder(str(packaged))
    assert first.model_id.startswith("sentence-transformers:model@")
    assert not first._loaded.ready
    copy = tmp_path / "model"
    shutil.copytree(packaged, copy)
    assert SentenceTransformersEmbedder(str(copy)).model_id == first.model_id
    flip(copy / "model.safetensors", 0)
    assert SentenceTransformersEmbedder(str(copy)).model_id != first.model_id
    cut = SentenceTransformersEmbedder(str(packaged), dimension=64)
    assert cut.model_id == f"{first.model_id} dimension=64"


def test_a_models_commit_is_found_in_the_hubs_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    refs = tmp_path / "models--sentence-transformers--some-model" / "refs"
    refs.mkdir(parents=True)
    (refs / "main").write_text("f" * 40)
    for name in ("some-model", "sentence-transformers/some-model"):
        embedder = SentenceTransformersEmbedder(name)
        assert embedder.model_id == f"sentence-transformers:{name}@{'f' * 12}"
        assert not embedder._loaded.ready


def test_leading_components_at_length_one(packaged: Path, original: Any) -> None:
    embedder = SentenceTransformersEmbedder(str(packaged), device="cpu", dimension=64)
    assert embedder.dim == 64
    vectors = embedder.embed(TEXTS[:2])
    cut = original.encode(TEXTS[:2])[:, :64]
    expected = cut / np.linalg.norm(cut, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors, expected, atol=1e-5)


def test_prompts_of_the_model_are_used(packaged: Path, tmp_path: Path) -> None:
    prompts = {"query": "query: ", "document": "passage: ", "clustering": "topic: "}
    SentenceTransformer(str(packaged), device="cpu", prompts=prompts).save(str(tmp_path / "m"))
    prompted = SentenceTransformersEmbedder(str(tmp_path / "m"), device="cpu")
    plain = MiniLMEmbedder()
    for input_type, prompt in (*prompts.items(), ("classification", "")):
        vectors = prompted.embed(["blue whale"], input_type=input_type)  # type: ignore[arg-type]
        expected = plain.embed([f"{prompt}blue whale"])
        np.testing.assert_allclose(vectors, expected, atol=1e-4)


MIXED = [f"question {i}" for i in range(40)] + ["a longer one about rivers " * 9] * 3 + TEXTS[:8]


def test_the_vectors_do_not_depend_on_the_batches(packaged: Path) -> None:
    alone = SentenceTransformersEmbedder(str(packaged), device="cpu", batch_size=1).embed(MIXED)
    for options in ({"batch_size": 7}, {"batch_tokens": 90}, {}):
        embedder = SentenceTransformersEmbedder(str(packaged), device="cpu", **options)
        np.testing.assert_allclose(embedder.embed(MIXED), alone, atol=1e-5)


def test_batches_are_bounded_by_texts_and_by_padded_tokens(
    packaged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = SentenceTransformersEmbedder(
        str(packaged), device="cpu", batch_size=10, batch_tokens=120
    )
    shapes = _limit(embedder, monkeypatch, 10**9)
    embedder.embed(MIXED)
    assert sum(rows for rows, _ in shapes) == len(MIXED)
    assert max(rows for rows, _ in shapes) == 10
    assert all(rows == 1 or rows * longest <= 120 for rows, longest in shapes)
    assert [longest for _, longest in shapes] == sorted((n for _, n in shapes), reverse=True)


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("no room"), RuntimeError("MPS backend out of memory")]
)
def test_the_batch_shrinks_until_it_fits(
    local: SentenceTransformersEmbedder, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    texts = [f"question {i}" for i in range(40)]
    expected = MiniLMEmbedder().embed(texts)
    shapes = _limit(local, monkeypatch, 20, error)
    np.testing.assert_allclose(local.embed(texts), expected, atol=1e-4)
    assert shapes[:4] == [(40, 4), (20, 4), (10, 4), (5, 4)]
    assert {rows for rows, _ in shapes[3:]} == {5}
    shapes.clear()
    np.testing.assert_allclose(local.embed(texts[::-1]), expected[::-1], atol=1e-4)
    assert max(shapes) == (5, 4), "what did not fit is not tried again"
    assert local.embed(["question 7"]).shape == (1, 384)


def test_one_text_that_does_not_fit_is_an_error(
    local: SentenceTransformersEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    _limit(local, monkeypatch, 0, torch.OutOfMemoryError("no room"))
    with pytest.raises(EmbeddingError, match="out of memory on a single text; choose another"):
        local.embed(["text"] * 3)


def test_other_failures_are_passed_on(
    local: SentenceTransformersEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = _limit(local, monkeypatch, 0, RuntimeError("shapes cannot be multiplied"))
    with pytest.raises(EmbeddingError, match="failed: shapes cannot be multiplied"):
        local.embed(["text"] * 8)
    assert [rows for rows, _ in shapes] == [8], "it is not tried again"


def test_several_devices_give_the_vectors_of_one(
    packaged: Path, monkeypatch: pytest.MonkeyPatch, local: SentenceTransformersEmbedder
) -> None:
    both = registry.create("embedder", f"sentence-transformers:{packaged}?device=cpu,cpu")
    first, second = (_limit(both, monkeypatch, 10**9, device=i) for i in (0, 1))
    for texts in (MIXED * 2, MIXED[:1], []):
        result = both.embed_batch(texts)
        expected = local.embed_batch(texts)
        np.testing.assert_allclose(result.vectors, expected.vectors, atol=1e-5)
        np.testing.assert_array_equal(result.tokens, expected.tokens)
    assert first
    assert second, "both took part"
    assert sum(rows for rows, _ in first + second) == 2 * len(MIXED) + 1
    assert both.model_id == local.model_id


def test_a_lack_of_memory_concerns_its_own_device(
    packaged: Path, monkeypatch: pytest.MonkeyPatch, local: SentenceTransformersEmbedder
) -> None:
    both = SentenceTransformersEmbedder(str(packaged), device="cpu,cpu", batch_tokens=400)
    small = _limit(both, monkeypatch, 200, torch.OutOfMemoryError("no room"), device=0)
    large = _limit(both, monkeypatch, 10**9, device=1)
    np.testing.assert_allclose(both.embed(MIXED * 3), local.embed(MIXED * 3), atol=1e-5)
    assert any(rows * longest > 200 for rows, longest in small), "it did run out"
    assert any(rows > 1 and rows * longest > 200 for rows, longest in large)
    one, other = both._loaded.get()
    assert one.limits.tokens <= 200
    assert other.limits.tokens == 400


def test_a_failure_on_one_device_ends_them_all(
    packaged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = SentenceTransformersEmbedder(str(packaged), device="cpu,cpu", batch_size=1)
    _limit(both, monkeypatch, 0, RuntimeError("shapes cannot be multiplied"), device=0)
    done = _limit(both, monkeypatch, 10**9, device=1)
    with pytest.raises(EmbeddingError, match="shapes cannot be multiplied"):
        both.embed(MIXED * 4)
    assert len(done) < len(MIXED) * 2


def test_the_best_device_gives_the_vectors_of_the_cpu(
    packaged: Path, local: SentenceTransformersEmbedder
) -> None:
    """Where there is a GPU, of both; elsewhere, of two instances."""
    best = SentenceTransformersEmbedder(str(packaged), device=best_device())
    there, here = best.embed(MIXED), local.embed(MIXED)
    np.testing.assert_allclose(there, here, atol=1e-4)
    nearest = np.argsort(-(here @ here.T), axis=1, kind="stable")[:, :5]
    scores = np.take_along_axis(there @ here.T, nearest, axis=1)
    assert (np.diff(scores) <= 1e-4).all(), "the same neighbours, but for those that tie"


def test_weights_of_half_precision_are_computed_in_single(packaged: Path, tmp_path: Path) -> None:
    SentenceTransformer(str(packaged), device="cpu").half().save(str(tmp_path / "m"))
    embedder = SentenceTransformersEmbedder(str(tmp_path / "m"), device="cpu")
    np.testing.assert_allclose(embedder.embed(TEXTS), MiniLMEmbedder().embed(TEXTS), atol=5e-3)
    weights = embedder._loaded.get()[0].model.parameters()
    assert {weight.dtype for weight in weights} == {torch.float32}


def test_a_model_that_cannot_count_is_batched_by_characters(
    local: SentenceTransformersEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedkit.embedders.sentence_transformers.count_tokens", lambda *_: None)
    result = local.embed_batch(TEXTS)
    assert result.tokens is None
    np.testing.assert_allclose(result.vectors, MiniLMEmbedder().embed(TEXTS), atol=1e-4)


def _limit(
    embedder: SentenceTransformersEmbedder,
    monkeypatch: pytest.MonkeyPatch,
    most: int,
    error: Exception | None = None,
    device: int = 0,
) -> list[tuple[int, int]]:
    """Let the model fail on more than ``most`` tokens; return the shapes that it was given."""
    model = embedder._loaded.get()[device].model
    forward = model.forward
    shapes: list[tuple[int, int]] = []

    def limited(features: Any, **options: Any) -> Any:
        rows, longest = features["input_ids"].shape
        shapes.append((rows, longest))
        if error is not None and rows * longest > most:
            raise error
        return forward(features, **options)

    monkeypatch.setattr(model, "forward", limited)
    return shapes


def test_a_folder_that_is_no_model_says_so(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("nothing here")
    with pytest.raises(WeightsError, match="cannot load"):
        SentenceTransformersEmbedder(str(tmp_path), device="cpu").embed(["text"])


@pytest.mark.parametrize("model", ["./nowhere", "/no/such/model", "a/b/c"])
def test_a_path_that_is_not_there_is_not_asked_of_the_hub(model: str) -> None:
    with pytest.raises(WeightsError, match="is not there; check the path"):
        SentenceTransformersEmbedder(model).embed(["text"])


def test_a_name_that_cannot_be_had_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    embedder = SentenceTransformersEmbedder("nobody/no-such-model")
    with pytest.raises(WeightsError, match="the hub cannot be reached; check the name, or give"):
        embedder.embed(["text"])
    with pytest.raises(WeightsError):
        _ = embedder.model_id


def test_an_unknown_device_is_an_error_of_ours(packaged: Path) -> None:
    with pytest.raises(WeightsError, match="cannot load"):
        SentenceTransformersEmbedder(str(packaged), device="tpu9").embed(["text"])


def test_an_impossible_batch_is_refused() -> None:
    for option in ("batch_size", "batch_tokens"):
        with pytest.raises(InvalidInputError, match=f"expected {option} >= 1, got 0"):
            registry.create("embedder", f"sentence-transformers:x?{option}=0")


@pytest.mark.parametrize("device", ["cpu,", ",", "cpu,,cpu"])
def test_a_gap_among_devices_is_refused(packaged: Path, device: str) -> None:
    with pytest.raises(InvalidInputError, match="several with commas between them"):
        SentenceTransformersEmbedder(str(packaged), device=device).embed(["text"])


def test_all_gpus_are_meant_unless_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_devices(None) == ["cuda:0", "cuda:1"]
    assert resolve_devices("cuda") == ["cuda:0", "cuda:1"]
    assert resolve_devices("cuda:1") == ["cuda:1"]
    assert resolve_devices("cuda:1, cpu") == ["cuda:1", "cpu"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert resolve_devices(None) == ["cuda"]
