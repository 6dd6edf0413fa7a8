from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from embedkit import Classifier, TextClassifier
from embedkit.errors import DimensionMismatchError, UnsupportedOperationError
from tests.conftest import ScriptedEmbedder

KINDS = ("card lost", "parcel late", "refund please")
TEXTS = [f"{word} {i}" for word in KINDS for i in range(8)]
LABELS = [label for label in ("card", "parcel", "refund") for _ in range(8)]


def trained(home: Path, head: str, *, keep: bool = True) -> TextClassifier:
    made = TextClassifier("hashing?dim=64", head, home=home, folds=3, keep_examples=keep)
    return made.fit(TEXTS, LABELS)


@pytest.mark.parametrize("head", ["centroid", "knn?k=3"])
def test_rows_one_by_one_are_as_all_at_once(home: Path, head: str) -> None:
    whole = trained(home, head)
    part = TextClassifier("hashing?dim=64", head, home=home, folds=3).fit(TEXTS[:18], LABELS[:18])
    scale = part.classifier_.fitted.calibrator
    for text, label in zip(TEXTS[18:], LABELS[18:], strict=True):
        part.partial_fit([text], [label])
    assert part.classifier_.fitted.calibrator is scale, "it was trained again"
    assert dict(part.report_.counts) == dict(whole.report_.counts)
    ours, theirs = (
        made.classifier_.fitted.head.scores(made.classifier_.inputs(TEXTS))
        for made in (part, whole)
    )
    assert np.allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("head", ["centroid", "knn?k=3", "logreg"])
def test_a_label_that_comes_later_is_learned(home: Path, head: str) -> None:
    made = trained(home, head)
    made.partial_fit(["bicycle stolen", "bicycle broken"], ["bicycle", "bicycle"])
    assert made.classes_.tolist() == ["bicycle", "card", "parcel", "refund"]
    assert made.predict(["bicycle stolen", "parcel late 3"]).tolist() == ["bicycle", "parcel"]
    assert made.report_.rows == 26


def test_the_rows_learned_from_are_not_embedded_again(home: Path) -> None:
    embedder = ScriptedEmbedder()
    made = TextClassifier(embedder, "logreg", home=home, folds=3).fit(TEXTS, LABELS)
    del embedder.sent[:]
    made.partial_fit(["a card more"], ["card"])
    assert embedder.sent == ["a card more"]


def test_what_was_learned_later_is_kept(home: Path) -> None:
    made = trained(home, "centroid").classifier_
    made.learn(["a card more"], ["card"])
    made.save(home / "saved")
    loaded = Classifier.load(home / "saved")
    assert loaded.examples is not None
    assert len(loaded.examples) == 25
    assert loaded.report.rows == 25
    asked = ["a card more", "parcel"]
    assert np.array_equal(loaded.predict_proba(asked), made.predict_proba(asked))


def test_without_the_rows_only_what_is_known_can_be_learned(home: Path) -> None:
    made = trained(home, "centroid", keep=False)
    made.partial_fit(["a card more"], ["card"])
    with pytest.raises(UnsupportedOperationError, match="were not kept"):
        made.partial_fit(["bicycle"], ["bicycle"])
    with pytest.raises(UnsupportedOperationError, match="'logreg' would have to be trained again"):
        trained(home, "logreg", keep=False).partial_fit(["a card more"], ["card"])


def test_the_first_rows_are_learned_by_fit(home: Path) -> None:
    made = TextClassifier("hashing?dim=64", "centroid", home=home, folds=3)
    assert made.partial_fit(TEXTS, LABELS).predict(["card"]).tolist() == ["card"]
    with pytest.raises(DimensionMismatchError, match="a label for each of 1 texts, got 2"):
        made.partial_fit(["one"], ["card", "parcel"])


def test_a_head_that_is_trained_again_reads_what_it_read_at_first(home: Path) -> None:
    """The default of few rows reads vectors of general texts too."""
    texts = [f"{word} {i}" for word in ("card lost", "parcel late") for i in range(6)]
    made = TextClassifier("hashing?dim=64", head="fewshot", home=home, folds=3)
    made.fit(texts, ["card"] * 6 + ["parcel"] * 6)
    learned = made.classifier_
    learned.learn(["refund please", "refund now"], ["refund", "refund"])
    whole = TextClassifier("hashing?dim=64", head="fewshot", home=home, folds=3)
    whole.fit(
        [*texts, "refund please", "refund now"], ["card"] * 6 + ["parcel"] * 6 + ["refund"] * 2
    )
    asked = ["where is my card", "a refund"]
    assert np.array_equal(learned.predict_proba(asked), whole.predict_proba(asked))


def test_what_was_said_of_a_row_before_it_was_learned_is_kept(home: Path) -> None:
    made = trained(home, "centroid").classifier_
    before = made.predict_proba(["parcel card"])[0]
    made.learn(["parcel card"], ["card"])
    assert made.examples is not None
    assert np.array_equal(made.examples.probabilities[-1], before)
    assert not np.array_equal(made.predict_proba(["parcel card"])[0], before)
