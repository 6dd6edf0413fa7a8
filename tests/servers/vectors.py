"""Embeddings that cost little, are the same in every process, and mean something.

A text's vector is the unit sum of three vectors: its words (weight 1), the text itself (0.25,
so that no two texts share a vector) and its input type (0.1). Texts that share words are near each
other, and a text's own query is nearest to it. All are windows into one block of seeded noise.

A token is a word (letters, digits, underscores) or a single other sign that is no blank.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Truncate = Literal["START", "END", "NONE"]
Vector = NDArray[np.float32]

TOKEN = re.compile(r"\w+|[^\w\s]")
WIDEST = 3072
_PLACES = 1 << 20
_TEXT_WEIGHT = 0.25
_TYPE_WEIGHT = 0.1


def truncated(text: str, limit: int, side: Truncate = "END") -> str:
    """Return what is left of a text of more than ``limit`` tokens; ``NONE`` leaves it as it is."""
    if side == "NONE" or len(text) <= limit:
        return text
    spans = [match.span() for match in TOKEN.finditer(text)]
    if len(spans) <= limit:
        return text
    return text[: spans[limit - 1][1]] if side == "END" else text[spans[-limit][0] :]


@cache
def _windows() -> NDArray[np.float32]:
    noise = np.random.default_rng(20261101).standard_normal(_PLACES + WIDEST, dtype=np.float32)
    return np.lib.stride_tricks.sliding_window_view(noise, WIDEST)


@lru_cache(maxsize=20_000)
def count_tokens(text: str) -> int:
    """Return how many words and signs a text has, at least 1."""
    return len(TOKEN.findall(text)) or 1


@lru_cache(maxsize=100_000)
def _places(model: str, kind: str, text: str) -> tuple[int, int]:
    """Return two windows, whose sum belongs to this text alone."""
    name = f"{model}\0{kind}\0{text}".encode("utf-8", "surrogatepass")
    number = int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "little")
    return number % _PLACES, (number >> 32) % _PLACES


def _unit(vector: Vector) -> Vector:
    length = float(np.sqrt(np.square(vector).sum()))
    return vector / np.float32(length) if length else vector


def _signature(model: str, kind: str, text: str, width: int) -> Vector:
    """Return a vector of this text alone, of length about 1."""
    one, other = _places(model, kind, text)
    return (_windows()[one, :width] + _windows()[other, :width]) * np.float32((2 * width) ** -0.5)


_type_signature = lru_cache(maxsize=100)(_signature)


def embed(model: str, text: str, input_type: str, width: int) -> Vector:
    """Return the vector of one text: ``(width,)``, float32, of length 1."""
    vector = _signature(model, "text", text, width) * np.float32(_TEXT_WEIGHT)
    vector += _type_signature(model, "type", input_type, width) * np.float32(_TYPE_WEIGHT)
    words = TOKEN.findall(text.lower())
    if words:
        places = [_places(model, "word", word)[0] for word in words]
        vector += _unit(_windows()[places, :width].sum(axis=0))
    return _unit(vector)


def _base64(vector: Vector) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")


def int8(vector: Vector) -> NDArray[np.int8]:
    """Return ``round(127 * v / max|v|)``."""
    whole: NDArray[np.float32] = np.rint(127 * vector / np.abs(vector).max())
    return whole.astype(np.int8)


def ubinary(vector: Vector) -> NDArray[np.uint8]:
    """Return a bit for each component, 1 where it is above 0, the first in the highest bit."""
    return np.packbits(vector > 0)


ENCODINGS: dict[str, Callable[[Vector], Any]] = {
    "float": lambda vector: vector.tolist(),
    "base64": _base64,
    "int8": lambda vector: int8(vector).tolist(),
    "uint8": lambda vector: (int8(vector).astype(int) + 128).tolist(),
    "binary": lambda vector: (ubinary(vector).astype(int) - 128).tolist(),
    "ubinary": lambda vector: ubinary(vector).tolist(),
}
"""How a vector stands in an answer: little-endian float32 in base64, bytes, or packed signs."""


class Encoded:
    """Vectors as they stand in answers, remembered for texts that come again.

    Parameters
    ----------
    size : int
        Encoded vectors to remember; the memory is emptied when it is full.
    """

    def __init__(self, size: int = 8_000) -> None:
        self._size = size
        self._known: dict[tuple[str, str, str, int, str], Any] = {}

    def __call__(self, model: str, text: str, input_type: str, width: int, encoding: str) -> Any:
        key = (model, text, input_type, width, encoding)
        value = self._known.get(key)
        if value is None:
            value = ENCODINGS[encoding](embed(model, text, input_type, width))
            if len(self._known) >= self._size:
                self._known.clear()
            self._known[key] = value
        return value


@lru_cache(maxsize=20_000)
def _short(model: str, text: str) -> Vector:
    return embed(model, text, "", 256)


def relevance(model: str, query: str, document: str) -> float:
    """Return a score in (0, 1): a logistic function of the cosine of the two texts."""
    cosine = float(_short(model, query) @ _short(model, document))
    return float(1 / (1 + np.exp(-8 * (cosine - 0.4))))
