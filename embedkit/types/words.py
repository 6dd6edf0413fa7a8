"""The words of embedkit that are values: names of choices, and arrays by their shapes.

Nothing here imports a library, so that everything may import this.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors: TypeAlias = NDArray[np.float32]
    """Shape (n, dim), float32, C-contiguous, rows in input order."""
    Keys: TypeAlias = NDArray[np.int64]
    """Integer names of vectors, shape (n,) or (n_queries, k); -1 marks an empty cell."""
    Mask: TypeAlias = NDArray[np.bool_]
    """One flag a row, shape (n,)."""
    Codes: TypeAlias = NDArray[np.int8] | NDArray[np.uint8]
    """Vectors as a service quantised them, shape (n, dim) int8 or (n, dim / 8) packed bits."""
    Scores: TypeAlias = NDArray[np.float32]
    """One relevance a text, shape (n,), larger is better."""

InputType = Literal["document", "query", "classification", "clustering"]
Metric = Literal["cosine", "inner_product"]
Mode = Literal["dense", "lexical", "hybrid"]
"""How candidates are found: by meaning, by words, or by both."""
Strategy = Literal["none", "gather", "scan", "index", "allow-list", "widen"]
"""How the nearest vectors are found; see :class:`SearchPlan`."""
Precision = Literal["float32", "int8", "binary"]
"""How the numbers of a vector are kept: 4 bytes, 1 byte or 1 bit each."""
Value: TypeAlias = bool | int | float | str | date | datetime | list[Any] | dict[str, Any] | None
"""A metadata value: what a typed column can hold."""

INPUT_TYPES: tuple[InputType, ...] = ("document", "query", "classification", "clustering")
METRICS: tuple[Metric, ...] = ("cosine", "inner_product")
MODES: tuple[Mode, ...] = ("dense", "lexical", "hybrid")
PRECISIONS: tuple[Precision, ...] = ("float32", "int8", "binary")
