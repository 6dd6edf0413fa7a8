"""Every reranker in the registry does what every reranker must do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from embedkit import registry
from embedkit.protocols import Reranker
from embedkit.testing import RERANKER_CHECKS, check_reranker
from embedkit.testing.rerankers import check_relevance

Check = Callable[[Callable[[], Reranker]], None]

NAMES = [row.name for row in registry.rows("reranker")]
SLOW = {"cross-encoder"}
UNTRAINED = {"cross-encoder"}
"""Checked with a model whose weights are random: it judges, but knows nothing."""
VARIANTS = {
    "lexical": ["lexical", "lexical?k1=0&b=0", "lexical?b=1"],
    "cohere": [
        "cohere:rerank-v4.0-pro?base_url={cohere}",
        "cohere:rerank-v3.5?base_url={cohere}&max_tokens_per_doc=200",
    ],
    "cross-encoder": [
        "cross-encoder:{tiny}?device=cpu",
        "cross-encoder:{tiny}?device=cpu&batch_size=3&max_length=40",
    ],
}
"""Specs of each name; one that is not listed is checked as it stands."""
CASES = [
    pytest.param(
        spec,
        check,
        id=f"{spec.replace('{tiny}', 'tiny')}-{check.__name__}",
        marks=[pytest.mark.slow] * (name in SLOW),
    )
    for name in NAMES
    for spec in VARIANTS.get(name, [name])
    for check in RERANKER_CHECKS
    if not (name in UNTRAINED and check is check_relevance)
]


@pytest.mark.parametrize(("spec", "check"), CASES)
def test_reranker(spec: str, check: Check, request: pytest.FixtureRequest) -> None:
    check(_factory(spec, request))


def test_all_checks_in_one_call(request: pytest.FixtureRequest) -> None:
    check_reranker(_factory("lexical", request))


def _factory(spec: str, request: pytest.FixtureRequest) -> Callable[[], Reranker]:
    tiny: Path | None = request.getfixturevalue("cross_encoder") if "{tiny}" in spec else None
    fill: Callable[[str], str] = request.getfixturevalue("on_loopback")
    address = fill(spec).replace("{tiny}", str(tiny))
    return lambda: registry.create("reranker", address)
