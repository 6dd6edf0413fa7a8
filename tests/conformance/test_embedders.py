"""Every embedder in the registry does what every embedder must do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from embedkit import registry
from embedkit.embedders.weights import locate_minilm
from embedkit.protocols import Embedder
from embedkit.testing import EMBEDDER_CHECKS

NAMES = [row.name for row in registry.rows("embedder")]
SLOW = {"sentence-transformers"}
VARIANTS = {
    "minilm": ["minilm", "minilm:int8"],
    "hashing": ["hashing", "hashing?dim=64"],
    "sentence-transformers": [
        "sentence-transformers:{minilm}?device=cpu",
        "sentence-transformers:{minilm}?device=cpu,cpu&batch_tokens=300",
    ],
}
"""Specs of each name; one that is not listed is checked as it stands."""
SPECS = [
    pytest.param(
        spec, id=spec.replace("{minilm}", "minilm"), marks=[pytest.mark.slow] * (name in SLOW)
    )
    for name in NAMES
    for spec in VARIANTS.get(name, [name])
]


def build(spec: str) -> Embedder:
    embedder: Embedder = registry.create("embedder", spec.format(minilm=locate_minilm()))
    return embedder


@pytest.mark.parametrize("check", EMBEDDER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("spec", SPECS)
def test_embedder(spec: str, check: Callable[[Callable[[], Embedder]], None]) -> None:
    check(lambda: build(spec))
