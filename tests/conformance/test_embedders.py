"""Every embedder in the registry does what every embedder must do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from embedkit import registry
from embedkit.embedders.weights import locate_minilm
from embedkit.protocols import Embedder
from embedkit.testing import EMBEDDER_CHECKS
from embedkit.types import Embeddings

NAMES = [row.name for row in registry.rows("embedder")]
SLOW = {"sentence-transformers"}
VARIANTS = {
    "minilm": ["minilm", "minilm:int8"],
    "hashing": ["hashing", "hashing?dim=64"],
    "adapter": ["adapter:{hashing}"],
    "cohere": [
        "cohere:embed-v4.0?base_url={cohere}&dimension=256",
        "cohere:embed-english-v3.0?base_url={cohere}",
    ],
    "openai": [
        "openai:text-embedding-3-small?base_url={openai}&dimension=256",
        "openai:local-embed?base_url={openai}&query_prefix=query: &document_prefix=passage: ",
    ],
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
    embedder: Embedder = registry.create("embedder", spec)
    return embedder


@pytest.mark.parametrize("check", EMBEDDER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("spec", SPECS)
def test_embedder(
    spec: str,
    check: Callable[[Callable[[], Embedder]], None],
    on_loopback: Callable[[str], str],
    adapter_folder: Path,
) -> None:
    address = on_loopback(spec).replace("{minilm}", str(locate_minilm()))
    address = address.replace("{hashing}", str(adapter_folder))
    check(lambda: build(address))


@pytest.mark.parametrize("check", EMBEDDER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("precision", ["int8", "binary"])
def test_quantised_embedder(quantised, precision: str, check: Callable[..., None]) -> None:
    check(lambda: quantised(precision, 256))


def test_codes_that_mean_other_vectors_are_noticed(quantised) -> None:
    class Wrong(quantised):
        def _embed(self, texts, input_type):
            result = super()._embed(texts, input_type)
            codes = None if result.codes is None else -result.codes
            return Embeddings(result.vectors, codes=codes)

    from embedkit.testing.embedders import check_codes

    with pytest.raises(AssertionError):
        check_codes(lambda: Wrong("int8"))
