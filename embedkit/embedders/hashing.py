"""The reference embedder: words and their letter triples, hashed. No model, no network.

It knows nothing of meaning: two texts are similar as far as they share words and parts of words.
It is exact to the bit on every platform, and fast enough to measure everything else with.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embedkit.embedders.base import BaseEmbedder
from embedkit.types import Embeddings, InputType
from embedkit.validate import check_dim

if TYPE_CHECKING:
    from embedkit.types import Vectors

PIECE = 2**14
"""Characters worked on at a time, so that the arrays of a step stay in the processor's cache. A
longer text is cut into pieces of this many; a word across a cut counts as two."""
ROWS = 256
"""Texts worked on at a time."""
WORD_WEIGHT = np.float32(2)
"""A whole word counts as much as two letter triples."""

_BLANK, _LETTER, _SIGN = 0, 1, 2
_BASE = np.uint32(0x9E3779B1)
"""Base of the polynomial hash: odd, bits well spread (2**32 / golden ratio, as a prime)."""
_SQUARE = np.uint32(0x9E3779B1**2 % 2**32)

_BLANKS = ((0, 0x20), (0x7F, 0xA0), (0x1680, 0x1680), (0x2000, 0x200F), (0x2028, 0x202F),
           (0x205F, 0x206F), (0x3000, 0x3000), (0xFEFF, 0xFEFF))  # fmt: skip
_SIGNS = ((0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E), (0xA1, 0xA9), (0xAB, 0xB4),
          (0xB6, 0xB9), (0xBB, 0xBF), (0xD7, 0xD7), (0xF7, 0xF7), (0x2010, 0x2027),
          (0x2030, 0x205E), (0x20A0, 0x2BFF), (0x3001, 0x3004), (0x3008, 0x3020),
          (0xFE10, 0xFE19), (0xFE30, 0xFE6F), (0xFF01, 0xFF0F), (0xFF1A, 0xFF20),
          (0x1F000, 0x1FAFF))  # fmt: skip
"""Fixed here rather than read from ``unicodedata``, which differs between versions of Python."""


class HashingEmbedder(BaseEmbedder):
    """Signed feature hashing of words and of the letter triples within them.

    Parameters
    ----------
    dim : int, >= 1
        Width of the vectors. More means fewer collisions.

    Notes
    -----
    A text is lower-cased and cut into runs of letters and digits, and runs of signs. Each run is a
    feature, and each three neighbouring letters of a word with its edges (``back``: ``·ba bac ack
    ck·``). A feature adds +1 or -1 (a run twice that) to one of ``dim`` counters, both chosen by a
    hash; the vector is the counters, made length 1. Counters are whole numbers, so the result
    depends neither on the platform nor on the other texts of a batch. A text without any feature
    gets the first unit vector. Lower case is that of Python's Unicode tables.

    Source
    ------
    Weinberger, Dasgupta, Langford, Smola, Attenberg: Feature Hashing for Large Scale Multitask
    Learning, ICML 2009, section 2, equation 1; letter triples with word edges as in Bojanowski et
    al.: Enriching Word Vectors with Subword Information, TACL 2017, section 3.2.
    """

    def __init__(self, *, dim: int = 384) -> None:
        self._dim = check_dim(dim)

    @property
    def model_id(self) -> str:
        """``hashing-1 dim=384``: the version of the method, and the width."""
        return f"hashing-1 dim={self._dim}"

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return self._dim

    def tells_apart(self, input_type: InputType) -> bool:
        """No text has another vector for what it is."""
        return False

    def _embed(self, texts: list[str], input_type: InputType) -> Embeddings:
        vectors = np.empty((len(texts), self._dim), np.float32)
        counts = np.empty((min(len(texts), ROWS), self._dim), np.float32)
        for first, last in _slices(texts):
            part = counts[: last - first]
            part.fill(0)
            if last - first == 1:
                for piece in _pieces(texts[first]):
                    self._count([piece], part)
            else:
                self._count(texts[first:last], part)
            _unit(part, vectors[first:last])
        return Embeddings(vectors)

    def _count(self, texts: list[str], counts: Vectors) -> None:
        """Add the signed counts of each text's features to a zeroed array (len(texts), dim)."""
        codes, kinds, lengths = _characters(texts)
        # Where the row of each character begins, from the second to the last but one.
        rows = np.repeat(np.arange(len(texts), dtype=np.uint64) * np.uint64(self._dim), lengths)
        letters = kinds == _LETTER
        hashes = _mix(_triples(codes * letters))
        self._add(hashes, _signs(hashes) * letters[1:-1], rows[:-1], counts)
        starts, hashes = _runs(codes, kinds)
        hashes = _mix(hashes)
        self._add(hashes, _signs(hashes) * WORD_WEIGHT, rows[starts - 1], counts)

    def _add(
        self,
        hashes: NDArray[np.uint32],
        weights: Vectors,
        rows: NDArray[np.uint64],
        counts: Vectors,
    ) -> None:
        # The counter is chosen by the upper bits of the hash, the sign by the lowest.
        cells = hashes.astype(np.uint64)
        cells *= np.uint64(self._dim)
        cells >>= np.uint64(32)
        cells += rows
        np.add.at(counts.reshape(-1), cells.view(np.int64), weights)


def _slices(texts: list[str]) -> Iterator[tuple[int, int]]:
    """Yield ranges of at most ROWS texts and PIECE characters; a longer text stands alone."""
    first = total = 0
    for i, text in enumerate(texts):
        if i > first and (i - first == ROWS or total + len(text) > PIECE):
            yield first, i
            first, total = i, 0
        total += len(text)
    yield first, len(texts)


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, max(len(text), 1), PIECE):
        yield text[start : start + PIECE]


def _characters(
    texts: list[str],
) -> tuple[NDArray[np.uint32], NDArray[np.uint8], NDArray[np.int64]]:
    """Return lower-case code points with a blank around each text, their kinds, and lengths.

    The lengths count the blank after each text.
    """
    joined = "\n".join(["", *texts, ""])
    if joined.isascii():
        low = joined.lower().encode()
        codes = np.frombuffer(low, np.uint8).astype(np.uint32)
        kinds = np.frombuffer(low.translate(_ASCII_KINDS), np.uint8)
    else:  # lower case can lengthen a text
        texts = [text.lower() for text in texts]
        low = "\n".join(["", *texts, ""]).encode("utf-32-le")
        codes = np.frombuffer(low, "<u4").astype(np.uint32, copy=False)
        kinds = _KINDS[np.minimum(codes, np.uint32(len(_KINDS) - 1))]
    return codes, kinds, np.fromiter(map(len, texts), np.int64, len(texts)) + 1


def _triples(letters: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Hash each character but the outermost with its neighbours; 0 stands where no letter is."""
    return letters[:-2] * _SQUARE + letters[1:-1] * _BASE + letters[2:]


def _runs(
    codes: NDArray[np.uint32], kinds: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """Return where each run of letters or of signs begins, and a hash of its characters.

    The polynomial of a run is a difference of prefix sums, divided by the power it starts with:
    the base is odd, so it has an inverse modulo 2**32.
    """
    edges = np.flatnonzero(kinds[1:] != kinds[:-1]) + 1
    inside = kinds[edges] != _BLANK
    starts = edges[inside]
    ends = edges[1:][inside[:-1]]
    sums = np.cumsum(codes * _POWERS[: len(codes)], dtype=np.uint32)
    hashes = (sums[ends - 1] - sums[starts - 1]) * _INVERSES[starts]
    return starts, hashes ^ np.uint32(0x5BD1E995)


def _mix(hashes: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Spread the bits, in place: the finalizer of MurmurHash3 (Appleby, public domain)."""
    hashes ^= hashes >> np.uint32(16)
    hashes *= np.uint32(0x85EBCA6B)
    hashes ^= hashes >> np.uint32(13)
    hashes *= np.uint32(0xC2B2AE35)
    hashes ^= hashes >> np.uint32(16)
    return hashes


def _signs(hashes: NDArray[np.uint32]) -> Vectors:
    """Return 1 or -1 by the lowest bit, put where float32 has its sign."""
    return ((hashes << np.uint32(31)) | np.uint32(0x3F800000)).view(np.float32)


def _unit(counts: Vectors, out: Vectors) -> None:
    """Write the counts at length 1; a row of zeros becomes the first unit vector.

    Sums of squares below 2**24 are exact in float32 in whatever order they are added up; the others
    are taken again in float64, where they are exact up to 2**53.
    """
    squares = np.einsum("ij,ij->i", counts, counts)
    for row in np.flatnonzero(squares >= 2**24):
        squares[row] = np.square(counts[row], dtype=np.float64).sum()
    empty = squares == 0
    counts[empty, 0] = squares[empty] = 1
    np.multiply(counts, (1 / np.sqrt(squares))[:, np.newaxis], out=out)


def _table() -> NDArray[np.uint8]:
    table = np.full(0x1FB00 + 1, _LETTER, np.uint8)
    for kind, ranges in ((_BLANK, _BLANKS), (_SIGN, _SIGNS)):
        for low, high in ranges:
            table[low : high + 1] = kind
    return table


def _powers(base: int, n: int) -> NDArray[np.uint32]:
    """Return base**0 to base**(n - 1), modulo 2**32."""
    factors = np.full(n, base, np.uint32)
    factors[0] = 1
    return np.cumprod(factors, dtype=np.uint32)


_KINDS = _table()
_ASCII_KINDS = _KINDS[:256].tobytes()
_POWERS = _powers(int(_BASE), 4 * PIECE)
_INVERSES = _powers(pow(int(_BASE), -1, 2**32), 4 * PIECE)
