"""Arrow arrays made of numbers, without what ``pyarrow.array`` does on the way.

It imports pandas wherever that is installed, which takes a quarter of a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa


def int64_array(numbers: Sequence[int | None]) -> pa.Array:
    """Return whole numbers, None for none, as an Arrow array of int64."""
    import pyarrow as pa

    values = np.array([0 if number is None else number for number in numbers], np.int64)
    there = np.array([number is not None for number in numbers], np.bool_)
    valid = None if there.all() else pa.py_buffer(np.packbits(there, bitorder="little"))
    return pa.Array.from_buffers(pa.int64(), len(values), [valid, pa.py_buffer(values)])
