"""The head for few labels: closed forms against what they stand for, and what it is for."""

from __future__ import annotations

import numpy as np
import pytest

from embedkit import registry
from embedkit.classification.crossfit import folds_of
from embedkit.classification.heads import fewshot
from embedkit.classification.heads.fewshot import FewShotHead
from embedkit.classification.heads.mixture import (
    LeftOut,
    Variant,
    borders,
    held_borders,
    log_softmax,
    sharpest,
    solutions,
    variants,
)
from embedkit.classification.heads.neighbourhood import Neighbourhood
from embedkit.classification.inputs import Inputs
from embedkit.classification.references import reference_texts
from embedkit.errors import DimensionMismatchError, InvalidInputError

KINDS = {
    "pay": ["how do I pay the bill", "my payment was refused", "pay by card", "a second payment"],
    "post": ["where is my parcel", "the parcel is late", "send it by post", "a parcel came open"],
    "key": ["I forgot my password", "reset the password", "the key is lost", "a new password"],
}
TEXTS = [text for texts in KINDS.values() for text in texts]
TARGETS = np.repeat(np.arange(3), 4)


def inputs_of(texts: list[str], *, references: bool = True) -> Inputs:
    embedder = registry.create("embedder", "hashing")
    known = embedder.embed(reference_texts()) if references else None
    return Inputs(texts, embedder.embed(texts), known)


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    return inputs_of(TEXTS)


def test_it_learns(inputs: Inputs) -> None:
    head = FewShotHead()
    head.fit(inputs, TARGETS, 3)
    asked = inputs_of(["can I pay the bill by card?", "no parcel yet", "what is my password?"])
    assert head.scores(asked).argmax(axis=1).tolist() == [0, 1, 2]


def test_scores_are_log_probabilities(inputs: Inputs) -> None:
    head = FewShotHead()
    head.fit(inputs, TARGETS, 3)
    np.testing.assert_allclose(np.exp(head.scores(inputs)).sum(axis=1), 1)


def test_held_out_rows_are_as_if_fitted_without_them(inputs: Inputs) -> None:
    near = Neighbourhood()
    distances = near.fit(inputs)
    weights = np.linspace(0.5, 2, 12)
    wanted = np.eye(3)[TARGETS] - 1 / 3
    folds = folds_of(TEXTS, TARGETS, 4)
    for variant in [Variant(0.5, 3, 0.3), Variant(0, 0, 10), Variant(1, 1, 0.1)]:
        left = LeftOut(distances, wanted, weights, variant)
        kernel = distances.kernel(variant.words, variant.axes)

        def fitted(held: np.ndarray, without: np.ndarray) -> np.ndarray:
            rest = np.setdiff1d(np.arange(12), without)
            part = distances.square(rest)
            (solved,) = solutions(part, wanted[rest], weights[rest], [variant])  # noqa: B023
            return kernel[np.ix_(held, rest)] @ solved  # noqa: B023

        single, paired = left.by_fold(folds), left.by_pair(folds)
        for fold in range(4):
            held = np.flatnonzero(folds == fold)
            np.testing.assert_allclose(single[held], fitted(held, held), atol=1e-9)
            np.testing.assert_allclose(paired[fold, held], single[held], atol=1e-9)
            for other in set(range(4)) - {fold}:
                beside = np.flatnonzero(folds == other)
                expected = fitted(beside, np.concatenate([held, beside]))
                np.testing.assert_allclose(paired[fold, beside], expected, atol=1e-9)


def test_what_is_said_of_a_row_does_not_depend_on_its_label(inputs: Inputs) -> None:
    folds = folds_of(TEXTS, TARGETS, 4)
    before = FewShotHead().out_of_fold(inputs, TARGETS, 3, folds)
    held = folds == 2
    moved = TARGETS.copy()
    moved[held] = (moved[held] + 1) % 3
    after = FewShotHead().out_of_fold(inputs, moved, 3, folds)
    np.testing.assert_allclose(after[held], before[held], atol=1e-9)
    assert np.abs(after[~held] - before[~held]).max() > 0.1


def test_out_of_fold_foretells_the_labels(inputs: Inputs) -> None:
    scores = FewShotHead().out_of_fold(inputs, TARGETS, 3, folds_of(TEXTS, TARGETS, 4))
    assert (scores.argmax(axis=1) == TARGETS).mean() > 0.5
    np.testing.assert_allclose(np.exp(scores).sum(axis=1), 1)


def test_more_rows_than_are_compared(monkeypatch: pytest.MonkeyPatch, inputs: Inputs) -> None:
    monkeypatch.setattr(fewshot, "COMPARED", 7)
    monkeypatch.setattr(fewshot, "SHORTLISTED", 7)
    head = FewShotHead()
    head.fit(inputs, TARGETS, 3)
    assert (head.scores(inputs).argmax(axis=1) == TARGETS).all()
    folds = folds_of(TEXTS, TARGETS, 4)
    assert FewShotHead().out_of_fold(inputs, TARGETS, 3, folds).shape == (12, 3)


def test_rows_to_compare_are_two_of_each_class_at_least() -> None:
    targets = np.array([0] * 50 + [1] * 3 + [2])
    some = fewshot._some_of_each(targets, 6, 0)
    assert np.bincount(targets[some]).tolist() == [2, 2, 1]
    some = fewshot._some_of_each(targets, 40, 0)
    assert 35 <= len(some) <= 40
    assert (targets[some] > 0).sum() == 4
    assert fewshot._some_of_each(targets, 54, 0).tolist() == list(range(54))


def test_restored_scores_are_the_same(inputs: Inputs) -> None:
    head, copy = FewShotHead(), FewShotHead()
    head.fit(inputs, TARGETS, 3)
    copy.restore(head.state())
    asked = inputs_of(["a parcel", "", "¿dónde está?", "pay pay pay"], references=False)
    np.testing.assert_allclose(copy.scores(asked), head.scores(asked), atol=1e-12)


def test_without_references_or_words_it_compares_what_there_is() -> None:
    plain = inputs_of(TEXTS, references=False)
    head = FewShotHead()
    head.fit(plain, TARGETS, 3)
    assert {variant.axes for variant in head._kept} == {0}
    assert (head.scores(plain).argmax(axis=1) == TARGETS).all()
    wordless = Inputs([""] * 12, plain.vectors)
    head.fit(wordless, TARGETS, 3)
    assert {variant.words for variant in head._kept} == {0}
    assert (head.scores(wordless).argmax(axis=1) == TARGETS).all()


def test_one_row_a_class(inputs: Inputs) -> None:
    rows = np.array([0, 4, 8])
    head = FewShotHead()
    head.fit(inputs.take(rows), TARGETS[rows], 3)
    # Nothing speaks for one variant against another, nor for leaving the vectors far behind.
    assert len(head._kept) == 30
    assert {variant.axes for variant in head._kept} == {0, 1}
    assert head.scores(inputs.take(rows)).argmax(axis=1).tolist() == [0, 1, 2]


def test_one_class_and_classes_without_rows(inputs: Inputs) -> None:
    head = FewShotHead()
    head.fit(inputs.take(np.arange(3)), np.ones(3, np.int64), 3)
    assert set(head.scores(inputs).argmax(axis=1)) == {1}
    head.fit(inputs, TARGETS, 5)
    assert set(head.scores(inputs).argmax(axis=1)) <= {0, 1, 2}


def test_weights_count_as_copies() -> None:
    distances = Neighbourhood().fit(inputs_of(TEXTS))
    wanted = np.eye(3)[TARGETS] - 1 / 3
    twice = np.r_[np.arange(12), [0, 5]]
    variant = [Variant(0.5, 1, 0.3)]
    weights = np.ones(12)
    weights[[0, 5]] = 2
    (weighted,) = solutions(distances, wanted, weights, variant)
    (copied,) = solutions(distances.square(twice), wanted[twice], np.ones(14), variant)
    folded = copied[:12].copy()
    folded[[0, 5]] += copied[12:]
    np.testing.assert_allclose(weighted, folded, atol=1e-9)


def test_borders_move_towards_the_middle() -> None:
    scores = np.array([[0.8, 0.1, 5.0], [0.6, 0.3, 5.0], [0.0, 0.6, 5.0], [9.0, 9.0, 5.0]])
    moved = borders(scores, np.array([0, 0, 1, 1]), np.array([1.0, 1.0, 2.0, 0.0]), 3)
    # Own rows of the first score 0.7, the others 0; of the second 0.6 and 0.2; half of the way.
    np.testing.assert_allclose(moved, [-0.7 / 4, -0.8 / 4, 0])
    assert not borders(scores, np.array([0, 0, 1, 1]), np.zeros(4), 3).any()


def test_borders_of_a_fold_are_those_of_the_others() -> None:
    scores = np.random.default_rng(0).standard_normal((9, 3))
    targets, folds = np.arange(9) % 3, np.arange(9) // 3
    found = held_borders(scores, targets, np.ones(9), 3, folds)
    expected = borders(scores[:6], targets[:6], np.ones(6), 3)
    np.testing.assert_allclose(found[6:], np.tile(expected, (3, 1)))


def test_many_rows_decide_how_sharp_scores_are() -> None:
    generator = np.random.default_rng(0)
    scores = generator.standard_normal((5000, 3))
    cumulated = np.exp(log_softmax(2 * scores)).cumsum(axis=1)
    targets = (generator.uniform(size=(5000, 1)) > cumulated).sum(axis=1)
    for scale in (1, 100):
        times, loss = sharpest(scores / scale, targets, np.ones(5000))
        assert 1.6 * scale < times < 2.5 * scale
        here = -log_softmax(times * scores / scale)[np.arange(5000), targets].sum()
        assert here <= loss < here + 2


def test_few_rows_do_not_make_scores_sharp() -> None:
    scores = np.array([[0.5, -0.5], [-0.5, 0.5]])
    right, wrong = np.array([0, 1]), np.array([1, 0])
    usual = sharpest(scores, right, np.zeros(2))[0]
    assert usual < sharpest(scores, right, np.ones(2))[0] < 4 * usual
    assert usual / 4 < sharpest(scores, wrong, np.ones(2))[0] < usual
    assert np.isfinite(sharpest(np.zeros((2, 2)), right, np.ones(2))).all()


def test_variants_of_what_there_is() -> None:
    assert len(variants(words=False, axes=False)) == 5
    assert len(variants(words=True, axes=True)) == 60


def test_too_many_rows_are_refused() -> None:
    many = Inputs(["x"] * 4001, np.ones((4001, 1), np.float32))
    with pytest.raises(InvalidInputError, match=r"at most 4,000 rows.*got 4,001.*auto"):
        FewShotHead().fit(many, np.arange(4001) % 2, 2)


def test_another_model_is_refused(inputs: Inputs) -> None:
    head = FewShotHead()
    head.fit(inputs, TARGETS, 3)
    with pytest.raises(DimensionMismatchError, match="the model that it was trained with"):
        head.scores(Inputs(["x"], np.ones((1, 5), np.float32)))
