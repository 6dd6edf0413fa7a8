"""Long texts from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


def sentence(topic: str, number: int) -> str:
    return f"The {topic} number {number} is what this sentence speaks of, and of nothing else. "


@pytest.fixture
def stories(work: Path, run: Any) -> str:
    """Fill a collection with a long text and a short one."""
    long = "\n\n".join(sentence(topic, 1) + sentence(topic, 2) for topic in ("harbour", "violin"))
    rows = [{"id": "long", "text": long}, {"id": "short", "text": "A glacier."}]
    (work / "stories.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    result = run("index", "stories.jsonl", "--chunk", "tokens=40,overlap=5", "--format", "table")
    assert "3 passages embedded" in result.stdout
    return long


def test_a_search_shows_the_passage_and_its_place(run: Any, data: Any, stories: str) -> None:
    shown = run("search", "violin number 2", "-k", "1", "--format", "table").stdout
    assert "2/2" in shown
    assert "harbour" not in shown
    (hit,) = data("search", "harbour number 1", "-k", "1")
    assert (hit["id"], hit["text"]) == ("long", stories)
    passage = hit["passage"]
    assert (passage["part"], passage["parts"]) == (1, 2)
    assert stories[passage["start"] : passage["stop"]] == passage["text"]
    assert "violin" in passage["continuation"]


def test_a_csv_of_hits_has_the_passage_and_its_place(run: Any, work: Path, stories: str) -> None:
    import csv

    (work / "q.csv").write_text("query_id,text\n7,violin number 2\n")
    for words in (["violin number 2"], ["--queries", "q.csv"]):
        out = run("search", *words, "-k", "2", "--format", "csv").stdout
        first, second = csv.DictReader(out.splitlines(keepends=True))
        start, stop = int(first["passage.start"]), int(first["passage.stop"])
        assert first["text"] == stories
        assert first["passage.text"] == stories[start:stop]
        assert (second["id"], second["passage.text"]) == ("short", "")


def test_a_record_shows_its_passages(run: Any, data: Any, stories: str) -> None:
    assert data("show", "long")["text"] == stories
    assert "passages" in run("show", "long", "--format", "table").stdout
    assert "passages" not in run("show", "short", "--format", "table").stdout
    listed = data("show", "long", "short", "--passages")
    assert [(p["id"], p["part"], p["parts"]) for p in listed] == [
        ("long", 1, 2),
        ("long", 2, 2),
        ("short", 1, 1),
    ]
    assert listed[0]["text"] == stories[: listed[0]["stop"]]
    table = run("show", "long", "--passages", "--format", "table").stdout
    assert "1/2" in table
    assert "2/2" in table


def test_a_collection_tells_its_chunks(run: Any, data: Any, stories: str) -> None:
    info = data("collections", "show", "stories")
    assert (info["chunk"], info["passages"], info["records"]) == ("tokens=40,overlap=5", 3, 2)
    shown = run("collections", "show", "stories", "--format", "table").stdout
    assert "tokens=40,overlap=5: 3 passages" in shown


def test_a_plan_counts_passages(data: Any, stories: str) -> None:
    plan = data("index", "stories.jsonl", "-c", "new", "--chunk", "tokens=20", "--dry-run")
    assert plan["embedded"] == plan["passages"] > 3
    assert data("index", "stories.jsonl", "-c", "whole", "--dry-run")["passages"] is None


@pytest.mark.parametrize(
    ("chunk", "said"),
    [
        ("token=20", "did you mean 'tokens'"),
        ("tokens=20,overlap=20", "overlap of less than the 20 tokens"),
        ("tokens=many", "whole number for tokens"),
        ("tokens=20", "'stories' has tokens=40,overlap=5"),
    ],
)
def test_chunks_that_cannot_be_are_a_clear_line(
    run: Any, stories: str, chunk: str, said: str
) -> None:
    result = run("index", "stories.jsonl", "--chunk", chunk, code=2)
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
