from __future__ import annotations

import pytest

from embedkit.classification.labelled import How
from embedkit.classification.spelling import labels_of


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ("a; b;", ("a", "b")),
        ('["a", "b;c"]', ("a", "b;c")),
        ("[]", ()),
        ("[a]; b", ("[a]", "b")),
        ("[1]", ("[1]",)),
        (["a", None], ("a",)),
    ],
)
def test_several_labels_are_separated_or_a_list(cell: object, labels: tuple[str, ...]) -> None:
    assert labels_of(cell, How(True, ";"), 2) == labels
