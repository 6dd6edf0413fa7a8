"""Vectors that the user brings, with records or without a model at all."""

from __future__ import annotations

import numpy as np
import pytest

from embedkit.errors import (
    DimensionMismatchError,
    InvalidInputError,
    ModelMismatchError,
    UnsupportedOperationError,
)

EYE = np.eye(4, dtype=np.float32)


@pytest.fixture
def own(opened):
    collection = opened(embedder=None)
    report = collection.upsert([("a", "red"), ("b", "green"), ("c", "red")], vectors=EYE[:3] * 7)
    assert (report.new, report.embedded, report.reused) == (3, 0, 3)
    return collection


def ids(collection, vector, k=1):
    return [hit.id for hit in collection.search_vectors(vector, k=k)[0]]


def test_each_record_has_the_vector_that_came_with_it(own):
    assert [ids(own, EYE[i]) for i in range(3)] == [["a"], ["b"], ["c"]]
    hits = own.search_vectors(EYE[1] * 100, k=3)[0]
    assert [hit.score for hit in hits] == pytest.approx([1, 0, 0]), "lengths do not count"
    assert [hit.id for hit in own.similar("b", k=5)] == ["a", "c"]
    assert own.info().model_id == "vectors of your own"
    assert own.info().dim == 4


def test_a_change_of_the_vector_alone_is_a_change(own):
    report = own.upsert([("a", "red"), ("b", "green")], vectors=EYE[[0, 3]])
    assert (report.unchanged, report.changed, report.embedded) == (1, 1, 0)
    assert ids(own, EYE[3]) == ["b"]
    assert own.search_vectors(EYE[1], k=1)[0][0].score == pytest.approx(0)
    report = own.upsert([("a", "crimson")], vectors=EYE[:1])
    assert report.changed == 1
    assert ids(own, EYE[0]) == ["a"]


def test_equal_vectors_are_stored_once_and_both_found(own):
    size = (own.path / "vectors.f32").stat().st_size
    own.upsert([("d", "blue"), ("e", "white")], vectors=[EYE[0] * 2, EYE[0]])
    assert (own.path / "vectors.f32").stat().st_size == size
    assert ids(own, EYE[0], 3) == ["a", "d", "e"]


def test_bad_records_do_not_shift_the_vectors_of_the_others(own):
    report = own.upsert([("x", ""), ("y", "yellow"), (None, "z"), ("w", "white")], vectors=EYE)
    assert (report.failed, report.new) == (2, 2)
    assert ids(own, EYE[1], 2) == ["b", "y"]
    assert ids(own, EYE[3]) == ["w"]


def test_no_model_is_there_to_search_or_embed_texts(own, opened):
    for work in (lambda: own.search("red"), lambda: own.upsert([("d", "blue")])):
        with pytest.raises(UnsupportedOperationError, match=r"vectors of your own.*search_vectors"):
            work()
    with pytest.raises(ModelMismatchError, match="vectors of your own"):
        opened(embedder="hashing")
    assert len(own) == 3


@pytest.mark.parametrize(
    ("vectors", "error"),
    [
        (np.ones((1, 5)), DimensionMismatchError),
        (np.ones((2, 4)), InvalidInputError),
        (np.empty((0, 4)), InvalidInputError),
        ([[1, 2, np.nan, 4]], InvalidInputError),
        ([[1, 2], [3]], InvalidInputError),
        ("vector", InvalidInputError),
        ([["a", "b", "c", "d"]], InvalidInputError),
    ],
    ids=["wide", "many", "none", "nan", "ragged", "text", "texts"],
)
def test_vectors_that_do_not_fit_change_nothing(own, vectors, error):
    with pytest.raises(error):
        own.upsert([("a", "blue")], vectors=vectors)
    assert own.get("a").text == "red"
    assert own.info().last_run.run == 1


def test_ragged_vectors_make_no_collection(opened, home):
    with pytest.raises(InvalidInputError, match="of one width"):
        opened(embedder=None).upsert([("a", "x"), ("b", "y")], vectors=[[1, 2], [3]])
    assert not home.exists()


def test_vectors_of_the_models_width_may_come_beside_embedded_texts(opened, scripted):
    model = scripted(dim=4)
    collection = opened(embedder=model)
    collection.upsert([("t", "a text")])
    collection.upsert([("v", "a picture")], vectors=EYE[:1])
    assert model.sent == ["a text"]
    assert ids(collection, EYE[0]) == ["v"]
    assert [hit.id for hit in collection.search("a text", k=1)] == ["t"]
    with pytest.raises(DimensionMismatchError, match=r"\(n, 4\), got \(1, 3\)"):
        collection.upsert([("v", "a picture")], vectors=[[1, 2, 3]])


def test_a_zero_vector_is_kept_and_is_like_nothing(own):
    own.upsert([("zero", "nothing")], vectors=np.zeros((1, 4)))
    hits = own.search_vectors(EYE[0], k=4)[0]
    assert {hit.id: hit.score for hit in hits}["zero"] == 0
    assert np.isfinite([hit.score for hit in own.similar("zero", k=3)]).all()
