"""Labels for rows as they come."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit.classification.answering import MOST_ROWS, Answering
from embedkit.classification.columns import Shape, find_prefix
from embedkit.classification.labels import LabelSet
from embedkit.classification.predictions import Predictions
from embedkit.classification.stream import Labelling, write
from embedkit.errors import CredentialsError, EmbeddingError, InvalidInputError
from embedkit_connectors import MemorySource, open_source

LABELS = LabelSet(("long", "short"))
SHAPE = Shape()


class Oracle:
    """Says of each text whether it is short, by its length; remembers what it was asked."""

    def __init__(
        self, refuses: Sequence[str] = (), error: type[Exception] = EmbeddingError
    ) -> None:
        self.asked: list[str] = []
        self.calls = 0
        self.refuses = set(refuses)
        self.error = error

    def __call__(self, texts: Sequence[str]) -> Predictions:
        self.calls += 1
        if self.refuses & set(texts):
            raise self.error("this text will not do")
        self.asked += texts
        short = np.array([1 / (1 + np.exp(len(text) - 10.0)) for text in texts], np.float64)
        return Predictions(LABELS, np.stack([1 - short, short], axis=1).reshape(-1, 2))


def labels(table: Any) -> list[Any]:
    found: list[Any] = table.column("label").to_pylist()
    return found


def test_equal_texts_are_asked_once_also_later() -> None:
    oracle = Oracle()
    answering = Answering(oracle, SHAPE)
    first = answering.answer(["ab", "a much longer text", "ab", "", " "])
    assert labels(first.table) == ["short", "long", "short", None, None]
    again = answering.answer(["ab", "cd"])
    assert labels(again.table) == ["short", "short"]
    assert oracle.asked == ["ab", "a much longer text", "cd"]
    assert answering.answer([]).table.num_rows == 0


def test_what_is_remembered_is_bounded() -> None:
    oracle = Oracle()
    answering = Answering(oracle, SHAPE)
    for start in range(0, MOST_ROWS + 4000, 4000):
        found = answering.answer([f"{i}" for i in range(start, start + 4000)])
        assert labels(found.table) == ["short"] * 4000
    assert len(answering._places) < MOST_ROWS
    assert labels(answering.answer(["0", "a much longer text"]).table) == ["short", "long"]


@given(st.lists(st.sampled_from(["ab", "cd", "a much longer text", "bad", "worse", ""])))
def test_a_bad_text_costs_only_itself(texts: list[str]) -> None:
    answers = Answering(Oracle(["bad", "worse"]), SHAPE).answer(texts)
    assert set(answers.failures) == {i for i, t in enumerate(texts) if t in ("bad", "worse")}
    good = {"ab": "short", "cd": "short", "a much longer text": "long"}
    assert labels(answers.table) == [good.get(text) for text in texts]


def test_texts_without_an_answer_are_told_and_asked_again() -> None:
    oracle = Oracle()

    def unanswered() -> dict[int, str]:
        last = oracle.asked[-2:]
        return {last.index("ab"): "no label"} if "ab" in last else {}

    answering = Answering(oracle, SHAPE, unanswered)
    first = answering.answer(["cd", "ab", "cd"])
    assert labels(first.table) == ["short", None, "short"]
    assert first.failures == {1: "no label"}
    assert labels(answering.answer(["ab", "cd"]).table) == [None, "short"]
    assert oracle.asked == ["cd", "ab", "ab"]


def test_what_no_text_could_do_better_is_raised() -> None:
    with pytest.raises(CredentialsError):
        Answering(Oracle(["bad"], CredentialsError), SHAPE).answer(["ab", "bad"])


def test_columns_of_a_shape() -> None:
    predictions = Predictions(
        LABELS,
        np.array([[0.2, 0.8], [0.6, 0.4]]),
        np.array([0.5, 0.01]),
        abstain_below=0.7,
        scope_level=0.05,
        sets=np.array([[True, True], [True, False]]),
    )
    shape = Shape(abstains=True, typicality=True, scope=True, sets=True, top=3)
    assert shape.table(predictions).to_pylist() == [
        {
            "label": "short", "probability": 0.8, "label_2": "long", "probability_2": 0.2,
            "label_3": None, "probability_3": None, "abstained": False, "best": "short",
            "label_set": '["short", "long"]', "in_scope": True, "typicality": 0.5,
        },
        {
            "label": None, "probability": 0.6, "label_2": "short", "probability_2": 0.4,
            "label_3": None, "probability_3": None, "abstained": True, "best": "long",
            "label_set": '["long"]', "in_scope": False, "typicality": 0.01,
        },
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("names", "kind"), [((1, 2), pa.int64()), ((False, True), pa.bool_()), ((0.5, 1.5), None)]
)
def test_labels_of_other_types_keep_them(names: tuple[Any, ...], kind: Any) -> None:
    known = LabelSet(names)
    table = Shape(kind=known.kind).table(Predictions(known, np.array([[0.1, 0.9]])))
    assert table.schema.field("label").type == (kind or pa.float64())
    assert labels(table) == [names[1]]


def test_prefixes() -> None:
    added = ["label", "probability"]
    assert find_prefix(added, ["text"], None) == ""
    assert find_prefix(added, ["Label"], None) == "predicted_"
    assert find_prefix(added, ["label", "predicted_label"], None) == "predicted2_"
    assert find_prefix(added, ["label"], "x_") == "x_"
    with pytest.raises(InvalidInputError, match="'x_label' already"):
        find_prefix(added, ["X_label"], "x_")


def test_a_column_that_comes_late(tmp_path: Path) -> None:
    rows = [{"text": "ab"}] * 10_000 + [{"text": "cd", "label": "x"}]
    labelling = Labelling(Oracle(), SHAPE)
    with pytest.raises(InvalidInputError, match=r"later row has a column 'label'.*--prefix"):
        write(MemorySource(rows), labelling, str(tmp_path / "out.jsonl"), "jsonl")
    assert list(tmp_path.iterdir()) == []
    labelling = Labelling(Oracle(), SHAPE, prefix="p_")
    done = write(MemorySource(rows), labelling, str(tmp_path / "out.csv"), "csv")
    assert done.rows == 10_001
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0] == "text,p_label,p_probability,p_abstained,label"
    assert lines[-1].startswith("cd,short,")
    assert lines[-1].endswith(",x")


def test_the_column_that_was_trained_on_is_taken(tmp_path: Path) -> None:
    rows = [{"a": "one two three four", "b": "ab"}, {"a": "five six seven eight", "b": "c"}]
    labelling = Labelling(Oracle(), SHAPE, likely=("B",))
    batches = list(labelling.run(MemorySource(rows)))
    assert [label for batch in batches for label in labels(batch)] == ["short", "short"]
    other = Labelling(Oracle(), SHAPE, text=["a"], likely=("b",))
    assert labels(next(other.run(MemorySource(rows)))) == ["long", "long"]


def test_rows_of_a_damaged_parquet_text_stay_beside_their_labels(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    bad = pa.array([b"ab", b"\xff\xfe", b"a much longer text"], pa.binary())
    texts = pa.Array.from_buffers(pa.string(), 3, bad.buffers())
    numbers = pa.array([1, 2, 3], pa.int16())
    pq.write_table(pa.table({"text": texts, "n": numbers}), tmp_path / "q.parquet")
    labelling = Labelling(Oracle(), SHAPE)
    out = tmp_path / "out.parquet"
    done = write(open_source(tmp_path / "q.parquet"), labelling, str(out), "parquet")
    table = pq.read_table(out)
    assert table.column("n").to_pylist() == [1, 3]
    assert table.schema.field("n").type == pa.int16()
    assert labels(table) == ["short", "long"]
    assert (done.rows, done.failed) == (2, 1)


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    def rows(n: int) -> Iterator[dict[str, Any]]:
        return ({"text": f"text number {i}", "n": i} for i in range(n))

    def peak(n: int) -> int:
        tracemalloc.start()
        write(MemorySource(rows(n)), Labelling(Oracle(), SHAPE), str(tmp_path / f"{n}"), "jsonl")
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(120_000) < 2 * peak(60_000)
