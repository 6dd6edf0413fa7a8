"""Similarities as probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from embedkit.errors import InvalidInputError
from embedkit.retrieval import calibration
from embedkit.retrieval.calibration import Calibration, fit_corpus, fit_labels
from embedkit.validate import normalize

DIM = 64


def clustered(n: int, *, clusters: int = 20, tight: float = 0.5, seed: int = 0) -> Any:
    """Vectors about some subjects in a space where most others are about something else."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((clusters, DIM))
    noise = rng.standard_normal((n, DIM))
    return normalize((centres[np.arange(n) % clusters] + tight * noise).astype(np.float32))


def unrelated(n: int, seed: int = 1) -> Any:
    return normalize(np.random.default_rng(seed).standard_normal((n, DIM)).astype(np.float32))


def best(queries: Any, vectors: Any) -> Any:
    return (queries @ vectors.T).max(axis=1)


def test_questions_of_the_subject_are_told_from_others() -> None:
    vectors = clustered(600)
    found = fit_corpus(vectors)
    related = best(vectors[:100], vectors[100:])
    assert (found.probability(related) > 0.5).mean() > 0.95
    assert (found.probability(best(unrelated(200), vectors)) > 0.5).mean() < 0.05
    assert found.kind == "corpus"
    assert found.n == 600
    assert found.measured is not None
    assert found.probability(found.measured["unrelated"]) == pytest.approx(0.047, abs=0.001)
    assert found.probability(found.measured["related"]) == pytest.approx(0.953, abs=0.001)


def test_more_is_asked_of_a_hit_where_there_are_more_records() -> None:
    cuts = [fit_corpus(clustered(n, tight=1.0)).score(0.5) for n in (100, 1000, 10_000)]
    assert cuts == sorted(cuts)
    assert cuts[2] - cuts[0] > 0.05


def test_a_sample_tells_nearly_what_all_rows_would(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = clustered(40_000, clusters=200, tight=1.0)
    monkeypatch.setattr(calibration, "SAMPLED", 40_000)
    whole = fit_corpus(vectors)
    monkeypatch.setattr(calibration, "SAMPLED", 5_000)
    part = fit_corpus(vectors)
    small = fit_corpus(vectors[:5_000])
    assert abs(part.score(0.5) - whole.score(0.5)) < 0.04
    assert abs(part.score(0.5) - whole.score(0.5)) < abs(small.score(0.5) - whole.score(0.5))
    assert part.n == whole.n == 40_000


def test_the_same_seed_gives_the_same_and_another_nearly() -> None:
    vectors = clustered(1000)
    assert fit_corpus(vectors) == fit_corpus(vectors)
    assert fit_corpus(vectors, seed=1).score(0.5) == pytest.approx(
        fit_corpus(vectors).score(0.5), abs=0.02
    )


def test_rows_that_do_not_count_are_not_looked_at() -> None:
    vectors = clustered(400)
    live = np.zeros(800, np.bool_)
    live[::2] = True
    mixed = np.empty((800, DIM), np.float32)
    mixed[::2] = vectors
    mixed[1::2] = np.nan
    assert fit_corpus(mixed, live) == fit_corpus(vectors)


def test_copies_do_not_pass_for_relatives() -> None:
    vectors = clustered(500, tight=1.0)
    once = fit_corpus(vectors)
    nearly = normalize(vectors + 0.001 * unrelated(500))
    twice = fit_corpus(np.concatenate([vectors, nearly]))
    assert twice.score(0.5) == pytest.approx(once.score(0.5), abs=0.04)


@pytest.mark.parametrize("n", [0, 9])
def test_few_rows_say_nothing(n: int) -> None:
    with pytest.raises(InvalidInputError, match=f"at least 10 different texts .* got {n}"):
        fit_corpus(clustered(n))


@pytest.mark.parametrize("vectors", [np.tile(unrelated(1), (20, 1)), unrelated(10), np.eye(32)])
def test_strange_corpora_still_give_a_probability(vectors: Any) -> None:
    found = fit_corpus(np.ascontiguousarray(vectors, np.float32))
    assert found.slope > 0
    assert 0 < found.score(0.5) < 1.5


def test_labels_are_fitted_as_a_logistic_regression_does() -> None:
    rng = np.random.default_rng(2)
    scores = rng.uniform(0, 1, 5000)
    truth = rng.random(5000) < 1 / (1 + np.exp(-(12 * scores - 6)))
    found = fit_labels(scores, truth, model_id="m")
    assert found.slope == pytest.approx(12, rel=0.1)
    assert found.score(0.5) == pytest.approx(0.5, abs=0.02)
    plain = LogisticRegression(C=1e6).fit(scores[:, np.newaxis], truth)
    grid = np.linspace(0, 1, 11)
    assert found.probability(grid) == pytest.approx(
        plain.predict_proba(grid[:, np.newaxis])[:, 1], abs=0.01
    )
    assert (found.kind, found.model_id, found.n) == ("labels", "m", 5000)
    assert found.measured is not None
    assert found.measured["share"] == pytest.approx(truth.mean())
    # Of numbers that are drawn so, no forecast has a smaller Brier score than the odds themselves.
    odds = 1 / (1 + np.exp(-(12 * scores - 6)))
    assert found.measured["brier"] == pytest.approx(((odds - truth) ** 2).mean(), abs=0.005)
    assert 0.9 < found.measured["auroc"] < 0.97


def test_hits_of_a_query_are_held_out_together() -> None:
    rng = np.random.default_rng(3)
    # The score says which query it is of, and the query whether it is relevant: nothing is learnt.
    groups = np.repeat(np.arange(40), 10)
    scores = np.repeat(rng.permutation(40) / 40, 10)
    truth = np.repeat(rng.random(40) < 0.3 + 0.3 * scores[::10], 10)
    together = fit_labels(scores, truth, groups.tolist()).measured
    assert together is not None
    assert together["auroc"] < 0.9


@pytest.mark.parametrize(
    ("scores", "truth", "said"),
    [
        ([0.1, 0.2, 0.3], [True, False, True], "got 2 and 1"),
        ([0.5] * 20, [True] * 20, "got 20 and 0"),
        ([0.9] * 10 + [0.1] * 10, [False] * 10 + [True] * 10, "no higher scores"),
        ([0.5] * 20, [True, False] * 10, "no higher scores"),
        ([np.nan] * 20, [True, False] * 10, "finite score"),
        ([0.5] * 20, [True] * 10, "finite score"),
    ],
)
def test_labels_that_say_nothing_are_refused(scores: Any, truth: Any, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        fit_labels(scores, truth)


@given(
    st.floats(0.1, 1000), st.floats(-500, 500), st.lists(st.floats(-2, 2), min_size=2, max_size=20)
)
def test_probabilities_grow_with_the_score(slope: float, at: float, scores: list[float]) -> None:
    made = Calibration("corpus", slope, at)
    values = made.probability(np.sort(scores))
    assert ((values >= 0) & (values <= 1)).all()
    assert (np.diff(values) >= 0).all()
    for chance in (0.05, 0.5, 0.9):
        assert made.probability(made.score(chance)) == pytest.approx(chance)


def test_empty_cells_are_no_hits() -> None:
    values = Calibration("corpus", 10, -5).probability(np.array([[0.5, -np.inf]], np.float32))
    assert values.tolist() == [[0.5, 0.0]]
