from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from embedkit import registry
from embedkit.embedders.long_texts import HEAD, READ
from embedkit.embedders.minilm import MAX_TOKENS, MiniLMEmbedder
from embedkit.errors import InvalidInputError


@pytest.fixture(scope="module")
def minilm() -> MiniLMEmbedder:
    return MiniLMEmbedder()


@pytest.fixture(scope="module")
def int8() -> MiniLMEmbedder:
    return MiniLMEmbedder("int8")


def test_names_tell_revision_and_precision() -> None:
    known = "sentence-transformers/all-MiniLM-L6-v2@1110a243 "
    assert registry.create("embedder", "minilm").model_id == known + "fp32"
    assert registry.create("embedder", "minilm:int8?threads=1").model_id == known + "int8"


def test_building_loads_nothing() -> None:
    embedder = MiniLMEmbedder(path="/nowhere")
    assert embedder.dim == 384
    assert embedder.model_id
    assert embedder.embed([]).shape == (0, 384)


def test_neither_torch_nor_transformers_is_loaded() -> None:
    code = (
        "import sys; from embedkit import registry;"
        "registry.create('embedder', 'minilm').embed(['text']);"
        "print({'torch', 'transformers', 'pyarrow', 'sklearn', 'pandas', 'huggingface_hub',"
        "'ctranslate2.specs'} & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "set()"


def test_impossible_parameters_are_refused() -> None:
    wrong: Any = "fp16"
    with pytest.raises(InvalidInputError, match="fp16"):
        MiniLMEmbedder(wrong)
    with pytest.raises(InvalidInputError, match="fp16"):
        registry.create("embedder", "minilm:fp16")
    with pytest.raises(InvalidInputError, match="threads"):
        MiniLMEmbedder(threads=0)


def test_what_is_beyond_the_limit_is_cut_and_counted(minilm: MiniLMEmbedder) -> None:
    words = ["alpha", "bravo"] * 200
    kept = " ".join(words[: MAX_TOKENS - 2])
    result = minilm.embed_batch([kept, " ".join(words), kept + " zebra"])
    assert result.max_tokens == 256
    assert result.tokens is not None
    assert result.tokens.tolist() == [256, 402, 257]
    np.testing.assert_allclose(result.vectors, result.vectors[[0] * 3], atol=1e-6)


def test_a_long_text_is_estimated_and_read_like_its_beginning(minilm: MiniLMEmbedder) -> None:
    long = "alpha bravo " * 100_000
    result = minilm.embed_batch([long, "alpha bravo " * 200])
    assert result.tokens is not None
    assert result.tokens[0] == pytest.approx(200_002, rel=1e-3)
    np.testing.assert_allclose(result.vectors[0], result.vectors[1], atol=1e-6)


def test_a_text_behind_many_blanks_is_found(minilm: MiniLMEmbedder) -> None:
    near, far, lost = minilm.embed(["hello", " " * (HEAD + 9) + "hello", " " * READ + "hello"])
    np.testing.assert_allclose(far, near, atol=1e-6)
    np.testing.assert_allclose(lost, minilm.embed([""])[0], atol=1e-6)


def test_blank_texts_are_the_empty_text(minilm: MiniLMEmbedder) -> None:
    result = minilm.embed_batch(["", " ", "\n\t", "\0"])
    assert result.tokens is not None
    assert result.tokens.tolist() == [2, 2, 2, 2]
    np.testing.assert_allclose(result.vectors, result.vectors[[0] * 4], atol=1e-6)


def test_int8_does_not_depend_on_the_batch_at_all(int8: MiniLMEmbedder) -> None:
    texts = [f"What is the {'very ' * (i % 7)}long name of number {i}?" for i in range(40)]
    alone = np.concatenate([int8.embed([text]) for text in texts])
    np.testing.assert_array_equal(int8.embed(texts), alone)


def test_int8_is_close_to_fp32(minilm: MiniLMEmbedder, int8: MiniLMEmbedder) -> None:
    texts = [f"Which {a} has the {b}?" for a in ("city", "planet", "poet") for b in ("most", "sea")]
    cosines = (minilm.embed(texts) * int8.embed(texts)).sum(axis=1)
    assert cosines.min() > 0.98
    assert cosines.mean() > 0.99


def test_threads_share_one_model(minilm: MiniLMEmbedder) -> None:
    texts = [f"question number {i}" for i in range(60)]
    expected = minilm.embed(texts)
    one = MiniLMEmbedder(threads=1)
    with ThreadPoolExecutor(3) as pool:
        for vectors in pool.map(lambda _: one.embed(texts), range(3)):
            np.testing.assert_allclose(vectors, expected, atol=1e-5)


def test_meaning_beats_words(minilm: MiniLMEmbedder, int8: MiniLMEmbedder) -> None:
    for embedder in (minilm, int8):
        query, same, other = embedder.embed(
            ["How do I get my money back?", "refund policy", "How do I get my horse back?"]
        )
        assert query @ same > 0.4
        assert query @ same > query @ embedder.embed(["tax policy"])[0]
        assert 0.2 < query @ other < 0.9
