"""Arrays of whole numbers, made without pandas."""

from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
import pytest

from embedkit.store.arrow import int64_array


@pytest.mark.parametrize(
    "numbers", [[], [1], [3, None, -5], [None] * 9, list(range(20)), [2**62, None] * 8]
)
def test_numbers_and_none_survive(numbers: list[int | None]) -> None:
    made = int64_array(numbers)
    made.validate(full=True)
    assert made.type == pa.int64()
    assert made.to_pylist() == numbers
    assert made.null_count == numbers.count(None)


def test_pandas_is_not_imported() -> None:
    code = (
        "import sys; from embedkit.store.arrow import int64_array;"
        " int64_array([1, None]); sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
