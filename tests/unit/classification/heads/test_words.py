from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from embedkit.classification.heads.words import TextFeatures

TOKENS = r"\w+|[^\w\s]"
THEIRS: dict[str, dict[str, Any]] = {
    "words": {"ngram_range": (1, 2), "token_pattern": TOKENS},
    "singles": {"token_pattern": TOKENS},
    "pieces": {"ngram_range": (2, 5), "analyzer": "char_wb"},
}
TEXTS = ["How do I do it?", "a b c", "", " \n", "Übermaß ist gut!", "x" * 30, "do, do: do"]


@pytest.mark.parametrize("unit", list(THEIRS))
def test_agrees_with_scikit_learn(unit: Any) -> None:
    ours, theirs = TextFeatures(unit), TfidfVectorizer(sublinear_tf=True, **THEIRS[unit])
    expected = theirs.fit_transform(TEXTS).toarray()
    np.testing.assert_allclose(ours.fit(TEXTS).toarray(), expected, atol=1e-6)
    new = ["How is it?", "nothing known", "do x"]
    expected = theirs.transform(new).toarray()
    np.testing.assert_allclose(ours.transform(new).toarray(), expected, atol=1e-6)


@given(st.lists(st.text("ab ,ß\U0001f600\ud800", max_size=12), min_size=1, max_size=8))
def test_what_is_restored_sees_the_same(texts: list[str]) -> None:
    features = TextFeatures("phrases", power=0.5, unknown=True)
    features.fit(texts)
    again = TextFeatures.restored(features.state())
    new = [*texts, "b a", "zz"]
    assert (again.transform(new).toarray() == features.transform(new).toarray()).all()


def test_phrases_know_how_a_text_begins_and_ends() -> None:
    features = TextFeatures("phrases")
    features.fit(["who is", "is who"])
    first, second = features.transform(["who is", "is who"]).toarray()
    assert (first > 0).sum() == 5  # who, is, border who, who is, is border
    assert (first != second).any()


def test_unknown_words_count_where_that_is_wanted() -> None:
    plain, wary = TextFeatures("singles"), TextFeatures("singles", unknown=True)
    texts = ["sun rain", "rain", "wind"]
    plain.fit(texts)
    wary.fit(texts)
    for features, expected in ((plain, 1.0), (wary, 0.5)):
        (row,) = features.transform(["wind moon stars"]).toarray()
        length = float(np.square(row).sum())
        assert length <= expected
        assert (length > 0.99) == (features is plain)


def test_rare_features_are_left_out() -> None:
    features = TextFeatures("singles", least=2)
    assert features.fit(["a b", "a c", "d"]).shape == (3, 1)
    assert len(features) == 1
