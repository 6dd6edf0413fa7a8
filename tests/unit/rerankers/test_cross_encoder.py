"""Everything here loads torch."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder

import embedkit
from embedkit.embedders.weights import locate_minilm
from embedkit.errors import EmbeddingError, InvalidInputError, WeightsError
from embedkit.rerankers.cross_encoder import CrossEncoderReranker

pytestmark = pytest.mark.slow

QUERY = "How do I get my money back?"
TEXTS = ["short", "a longer text about the tower " * 5, "", "word " * 700, "money back", "?!"] * 7


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Keep torch's threads from spinning beside those of other tests."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def tiny(cross_encoder: Path) -> CrossEncoderReranker:
    return CrossEncoderReranker(str(cross_encoder), device="cpu")


def test_relevance_equals_the_librarys(tiny: CrossEncoderReranker, cross_encoder: Path) -> None:
    original = CrossEncoder(str(cross_encoder), device="cpu", local_files_only=True)
    expected = [float(original.predict([(QUERY, text)])[0]) for text in TEXTS]
    assert np.std(expected) > 0.1, "the model must tell texts apart"
    np.testing.assert_allclose(tiny.rerank(QUERY, TEXTS), expected, atol=1e-4)


def test_the_query_is_read(tiny: CrossEncoderReranker) -> None:
    other = tiny.rerank("When was the tower built?", TEXTS[:6])
    assert not np.allclose(tiny.rerank(QUERY, TEXTS[:6]), other, atol=1e-2)


def test_the_name_is_known_without_loading_and_follows_the_weights(
    tiny: CrossEncoderReranker, cross_encoder: Path, tmp_path: Path
) -> None:
    assert tiny.model_id.startswith("cross-encoder:tiny@")
    assert not tiny._loaded.ready
    copy = tmp_path / "tiny"
    shutil.copytree(cross_encoder, copy)
    assert CrossEncoderReranker(str(copy)).model_id == tiny.model_id
    (copy / "model.safetensors").write_bytes(b"other")
    assert CrossEncoderReranker(str(copy)).model_id != tiny.model_id
    cut = CrossEncoderReranker(str(cross_encoder), max_length=16)
    assert cut.model_id == f"{tiny.model_id} max_length=16"


def test_max_length_cuts_what_is_read(cross_encoder: Path) -> None:
    cut = CrossEncoderReranker(str(cross_encoder), device="cpu", max_length=20)
    whole = "the tower is by the river and the river is long and wide and deep and cold and old"
    one, two = cut.rerank("tower", [whole + " x", whole + " y and much more"])
    assert one == pytest.approx(two, abs=1e-5)
    one, two = cut.rerank("tower", ["the tower x", "the tower y"])
    assert one != pytest.approx(two, abs=1e-5)


def test_relevance_does_not_depend_on_the_batches(
    tiny: CrossEncoderReranker, cross_encoder: Path
) -> None:
    for size in (1, 5):
        other = CrossEncoderReranker(str(cross_encoder), device="cpu", batch_size=size)
        np.testing.assert_allclose(other.rerank(QUERY, TEXTS), tiny.rerank(QUERY, TEXTS), atol=1e-4)


def test_the_batch_shrinks_until_it_fits(
    tiny: CrossEncoderReranker, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = tiny.rerank(QUERY, TEXTS)
    shapes = _limit(tiny, monkeypatch, 300, torch.OutOfMemoryError("no room"))
    np.testing.assert_allclose(tiny.rerank(QUERY, TEXTS), expected, atol=1e-4)
    assert max(rows * longest for rows, longest in shapes) > 300, "it did run out"
    shapes.clear()
    np.testing.assert_allclose(tiny.rerank(QUERY, TEXTS), expected, atol=1e-4)
    assert max(rows * longest for rows, longest in shapes) <= 300, "and does not try again"


def test_one_text_that_does_not_fit_is_an_error(
    tiny: CrossEncoderReranker, monkeypatch: pytest.MonkeyPatch
) -> None:
    _limit(tiny, monkeypatch, 0, torch.OutOfMemoryError("no room"))
    with pytest.raises(EmbeddingError, match="out of memory on a single text; choose another"):
        tiny.rerank(QUERY, TEXTS)


def test_other_failures_are_passed_on(
    tiny: CrossEncoderReranker, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = _limit(tiny, monkeypatch, 0, RuntimeError("shapes cannot be multiplied"))
    with pytest.raises(EmbeddingError, match="failed: shapes cannot be multiplied"):
        tiny.rerank(QUERY, TEXTS)
    assert len(shapes) == 1, "it is not tried again"


def _limit(
    reranker: CrossEncoderReranker, monkeypatch: pytest.MonkeyPatch, most: int, error: Exception
) -> list[tuple[int, int]]:
    """Let the model fail on more than ``most`` tokens; return the shapes that it was given."""
    model, _ = reranker._loaded.get()
    forward = model.forward
    shapes: list[tuple[int, int]] = []

    def limited(features: Any, **options: Any) -> Any:
        rows, longest = features["input_ids"].shape
        shapes.append((rows, longest))
        if rows * longest > most:
            raise error
        return forward(features, **options)

    monkeypatch.setattr(model, "forward", limited)
    return shapes


def test_a_model_of_embeddings_is_refused() -> None:
    reranker = CrossEncoderReranker(str(locate_minilm()), device="cpu")
    with pytest.raises(WeightsError, match=r"expected a cross-encoder, .* judges a pair; choose"):
        reranker.rerank(QUERY, ["text"])


def test_a_classifier_of_several_classes_is_refused(cross_encoder: Path, tmp_path: Path) -> None:
    from transformers import BertConfig, BertForSequenceClassification

    folder = tmp_path / "classifier"
    shutil.copytree(cross_encoder, folder)
    config = BertConfig.from_pretrained(str(folder), num_labels=3)
    BertForSequenceClassification(config).save_pretrained(folder)
    with pytest.raises(WeightsError, match=r"one relevance, .*classifier gives 3 numbers"):
        CrossEncoderReranker(str(folder), device="cpu").rerank(QUERY, ["text"])


def test_weights_of_half_precision_are_computed_in_single(
    cross_encoder: Path, tmp_path: Path
) -> None:
    from transformers import BertForSequenceClassification

    folder = tmp_path / "half"
    shutil.copytree(cross_encoder, folder)
    BertForSequenceClassification.from_pretrained(str(folder)).half().save_pretrained(folder)
    assert json.loads((folder / "config.json").read_text())["dtype"] == "float16"
    reranker = CrossEncoderReranker(str(folder), device="cpu")
    reranker.rerank(QUERY, TEXTS[:1])
    assert {weight.dtype for weight in reranker._loaded.get()[0].parameters()} == {torch.float32}


def test_a_name_that_cannot_be_had_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    reranker = embedkit.reranker("cross-encoder:nobody/no-such-model")
    with pytest.raises(WeightsError, match="the hub cannot be reached; check the name, or give"):
        reranker.rerank(QUERY, ["text"])
    with pytest.raises(WeightsError):
        _ = reranker.model_id
    with pytest.raises(WeightsError, match="is not there; check the path"):
        embedkit.reranker("cross-encoder:./nowhere").rerank(QUERY, ["text"])


def test_a_name_without_an_owner_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    refs = tmp_path / "models--some-model" / "refs"
    refs.mkdir(parents=True)
    (refs / "main").write_text("f" * 40)
    assert CrossEncoderReranker("some-model").model_id == f"cross-encoder:some-model@{'f' * 12}"


@pytest.mark.parametrize("options", ["batch_size=0", "max_length=0"])
def test_impossible_options_are_refused(options: str) -> None:
    with pytest.raises(InvalidInputError, match=f"expected {options[:-2]} >= 1, got 0"):
        embedkit.reranker(f"cross-encoder:x?{options}")
