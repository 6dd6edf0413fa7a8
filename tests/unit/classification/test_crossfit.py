from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit import registry
from embedkit.classification.crossfit import crossfit, crossfit_head, equal_texts, folds_of
from embedkit.errors import InvalidInputError
from embedkit.testing.heads import head_case


def test_texts_are_equal_whatever_their_case_and_blanks() -> None:
    numbers = equal_texts(["Where is it?", "who", " where  IS\nit? ", "who "])
    assert numbers.tolist() == [0, 1, 0, 1]


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), min_size=2, max_size=60),
    st.integers(2, 6),
)
def test_equal_texts_share_a_fold_and_no_fold_is_all(
    rows: list[tuple[int, int]], folds: int
) -> None:
    texts = [f"text {text}" for text, _ in rows]
    places = folds_of(texts, np.array([target for _, target in rows]), folds)
    assert ((places >= 0) & (places < folds)).all()
    assert len(set(places.tolist())) >= 2
    if len(set(texts)) > 1:
        for text in set(texts):
            assert (
                len({place for place, own in zip(places, texts, strict=True) if own == text}) == 1
            )


def test_folds_are_stratified() -> None:
    targets = np.repeat([0, 1, 2], [50, 10, 5])
    places = folds_of([f"text {i}" for i in range(65)], targets, 5)
    for target, each in ((0, 10), (1, 2), (2, 1)):
        assert np.bincount(places[targets == target], minlength=5).tolist() == [each] * 5
    assert np.bincount(places).tolist() == [13] * 5


def test_another_seed_gives_other_folds_and_the_same_seed_the_same() -> None:
    texts, targets = [f"text {i}" for i in range(40)], np.arange(40) % 2
    first = folds_of(texts, targets, seed=1)
    assert (folds_of(texts, targets, seed=1) == first).all()
    assert (folds_of(texts, targets, seed=2) != first).any()


@pytest.mark.parametrize(("rows", "folds"), [(10, 1), (1, 5), (0, 5)])
def test_too_little_to_cross_validate_is_refused(rows: int, folds: int) -> None:
    with pytest.raises(InvalidInputError, match="at least 2 folds"):
        folds_of(["text"] * rows, np.zeros(rows, np.int64), folds)


def test_scores_are_those_of_heads_without_the_fold() -> None:
    inputs, targets = head_case()
    places = folds_of(inputs.texts, targets, 3)
    scores = crossfit(lambda: registry.create("head", "logreg"), inputs, targets, 3, folds=places)
    rest, held = np.flatnonzero(places != 1), np.flatnonzero(places == 1)
    head = registry.create("head", "logreg")
    head.fit(inputs.take(rest), targets[rest], 3)
    np.testing.assert_array_equal(scores[held], head.scores(inputs.take(held)))


def test_one_fold_alone_is_scored_where_only_that_is_asked_for() -> None:
    inputs, targets = head_case()
    places = folds_of(inputs.texts, targets, 3)
    make = partial(registry.create, "head", "svm")
    scores, head = crossfit_head(make, inputs, targets, 3, folds=places, only=2)
    assert head is None
    assert (np.isnan(scores).all(axis=1) == (places != 2)).all()


def test_only_a_head_that_was_fitted_on_all_rows_is_handed_on() -> None:
    inputs, targets = head_case()
    places = folds_of(inputs.texts, targets, 3)
    for spec in ("kernel", "fewshot"):
        make = partial(registry.create, "head", spec)
        _, head = crossfit_head(make, inputs, targets, 3, folds=places)
        assert (head is not None) == (spec == "kernel")
        if head is not None:
            assert head.scores(inputs).shape == (len(inputs), 3)


def test_one_fold_is_fitted_alone_where_each_costs_a_fit() -> None:
    inputs, targets = head_case()
    folds = np.arange(len(targets)) % 4
    make = partial(registry.create, "head", "ridge")
    whole, head = crossfit_head(make, inputs, targets, 3, folds=folds)
    assert head is not None
    one, none = crossfit_head(make, inputs, targets, 3, folds=folds, only=2)
    assert none is None
    assert np.isnan(one[folds != 2]).all()
    assert (one[folds == 2].argmax(axis=1) == whole[folds == 2].argmax(axis=1)).mean() > 0.9
