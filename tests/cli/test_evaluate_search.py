from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

ASKED = [("a", "how do I get my money back?"), ("b", "delivery time"), ("c", "nobody judged")]


@pytest.fixture
def judged(run: Any, data: Any, questions: Path) -> Path:
    """Queries and judgements of the example questions: the third hit of each is relevant."""
    with Path("queries.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "text"), *ASKED])
    lines = []
    for id, text in ASKED[:2]:
        hits = data("search", text, "-k", "3")
        lines.append(f"{id} 0 {hits[2]['id']} 1\n{id} 0 {hits[0]['id']} 0\n")
    Path("qrels.txt").write_text("".join(lines))
    return questions


FILES = ("--queries", "queries.csv", "--qrels", "qrels.txt")


def test_measures_are_printed(run: Any, data: Any, judged: Path) -> None:
    value = data("evaluate", "search", *FILES)
    assert value["queries"] == 2
    assert value["measures"]["MRR@10"]["mean"] == pytest.approx(1 / 3)
    assert value["measures"]["recall@10"]["mean"] == 1.0
    assert list(value["measures"]) == ["nDCG@10", "MRR@10", "recall@10", "recall@100", "MAP"]
    assert value["unjudged"] == ["c"]
    result = run("evaluate", "search", *FILES, "--format", "table", "--worst", "1")
    assert "questions, mode=dense: 2 judged queries, the first 100 hits of each" in result.stdout
    assert "MRR@10      0.333  0.333 to 0.333" in result.stdout
    assert "\n\nlowest nDCG@10\n  0.500  a: how do I get my money back?" in result.stdout
    assert "1 query without anything judged relevant left out: 'c'" in result.stderr
    rows = list(csv.DictReader(run("evaluate", "search", *FILES, "--format", "csv").stdout.split()))
    assert rows[1]["measure"] == "MRR@10"


def test_a_file_that_cannot_be_written(run: Any, judged: Path) -> None:
    result = run("evaluate", "search", *FILES, "--per-query", "no/such/each.csv", code=1)
    assert "cannot write no/such/each.csv" in result.stderr


def test_floors_decide_the_exit_code(run: Any, judged: Path) -> None:
    floors = ("--min", "NDCG@10=0.4", "--min", "rr@10=0.3", "--min", "success@3=1")
    assert "below" not in run("evaluate", "search", *FILES, *floors).stderr
    result = run("evaluate", "search", *FILES, *floors, "--min", "success@2=0.1", code=1)
    assert "success@2 is 0.0000, below the floor of 0.1" in result.stderr
    assert '"success@2"' in result.stdout, "what a floor asks for is measured"


def test_files_are_written_and_read_again(run: Any, data: Any, judged: Path) -> None:
    run("evaluate", "search", *FILES, "--run", "run.txt", "--per-query", "each.csv")
    assert len(Path("run.txt").read_text().splitlines()) == 200
    with Path("each.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["query_id"] for row in rows] == ["a", "b"]
    assert float(rows[0]["MRR@10"]) == pytest.approx(1 / 3)
    value = data("evaluate", "search", *FILES, "--against", "run=run.txt")
    assert value["against"]["subject"] == "run.txt"
    for each in value["against"]["differences"].values():
        assert each["difference"]["mean"] == 0
        assert each["p_value"] == 1
        assert each["ties"] == 2


def test_two_searches_are_compared(run: Any, data: Any, judged: Path) -> None:
    value = data("evaluate", "search", *FILES, "--against", "rerank=lexical")
    assert value["against"]["subject"] == "questions, mode=dense, rerank=lexical"
    found = value["against"]["differences"]["MRR@10"]
    other = value["against"]["measures"]["MRR@10"]["mean"]
    assert found["difference"]["mean"] == pytest.approx(1 / 3 - other)
    run("index", "queries.csv", "-c", "other", "--id", "id", "--text", "text")
    result = run("evaluate", "search", *FILES, "-c", "questions", "--against", "other", code=2)
    assert "none of the 4 judged records is in collection 'other'" in result.stderr
    assert data("evaluate", "search", *FILES)["subject"].startswith("questions"), "as used last"
    result = run(
        "evaluate", "search", *FILES, "-c", "questions", "--against", "mode=dense", "--format",
        "table", "--per-query", "each.csv",
    )  # fmt: skip
    assert "against questions, mode=dense" in result.stdout
    assert "0/2/0" in result.stdout
    assert "the same" in result.stdout
    with Path("each.csv").open() as file:
        assert "nDCG@10 against" in next(csv.reader(file))


def test_without_judgements_it_says_what_it_measures(run: Any, data: Any, questions: Path) -> None:
    result = run("evaluate", "search", "--format", "table", "--sample", "20")
    assert "not how relevant hits are" in result.stdout
    assert "self-retrieval: does a record find itself? 20 records" in result.stdout
    assert "its whole text finds it first" in result.stdout
    assert "in capitals" in result.stdout
    Path("queries.txt").write_text("money back\ndelivery time\n")
    value = data("evaluate", "search", "--queries", "queries.txt", "--sample", "5")
    assert (value["records"], value["queries"]) == (5, 2)
    assert value["self_retrieval"]["whole@1"]["mean"] == 1.0
    run("evaluate", "search", "--sample", "5", "--min", "whole@1=1")
    result = run("evaluate", "search", "--sample", "5", "--min", "Mistyped=1.1", code=1)
    assert "mistyped is " in result.stderr
    result = run("evaluate", "search", "--sample", "5", "--min", "ndcg@10=1", code=2)
    assert "there is no measure 'ndcg@10' here" in result.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--qrels", "qrels.txt"], 2, "--qrels needs the queries"),
        (["--queries", "none.csv", "--qrels", "qrels.txt"], 1, "none.csv"),
        (["--queries", "queries.csv", "--qrels", "none"], 1, "there is no file none"),
        (["--queries", "empty.csv", "--qrels", "qrels.txt"], 1, "empty.csv"),
        (["--queries", "twice.csv", "--qrels", "qrels.txt"], 1, "two queries of the id 'a'"),
        (["--queries", "queries.csv", "--qrels", "binary"], 1, "binary is not UTF-8"),
        (["--queries", "qrels.txt", "--qrels", "queries.csv"], 1, "queries.csv"),
        (["--queries", "queries.csv", "--qrels", "strange.txt"], 2, "its ids look like"),
        ([*FILES, "--metric", "ndgc@10"], 2, "did you mean 'nDCG@10'"),
        ([*FILES, "--metric", "recall@100", "-k", "10"], 2, "k of at least 100"),
        ([*FILES, "--min", "ndcg@10"], 2, "expected --min NAME=VALUE"),
        ([*FILES, "--min", "ndcg@10=x"], 2, "expected --min NAME=VALUE"),
        ([*FILES, "--min", "nonsense=1"], 2, "there is no measure 'nonsense'"),
        ([*FILES, "--against", "mod=dense"], 2, "did you mean 'mode'"),
        ([*FILES, "--against", "run=none.txt"], 1, "there is no file none.txt"),
        ([*FILES, "--against", "question"], 1, "did you mean 'questions'"),
        ([*FILES, "--where", "nocolumn = 1"], 2, "nocolumn"),
        ([*FILES, "--sample", "3"], 2, "--sample is for measuring without"),
        (["--against", "mode=dense"], 2, "--against needs judgements"),
        (["--metric", "map"], 2, "--metric needs judgements"),
    ],
)
def test_bad_input_is_one_clear_line(
    run: Any, judged: Path, words: list[str], code: int, said: str
) -> None:
    Path("empty.csv").write_text("id,text\n")
    Path("twice.csv").write_text("id,text\na,one\na,two\n")
    Path("binary").write_bytes(bytes(range(128, 256)))
    Path("strange.txt").write_text("a 0 nobody-has-this 1\n")
    stderr = run("evaluate", "search", *words, code=code).stderr
    assert said in stderr
    assert len(stderr.strip().splitlines()) == 1
