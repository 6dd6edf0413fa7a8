from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from embedkit import TextClassifier
from embedkit.embedders.hashing import HashingEmbedder
from embedkit.errors import InvalidInputError, NotFittedError, UnknownBackendError
from tests.conftest import ScriptedEmbedder

KINDS = ("card lost", "parcel late", "refund please")
TEXTS = [f"{word} {i}" for word in KINDS for i in range(8)]
LABELS = [label for label in ("card", "parcel", "refund") for _ in range(8)]
ASKED = ["the parcel", "my card", "refund"]


def classifier(home: Path, **options: Any) -> TextClassifier:
    return TextClassifier(
        options.pop("embedder", "hashing?dim=64"),
        options.pop("head", "logreg"),
        home=home,
        **{"folds": 3, **options},
    )


def test_what_is_kept_of_rows_was_said_by_what_had_not_seen_them(home: Path) -> None:
    texts = [f"{word} {i}" for word in ("card lost", "parcel late") for i in range(40)]
    made = TextClassifier("hashing?dim=16", head="logreg", home=home, folds=3)
    trained = made.fit(texts, [i % 3 == 0 for i in range(80)]).classifier_
    crossed = trained.fitted.calibrator.cross_fitted
    assert trained.examples is not None
    assert np.array_equal(trained.examples.probabilities, crossed)
    answers = trained.fitted.answers
    assert answers is not None
    assert np.array_equal(answers.confidence, crossed.max(axis=1))


def test_it_learns_and_says_how_sure_it_is(home: Path) -> None:
    trained = classifier(home).fit(TEXTS, LABELS)
    assert trained.predict(ASKED).tolist() == ["parcel", "card", "refund"]
    probabilities = trained.predict_proba(ASKED)
    assert probabilities.shape == (3, 3)
    assert np.allclose(probabilities.sum(axis=1), 1)
    assert trained.score(TEXTS, LABELS) == 1
    assert trained.report_.measures["accuracy"].mean > 0.9
    assert dict(trained.report_.counts) == {"card": 8, "parcel": 8, "refund": 8}


def test_training_again_or_with_another_head_embeds_nothing(home: Path) -> None:
    embedder = ScriptedEmbedder()
    classifier(home, embedder=embedder).fit(TEXTS, LABELS)
    assert sorted(embedder.sent) == sorted(TEXTS)
    classifier(home, embedder=embedder, head="logreg?C=1").fit(TEXTS, LABELS)
    classifier(home, embedder=embedder).fit([*TEXTS, "a new one"], [*LABELS, "card"])
    assert sorted(embedder.sent) == sorted([*TEXTS, "a new one"])


def test_predicting_keeps_nothing_that_was_computed_here(home: Path) -> None:
    embedder = ScriptedEmbedder()
    trained = classifier(home, embedder=embedder).fit(TEXTS, LABELS)
    del embedder.sent[:]
    trained.predict(ASKED)
    trained.predict(ASKED)
    assert embedder.sent == ASKED * 2


def test_equal_seeds_train_equal_classifiers(home: Path) -> None:
    one, other = (classifier(home).fit(TEXTS, LABELS) for _ in range(2))
    assert np.array_equal(one.predict_proba(ASKED), other.predict_proba(ASKED))


@pytest.mark.parametrize("keep", [True, False])
def test_a_pickle_predicts_the_same(home: Path, keep: bool) -> None:
    trained = classifier(home, keep_examples=keep).fit(TEXTS, LABELS)
    again = pickle.loads(pickle.dumps(trained))
    assert np.array_equal(again.predict_proba(ASKED), trained.predict_proba(ASKED))
    assert (again.classifier_.examples is not None) == keep


def test_a_clone_has_learned_nothing(home: Path) -> None:
    trained = classifier(home, embedder=HashingEmbedder(dim=64)).fit(TEXTS, LABELS)
    with pytest.raises(NotFittedError, match="call fit"):
        clone(trained).predict(ASKED)
    assert clone(trained).get_params().keys() == trained.get_params().keys()


def test_in_scikit_learns_tools(home: Path) -> None:
    estimator = classifier(home)
    assert cross_val_score(estimator, TEXTS, LABELS, cv=3).mean() > 0.8
    search = GridSearchCV(estimator, {"head": ["logreg?C=1", "logreg?C=10"]}, cv=2)
    assert search.fit(np.array(TEXTS), LABELS).best_params_["head"].startswith("logreg")
    lower = FunctionTransformer(lambda texts: [text.lower() for text in texts])
    piped = make_pipeline(lower, estimator).fit([text.upper() for text in TEXTS], LABELS)
    assert piped.predict(["THE PARCEL"]).tolist() == ["parcel"]


def test_columns_of_data_frames(home: Path) -> None:
    frame = pd.DataFrame({"text": TEXTS, "label": pd.Categorical(LABELS)})
    trained = classifier(home).fit(frame["text"], frame["label"])
    assert trained.predict(frame["text"]).tolist() == LABELS
    assert trained.predict(np.array(ASKED)).tolist() == ["parcel", "card", "refund"]


@pytest.mark.parametrize(
    "labels", [[0, 1, 2], [True, False, True], [10, -1, 3], [1.0, 2.0, 3.0]], ids=str
)
def test_labels_keep_their_type(home: Path, labels: Sequence[Any]) -> None:
    given = [labels[i // 8] for i in range(24)]
    trained = classifier(home).fit(TEXTS, given)
    predicted = trained.predict(TEXTS)
    assert predicted.dtype == np.array(labels).dtype
    assert predicted.tolist() == given


def test_rows_without_label_or_text_are_set_aside(home: Path) -> None:
    texts = [*TEXTS, "no label", "none either", None, "  "]
    labels = [*LABELS, None, float("nan"), "card", "card"]
    trained = classifier(home).fit(texts, labels)
    assert trained.report_.rows == 24
    assert {(aside.reason, aside.rows) for aside in trained.report_.set_aside} == {
        ("no label", 2),
        ("no text", 2),
    }


def test_a_label_with_one_row_is_kept_and_said(home: Path) -> None:
    trained = classifier(home).fit([*TEXTS, "bicycle stolen"], [*LABELS, "bicycle"])
    assert any("bicycle" in note for note in trained.report_.notes)
    assert trained.predict(["bicycle stolen"]).tolist() == ["bicycle"]


def test_weights_count(home: Path) -> None:
    texts, labels = ["same words"] * 20, ["a"] * 10 + ["b"] * 10
    for heavy in ("a", "b"):
        weights = [5.0 if label == heavy else 1.0 for label in labels]
        trained = classifier(home).fit(texts, labels, weights)
        assert trained.predict(["same words"]).tolist() == [heavy]
        trained = classifier(home, class_weight={heavy: 5.0}).fit(texts, labels)
        assert trained.predict(["same words"]).tolist() == [heavy]


def test_balanced_classes_count_the_same(home: Path) -> None:
    texts, labels = ["same words"] * 22, ["a"] * 20 + ["b"] * 2
    plain = classifier(home).fit(texts, labels).classifier_
    even = classifier(home, class_weight="balanced").fit(texts, labels).classifier_
    gap = [
        float(np.ptp(made.fitted.head.scores(made.inputs(["same words"]))))
        for made in (plain, even)
    ]
    assert gap[1] < 0.1 < gap[0]


def test_any_number_of_labels(home: Path) -> None:
    texts = [f"{a} {b}" for a in ("card", "parcel", "x") for b in ("late", "lost", "y")] * 3
    labels = [[word for word in text.split() if len(word) > 1] for text in texts]
    trained = classifier(home).fit(texts, labels)
    assert trained.classes_.tolist() == ["card", "late", "lost", "parcel"]
    assert trained.predict(["card lost", "x y"]).tolist() == [[1, 0, 1, 0], [0, 0, 0, 0]]
    first, last = trained.classify(["card lost", "x y"])
    assert set(first.best) == {"card", "lost"}  # type: ignore[arg-type]
    assert last.best == ()
    assert trained.score(["card lost", "x y"], [["lost", "card"], ["card"]]) == 0.5
    trained.save(home / "saved")
    loaded = TextClassifier.load(home / "saved")
    assert loaded.predict(["card lost"]).tolist() == [[1, 0, 1, 0]]


def test_labels_with_an_order(home: Path) -> None:
    order = ["bad", "fair", "good"]
    texts = [f"{word} {i}" for word in ("awful", "average", "superb") for i in range(8)]
    labels = [label for label in order for _ in range(8)]
    trained = classifier(home, order=order).fit(texts, labels)
    assert trained.classes_.tolist() == order
    assert trained.predict(["awful", "average", "superb"]).tolist() == order
    assert np.allclose(trained.predict_proba(["awful", "xyz"]).sum(axis=1), 1)
    trained.save(home / "saved")
    assert TextClassifier.load(home / "saved").predict(["superb"]).tolist() == ["good"]


@pytest.mark.parametrize(
    ("texts", "labels", "told"),
    [
        ("one text", ["a"], "got one text"),
        (["a", "b"], ["x"], "2 texts and 1 labels"),
        (["a", 3], ["x", "y"], "expected texts, got int at 1"),
        (["a", "b"], ["x", "x"], "one class, 'x'"),
        ([], [], "no labelled row"),
        (["a", "\ud800"], ["x", "y"], "lone surrogate"),
        (np.zeros((2, 2)), ["x", "y"], "shape \\(2, 2\\)"),
    ],
)
def test_what_cannot_be_learned_from(home: Path, texts: Any, labels: Any, told: str) -> None:
    with pytest.raises(InvalidInputError, match=told):
        classifier(home).fit(texts, labels)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"class_weight": "heavy"}, "class_weight"),
        ({"class_weight": {"card": 0}}, "above 0"),
        ({"folds": 1}, "at least 2 folds"),
        ({"task": "both"}, "single, multi, ordered"),
        ({"head": "logreg?C=much"}, "expected a number for C"),
        ({"head": "logreg?C=-1"}, "expected C above 0, got -1"),
        ({"head": "rbf?C=0"}, "expected C above 0"),
        ({"head": None}, "the spec of a head, got None"),
        ({"budget": -1}, "at least 0 s"),
    ],
)
def test_options_that_cannot_be_meant(home: Path, options: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidInputError, match=told):
        classifier(home, **options).fit(TEXTS, LABELS)


def test_an_unknown_head_is_answered_with_the_nearest(home: Path) -> None:
    with pytest.raises(UnknownBackendError, match="did you mean 'logreg'"):
        classifier(home, head="logre").fit(TEXTS, LABELS)


def test_no_texts_no_labels(home: Path) -> None:
    trained = classifier(home).fit(TEXTS, LABELS)
    assert trained.predict([]).shape == (0,)
    assert trained.predict_proba([]).shape == (0, 3)
    assert len(trained.classify([])) == 0


def test_it_abstains_where_it_is_told_to(home: Path) -> None:
    trained = classifier(home).fit(TEXTS, LABELS)
    sure, unsure = trained.classify(["parcel late 3", "card refund"], abstain_below=0.9)
    assert (sure.label, sure.abstained, sure.why) == ("parcel", False, "")
    assert unsure.label is None
    assert (unsure.abstained, unsure.why) == (True, "probability")
    assert unsure.best in ("card", "refund")
    with pytest.raises(InvalidInputError, match="from 0 to 1"):
        trained.classify(ASKED, abstain_below=1.5)


def test_a_wished_precision_is_held_or_said_to_be_out_of_reach(home: Path) -> None:
    texts = [f"{word} {i}" for i in range(40) for word in KINDS]
    labels = [label for _ in range(40) for label in ("card", "parcel", "refund")]
    trained = classifier(home).fit(texts, labels)
    told = trained.classify(["card lost 3", "card refund"], precision=0.9)
    assert told[0].label == "card"
    threshold = trained.classifier_.threshold_for(0.9)
    assert all(p.probability >= threshold for p in told if p.label)
    both = trained.classify(["card lost 3", "card refund"], precision=0.9, abstain_below=1.0)
    assert both.unsure.all(), "the stricter of the two holds"
    with pytest.raises(InvalidInputError, match="cannot be reached by abstaining"):
        classifier(home).fit(TEXTS, LABELS).classify(ASKED, precision=0.99)


def test_a_set_holds_more_labels_the_surer_it_has_to_be(home: Path) -> None:
    trained = classifier(home).fit(TEXTS, LABELS)
    sizes = [
        sum(len(p.labels) for p in trained.classify([*ASKED, "card refund"], coverage=coverage))
        for coverage in (0.5, 0.9)
    ]
    assert 4 <= sizes[0] <= sizes[1]
    first = trained.classify(["card refund"], coverage=0.9)[0]
    assert first.labels[0] == first.best
    loaded_from = home / "saved"
    trained.save(loaded_from)
    again = TextClassifier.load(loaded_from).classify(["card refund"], coverage=0.9)[0]
    assert again == first


FOREIGN = ["zebra quokka", "quokka xylem", "xylem zebra"]


def test_what_is_unlike_all_texts_is_told_so(home: Path) -> None:
    texts = [f"{text} {end}" for text in TEXTS for end in ("now", "today")]
    trained = classifier(home).fit(texts, [label for label in LABELS for _ in range(2)])
    inside, outside = trained.classify(["parcel late 3 now"])[0], trained.classify(FOREIGN)
    assert inside.typicality is not None
    assert inside.typicality > 0.2
    assert max(each.typicality or 0 for each in outside) <= 0.05
    told = trained.classifier_.classify([FOREIGN[0], "parcel late 3 now"], scope_level=0.05)
    assert [each.why for each in told] == ["scope", ""]


def test_texts_that_no_label_is_for_make_others_like_them_foreign(home: Path) -> None:
    rng = np.random.default_rng(0)
    words = [f"word{i}" for i in range(12)]

    def mixed(n: int, of: list[str]) -> list[str]:
        return [" ".join(rng.choice(of, 5, replace=False)) for _ in range(n)]

    texts, strange = mixed(200, words), mixed(60, words[:7])
    labels = ["low" if text < "word5" else "high" for text in texts]
    plain = classifier(home).fit(texts, labels)
    taught = classifier(home).fit(texts, labels, out_of_scope=strange[:20])
    before, after = (
        np.array([each.typicality for each in one.classify(strange[20:])])
        for one in (plain, taught)
    )
    assert np.median(after) < np.median(before) / 2
    inside = [each.typicality for each in taught.classify(mixed(100, words))]
    assert (np.array(inside) <= 0.05).mean() < 0.15


def test_texts_that_no_label_is_for_have_to_be_texts(home: Path) -> None:
    with pytest.raises(InvalidInputError, match="expected a list of texts, got one text"):
        classifier(home).fit(TEXTS, LABELS, out_of_scope="a zebra")


def test_where_all_texts_are_the_same_there_is_no_scope(home: Path) -> None:
    trained = classifier(home).fit(["same"] * 6, ["a", "b"] * 3)
    assert trained.classify(["other"])[0].typicality is None
