"""Training, opening and using classifiers by name."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import embedkit
from embedkit.classification import library
from embedkit.errors import (
    ClassifierNotFoundError,
    InvalidInputError,
    ModelMismatchError,
    UnsupportedOperationError,
)

ROWS = [
    {"id": f"{i}", "body": text, "topic": topic, "other": text[::-1]}
    for i, (text, topic) in enumerate(
        [
            ("how do I pay my bill", "money"),
            ("can I pay by card", "money"),
            ("refund the bill to my card", "money"),
            ("where is my parcel", "post"),
            ("the parcel is late", "post"),
            ("track my late parcel", "post"),
        ]
    )
]
HEAD = {"embedder": "hashing", "head": "logreg"}


@pytest.fixture
def topics(home: Path) -> embedkit.ClassifierInfo:
    """A classifier that learned from the column ``body``."""
    return embedkit.train(ROWS, "topics", text="body", label="topic", home=home, **HEAD)


def test_what_is_trained_is_there_by_name(home: Path, topics: embedkit.ClassifierInfo) -> None:
    assert topics.labels == {"money": 3, "post": 3}
    assert (topics.head, topics.embedder, topics.task) == ("logreg", "hashing", "single")
    assert topics.origin is not None
    assert (topics.origin.text, topics.origin.label) == (("body",), "topic")
    assert [info.name for info in embedkit.classifiers(home)] == ["topics"]
    opened = embedkit.classifier("topics", home=home)
    assert opened.predict(["pay the bill", "late parcel"]).tolist() == ["money", "post"]
    assert topics.to_dict()["labels"] == [["money", 3], ["post", 3]]
    embedkit.delete_classifier("topics", home=home)
    assert embedkit.classifiers(home) == []
    with pytest.raises(ClassifierNotFoundError):
        embedkit.classifier("topics", home=home)


def test_training_again_is_the_same_and_tells_other_rows(
    home: Path, topics: embedkit.ClassifierInfo
) -> None:
    again = embedkit.train(ROWS, "topics", text="body", label="topic", home=home, **HEAD)
    assert again.origin == topics.origin
    less = embedkit.train(ROWS[1:], "topics", text="body", label="topic", home=home, **HEAD)
    assert less.origin is not None
    assert topics.origin is not None
    assert less.origin.digest != topics.origin.digest
    assert less.report.rows == 5


def test_a_failed_training_leaves_the_one_that_is_there(
    home: Path, topics: embedkit.ClassifierInfo
) -> None:
    with pytest.raises(InvalidInputError):
        embedkit.train(ROWS[:3], "topics", text="body", label="topic", home=home, **HEAD)
    with pytest.raises(InvalidInputError, match="letters"):
        embedkit.train(ROWS, "a/b", text="body", label="topic", home=home, **HEAD)
    assert embedkit.classifiers(home)[0].origin == topics.origin


def test_another_model_is_refused(home: Path, topics: embedkit.ClassifierInfo) -> None:
    other = embedkit.classifier("topics", home=home, embedder="hashing?dim=64")
    with pytest.raises(ModelMismatchError, match="was trained with"):
        other.predict(["x"])


def test_the_origin_of_another_classifier_is_not_told(
    home: Path, topics: embedkit.ClassifierInfo
) -> None:
    place = Path(topics.path)
    assert library.read_origin(place) == topics.origin
    (place / "classifier.json").write_text((place / "classifier.json").read_text() + " ")
    assert library.read_origin(place) is None
    (place / library.ORIGIN).write_text("[")
    assert library.read_origin(place) is None


def test_damaged_ones_are_left_out(home: Path, topics: embedkit.ClassifierInfo) -> None:
    embedkit.train(ROWS, "sound", text="body", label="topic", home=home, **HEAD)
    (Path(topics.path) / "classifier.json").write_text("{")
    assert [info.name for info in embedkit.classifiers(home)] == ["sound"]


def test_files_are_labelled_by_the_column_that_was_trained_on(
    home: Path, topics: embedkit.ClassifierInfo, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    done = embedkit.classify(ROWS, out, "topics", home=home)
    assert (done.rows, done.labelled, done.counts) == (6, 6, {"money": 3, "post": 3})
    with out.open() as file:
        found = list(csv.DictReader(file))
    assert [row["label"] for row in found] == [row["topic"] for row in ROWS]
    assert done.to_dict()["rejects"] == []
    with pytest.raises(InvalidInputError, match="--force"):
        embedkit.classify(ROWS, out, "topics", home=home)
    with pytest.raises(InvalidInputError, match="0 to 1"):
        embedkit.classify(ROWS, tmp_path / "o.csv", "topics", home=home, abstain_below=2)
    with pytest.raises(InvalidInputError, match="labels"):
        embedkit.classify(ROWS, tmp_path / "o.csv", "topics", home=home, top=0)
    assert not (tmp_path / "o.csv").exists()


def test_frames_and_tables_are_labelled(
    home: Path, topics: embedkit.ClassifierInfo, tmp_path: Path
) -> None:
    import pandas as pd

    frame = pd.DataFrame({"body": ["pay the bill", None, "parcel"], "n": [1, 2, 3]})
    done = embedkit.classify(frame, tmp_path / "a.jsonl", "topics", home=home)
    assert (done.labelled, done.blank) == (2, 1)
    table = pa.table({"body": ["pay the bill"]})
    assert embedkit.classify(table, tmp_path / "b.csv", "topics", home=home).labelled == 1


def test_several_labels_have_no_next_best(home: Path, tmp_path: Path) -> None:
    rows: list[Any] = [row | {"topic": [row["topic"], "all"]} for row in ROWS]
    rows.append({"body": "nothing of these", "topic": []})
    many = embedkit.train(
        rows, "many", text="body", label="topic", multi_label=True, home=home, **HEAD
    )
    assert many.task == "multi"
    with pytest.raises(InvalidInputError, match="leave --labels out"):
        embedkit.classify(ROWS, tmp_path / "o.csv", "many", home=home, top=2)


def test_what_was_not_learned_cannot_be_asked(home: Path, tmp_path: Path) -> None:
    words = {"embedder": "hashing", "head": "tfidf"}
    embedkit.train(ROWS, "words", text="body", label="topic", home=home, **words)
    with pytest.raises(UnsupportedOperationError, match="leave the scope out"):
        embedkit.classify(ROWS, tmp_path / "o.csv", "words", home=home, scope_level=0.05)


def test_predicting_loads_no_scikit_learn(home: Path, topics: embedkit.ClassifierInfo) -> None:
    program = (
        "import sys, embedkit\n"
        f"found = embedkit.classifier('topics', home={str(home)!r})\n"
        "assert found.predict(['pay the bill']).tolist() == ['money']\n"
        "heavy = {'sklearn', 'scipy', 'torch', 'pandas', 'duckdb'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
