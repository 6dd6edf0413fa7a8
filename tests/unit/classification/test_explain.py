"""Why a text has a label: against leaving words out by hand, and against what the head knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedkit import TextClassifier
from embedkit.classification.explain import explain
from embedkit.classification.inputs import Inputs
from embedkit.errors import InvalidInputError, UnsupportedOperationError
from embedkit.types import Explanation

MONEY = [
    "how do I pay my bill", "can I pay by card", "the bill is too high", "pay the bill by card",
    "my card was charged twice", "I want my money back", "refund the money to my card",
]  # fmt: skip
POST = [
    "where is my parcel", "the parcel is late", "when will my parcel arrive", "track the parcel",
    "the parcel never arrived", "change the address of the parcel", "track my parcel please",
]  # fmt: skip
LABELS = ["money"] * 7 + ["post"] * 7


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TextClassifier:
    home = tmp_path_factory.mktemp("home")
    return TextClassifier("hashing", head="logreg", home=home).fit(MONEY + POST, LABELS)


def test_an_effect_is_how_far_the_log_odds_fall_without_the_word(trained: TextClassifier) -> None:
    text = "pay the parcel, pay it by card"
    found = trained.explain(text, label="money")
    whole, without = trained.predict_proba([text, "the parcel, it by card"])[:, 0]
    pay = next(word for word in found.words if word.word == "pay")
    assert pay.spans == ((0, 3), (16, 19))
    assert pay.probability == pytest.approx(without)
    fall = np.log(whole / (1 - whole)) - np.log(without / (1 - without))
    assert pay.effect == pytest.approx(fall)
    assert pay.against == pytest.approx(fall), "of two labels there is but one other"
    assert found.probability == pytest.approx(whole)
    assert (found.label, found.other) == ("money", "post")
    assert json.loads(json.dumps(found.to_dict()))["label"] == "money"


def test_words_that_speak_for_the_label_come_first(trained: TextClassifier) -> None:
    found = trained.explain("the parcel is on the bill of the card", label="money")
    effects = [word.effect for word in found.words]
    assert effects == sorted(effects, reverse=True)
    by_word = {word.word: word.effect for word in found.words}
    assert by_word["parcel"] < 0 < by_word["card"]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(" ".join(MONEY + POST).split()), min_size=4, max_size=12))
def test_without_its_best_words_a_label_is_less_probable(words: list[str]) -> None:
    found = shared().explain(" ".join(words), neighbours=0)
    if found.best:
        assert found.without_best < found.probability


_SHARED: list[TextClassifier] = []


def shared() -> TextClassifier:
    if not _SHARED:
        _SHARED.append(TextClassifier("hashing", head="logreg").fit(MONEY + POST, LABELS))
    return _SHARED[0]


def test_another_label_can_be_explained_against_another(tmp_path: Path) -> None:
    third = ["the weather is fine", "rain and snow today", "is it cold outside"]
    fitted = TextClassifier("hashing", head="logreg", home=tmp_path).fit(
        MONEY + POST + third, LABELS + ["weather"] * 3
    )
    text = "pay for the parcel in the rain"
    found = fitted.explain(text, label="post", against="weather")
    assert (found.label, found.other) == ("post", "weather")
    rain = next(word for word in found.words if word.word == "rain")
    chances = fitted.predict_proba([text, "pay for the parcel in the"])
    ratios = np.log(chances[:, 1] / chances[:, 2])
    assert rain.against == pytest.approx(ratios[0] - ratios[1])
    assert {row.label for row in found.nearest_other} == {"weather"}
    with pytest.raises(InvalidInputError, match="did you mean 'weather'"):
        fitted.explain(text, label="wether")
    with pytest.raises(InvalidInputError, match="another label to hold 'post' against"):
        fitted.explain(text, label="post", against="post")


def test_the_nearest_rows_are_told_with_what_a_head_that_had_not_seen_them_said(
    trained: TextClassifier,
) -> None:
    found = trained.explain("track my parcel", neighbours=3)
    assert found.nearest[0].text == "track my parcel please"
    near = [row.similarity for row in found.nearest]
    assert near == sorted(near, reverse=True)  # type: ignore[type-var]
    examples = trained.classifier_.examples
    assert examples is not None
    for row in (*found.nearest, *found.nearest_other):
        own = int(row.label == "post")
        assert examples.texts[row.row] == row.text
        assert row.probability == pytest.approx(examples.probabilities[row.row, own])
    assert {row.label for row in found.nearest_other} == {"money"}


def test_a_head_that_reads_words_compares_words(tmp_path: Path) -> None:
    fitted = TextClassifier(head="tfidf", home=tmp_path).fit(MONEY + POST, LABELS)
    found = fitted.explain("refund the money")
    assert found.nearest[0].text == "refund the money to my card"
    assert found.nearest[0].similarity is not None
    assert 0.5 < found.nearest[0].similarity < 1
    assert found.label == "money"
    assert fitted.typical("post", 2)[0].label == "post"


def test_a_long_text_costs_no_more_than_is_said(trained: TextClassifier) -> None:
    asked: list[str] = []
    classifier = trained.classifier_

    def inputs(texts: list[str]) -> Inputs:
        asked.extend(texts)
        return classifier.inputs(texts)

    filler = " ".join(f"w{i}" for i in range(300))
    text = f"{filler} refund money {filler.replace('w', 'v')}"
    found = explain(classifier.fitted, inputs, text, words=20)
    assert len(asked) <= 20 + 19
    assert len(asked) == len(set(asked)), "nothing is embedded twice"
    assert len(found.words) == 20


def test_what_cannot_be_explained(trained: TextClassifier, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="a text to explain, got an empty one"):
        trained.explain("  ")
    with pytest.raises(InvalidInputError, match="at least 1 word"):
        trained.explain("a", words=0)
    bare = TextClassifier("hashing", head="logreg", home=tmp_path, keep_examples=False)
    bare.fit(MONEY + POST, LABELS)
    assert bare.explain("my parcel").nearest == ()
    with pytest.raises(UnsupportedOperationError, match="saved without the rows"):
        bare.typical("post")


@pytest.mark.parametrize("text", ["...", "parcel", "退款", "👍🏽 parcel"])
def test_texts_of_few_words(trained: TextClassifier, text: str) -> None:
    found: Explanation = trained.explain(text)
    assert 0 <= found.without_best <= 1
    assert all(np.isfinite([word.effect, word.against]).all() for word in found.words)


def test_several_labels_a_text(tmp_path: Path) -> None:
    labels: list[Any] = [["money"]] * 7 + [["post", "late"]] * 7
    fitted = TextClassifier("hashing", head="logreg", home=tmp_path).fit(MONEY + POST, labels)
    found = fitted.explain("the parcel", label="late", against="money")
    parcel = next(word for word in found.words if word.word == "parcel")
    assert parcel.effect > 0
    assert parcel.against > parcel.effect, "it speaks against the other as well"
    assert found.nearest[0].label == ("late", "post")
    assert fitted.explain("the parcel").other == "money", "and not the other label that it has"
