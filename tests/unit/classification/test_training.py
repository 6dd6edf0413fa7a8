"""Which rows figures and probabilities come from, where the embedder has learned some of them."""

from __future__ import annotations

import numpy as np

from embedkit import registry
from embedkit.classification.fitted import Fitted
from embedkit.classification.inputs import Inputs
from embedkit.classification.training import FEWEST_UNSEEN, Recipe, fit, usable

N = 90
TEXTS = [f"{('card lost', 'parcel late', 'refund please')[i % 3]} {i}" for i in range(N)]


def trained(unseen: int) -> Fitted:
    """Return what is learned where the embedder had not seen the last rows."""
    rows = usable(TEXTS, [str(i % 3) for i in range(N)])
    vectors = registry.create("embedder", "hashing?dim=32").embed(TEXTS)
    flags = np.arange(N) >= N - unseen
    return fit(rows, Inputs(TEXTS, vectors), Recipe("centroid", folds=3), unseen=flags)[0]


def test_figures_are_of_rows_that_the_embedder_did_not_learn_from() -> None:
    found = trained(FEWEST_UNSEEN)
    assert found.answers is not None
    assert len(found.answers.right) == FEWEST_UNSEEN
    assert found.report.measures["accuracy"].n == FEWEST_UNSEEN
    assert f"the {FEWEST_UNSEEN} others" in found.report.notes[0]


def test_where_they_are_too_few_all_rows_are_taken_and_it_is_said() -> None:
    for unseen in (0, FEWEST_UNSEEN - 1):
        found = trained(unseen)
        assert found.report.measures["accuracy"].n == N
        assert "too good to be true" in found.report.notes[0]


def test_nothing_is_said_where_it_learned_from_none() -> None:
    found = trained(N)
    assert found.report.measures["accuracy"].n == N
    assert not any("fine-tuned" in note for note in found.report.notes)
