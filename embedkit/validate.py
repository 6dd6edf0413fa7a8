"""What every backend refuses, in the same words: called by the shared bases, before native code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.errors import DimensionMismatchError, InvalidInputError
from embedkit.types import INPUT_TYPES, METRICS, InputType, Metric

if TYPE_CHECKING:
    from embedkit.types import Keys, Scores, Vectors


MOST = 2**62 - 1
"""Results that may be counted, asked for or passed over."""


def check_texts(texts: Sequence[str]) -> list[str]:
    """Return the texts as a list; a bare string or anything that is not text is refused."""
    if isinstance(texts, str):
        raise InvalidInputError("expected a list of texts, got one text", do="write [text]")
    listed = list(texts)
    for i, text in enumerate(listed):
        if not isinstance(text, str):
            raise InvalidInputError(f"expected texts, got {type(text).__name__} at position {i}")
    return listed


def check_query(query: Any) -> str:
    """Return the query, a text in which something is asked."""
    if not isinstance(query, str):
        raise InvalidInputError(f"expected a text as query, got {type(query).__name__}")
    if not query.strip():
        raise InvalidInputError("expected a query with words, got an empty one")
    try:
        query.encode()
    except UnicodeEncodeError as error:
        raise InvalidInputError(
            f"expected Unicode text, got a lone surrogate at character {error.start} of the query"
        ) from error
    return query


def is_unicode(text: str) -> bool:
    """Whether a text can be stored at all: half a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_input_type(input_type: str) -> InputType:
    """Return the input type, or refuse it."""
    for known in INPUT_TYPES:
        if known == input_type:
            return known
    raise InvalidInputError(
        f"expected input_type to be one of {', '.join(INPUT_TYPES)}, got {input_type!r}"
    )


def check_metric(metric: str) -> Metric:
    """Return the metric, or refuse it."""
    for known in METRICS:
        if known == metric:
            return known
    raise InvalidInputError(f"expected metric to be one of {', '.join(METRICS)}, got {metric!r}")


def check_dim(dim: Any) -> int:
    """Return the width, a whole number of at least 1."""
    if not isinstance(dim, (int, np.integer)) or isinstance(dim, bool) or dim < 1:
        raise InvalidInputError(f"expected dim to be a whole number >= 1, got {dim!r}")
    return int(dim)


def check_k(k: Any, name: str = "k") -> int:
    """Return k, or what else counts results, a whole number of at least 1."""
    if not isinstance(k, (int, np.integer)) or isinstance(k, bool) or k < 1:
        raise InvalidInputError(f"expected {name} to be a whole number >= 1, got {k!r}")
    if k > MOST:
        raise InvalidInputError(f"expected {name} up to {MOST:,}, got {k:,}")
    return int(k)


def check_vectors(vectors: Any, dim: int, *, what: str = "vectors") -> Vectors:
    """Return vectors as a C-contiguous float32 array of shape (n, dim), all finite.

    A single vector of shape (dim,) becomes (1, dim).
    """
    try:
        array = np.asarray(vectors)
        if array.dtype != np.float32:
            with np.errstate(over="ignore"):  # what overflows is refused below
                array = array.astype(np.float32)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"expected {what} of numbers, shape (n, {dim}): {error}") from error
    if array.ndim == 1 and array.shape[0] == dim:
        array = array[np.newaxis, :]
    if array.size == 0 and array.ndim == 1:
        array = np.empty((0, dim), np.float32)
    if array.ndim != 2 or array.shape[1] != dim:
        raise DimensionMismatchError(
            f"expected {what} of shape (n, {dim}), got {array.shape}",
            do="were they made by another model?",
        )
    array = np.ascontiguousarray(array)
    if not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise InvalidInputError(f"expected finite {what}, got NaN or infinity in row {row}")
    return array


def check_scores(scores: Any, n: int, model_id: str) -> Scores:
    """Return the relevance that a model gave n texts: float32, shape (n,), all finite."""
    try:
        array = np.asarray(scores, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"expected numbers from {model_id}, one a text: {error}") from error
    if array.shape != (n,):
        raise DimensionMismatchError(
            f"expected {n} scores from {model_id}, one a text, got shape {array.shape}"
        )
    with np.errstate(over="ignore"):  # what overflows is refused below
        narrow = array.astype(np.float32)
    if not np.isfinite(narrow).all():
        text = int(np.flatnonzero(~np.isfinite(narrow))[0])
        raise InvalidInputError(
            f"expected finite scores from {model_id}, got {array[text]} for the text at "
            f"position {text}"
        )
    return narrow


def check_keys(keys: Any, n: int | None = None) -> Keys:
    """Return keys as an int64 array of shape (n,): whole numbers >= 0, none twice."""
    array = np.asarray(keys)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise InvalidInputError("expected keys as a one-dimensional array of whole numbers")
    if n is not None and len(array) != n:
        raise InvalidInputError(f"expected one key a vector, got {len(array)} keys, {n} vectors")
    if array.size and (int(array.min()) < 0 or int(array.max()) > np.iinfo(np.int64).max):
        raise InvalidInputError("expected keys from 0 to 2**63 - 1")
    array = np.ascontiguousarray(array, dtype=np.int64)
    unique, counts = np.unique(array, return_counts=True)
    if len(unique) != len(array):
        raise InvalidInputError(f"expected every key once, got {unique[counts > 1][0]} twice")
    return array


def normalize(vectors: Vectors) -> Vectors:
    """Return vectors of length 1, in a new array; zero vectors stay zero."""
    with np.errstate(over="ignore"):
        norms: Vectors = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not ((norms > 1e-15) & (norms < 1e15)).all():  # squares may have left float32's range
        wide = vectors.astype(np.float64)
        lengths = np.linalg.norm(wide, axis=1, keepdims=True)
        return (wide / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return vectors / norms
