"""Classifiers out of labels alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from embedkit.classification.classifier import Classifier
from embedkit.classification.heads.zeroshot import ZeroShotHead
from embedkit.classification.inputs import Inputs
from embedkit.classification.zero_shot import zero_shot
from embedkit.errors import InvalidInputError

LABELS = {
    "money": ["refund of a payment", "the price and the bill"],
    "post": "delivery of a parcel",
    "key": "password of the account",
}
TEXTS = ["I want a refund", "where is my parcel", "the password of my account is lost"]


def made(home: Path, **options: object) -> Classifier:
    return zero_shot(LABELS, embedder="hashing", home=home, **options)  # type: ignore[arg-type]


def test_labels_alone(tmp_path: Path) -> None:
    found = made(tmp_path)
    assert found.predict(TEXTS).tolist() == ["money", "post", "key"]
    assert found.classes_.tolist() == ["money", "post", "key"]
    np.testing.assert_allclose(found.predict_proba(TEXTS).sum(axis=1), 1)


def test_names_speak_for_themselves(tmp_path: Path) -> None:
    found = zero_shot(["lost_parcel", "new_password"], embedder="hashing", home=tmp_path)
    assert found.predict(["a lost parcel", "password new"]).tolist() == [
        "lost_parcel",
        "new_password",
    ]


def test_it_is_saved_and_loaded_as_any_other(tmp_path: Path) -> None:
    found = made(tmp_path, unlabelled=TEXTS)
    found.save(tmp_path / "saved")
    loaded = Classifier.load(tmp_path / "saved", home=tmp_path)
    np.testing.assert_allclose(loaded.predict_proba(TEXTS), found.predict_proba(TEXTS))
    assert loaded.report == found.report
    assert loaded.classify(TEXTS, abstain_below=0.999).abstained.any()


def test_it_says_that_nothing_is_known(tmp_path: Path) -> None:
    notes = " ".join(made(tmp_path).report.notes)
    assert "no labelled text" in notes
    assert "not calibrated" in notes
    assert made(tmp_path).report.rows == 0


def test_templates_are_averaged(tmp_path: Path) -> None:
    one, other = "About {label}.", "{label}, {label}"
    both = made(tmp_path, template=[one, other]).fitted.head
    embedded = [made(tmp_path, template=each).fitted.head for each in (one, other)]
    asked = made(tmp_path).inputs(TEXTS)
    assert not np.allclose(both.scores(asked), embedded[0].scores(asked))
    assert not np.allclose(both.scores(asked), embedded[1].scores(asked))


def test_unlabelled_texts_even_out_what_is_near_to_everything(tmp_path: Path) -> None:
    head = ZeroShotHead()
    described = Inputs(["a", "b"], np.array([[1, 0], [0, 1]], np.float32))
    head.fit(described, np.array([0, 1]), 2)
    angles = np.linspace(0.1, 0.5, 9)  # all nearer to the first
    texts = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    inputs = Inputs([""] * 9, texts)
    assert set(head.scores(inputs).argmax(axis=1)) == {0}
    head.even_out(texts)
    np.testing.assert_allclose(head.scores(inputs).mean(axis=0), 0, atol=1e-5)
    # The one in the middle may go either way.
    assert (
        head.scores(inputs).argmax(axis=1)[[0, 1, 2, 3, 5, 6, 7, 8]].tolist() == [0] * 4 + [1] * 4
    )


def test_unlabelled_texts_tell_what_is_unlike_them(tmp_path: Path) -> None:
    texts = [f"{what} of my {thing}" for what in ("refund", "loss") for thing in ("bill", "key")]
    found = made(tmp_path, unlabelled=texts)
    usual, other = found.classify(["refund of my key", "xylophone zzz qqq"])
    assert usual.typicality is not None
    assert other.typicality is not None
    assert other.typicality < usual.typicality
    assert made(tmp_path).classify(texts)[0].typicality is None


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        ("refund", {}, "expected a list of labels, got one text"),
        (["refund"], {}, "at least two labels, got 1"),
        (["a", "a"], {}, "each label once, got 'a' twice"),
        (["a", " "], {}, "labels that are words"),
        ({"a": "x", "b": []}, {}, "a description of 'b'"),
        (["a", "b"], {"template": "about it"}, "a template with {label}"),
        (["a", "b"], {"template": []}, "expected a template, got none"),
        (["a", "b"], {"unlabelled": ["x", "x"]}, "at least two unlabelled texts, got 1"),
        ({"a": "one thing", "b": "one thing"}, {}, "no difference between 'a' and 'b'"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    tmp_path: Path, labels: object, options: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        zero_shot(labels, embedder="hashing", home=tmp_path, **options)  # type: ignore[arg-type]
