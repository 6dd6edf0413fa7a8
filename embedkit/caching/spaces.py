"""What the cache holds, in words: spaces of vectors, and how much there is of each."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from embedkit.types import InputType, Precision


@dataclass(frozen=True, slots=True)
class Space:
    """Vectors that may stand for one another: of one model, for one kind of text.

    Attributes
    ----------
    model_id : str
        As the embedder names itself; its dimension and truncation are part of it.
    input_type : {"document", "query", "classification", "clustering"}
    dim : int
        Numbers of a vector, whatever they are kept in.
    precision : {"float32", "int8", "binary"}
        What they are kept in.
    """

    model_id: str
    input_type: InputType
    dim: int
    precision: Precision = "float32"

    @property
    def columns(self) -> int:
        """How many items of ``dtype`` a row has."""
        from embedkit.quantized import row_width  # loads numpy, which telling does without

        return row_width(self.precision, self.dim)

    @property
    def dtype(self) -> str:
        """What a row is made of, as numpy writes it; packed bits are bytes."""
        return {"float32": "<f4", "int8": "|i1", "binary": "|u1"}[self.precision]

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return self.columns * (4 if self.precision == "float32" else 1)


@dataclass(frozen=True, slots=True)
class SpaceInfo:
    """How much the cache holds of a space. Times are UTC, exact to the hour.

    Attributes
    ----------
    bytes : int
        Of the vectors alone.
    oldest : datetime
        When the row that was not used for longest was last used.
    last_used : datetime
    """

    model_id: str
    input_type: str
    dim: int
    precision: str
    entries: int
    bytes: int
    oldest: datetime
    last_used: datetime

    def to_dict(self) -> dict[str, Any]:
        """Return the description as plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """What ``embedkit cache`` tells.

    Attributes
    ----------
    bound : int
        Bytes that the file may grow to; 0 where nothing is cached.
    bytes : int
        Size on disk.
    """

    path: str
    bound: int
    bytes: int
    entries: int
    spaces: tuple[SpaceInfo, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the description as plain values."""
        return asdict(self) | {"spaces": [space.to_dict() for space in self.spaces]}
