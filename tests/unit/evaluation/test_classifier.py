"""A trained classifier on labelled rows: what counts, what is left out, and what is told of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedkit import TextClassifier
from embedkit.classification.classifier import Classifier
from embedkit.errors import InvalidInputError, UnsupportedOperationError
from embedkit.evaluation.classifier import evaluate_classifier, evaluate_training

CARD = ["my card is lost", "card stolen", "block my card", "new card please", "card not working"]
PARCEL = ["where is my parcel", "parcel late", "parcel lost", "track a parcel", "parcel broken"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    home = tmp_path_factory.mktemp("home")
    labels = ["card"] * 5 + ["parcel"] * 5
    return (
        TextClassifier("hashing", head="logreg", home=home).fit(CARD + PARCEL, labels).classifier_
    )


def test_rows_that_it_learned_from_are_told_apart(trained: Classifier) -> None:
    texts = ["CARD  stolen", "parcel late", "the card is gone", "a parcel that is late"]
    found = evaluate_classifier(trained, texts, ["card", "card", "card", "parcel"])
    assert (found.rows, found.seen) == (4, 2)
    assert found.measures["accuracy"].mean == 0.75
    assert found.unseen["accuracy"].mean == 1
    assert found.unseen["accuracy"].n == 2
    assert "2 rows of 4 have a text that it learned from" in found.notes[0]
    assert found.majority["accuracy"].mean == 0.75, "of two labels alike the first is answered"
    assert found.training == evaluate_training(trained).measures


def test_what_cannot_be_judged_is_left_out_and_counted(trained: Classifier) -> None:
    texts = ["card gone", "x", "y", "", "z", "parcel here"]
    labels = ["card", "cake", "cake", "card", None, "parcel"]
    found = evaluate_classifier(trained, texts, labels)
    assert found.rows == 2
    assert found.places == (0, 5)
    assert found.unknown == {"cake": 2}
    assert "2 rows without a label or a text left out" in found.notes
    assert any("2 rows of labels that it never learned left out: 'cake'" in n for n in found.notes)


@pytest.mark.parametrize(
    ("texts", "labels", "said"),
    [
        ([], [], "at least one labelled row to evaluate by, got none"),
        (["a", "b"], [None, "  "], "none of 2 has both"),
        (["a"], ["cards"], "labels that the classifier knows, got 'cards'"),
        (["a"], ["card", "card"], "a label for each text"),
    ],
)
def test_nothing_to_judge(
    trained: Classifier, texts: list[str], labels: list[str | None], said: str
) -> None:
    with pytest.raises(InvalidInputError, match=said):
        evaluate_classifier(trained, texts, labels)


def test_rows_of_one_class_can_be_judged(trained: Classifier) -> None:
    found = evaluate_classifier(trained, ["card gone", "lost card"], ["card", "card"])
    assert found.measures["accuracy"].mean == 1
    assert found.measures["macro-F1"].mean == 1, "a class that does not occur does not count"


def test_numbers_as_labels_are_what_they_look_like(tmp_path: Path) -> None:
    fitted = TextClassifier("hashing", head="logreg", home=tmp_path).fit(
        CARD + PARCEL, [0] * 5 + [1] * 5
    )
    texts = ["the card", "the parcel", "a card", "a parcel"]
    found = evaluate_classifier(fitted.classifier_, texts, ["0", 1, "0.0", 1.0])
    assert found.labels == ("0", "1")
    assert found.measures["accuracy"].mean == 1


def test_several_labels_a_text(tmp_path: Path) -> None:
    labels = [("card",)] * 5 + [("parcel", "late")] * 5
    fitted = TextClassifier("hashing", head="logreg", home=tmp_path).fit(CARD + PARCEL, labels)
    found = evaluate_classifier(
        fitted.classifier_, ["card", "parcel", "x"], [["card"], ("late", "parcel"), ["cake"]]
    )
    assert (found.task, found.rows, found.confusion) == ("multi", 2, None)
    assert found.measures["micro-F1"].mean == 1
    assert found.unknown == {"cake": 1}


def test_abstaining_is_counted(trained: Classifier) -> None:
    texts, labels = ["my card is stolen", "something else"], ["card", "parcel"]
    sure = trained.classify(texts).confidence
    found = evaluate_classifier(trained, texts, labels, abstain_below=float(np.mean(sure)))
    assert found.measures["answered"].mean == 0.5
    assert found.measures["accuracy-answered"].mean == 1


def test_of_labels_that_it_never_learned_nothing_is_the_right_answer(trained: Classifier) -> None:
    texts, labels = ["my card is stolen", "a cake", "bread"], ["card", "cake", "bread"]
    found = evaluate_classifier(trained, texts, labels, abstain_below=0.999)
    assert (found.unknown, found.unknown_abstained) == ({"cake": 1, "bread": 1}, 2)
    assert any("it abstains on 2 of them, as it should" in note for note in found.notes)
    assert evaluate_classifier(trained, texts, labels).unknown_abstained is None


def test_prediction_sets_are_measured_against_what_they_promise(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    words = np.array(
        ["pay", "bill", "card", "money", "refund", "parcel", "track", "late", "post", "order"]
    )
    labels = rng.integers(0, 2, 400)
    texts = [" ".join(rng.choice(words, 4, p=_mix(label))) for label in labels]
    told = labels.tolist()
    fitted = TextClassifier("hashing", head="logreg", home=tmp_path).fit(texts[:250], told[:250])
    found = evaluate_classifier(fitted.classifier_, texts[250:], told[250:], coverage=0.9)
    assert found.measures["set-coverage"].high >= 0.9
    assert 1 <= found.measures["set-size"].mean < 2


def _mix(label: int) -> Any:
    """How likely each word is of a label: half of the words are three times as likely."""
    shares = np.where((np.arange(10) < 5) == (label == 0), 3.0, 1.0)
    return shares / shares.sum()


def test_in_training_every_row_is_answered_by_a_head_that_had_not_seen_it(
    trained: Classifier, tmp_path: Path
) -> None:
    found = evaluate_training(trained)
    assert found.rows == 10
    assert trained.examples is not None
    right = trained.examples.probabilities.argmax(axis=1) == trained.examples.targets
    assert found.measures["accuracy"].mean == pytest.approx(right.mean())
    trained.save(tmp_path / "bare", keep_examples=False)
    bare = Classifier.load(tmp_path / "bare", home=tmp_path)
    with pytest.raises(UnsupportedOperationError, match="without the rows that it learned from"):
        evaluate_training(bare)
    notes = evaluate_classifier(bare, ["card gone"], ["card"]).notes
    assert any("none of these can be told from them" in note for note in notes)


def test_a_classifier_by_its_name(trained: Classifier, tmp_path: Path) -> None:
    from embedkit.classification.api import keep
    from embedkit.errors import ClassifierNotFoundError

    keep(trained, "topics", tmp_path)
    found = evaluate_classifier("topics", ["card gone"], ["card"], home=tmp_path)
    assert found.measures["accuracy"].mean == 1
    assert evaluate_training("topics", home=tmp_path).rows == 10
    with pytest.raises(ClassifierNotFoundError, match="did you mean 'topics'"):
        evaluate_classifier("topic", ["card gone"], ["card"], home=tmp_path)
    with pytest.raises(InvalidInputError, match="one that was trained"):
        evaluate_classifier(TextClassifier(), ["card gone"], ["card"])


def test_a_classifier_that_learned_from_names_alone(tmp_path: Path) -> None:
    from embedkit.classification.zero_shot import zero_shot

    made = zero_shot(["card", "parcel"], embedder="hashing", home=tmp_path)
    found = evaluate_classifier(made, CARD + PARCEL, ["card"] * 5 + ["parcel"] * 5)
    assert found.measures["accuracy"].mean >= 0.8
    assert (found.seen, found.training, found.notes) == (0, {}, ())
    assert found.majority["Brier"].mean == pytest.approx(0.5), "both are taken to be as frequent"
    told = made.explain("the parcel is here")
    assert (told.label, told.words[0].word, told.nearest) == ("parcel", "parcel", ())


def test_two_classifiers_on_the_same_rows_embed_them_once(tmp_path: Path) -> None:
    from tests.conftest import ScriptedEmbedder

    embedder = ScriptedEmbedder(dim=64)
    labels = ["card"] * 5 + ["parcel"] * 5
    one, two = (
        TextClassifier(embedder, head=head, home=tmp_path).fit(CARD + PARCEL, labels).classifier_
        for head in ("logreg", "centroid")
    )
    embedder.sent.clear()
    for each in (one, two):
        evaluate_classifier(each, ["card gone", "a parcel"], ["card", "parcel"])
    assert sorted(embedder.sent) == ["a parcel", "card gone"]


@pytest.mark.parametrize(("seen", "rows"), [(40, 80), (100, 120)])
def test_rows_that_a_model_was_fine_tuned_on_say_nothing(
    tmp_path: Path, seen: int, rows: int
) -> None:
    import dataclasses

    from embedkit.finetuning.data import fingerprints
    from embedkit.finetuning.shelf import SEEN

    texts = [f"{word} {i}" for i in range(60) for word in ("card", "parcel")]
    fitted = TextClassifier("hashing", head="logreg", home=tmp_path).fit(
        texts, ["card", "parcel"] * 60
    )
    whole = fitted.classifier_
    np.save(tmp_path / SEEN, fingerprints(texts[:seen]))
    spec = f"minilm?weights={tmp_path}"
    model = dataclasses.replace(whole.model, spec=spec)
    tuned = Classifier(whole.fitted, model, home=tmp_path, examples=lambda: whole.examples)
    found = evaluate_training(tuned)
    assert found.rows == rows
    assert found.places == tuple(range(120 - rows, 120))
    assert ("too good" in found.notes[0]) == (rows == 120)
    assert evaluate_training(whole).notes == ()
