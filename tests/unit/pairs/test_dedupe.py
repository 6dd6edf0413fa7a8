from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import embedkit
from embedkit.embedders.hashing import HashingEmbedder
from embedkit.errors import ColumnError, InvalidInputError, SourceError, SourceNotFoundError
from embedkit.pairs import judge

TEXTS = [
    "how do I get my money back",
    "where is the nearest station",
    "how do I get my money back?",
    "",
    "How do I  get my money back",
    "how do I get my money back",
    "where is the nearest station of all",
    "something else entirely",
]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.csv"
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["code", "question", "lang"])
        out.writerows([f"{i:03}", text, "en"] for i, text in enumerate(TEXTS))
    return path


def codes(path: Path) -> list[str]:
    with path.open(newline="") as file:
        return [row["code"] for row in csv.DictReader(file)]


def run(source: Any, out: Path, **options: Any) -> embedkit.DedupeReport:
    return embedkit.dedupe(source, out, **{"text": "question", "embedder": "hashing", **options})


def test_near_duplicates_are_dropped_and_told(source: Path, tmp_path: Path) -> None:
    out, report = tmp_path / "out.csv", tmp_path / "report.csv"
    done = run(source, out, threshold=0.8, report=report)
    assert codes(out) == ["000", "001", "003", "007"]
    assert (done.rows, done.kept, done.equal, done.near, done.blank, done.failed) == (
        8,
        4,
        1,
        3,
        1,
        0,
    )
    told = list(csv.DictReader(report.read_text().splitlines()))
    assert [(row["line"], row["kept_line"], row["exact"]) for row in told] == [
        ("4", "2", "false"), ("6", "2", "false"), ("7", "2", "true"), ("8", "3", "false"),
    ]  # fmt: skip
    assert told[0]["text"] == TEXTS[2]
    assert told[0]["kept_text"] == TEXTS[0]
    vectors = HashingEmbedder().embed(TEXTS)
    for row in told:
        cosine = float(vectors[int(row["line"]) - 2] @ vectors[int(row["kept_line"]) - 2])
        assert float(row["score"]) == pytest.approx(cosine, abs=1e-6)
        assert float(row["score"]) >= 0.8
    kept = vectors[[0, 1, 7]]
    assert (np.triu(kept @ kept.T, 1) < 0.8).all()


def test_columns_and_values_stay_as_they_are(source: Path, tmp_path: Path) -> None:
    run(source, tmp_path / "out.csv", threshold=None)
    lines = source.read_text().splitlines()
    assert (tmp_path / "out.csv").read_text().splitlines() == [
        line for i, line in enumerate(lines) if i != 6
    ]


@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        ("first", ["000", "001", "003", "007"]),
        ("last", ["003", "005", "006", "007"]),
        ("longest", ["002", "003", "006", "007"]),
    ],
)
def test_which_row_is_kept(source: Path, tmp_path: Path, keep: str, expected: list[str]) -> None:
    run(source, tmp_path / "out.csv", threshold=0.8, keep=keep)
    assert codes(tmp_path / "out.csv") == expected


def test_equal_texts_need_no_model(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a model was asked")

    monkeypatch.setattr("embedkit.registry.create", refuse)
    monkeypatch.setattr(judge, "_embed", refuse)
    done = embedkit.dedupe([{"text": t} for t in TEXTS], tmp_path / "o.jsonl", threshold=None)
    assert (done.kept, done.equal, done.near, done.threshold) == (7, 1, 0, None)
    done = embedkit.dedupe(
        [{"text": t} for t in TEXTS], tmp_path / "n.jsonl", threshold=None, normalize=True
    )
    assert (done.kept, done.equal) == (6, 2)
    kept = [json.loads(line)["text"] for line in (tmp_path / "n.jsonl").read_text().splitlines()]
    assert kept == [TEXTS[i] for i in (0, 1, 2, 3, 6, 7)]


def test_several_columns_are_compared_together(tmp_path: Path) -> None:
    rows = [{"a": "x y z", "b": "1"}, {"a": "x y z", "b": "2"}, {"a": "x y z", "b": "1"}]
    done = embedkit.dedupe(rows, tmp_path / "o.jsonl", text="a,b", threshold=None)
    assert done.kept == 2


def test_parquet_keeps_its_own_types(tmp_path: Path) -> None:
    table = pa.table(
        {
            "text": ["a b c", "a b c", "d e f"],
            "n": pa.array([1, 2, 3], pa.int16()),
            "t": pa.array([0, 1, 2], pa.timestamp("ns", "Europe/Zurich")),
            "l": [[1], [2, 3], []],
        }
    )
    pq.write_table(table, tmp_path / "in.parquet")
    run(tmp_path / "in.parquet", tmp_path / "out.parquet", text="text")
    assert pq.read_table(tmp_path / "out.parquet").equals(table.take([0, 2]))
    run(tmp_path / "in.parquet", tmp_path / "out.jsonl", text="text")
    rows = list(map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines()))
    assert [row["l"] for row in rows] == [[1], []]


def test_batches_of_different_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedkit_connectors.jsonl.BATCH_ROWS", 2)
    rows: list[dict[str, Any]] = [
        {"text": "a b", "n": 1}, {"text": "c d", "n": 2},
        {"text": "a b", "n": 1.5}, {"n": "x", "more": {"k": 1}},
        {"text": "e f", "n": 3, "more": [1]},
    ]  # fmt: skip
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = run(tmp_path / "in.jsonl", tmp_path / "out.csv", text="text")
    assert (done.rows, done.kept, done.blank) == (5, 4, 1)
    lines = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    assert [row["n"] for row in lines] == ["1", "2", "x", "3"]
    assert [row["more"] for row in lines] == ["", "", '{"k": 1}', "[1]"]
    run(tmp_path / "in.jsonl", tmp_path / "out.parquet", text="text")
    assert pq.read_table(tmp_path / "out.parquet").column("n").to_pylist() == ["1", "2", "x", "3"]


def test_rows_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,text\n1,a b c\n2,a,b,c,d\n3,d e f\n")
    done = run(tmp_path / "in.csv", tmp_path / "out.csv", text="text")
    assert (done.rows, done.kept, done.failed) == (2, 2, 1)
    assert done.rejects[0].line == 3


def test_an_embedder_of_your_own_is_asked_for_each_text_once(
    source: Path, tmp_path: Path, scripted: Any
) -> None:
    mine = scripted()
    run(source, tmp_path / "out.csv", embedder=mine)
    assert sorted(mine.sent) == sorted(set(TEXTS) - {""})


def test_a_failure_leaves_nothing_and_what_was_there(
    source: Path, tmp_path: Path, scripted: Any
) -> None:
    mine = scripted()
    mine.stop_after, mine.stop_with = 0, KeyboardInterrupt()
    out = tmp_path / "out.csv"
    out.write_text("before")
    before = set(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt):
        run(source, out, embedder=mine, force=True)
    assert set(tmp_path.iterdir()) == before
    assert out.read_text() == "before"


def test_places_that_cannot_be_meant(source: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.csv"
    link.symlink_to(source)
    there = tmp_path / "there.csv"
    there.write_text("x")
    for out, said in [
        (source, "source itself"), (link, "source itself"), (there, "--force"),
        (tmp_path, "format"), (tmp_path / "no" / "a.csv", "no folder"),
        (Path("/dev/null"), "format"), (tmp_path / "a.xlsx", "format"),
    ]:  # fmt: skip
        with pytest.raises(InvalidInputError, match=said):
            run(source, out)
    with pytest.raises(InvalidInputError, match="source itself"):
        run(source, tmp_path / "a.csv", report=source)
    with pytest.raises(InvalidInputError, match="same file"):
        run(source, tmp_path / "a.csv", report=tmp_path / "a.csv")
    with pytest.raises(InvalidInputError, match="device"):
        run(source, "/dev/null", format="csv", force=True)
    assert run(source, there, force=True).kept
    assert source.read_text().startswith("code,")


def test_bad_wishes(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    for options in ({"threshold": 0}, {"threshold": 7}, {"keep": "best"}, {"format": "xml"}):
        with pytest.raises(InvalidInputError):
            run(source, out, **options)
    with pytest.raises(ColumnError, match="did you mean 'question'"):
        run(source, out, text="qestion")
    with pytest.raises(SourceNotFoundError, match=r"in\.csv"):
        run(tmp_path / "on.csv", out)
    empty = tmp_path / "empty.csv"
    empty.write_text("code,question\n")
    with pytest.raises(SourceError, match="no rows"):
        run(empty, out)
    assert not out.exists()


def test_a_source_that_can_be_read_only_once(tmp_path: Path) -> None:
    def rows() -> Iterator[dict[str, str]]:
        yield from ({"text": text} for text in TEXTS)

    done = run(rows(), tmp_path / "out.jsonl", text="text", threshold=0.8)
    assert done.kept == 4
