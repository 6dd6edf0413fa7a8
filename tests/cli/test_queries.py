"""Many queries at once."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

FIRST = "How do I get candle wax out of a carpet?"
SECOND = "How long should I rest between two strength workouts?"


@pytest.fixture
def asked(questions: Path) -> Path:
    (questions / "asked.csv").write_text(
        f'id,text\na1,"{FIRST}"\nb 2,"{SECOND}"\n', encoding="utf-8"
    )
    return questions


def test_json(data: Any, asked: Path) -> None:
    answers = data("search", "--queries", "asked.csv", "-k", "2")
    assert [(a["query_id"], a["query"]) for a in answers] == [("a1", FIRST), ("b 2", SECOND)]
    assert [a["hits"][0]["id"] for a in answers] == ["q001", "q003"]
    assert [len(a["hits"]) for a in answers] == [2, 2]


def test_jsonl_is_a_line_a_query(run: Any, asked: Path) -> None:
    lines = run("search", "--queries", "asked.csv").stdout.splitlines()
    assert [json.loads(line)["query_id"] for line in lines] == ["a1", "b 2"]


def test_trec(run: Any, asked: Path) -> None:
    result = run("search", "--queries", "asked.csv", "-k", "2", "--format", "trec", "--tag", "run1")
    fields = [line.split(" ") for line in result.stdout.splitlines()]
    assert [[f[0], f[3]] for f in fields] == [
        ["a1", "1"], ["a1", "2"], ["b%202", "1"], ["b%202", "2"],
    ]  # fmt: skip
    assert fields[0][2] == "q001"
    assert {f[1] for f in fields} == {"Q0"}
    assert {f[5] for f in fields} == {"run1"}
    assert float(fields[0][4]) >= float(fields[1][4])
    assert "%20" in result.stderr


def test_csv(run: Any, asked: Path) -> None:
    text = run("search", "--queries", "asked.csv", "-k", "2", "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["query_id"] for row in rows] == ["a1", "a1", "b 2", "b 2"]
    assert list(rows[0])[:5] == ["query_id", "rank", "id", "score", "text"]
    assert rows[0]["topic"] == "home repair"


def test_table_is_grouped(run: Any, asked: Path) -> None:
    shown = run("search", "--queries", "asked.csv", "-k", "1", "--format", "table").stdout
    assert f"a1: {FIRST}\n" in shown
    assert f"\n\nb 2: {SECOND}\n" in shown


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("q.txt", f"{FIRST}\n{SECOND}\n"),
        ("q.csv", f'question\n"{FIRST}"\n"{SECOND}"\n'),
        ("q.csv", f'lang,query\nen,"{FIRST}"\nen,"{SECOND}"\n'),
        ("q.jsonl", json.dumps({"text": FIRST}) + "\n" + json.dumps({"text": SECOND}) + "\n"),
    ],
)
def test_ids_count_where_there_are_none(
    data: Any, questions: Path, file: str, content: str
) -> None:
    (questions / file).write_text(content, encoding="utf-8")
    answers = data("search", "--queries", file, "-k", "1")
    assert [(a["query_id"], a["hits"][0]["id"]) for a in answers] == [("1", "q001"), ("2", "q003")]


@pytest.mark.parametrize("column", ["id", "query_id", "qid", "_id"])
def test_ids_under_the_usual_names(data: Any, questions: Path, column: str) -> None:
    line = json.dumps({column: 17, "text": FIRST})
    (questions / "q.jsonl").write_text(line + "\n", encoding="utf-8")
    assert data("search", "--queries", "q.jsonl", "-k", "1")[0]["query_id"] == "17"


def test_stdin(data: Any, questions: Path) -> None:
    answers = data("search", "--queries", "-", "-k", "1", stdin=f"id,text\nx,{FIRST}\n")
    assert answers[0]["query_id"] == "x"


def test_bad_rows_are_named_and_the_rest_is_answered(run: Any, questions: Path) -> None:
    (questions / "q.csv").write_text(f'id,text\n1,"{FIRST}"\n2,\n', encoding="utf-8")
    result = run("search", "--queries", "q.csv", "--json", code=1)
    assert len(json.loads(result.stdout)) == 1
    assert "q.csv: 1 row left out; the first is line 3" in result.stderr


@pytest.mark.parametrize(
    ("content", "part", "code"),
    [
        ("id,one,two\n1,a,b\n", "no column of queries", 2),
        ("id,text\n", "no query", 1),
    ],
)
def test_files_without_queries(
    run: Any, questions: Path, content: str, part: str, code: int
) -> None:
    (questions / "q.csv").write_text(content, encoding="utf-8")
    result = run("search", "--queries", "q.csv", code=code)
    assert part in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_many_queries_are_reranked(data: Any, run: Any, questions: Path) -> None:
    lines = [f"what about number {i}" for i in range(18)]
    (questions / "q.txt").write_text("\n".join([FIRST, *lines, SECOND]), encoding="utf-8")
    words = ["search", "--queries", "q.txt", "-k", "1", "--rerank", "lexical"]
    answers = data(*words)
    assert [a["query_id"] for a in answers] == [str(n) for n in range(1, 21)]
    assert [answers[i]["hits"][0]["id"] for i in (0, 19)] == ["q001", "q003"]
    assert {hit["kind"] for a in answers for hit in a["hits"]} == {"reranked"}
    assert "reranked  id" in run(*words, "--format", "table").stdout


def test_queries_without_hits_are_headings_alone(run: Any, asked: Path) -> None:
    words = ["--queries", "asked.csv", "--where", "votes > 1000000", "--format", "table"]
    assert run("search", *words).stdout == f"a1: {FIRST}\n\nb 2: {SECOND}\n"


def test_an_id_that_comes_twice_is_left_out_and_said(run: Any, questions: Path) -> None:
    Path("twice.csv").write_text("id,text\nq1,candle wax\nq1,a parcel\nq2,a visa\n")
    result = run("search", "--queries", "twice.csv", "-k", "1", "--format", "trec", code=1)
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["q1", "q2"]
    assert "line 3: the id 'q1' came before" in result.stderr
