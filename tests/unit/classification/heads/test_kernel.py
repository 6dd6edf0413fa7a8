from __future__ import annotations

import numpy as np
import pytest

from embedkit.classification.heads import kernel as module
from embedkit.classification.heads.alike import WordLikeness
from embedkit.classification.heads.kernel import KernelHead, tuned
from embedkit.classification.heads.ridge import Factor
from embedkit.errors import InvalidInputError
from embedkit.testing.heads import head_case


def test_rows_left_out_are_predicted_as_by_a_fit_without_them() -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((30, 50))
    gram = np.asfortranarray(values @ values.T, np.float32)
    ridge = rng.uniform(1, 5, 30).astype(np.float32)
    goal = rng.standard_normal((30, 2)).astype(np.float32)
    factor = Factor(gram.copy(order="F"), ridge)
    found = factor.left_out(goal, factor.solve(goal), np.array([0, 10, 12, 30]))
    for start, end in ((0, 10), (10, 12), (12, 30)):
        rest = np.r_[0:start, end:30]
        alpha = np.linalg.solve(gram[np.ix_(rest, rest)] + np.diag(ridge[rest]), goal[rest])
        np.testing.assert_allclose(found[start:end], gram[start:end, rest] @ alpha, atol=1e-3)


def test_a_kernel_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="ridge"):
        Factor(np.asfortranarray([[1, 5], [5, 1]], np.float32), np.zeros(2, np.float32))


def test_solving_in_parts_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, targets = head_case()
    scores = []
    for rows, cells in ((7, 100), (10**6, 10**9)):
        monkeypatch.setattr(module, "GRAM_ROWS", rows)
        monkeypatch.setattr(module, "CELLS", cells)
        head = KernelHead()
        head.fit(inputs, targets, 3)
        scores.append(head.scores(inputs))
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-3)


def test_a_row_that_weighs_two_is_a_row_that_is_there_twice() -> None:
    inputs, targets = head_case()
    twice = np.r_[0, 0, 1 : len(targets)]
    weighted, copied = KernelHead(words=0, likeness=0), KernelHead(words=0, likeness=0)
    weights = np.ones(len(targets))
    weights[0] = 2
    weighted.fit(inputs, targets, 3, weights=weights * len(targets) / (len(targets) + 1))
    copied.fit(inputs.take(twice), targets[twice], 3)
    # But for how far vectors are apart on average, which the copy changes a little.
    np.testing.assert_allclose(weighted.scores(inputs), copied.scores(inputs), atol=0.1)


def test_words_in_like_texts_are_alike() -> None:
    texts = ["good film"] * 4 + ["fine film"] * 4 + ["bad film"] * 4
    vectors = np.repeat([[1, 0.1], [1, 0.0], [-1, 0.1]], 4, axis=0).astype(np.float32)
    likeness = WordLikeness()
    likeness.fit(texts, vectors)
    gram = likeness.gram(0, 12)
    assert gram[0, 4] > gram[0, 8]
    np.testing.assert_allclose(gram, gram.T, atol=1e-6)
    alpha = np.random.default_rng(0).standard_normal((12, 2)).astype(np.float32)
    found = likeness.features.transform(texts) @ likeness.weights(alpha)
    np.testing.assert_allclose(found, gram @ alpha, atol=1e-5)


@pytest.mark.parametrize("turned", [False, True])
def test_the_variant_with_less_squared_error_is_taken(
    monkeypatch: pytest.MonkeyPatch, turned: bool
) -> None:
    variants = [("kernel", {}), ("kernel?ridge=1000", {"ridge": 1000.0})]
    monkeypatch.setattr(module, "VARIANTS", dict(variants[::-1] if turned else variants))
    inputs, targets = head_case(60)
    assert tuned(inputs, targets, 3, np.arange(60) % 5) == "kernel"


def test_more_rows_than_it_can_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 10)
    inputs, targets = head_case(11)
    with pytest.raises(InvalidInputError, match=r"at most 10 rows.*'ridge'"):
        KernelHead().fit(inputs, targets, 3)


@pytest.mark.parametrize("option", ["width", "ridge", "words", "likeness", "rarity"])
def test_options_that_cannot_be_meant_are_refused(option: str) -> None:
    with pytest.raises(InvalidInputError, match=option):
        KernelHead(**{option: -1.0})
