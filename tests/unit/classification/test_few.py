from __future__ import annotations

import numpy as np
import pytest

from embedkit import registry
from embedkit.classification.few import FEW_EACH, FEW_HEAD, FEW_READ, FEW_ROWS, few_labels
from embedkit.classification.heads.fewshot import MOST_ROWS


@pytest.mark.parametrize(
    ("sizes", "few"),
    [
        ([8, 8], True),
        ([16, 16, 16], True),
        ([17, 17, 17], False),
        ([500, 3, 2, 2], True),  # most classes have few
        ([500, 400, 2], False),
        ([16] * 250, True),
        ([16] * 251, False),  # too many rows for the head
        ([5, 0, 5], True),
    ],
)
def test_few_is_said_of_the_class_in_the_middle(sizes: list[int], few: bool) -> None:
    assert few_labels(np.repeat(np.arange(len(sizes)), sizes)) is few


def test_what_the_rule_says_of_the_head_holds() -> None:
    assert registry.resolve("head", FEW_HEAD).reads == FEW_READ  # type: ignore[attr-defined]
    assert FEW_ROWS == MOST_ROWS
    assert FEW_EACH < FEW_ROWS
