"""Codes and the vectors that they stand for."""

from __future__ import annotations

import numpy as np
import pytest

from embedkit.errors import DimensionMismatchError, InvalidInputError
from embedkit.indexes import exact
from embedkit.indexes.rows import RowIndex
from embedkit.quantized import (
    CodedMatrix,
    check_codes,
    decode,
    encode,
    matrix,
    precision_of,
    row_bytes,
)
from embedkit.testing.measures import clustered_vectors
from embedkit.validate import normalize

SMALL = ["int8", "binary"]


def unit(n, dim, seed=0):
    return normalize(clustered_vectors(n, dim, seed=seed))


def test_bits_are_read_from_the_highest_and_stand_for_signs():
    codes = np.array([[0b1000_0001, 0b0000_1111]], np.uint8)
    signs = [1, -1, -1, -1, -1, -1, -1, 1, -1, -1, -1, -1, 1, 1, 1, 1]
    assert np.allclose(decode(codes, "binary", 16), np.array([signs]) / 4)


def test_integers_are_read_as_a_direction():
    codes = np.array([[3, -4, 0], [0, 0, 0], [-128, 0, 0]], np.int8)
    assert np.allclose(decode(codes, "int8", 3), [[0.6, -0.8, 0], [0, 0, 0], [-1, 0, 0]])


def test_float32_is_left_as_it_is():
    vectors = unit(3, 8)
    assert decode(vectors, "float32", 8) is vectors
    assert matrix(vectors, "float32", 8) is vectors


@pytest.mark.parametrize("precision", SMALL)
@pytest.mark.parametrize("dim", [8, 64, 384, 1536])
def test_decoded_vectors_are_float32_of_length_1_and_decoding_again_changes_nothing(precision, dim):
    codes = encode(unit(50, dim), precision)
    vectors = decode(codes, precision, dim)
    assert vectors.dtype == np.float32
    assert vectors.shape == (50, dim)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.array_equal(encode(vectors, precision), codes) or precision == "int8"
    assert np.allclose(decode(encode(vectors, precision), precision, dim), vectors, atol=0.01)


@pytest.mark.parametrize("precision", SMALL)
@pytest.mark.parametrize("dim", [384, 1536])
def test_a_row_depends_on_its_own_code_alone(precision, dim):
    codes = encode(unit(100, dim), precision)
    whole = decode(codes, precision, dim)
    for part in (slice(0, 1), slice(7, 24), [99, 3, 3]):
        assert np.array_equal(decode(codes[part], precision, dim), whole[part])
    cells = np.array([[0, 5], [99, 2]])
    assert np.array_equal(decode(codes[cells], precision, dim), whole[cells])


def test_what_fits_no_byte_or_no_precision_is_refused():
    with pytest.raises(InvalidInputError, match=r"whole bytes .* got 12"):
        row_bytes("binary", 12)
    with pytest.raises(InvalidInputError, match="one of float32, int8, binary, got 'fp8'"):
        precision_of(type("E", (), {"precision": "fp8"})())
    assert precision_of(object()) == "float32"
    assert [row_bytes(name, 64) for name in ("float32", "int8", "binary")] == [256, 64, 8]


@pytest.mark.parametrize(
    "codes",
    [None, np.zeros((2, 16), np.uint8), np.zeros((3, 16), np.int8), np.zeros((2, 15), np.int8)],
    ids=["none", "type", "rows", "width"],
)
def test_codes_that_are_not_what_was_promised_are_refused(codes):
    with pytest.raises(DimensionMismatchError, match=r"expected codes as int8 of shape \(2, 16\)"):
        check_codes(codes, "int8", 16, 2)


@pytest.mark.parametrize("precision", SMALL)
def test_a_coded_matrix_reads_like_the_array_that_it_stands_for(precision):
    codes = encode(unit(40, 32), precision)
    coded, plain = CodedMatrix(codes, precision, 32), decode(codes, precision, 32)
    assert (len(coded), coded.shape, coded.ndim, coded.dtype) == (40, (40, 32), 2, np.float32)
    for rows in (slice(3, 9), np.array([5, 0, 39]), np.array([[1, 2], [3, 4]])):
        assert np.array_equal(coded[rows], plain[rows])
    assert np.array_equal(np.asarray(coded), plain)
    some = coded.subset(np.array([30, 4, 7])).subset(np.array([2, 0]))
    assert np.array_equal(np.asarray(some), plain[[7, 30]])
    assert np.array_equal(some[1:], plain[[30]])


@pytest.mark.parametrize("precision", SMALL)
def test_an_exact_scan_over_codes_is_one_over_the_decoded_vectors(precision, monkeypatch):
    monkeypatch.setattr(exact, "BLOCK_VALUES", 2**14)
    codes = encode(unit(3000, 64), precision)
    coded, plain = CodedMatrix(codes, precision, 64), decode(codes, precision, 64)
    decoded = []
    read = CodedMatrix.__getitem__
    monkeypatch.setattr(
        CodedMatrix,
        "__getitem__",
        lambda self, rows: decoded.append(read(self, rows)) or decoded[-1],
    )
    queries = unit(3, 64, seed=1)
    mask = np.arange(3000) % 3 > 0
    for options in ({}, {"mask": mask}, {"rows": np.arange(0, 3000, 50)}):
        rows, scores = exact.top_k(queries, coded, 10, **options)
        wanted, wanted_scores = exact.top_k(queries, plain, 10, **options)
        assert np.array_equal(rows, wanted)
        assert np.array_equal(scores, wanted_scores)
    assert max(block.size for block in decoded) <= 2**14, "only a block at a time is decoded"


@pytest.mark.parametrize("precision", SMALL)
@pytest.mark.parametrize("spec", ["flat", "turbovec", "annoy"])
def test_an_index_over_codes_finds_what_is_nearest_among_them(precision, spec):
    vectors, queries = unit(5000, 64), unit(50, 64, seed=1)
    coded = CodedMatrix(encode(vectors, precision), precision, 64)
    live = np.arange(5000) % 7 > 0
    index = RowIndex.build(coded, metric="cosine", spec=spec, live=live)
    rows, scores = exact.top_k(queries, np.asarray(coded), 10, mask=live)
    found = index.search(queries, 10)
    near = [len(set(a) & set(b)) / 10 for a, b in zip(found.keys, rows, strict=True)]
    assert np.mean(near) >= 0.95
    assert np.allclose(found.scores[:, 0], scores[:, 0], atol=0.02)
    assert len(index.refreshed(coded, ~live).search(queries, 10).keys[0]) == 10


def test_lengths_for_inner_products_are_those_of_the_decoded_vectors():
    coded = CodedMatrix(encode(unit(3000, 32), "int8"), "int8", 32)
    live = np.ones(3000, np.bool_)
    index = RowIndex.build(coded, metric="inner_product", spec="turbovec", live=live)
    queries = unit(5, 32, seed=1)
    rows, _ = exact.top_k(queries, np.asarray(coded), 5)
    assert np.mean(index.search(queries, 5).keys == rows) > 0.9
