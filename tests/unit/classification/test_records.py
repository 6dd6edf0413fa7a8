"""Labels of a collection's records, as metadata."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import embedkit
from embedkit.classification.estimator import TextClassifier
from embedkit.errors import ClassifierNotFoundError, FilterError, InvalidInputError

MONEY = ["how do I pay my bill", "can I pay by card", "the bill is too high", "refund my card"]
POST = ["where is my parcel", "the parcel is late", "my order never came", "track my parcel"]


def rows(texts: list[str] = MONEY + POST) -> list[dict[str, Any]]:
    return [{"id": f"r{i}", "text": text, "n": i} for i, text in enumerate(texts)]


@pytest.fixture
def topics(home: Path) -> TextClassifier:
    """A classifier of what the records are about."""
    made = TextClassifier("hashing", head="logreg", home=home)
    return made.fit(MONEY + POST, ["money"] * 4 + ["post"] * 4)


def test_labels_become_metadata_that_filters(opened: Any, topics: TextClassifier) -> None:
    with opened() as collection:
        collection.index(rows())
        done = collection.classify(topics.classifier_, column="topic")
        assert (done.rows, done.labelled, done.abstained, done.failed) == (8, 8, 0, 0)
        assert done.counts == {"money": 4, "post": 4}
        assert done.notes == ()
        record = collection.get("r1")
        assert record.metadata["topic"] == "money"
        assert record.metadata["topic_abstained"] is False
        expected = topics.predict_proba([record.text]).max()
        assert record.metadata["topic_probability"] == pytest.approx(expected, abs=1e-5)
        found = collection.search("parcel", k=8, where="topic = 'money'")
        assert {hit.id for hit in found} == {"r0", "r1", "r2", "r3"}
        assert all(finding.ok for finding in collection.check())


def test_nothing_is_embedded_where_the_model_is_the_same(
    opened: Any, topics: TextClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened() as collection:
        collection.index(rows())
        trained = topics.classifier_

        def refuse(texts: Any, **options: Any) -> Any:
            raise AssertionError(f"it embeds {texts}")

        monkeypatch.setattr(type(trained.embedder), "embed_batch", refuse)
        assert collection.classify(trained).labelled == 8


def test_another_model_embeds_them(opened: Any, home: Path) -> None:
    made = TextClassifier("hashing?dim=64", head="logreg", home=home)
    made.fit(MONEY + POST, ["money"] * 4 + ["post"] * 4)
    with opened() as collection:
        collection.index(rows())
        done = collection.classify(made.classifier_)
        assert done.notes == ("8 texts were embedded for it",)
        assert collection.get("r5").metadata["label"] == "post"


def test_vectors_of_ones_own_are_not_taken_for_those_of_the_texts(
    opened: Any, topics: TextClassifier
) -> None:
    with opened() as collection:
        collection.index(rows(MONEY))
        dim = topics.classifier_.model.dim
        vectors = np.eye(dim, dtype=np.float32)[:4]
        given = [{"id": f"o{i}", "text": text, "n": i} for i, text in enumerate(POST)]
        collection.upsert(given, vectors=vectors)
        done = collection.classify(topics.classifier_)
        assert done.counts == {"money": 4, "post": 4}
        assert done.notes == ("4 texts were embedded for it",)


def test_passages_are_classified_by_their_mean(opened: Any, topics: TextClassifier) -> None:
    with opened(chunk="tokens=8,overlap=0") as collection:
        collection.index(rows([" and ".join(MONEY), POST[0], " and ".join(POST)]))
        done = collection.classify(topics.classifier_)
        assert done.notes == ()
        labels = [collection.get(f"r{i}").metadata["label"] for i in range(3)]
        assert labels == ["money", "post", "post"]


def test_only_some_records(opened: Any, topics: TextClassifier) -> None:
    with opened() as collection:
        collection.index(rows())
        assert collection.classify(topics, where="n < 3").rows == 3
        assert [collection.get(f"r{i}").metadata["label"] for i in (2, 3)] == ["money", None]
        assert collection.classify(topics, where="n > 99").rows == 0
        with pytest.raises(FilterError):
            collection.classify(topics, where="nix = 3")


def test_abstaining_leaves_no_label(opened: Any, topics: TextClassifier) -> None:
    with opened() as collection:
        collection.index(rows())
        done = collection.classify(topics, abstain_below=1.0)
        assert (done.labelled, done.abstained) == (0, 8)
        metadata = collection.get("r0").metadata
        assert (metadata["label"], metadata["label_abstained"]) == (None, True)
        assert collection.classify(topics).labelled == 8


def test_a_column_that_came_with_the_records_is_kept(opened: Any, topics: TextClassifier) -> None:
    with opened() as collection:
        collection.index(rows())
        with pytest.raises(InvalidInputError, match=r"column 'n' already.*force"):
            collection.classify(topics, column="N")
        with pytest.raises(InvalidInputError, match="own"):
            collection.classify(topics, column="text")
        with pytest.raises(InvalidInputError, match="nothing"):
            collection.classify(topics, column=" ")
        collection.classify(topics, column="n", force=True)
        assert collection.get("r0").metadata["n"] == "money"


def test_indexing_again_leaves_the_labels(opened: Any, topics: TextClassifier) -> None:
    with opened() as collection:
        collection.index(rows())
        collection.classify(topics)
        again = collection.index(rows())
        assert (again.unchanged, again.changed) == (8, 0)
        changed = rows()
        changed[0]["n"] = 100
        changed[4]["text"] = "I would like to pay by card"
        report = collection.index([*changed, {"id": "new", "text": "a new one", "n": 9}])
        assert (report.changed, report.new, report.embedded) == (2, 1, 2)
        found = {record.id: record.metadata for record in collection}
        assert (found["r0"]["n"], found["r0"]["label"]) == (100, "money")
        assert found["r1"]["label"] == "money"
        assert found["r4"]["label"] is None, "its text is another one"
        assert found["new"]["label"] is None
        assert collection.classify(topics).labelled == 9
        assert collection.get("r4").metadata["label"] == "money"


def test_labels_survive_a_change_in_place_and_a_rebuild(
    opened: Any, topics: TextClassifier
) -> None:
    with opened() as collection:
        collection.index(rows())
        collection.classify(topics)
        collection.upsert({"id": "r1", "text": MONEY[1], "n": 7})
        collection.rebuild()
        assert collection.get("r1").metadata["label"] == "money"
    with opened() as again:
        assert again.get("r1").metadata == {
            "n": 7,
            "label": "money",
            "label_probability": again.get("r1").metadata["label_probability"],
            "label_abstained": False,
        }


def test_by_name_and_what_is_no_classifier(opened: Any, home: Path) -> None:
    source = [{"text": t, "label": "a" if t in MONEY else "b"} for t in MONEY + POST]
    with opened() as collection:
        collection.index(rows())
        with pytest.raises(ClassifierNotFoundError, match="make it with"):
            collection.classify("topics")
        options = {"embedder": "hashing", "head": "logreg", "home": home}
        embedkit.train(source, "topics", **options)
        assert collection.classify("topics").counts == {"a": 4, "b": 4}
        with pytest.raises(InvalidInputError, match="name of a classifier"):
            collection.classify(3)


def test_several_labels_become_json(opened: Callable[..., Any], home: Path) -> None:
    made = TextClassifier("hashing", head="logreg", home=home)
    made.fit(MONEY + POST, [["money"]] * 4 + [["post", "late"]] * 4)
    with opened() as collection:
        collection.index(rows())
        done = collection.classify(made)
        assert sorted(collection.get("r5").metadata["label"]) == ["late", "post"]
        assert done.labelled == 8


def test_training_on_a_collection_embeds_nothing(
    opened: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from embedkit.embedders.hashing import HashingEmbedder

    given = [row | {"topic": "money" if row["text"] in MONEY else "post"} for row in rows()]
    with opened() as collection:
        collection.index(given)
        sent: list[str] = []
        original = HashingEmbedder._embed

        def log(self: HashingEmbedder, texts: list[str], input_type: Any) -> Any:
            sent.extend(texts)
            return original(self, texts, input_type)

        monkeypatch.setattr(HashingEmbedder, "_embed", log)
        info = collection.train("topics", "topic", head="logreg", where="n > 0")
        assert (info.report.rows, info.embedder) == (7, "hashing")
        assert sent == []
        assert info.origin is not None
        assert (info.origin.source, info.origin.kind) == ("q", "collection")
        other = collection.train("other", "topic", head="logreg", embedder="hashing?dim=64")
        assert len(sent) == 8
        assert other.dim == 64
        assert collection.classify("topics").labelled == 8
