"""Every head in the registry does what every head must do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from embedkit import registry
from embedkit.protocols import Head
from embedkit.testing import HEAD_CHECKS, check_head

Check = Callable[[Callable[[], Head]], None]

ANSWERS = {"prompted"}
"""Asks a generator that has to answer in words: tests of its own."""
NAMES = [row.name for row in registry.rows("head") if row.name not in ANSWERS]
VARIANTS = {
    "logreg": ["logreg", "logreg?C=0.5"],
    "kernel": ["kernel", "kernel?rarity=1", "kernel?likeness=0&words=0"],
}
"""Specs of each name; one that is not listed is checked as it stands."""
CASES = [
    pytest.param(spec, check, id=f"{spec}-{check.__name__}")
    for name in NAMES
    for spec in VARIANTS.get(name, [name])
    for check in HEAD_CHECKS
]


@pytest.mark.parametrize(("spec", "check"), CASES)
def test_head(spec: str, check: Check) -> None:
    check(lambda: registry.create("head", spec))


def test_all_checks_in_one_call() -> None:
    check_head(lambda: registry.create("head", "centroid"))
