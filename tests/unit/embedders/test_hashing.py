from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from embedkit.embedders.hashing import PIECE, ROWS, HashingEmbedder
from embedkit.errors import InvalidInputError

TEXTS = ["How do I get my money back?", "Où est-ce ? 東京都 😀", "", "C++ and C#"]


def digest(texts: list[str]) -> str:
    return hashlib.sha256(HashingEmbedder(dim=64).embed(texts).tobytes()).hexdigest()


def test_equal_bytes_in_another_process_with_another_hash_seed() -> None:
    code = (
        "import hashlib, sys; from embedkit.embedders.hashing import HashingEmbedder;"
        f"v = HashingEmbedder(dim=64).embed({TEXTS!r});"
        "print(hashlib.sha256(v.tobytes()).hexdigest())"
    )
    for seed in ("0", "1234"):
        run = subprocess.run(
            [sys.executable, "-c", code],
            env={
                "PYTHONHASHSEED": seed,
                "PYTHONPATH": os.pathsep.join(sys.path),
                "PYTHONUTF8": "1",
            },
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout.strip() == digest(TEXTS)


def test_the_vectors_of_this_version_are_written_down() -> None:
    """A change here is a new method: it needs a new model_id."""
    assert HashingEmbedder().model_id == "hashing-1 dim=384"
    assert digest(TEXTS) == "76f658acb8839c11e05f1e19ec57d88bfeabe86453c1700709799a1f865844ab"


def test_by_hand() -> None:
    """``ab`` has two letter triples and one word: 1 + 1 + 2, each with a sign."""
    vector = HashingEmbedder(dim=10_000).embed(["ab"])[0]
    counts = np.sort(np.abs(vector[vector != 0]))
    np.testing.assert_allclose(counts * np.sqrt(6), [1, 1, 2], rtol=1e-6)


def test_case_and_blanks_do_not_matter() -> None:
    one, other = HashingEmbedder().embed(["Straße  nach\tÉvian", " STRAßE nach évian "])
    np.testing.assert_array_equal(one, other)


def test_signs_matter() -> None:
    c, cpp, csharp = HashingEmbedder().embed(["c", "c++", "c#"])
    assert 0 < c @ cpp < 0.99
    assert cpp @ csharp < 0.99


def test_texts_without_features_get_the_first_unit_vector() -> None:
    vectors = HashingEmbedder(dim=8).embed(["", "  \n", "\0", "\u3000"])
    np.testing.assert_array_equal(vectors, np.eye(8, dtype=np.float32)[[0] * 4])


def test_similarity_follows_shared_parts_of_words() -> None:
    texts = ["refund my money", "refunding money", "capital of France"]
    refund, refunding, france = HashingEmbedder().embed(texts)
    assert refund @ refunding > 0.5
    assert abs(refund @ france) < 0.2


def test_unrelated_words_do_not_collide() -> None:
    words = [f"{i:x}" * 3 for i in range(2000)]
    vectors = HashingEmbedder(dim=4096).embed(words)
    gram = np.abs(vectors @ vectors.T - np.eye(len(words), dtype=np.float32))
    assert gram.mean() < 0.1


@pytest.mark.parametrize("n", [ROWS - 1, ROWS, ROWS + 1, 3 * ROWS + 7])
def test_slices_meet(n: int) -> None:
    texts = [f"text number {i}" + " é" * (i % 3) for i in range(n)]
    embedder = HashingEmbedder(dim=32)
    alone = np.concatenate([embedder.embed([text]) for text in texts])
    np.testing.assert_array_equal(embedder.embed(texts), alone)


def test_long_texts_among_short_ones() -> None:
    embedder = HashingEmbedder(dim=32)
    long = "lorem ipsum " * (PIECE // 4)
    texts = ["a", long, "b", long.upper(), "İ" * (2 * PIECE), ""]
    together = embedder.embed(texts)
    alone = np.concatenate([embedder.embed([text]) for text in texts])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(together[1], together[3])
    assert together[1] @ embedder.embed(["lorem ipsum"])[0] > 0.99


def test_ten_megabytes_take_little_memory() -> None:
    text = "lorem ipsum dolor sit amet " * 400_000
    tracemalloc.start()
    try:
        HashingEmbedder().embed([text])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 * 2**20


def test_counts_beyond_float32_stay_at_length_one() -> None:
    (vector,) = HashingEmbedder(dim=16).embed(["word " * 100_000])
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("dim", [0, -1, True])
def test_an_impossible_width_is_refused(dim: int) -> None:
    with pytest.raises(InvalidInputError, match="dim"):
        HashingEmbedder(dim=dim)
