from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedkit import Collection
from embedkit import open as open_collection
from embedkit.errors import (
    ColumnError,
    InvalidInputError,
    RecordNotFoundError,
    SourceNotFoundError,
)
from embedkit.pairs.calibrate import CAUTION, calibrate, wilson

Opener = Callable[..., Collection]


def drawn(seed: int, n: int) -> tuple[Any, Any]:
    """Cosines with labels of known odds: slope 20, even at 0.8."""
    random = np.random.default_rng(seed)
    scores = random.uniform(0.4, 1, n)
    return scores, random.random(n) < 1 / (1 + np.exp(-20 * (scores - 0.8)))


def test_the_threshold_is_the_lowest_that_is_sure() -> None:
    scores, labels = drawn(1, 2000)
    found = calibrate(scores, labels, precision=0.9)

    def sure(threshold: float) -> bool:
        passed = scores >= threshold
        return wilson(int(labels[passed].sum()), int(passed.sum()), CAUTION)[0] >= 0.9

    assert sure(found.threshold)
    assert not any(sure(lower) for lower in scores[scores < found.threshold])
    assert (found.pairs, found.duplicates) == (2000, int(labels.sum()))


def test_what_it_measures_holds_for_pairs_it_has_not_seen() -> None:
    unseen, truth = drawn(99, 100_000)
    for seed in range(5):
        found = calibrate(*drawn(seed, 1500), precision=0.9)
        passed = unseen >= found.threshold
        precision = truth[passed].mean()
        assert precision == pytest.approx(found.precision, abs=0.04)
        assert found.low - 0.02 <= precision <= found.high + 0.02
        assert found.low < found.precision < found.high
        assert truth[passed].sum() / truth.sum() == pytest.approx(found.recall, abs=0.08)
        assert found.f1 == pytest.approx(
            2 * found.precision * found.recall / (found.precision + found.recall)
        )


def test_probabilities_are_the_odds_that_the_labels_were_drawn_with() -> None:
    found = calibrate(*drawn(7, 20_000), precision=0.9)
    assert found.slope == pytest.approx(20, rel=0.1)
    assert found.probability(0.8) == pytest.approx(0.5, abs=0.03)
    assert found.probability(0.9) == pytest.approx(1 / (1 + np.exp(-2)), abs=0.03)
    assert found.probability(-100.0) == 0.0


def test_labels_that_a_cosine_tells_apart_give_no_infinite_odds() -> None:
    scores = np.linspace(0.5, 1, 100)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = calibrate(scores, scores > 0.7)
    assert found.precision == 1.0
    assert 0.9 < found.probability(0.95) < 1
    assert found.threshold == pytest.approx(0.7, abs=0.02)


def test_a_precision_that_no_threshold_reaches_is_said() -> None:
    scores, labels = drawn(3, 200)
    with pytest.raises(InvalidInputError, match=r"no threshold is sure of a precision of 0.999"):
        calibrate(scores, labels, precision=0.999)
    random = np.random.default_rng(0).random(200) < 0.5
    with pytest.raises(InvalidInputError, match="surest"):
        calibrate(scores, random)


@pytest.mark.parametrize("precision", [0, 1, 1.5, "x", True])
def test_a_precision_that_is_none_is_refused(precision: Any) -> None:
    with pytest.raises(InvalidInputError, match="precision"):
        calibrate(*drawn(1, 100), precision=precision)


def test_too_few_labels_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="10 pairs of each label, got 3 duplicates"):
        calibrate(np.linspace(0, 1, 40), np.arange(40) > 36)


@settings(max_examples=50, deadline=None)
@given(n=st.integers(1, 200), z=st.floats(0.1, 3), data=st.data())
def test_wilson_bounds_hold_the_share(n: int, z: float, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, n))
    low, high = wilson(hits, n, z)
    assert 0 <= low <= hits / n + 1e-12
    assert hits / n - 1e-12 <= high <= 1
    # They are the shares from which what was seen lies z standard errors away.
    for bound in (low, high):
        if 0.0 < bound < 1.0:
            assert abs(hits / n - bound) == pytest.approx(
                z * np.sqrt(bound * (1 - bound) / n), abs=1e-6
            )


def test_wilson_of_nothing() -> None:
    assert wilson(0, 0, 2.0) == (0.0, 1.0)


# -- from files and in collections ----------------------------------------------------------------


@pytest.fixture
def filled(opened: Opener) -> Collection:
    collection = opened(embedder=None)
    angles = np.deg2rad(np.arange(0, 60))
    vectors = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    collection.upsert([(f"r{i}", f"text {i}") for i in range(60)], vectors=vectors)
    return collection


def labelled() -> list[dict[str, Any]]:
    """Records of up to 19 degrees are duplicates."""
    return [{"id1": "r0", "id2": f"r{i}", "label": int(i < 20)} for i in range(1, 60)]


def test_from_ids(filled: Collection, tmp_path: Path) -> None:
    found = filled.calibrate_pairs(labelled(), precision=0.9)
    assert np.cos(np.deg2rad(20)) < found.threshold <= np.cos(np.deg2rad(18)) + 1e-6
    pairs = list(filled.pairs(found, limit=3))
    assert [pair.probability for pair in pairs] == [found.probability(pair.score) for pair in pairs]
    assert [(p.id1, p.id2) for p in filled.pairs(found)] == [
        (p.id1, p.id2) for p in filled.pairs(found.threshold)
    ]
    assert len(list(filled.clusters(found))) == 60
    path = tmp_path / "labels.csv"
    rows = [f"{row['id1']},{row['id2']},{'yes' if row['label'] else 'No'}\n" for row in labelled()]
    path.write_text("ID1,id2,Label\n" + "".join(rows))
    assert filled.calibrate_pairs(path, precision=0.9) == found


def test_from_texts(opened: Opener) -> None:
    collection = opened()
    collection.upsert([("a", "b")])
    alike = [(f"how do I pay bill {i}", f"how do I pay bill {i} ?", 1) for i in range(30)]
    other = [(f"how do I pay bill {i}", f"where is gate {i}", 0) for i in range(30)]
    rows = [{"text1": a, "text2": b, "label": label} for a, b, label in alike + other]
    found = collection.calibrate_pairs(rows)
    assert 0.5 < found.threshold <= 1
    assert (found.precision, found.recall) == (1.0, pytest.approx(1.0, abs=0.2))


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("a,b,label\n1,2,1\n", ColumnError, "expected the columns text1, text2, label"),
        ("id1,id2,label\nr1,r2,maybe\n", InvalidInputError, "line 2: expected a label of 1 or 0"),
        ("id1,id2,label\nr1,r2,\n", InvalidInputError, "line 2: expected a label of 1 or 0"),
        ("id1,id2,label\nr1,,1\n", InvalidInputError, "line 2: expected two ids"),
        ("id1,id2,label\nr1,nobody,1\n", RecordNotFoundError, "nobody"),
        ("id1,id2,label\nr1,r2,1,5\n", InvalidInputError, "line 2"),
        ("id1,id2,label\nr1,r2,1\n", InvalidInputError, "10 pairs of each"),
        ("id1,id2,label\n", InvalidInputError, "10 pairs of each"),
    ],
)
def test_bad_labels(
    filled: Collection, tmp_path: Path, text: str, error: type[Exception], said: str
) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(error, match=said):
        filled.calibrate_pairs(path)


def test_labels_that_are_not_there(filled: Collection, tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError):
        filled.calibrate_pairs(tmp_path / "labels.csv")


def test_records_in_passages_are_judged_by_the_mean_of_theirs(home: Path) -> None:
    collection = open_collection("q", home=home, embedder="hashing", chunk="tokens=8,overlap=0")
    long = "The first sentence is the same. "
    texts = [long + f"The second sentence about {word} is not." for word in ["cats", "dogs"]]
    other = [f"Nothing of the kind about number {i}. And more of it." for i in range(24)]
    collection.upsert([(f"r{i}", text) for i, text in enumerate([*texts, *other])])
    labels = [{"id1": "r0", "id2": "r1", "label": 1}] * 20
    labels += [{"id1": "r0", "id2": f"r{i}", "label": 0} for i in range(2, 22)]
    found = collection.calibrate_pairs(labels)
    pairs = [pair for pair in collection.pairs(0.05) if (pair.id1, pair.id2) == ("r0", "r1")]
    assert pairs[0].score == pytest.approx(found.threshold, abs=1e-6)
    assert not pairs[0].exact
