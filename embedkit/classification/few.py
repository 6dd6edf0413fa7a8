"""When labels are few: which head decides then without a contest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from embedkit.types import Keys

FEW_HEAD = "fewshot"
FEW_READ = frozenset({"vectors", "texts", "references"})
"""What that head reads, so that it can be tried."""
FEW_ROWS = 4000
"""Rows up to which it can be tried at all."""
FEW_EACH = 16
"""Rows a class, of the class in the middle, up to which it is taken without a contest.

Cross-validation on so few rows tells heads apart by luck. ``benchmarks/few_labels.py`` measures
both sides of this border.
"""


def few_labels(targets: Keys) -> bool:
    """Whether there are too few rows a class for heads to be compared on them.

    Parameters
    ----------
    targets : int64 array, shape (n,), n >= 1
        The class of each row.
    """
    sizes = np.bincount(targets)
    return len(targets) <= FEW_ROWS and bool(np.median(sizes[sizes > 0]) <= FEW_EACH)
