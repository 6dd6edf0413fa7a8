from __future__ import annotations

import csv
import io
import json
import os
import pty
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import embedkit
from embedkit import embedder

QUERY = "How do I get candle wax out of a carpet?"


def test_json_is_the_list_of_hits(data: Any, questions: Path) -> None:
    hits = data("search", QUERY, "-k", "3")
    assert [hit["rank"] for hit in hits] == [1, 2, 3]
    assert list(hits[0]) == ["rank", "id", "score", "text", "metadata", "kind"]
    assert {hit["kind"] for hit in hits} == {"cosine"}
    assert hits[0]["id"] == "q001"
    assert hits[0]["metadata"]["topic"] == "home repair"
    assert hits[0]["metadata"]["asked"] == "2026-03-07"
    assert hits[0]["score"] >= hits[1]["score"] >= hits[2]["score"]


def test_lines_of_json_where_no_terminal_is(run: Any, questions: Path) -> None:
    lines = run("search", QUERY).stdout.splitlines()
    assert len(lines) == 10
    assert json.loads(lines[0])["id"] == "q001"


def test_csv_is_flat_and_has_all_columns(run: Any, questions: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run("search", QUERY, "--format", "csv").stdout)))
    assert len(rows) == 10
    assert list(rows[0]) == [
        "rank", "id", "score", "text", "topic", "lang", "asked", "votes", "answered",
        "reading_time",
    ]  # fmt: skip
    assert rows[0]["answered"] in ("true", "false")


def test_table(run: Any, questions: Path) -> None:
    lines = run("search", QUERY, "-k", "2", "--format", "table").stdout.splitlines()
    assert lines[0].split()[:4] == ["#", "cosine", "id", "text"]
    assert lines[1].split()[0] == "1"
    assert len(lines) == 3


def test_where_filters(data: Any, questions: Path) -> None:
    hits = data("search", QUERY, "--where", "lang = 'de' AND votes > 2", "-k", "3")
    assert len(hits) == 3
    assert {hit["metadata"]["lang"] for hit in hits} == {"de"}


def test_nothing_found_is_said_on_stderr(run: Any, questions: Path) -> None:
    result = run("search", QUERY, "--where", "votes > 1000000", "--json")
    assert json.loads(result.stdout) == []
    assert "no record matches the filter" in result.stderr
    assert run("search", QUERY, "--where", "votes > 1000000", "--format", "table").stdout == ""
    csv_out = run("search", QUERY, "--where", "votes > 1000000", "--format", "csv").stdout
    assert csv_out.startswith("rank,id,score,text,topic,")


def test_query_from_stdin(data: Any, questions: Path) -> None:
    assert data("search", "-", "-k", "1", stdin=QUERY + "\n")[0]["id"] == "q001"


def test_a_person_is_told_to_type(start: Callable[..., Any], questions: Path) -> None:
    parent, child = pty.openpty()
    process = start(["search", "-", "-k", "1", "--json"], stdin=child)
    os.close(child)
    os.write(parent, QUERY.encode() + b"\n\x04")
    out, errors = process.communicate(timeout=60)
    os.close(parent)
    assert json.loads(out)[0]["id"] == "q001"
    assert b"Ctrl-D" in errors


def test_k_and_format_from_settings(run: Any, questions: Path) -> None:
    (questions / "embedkit.toml").write_text('k = 2\nformat = "csv"\n', encoding="utf-8")
    assert len(run("search", QUERY).stdout.splitlines()) == 3
    assert len(json.loads(run("search", QUERY, "-k", "4", "--json").stdout)) == 4


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ([], "expected a query"),
        ([" "], "got nothing"),
        (["a", "--queries", "b"], "expected a query"),
        (["a", "--format", "trec"], "--queries"),
        (["a", "-k", "0"], "0"),
        (["a", "--json", "--format", "csv"], "exclude each other"),
        (["a", "--format", "csv", "--json"], "exclude each other"),
        (["a", "--where", "nope = 1"], "'nope'"),
        (["a", "--where", "1; DROP TABLE records"], "DROP"),
        (["a", "--colour"], "--colour"),
        (["a", "--candidates", "5"], "--rerank SPEC"),
        (["a", "--rerank", "lexical", "--candidates", "0"], "0"),
        (["a", "--rerank", "lexcal"], "did you mean 'lexical'?"),
    ],
)
def test_misuse_is_one_line_and_exits_2(
    run: Any, questions: Path, words: list[str], part: str
) -> None:
    result = run("search", *words, code=2)
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert part in result.stderr


def test_similar_leaves_itself_out(data: Any, questions: Path) -> None:
    hits = data("similar", "q001", "-k", "3")
    assert [hit["rank"] for hit in hits] == [1, 2, 3]
    assert "q001" not in {hit["id"] for hit in hits}


def test_similar_to_nothing(run: Any, questions: Path) -> None:
    result = run("similar", "q999", code=1)
    assert "no record 'q999'" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_show(data: Any, run: Any, questions: Path) -> None:
    record = data("show", "q001")
    assert (record["id"], record["text"]) == ("q001", QUERY)
    assert [record["id"] for record in data("show", "q002", "q001")] == ["q002", "q001"]
    assert run("show", "q001", "--format", "csv").stdout.startswith("id,text,topic,")
    assert QUERY in run("show", "q001", "--format", "table").stdout


@pytest.mark.parametrize("form", ["table", "jsonl", "json"])
def test_data_cannot_drive_the_terminal(run: Any, work: Path, form: str) -> None:
    text = "\x1b]0;owned\x07\x1b[2Jred \x9b31m \u202e"
    (work / "a.jsonl").write_text(
        json.dumps({"id": "x\x1b[1m", "text": text, "tag": "\x1b[7m"}) + "\n", encoding="utf-8"
    )
    run("index", "a.jsonl")
    shown = run("search", "red", "--format", form).stdout
    assert not set(shown) & {"\x1b", "\x07", "\x9b", "\u202e"}
    if form == "json":
        assert json.loads(shown)[0]["text"] == text, "a machine reads what was written"


def test_reranked_hits_say_so(data: Any, run: Any, questions: Path) -> None:
    words = ["search", "candle wax", "--rerank", "lexical", "-k", "2"]
    hits = data(*words)
    assert hits[0]["id"] == "q001"
    assert [hit["rank"] for hit in hits] == [1, 2]
    assert {hit["kind"] for hit in hits} == {"reranked"}
    shown = run(*words, "--format", "table").stdout.splitlines()
    assert shown[0].split()[:4] == ["#", "reranked", "id", "text"]
    assert run(*words, "--format", "csv").stdout.startswith("rank,id,score,text,topic,")


def test_candidates_bound_what_is_reranked(data: Any, questions: Path) -> None:
    dense = [hit["id"] for hit in data("search", QUERY, "-k", "3")]
    hits = data("search", QUERY, "-k", "2", "--rerank", "lexical", "--candidates", "3")
    assert {hit["id"] for hit in hits} <= set(dense)


@pytest.mark.slow
def test_a_cross_encoder_reranks(data: Any, questions: Path, cross_encoder: Path) -> None:
    spec = f"cross-encoder:{cross_encoder}?device=cpu"
    hits = data("search", QUERY, "-k", "3", "--rerank", spec, "--candidates", "5")
    dense = [hit["id"] for hit in data("search", QUERY, "-k", "5")]
    assert [hit["score"] for hit in hits] == sorted([hit["score"] for hit in hits], reverse=True)
    assert {hit["id"] for hit in hits} <= set(dense)


def test_pages(data: Any, questions: Path) -> None:
    whole = data("search", QUERY, "-k", "6")
    assert data("search", QUERY, "-k", "2", "--offset", "4") == whole[4:]
    assert data("search", QUERY, "-k", "3", "--offset", "600") == []


def test_explained_hits_name_the_words_that_carry(run: Any, data: Any, questions: Path) -> None:
    hits = data("search", QUERY, "-k", "2", "--explain")
    assert hits[0]["why"]["dense_rank"] == 1
    assert {"wax", "candle", "carpet"} & {word["word"] for word in hits[0]["why"]["words"][:4]}
    table = run("search", QUERY, "-k", "2", "--explain", "--format", "table").stdout
    assert "carried by" in table.splitlines()[0]


def test_nothing_good_enough_is_said(run: Any, questions: Path) -> None:
    result = run("search", QUERY, "--min-score", "2", "--json")
    assert json.loads(result.stdout) == []
    assert "nothing in the collection is good enough" in result.stderr


def test_diverse_hits_start_with_the_best(data: Any, questions: Path) -> None:
    hits = data("search", QUERY, "--diverse", "--diversity", "0.9", "-k", "5")
    assert hits[0]["id"] == "q001"
    assert [hit["score"] for hit in hits] != sorted([hit["score"] for hit in hits], reverse=True)


def test_query_vectors_from_a_file(data: Any, run: Any, questions: Path) -> None:
    vectors = embedder("hashing").embed([QUERY, "where is my parcel"], input_type="query")
    np.save("queries.npy", vectors)
    Path("queries.jsonl").write_text("\n".join(json.dumps(row.tolist()) for row in vectors))
    by_text = data("search", QUERY, "-k", "3")
    for name in ("queries.npy", "queries.jsonl"):
        found = data("search", "--vectors", name, "-k", "3")
        assert [line["query_id"] for line in found] == ["1", "2"]
        assert [hit["id"] for hit in found[0]["hits"]] == [hit["id"] for hit in by_text]


@pytest.mark.parametrize(
    ("content", "part", "code"),
    [
        (b"", "there is no vector", 1),
        (b"hello", "expected vectors in v.txt", 1),
        (b"[1, 2, 3]", "query vectors of shape", 2),
        (b"\x93NUMPY garbage", "expected vectors in v.txt", 1),
    ],
)
def test_vectors_that_are_none(
    run: Any, questions: Path, content: bytes, part: str, code: int
) -> None:
    Path("v.txt").write_bytes(content)
    assert part in run("search", "--vectors", "v.txt", code=code).stderr


def test_neighbours_of_several_records(data: Any, questions: Path) -> None:
    hits = data("similar", "q001", "q002", "--unlike", "q003", "-k", "5")
    assert not {"q001", "q002", "q003"} & {hit["id"] for hit in hits}
    assert len(hits) == 5


def test_modes(run: Any, data: Any, questions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_words = data("search", "candle wax", "--mode", "lexical")
    assert by_words[0]["id"] == "q001"
    assert by_words[0]["kind"] == "bm25"
    both = data("search", "candle wax", "--mode", "hybrid", "--explain", "-k", "1")
    assert both[0]["why"]["lexical_rank"] == 1
    monkeypatch.setenv("EMBEDKIT_MODE", "lexical")
    assert data("search", "candle wax") == by_words
    assert "shares a word" in run("search", "zzzz", "--json").stderr


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--mode", "hybrid", "--fusion", "weigted"], "did you mean 'weighted'?"),
        (["--fusion", "rrf"], "expected fusion with mode 'hybrid'"),
        (["--mode", "sparse"], "'sparse' is not one of"),
        (["--diversity", "2"], "2.0 is not in the range"),
    ],
)
def test_options_that_cannot_be_meant(
    run: Any, questions: Path, words: list[str], part: str
) -> None:
    assert part in run("search", QUERY, *words, code=2).stderr


def test_an_empty_collection_is_called_so(run: Any, questions: Path) -> None:
    with embedkit.open("questions") as opened:
        opened.delete([record.id for record in opened])
    for words in (["--mode", "lexical"], ["--where", "votes > 1"], []):
        assert "the collection is empty" in run("search", QUERY, *words).stderr
    assert "it is empty" in run("similar", "q001", code=1).stderr


def test_a_long_condition_is_not_said_again_at_length(run: Any, questions: Path) -> None:
    listed = ", ".join(map(str, range(5000)))
    result = run("search", QUERY, "--where", f"votess IN ({listed})", code=2)
    assert len(result.stderr) < 500
    result = run("search", QUERY, "--where", f"votes IN ({listed}", code=2)
    assert len(result.stderr) < 500
