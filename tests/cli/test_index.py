from __future__ import annotations

import contextlib
import gzip
import json
import os
import pty
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FIELDS = [
    "collection", "source", "records", "new", "changed", "unchanged", "removed", "gone", "failed",
    "embedded", "reused", "seconds",
]  # fmt: skip


def test_report_has_the_promised_fields(data: Any, questions: Path) -> None:
    report = data("index", "questions.csv", "-c", "anew")
    assert list(report)[: len(FIELDS)] == FIELDS
    assert report["collection"] == "anew"
    assert report["records"] == report["new"] == 503
    assert report["source"] == "questions.csv"
    again = data("index", "questions.csv", "-c", "anew")
    assert (again["new"], again["unchanged"], again["embedded"]) == (0, 503, 0)


def test_people_read_a_few_lines_and_what_to_do_next(run: Any, work: Path) -> None:
    (work / "my list.csv").write_text("id,text\n1,one\n2,two\n", encoding="utf-8")
    result = run("index", "my list.csv", "--format", "table")
    assert result.stdout.splitlines()[0].startswith("my-list: 2 records from my list.csv in ")
    assert "2 new, 0 unchanged" in result.stdout
    assert 'Next: embedkit search "your question" -c my-list' in result.stderr


def test_hints_keep_the_home(run: Any, work: Path) -> None:
    (work / "a.csv").write_text("text\none\n", encoding="utf-8")
    result = run("index", "a.csv", "--home", "my home", "--format", "table")
    assert '-c a --home "my home"' in result.stderr
    assert (work / "my home" / "a" / "manifest.json").exists()


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("questions.csv", "questions"),
        ("My Questions (2).csv", "My-Questions-2"),
        ("fragen-äöü.csv", "fragen-äöü"),
        ("_.csv", "collection"),
        ("a.b.csv.gz", "a.b"),
        ("x" * 200 + ".csv", "x" * 100),
    ],
)
def test_collection_is_named_after_the_file(data: Any, work: Path, file: str, name: str) -> None:
    content = b"id,text\n1,one\n"
    (work / file).write_bytes(gzip.compress(content) if file.endswith("gz") else content)
    assert data("index", file, "--dry-run")["collection"] == name


def test_stdin(data: Any) -> None:
    report = data("index", "-", "-c", "piped", stdin="id,text\n1,one\n2,two\n")
    assert (report["collection"], report["new"]) == ("piped", 2)


def test_several_sources_give_a_list(data: Any, run: Any, work: Path) -> None:
    for name in "ab":
        (work / f"{name}.csv").write_text(f"id,text\n{name},one\n", encoding="utf-8")
    reports = data("index", "a.csv", "b.csv")
    assert [report["collection"] for report in reports] == ["a", "b"]
    reports = data("index", "a.csv", "b.csv", "-c", "both")
    assert [report["new"] for report in reports] == [1, 1]
    lines = run("index", "a.csv", "b.csv", "--format", "jsonl").stdout.splitlines()
    assert [json.loads(line)["unchanged"] for line in lines] == [1, 1]


def test_a_source_that_fails_does_not_stop_the_others(data: Any, run: Any, work: Path) -> None:
    (work / "a.csv").write_text("id,text\n1,one\n", encoding="utf-8")
    result = run("index", "missing.csv", "a.csv", "--json", code=1)
    assert [report["collection"] for report in json.loads(result.stdout)] == ["a"]
    assert "missing.csv" in result.stderr
    assert run("index", "missing.csv", "--json", code=1).stdout == ""


def test_failed_rows_exit_1_and_name_the_listing(run: Any, work: Path) -> None:
    (work / "a.csv").write_text("id,text\n1,one\n2,\n", encoding="utf-8")
    result = run("index", "a.csv", "--json", code=1)
    assert json.loads(result.stdout)["failed"] == 1
    assert "a: 1 row failed; list them with: embedkit runs show 1 -c a" in result.stderr


def test_gone_rows_are_named_until_sync(run: Any, data: Any, work: Path) -> None:
    source = work / "a.csv"
    source.write_text("id,text\n1,one\n2,two\n", encoding="utf-8")
    data("index", "a.csv")
    source.write_text("id,text\n1,one\n", encoding="utf-8")
    result = run("index", "a.csv", "--json")
    assert (json.loads(result.stdout)["gone"], json.loads(result.stdout)["removed"]) == (1, 0)
    assert "1 record is no longer in a.csv" in result.stderr
    assert "--sync" in result.stderr
    result = run("index", "a.csv", "--sync", "--json")
    assert json.loads(result.stdout)["removed"] == 1
    assert "--sync" not in result.stderr


def test_dry_run_writes_nothing(run: Any, data: Any, work: Path) -> None:
    (work / "a.csv").write_text("id,text\n1,one\n", encoding="utf-8")
    report = data("index", "a.csv", "--dry-run")
    assert (report["status"], report["new"], report["run"]) == ("planned", 1, None)
    assert not (work / ".embedkit").exists()
    shown = run("index", "a.csv", "--dry-run", "--format", "table").stdout
    assert "a dry run, nothing was written" in shown
    assert "1 text to embed" in shown


def test_columns_are_listed_where_the_text_is_not_clear(run: Any, work: Path) -> None:
    (work / "a.csv").write_text("one,two\nsome words,other words\n", encoding="utf-8")
    result = run("index", "a.csv", code=2)
    first, *rest = result.stderr.splitlines()
    assert first.startswith("embedkit: ")
    assert [line.split()[0] for line in rest[:2]] == ["one:", "two:"]
    assert run("index", "a.csv", "--text", "one,two", "--json").exit_code == 0


def test_settings_choose_for_new_collections_only(
    data: Any, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (work / "a.csv").write_text("id,text\n1,one\n", encoding="utf-8")
    monkeypatch.delenv("EMBEDKIT_EMBEDDER")
    (work / "embedkit.toml").write_text('embedder = "hashing?dim=64"\nindex = "flat"\n')
    data("index", "a.csv")
    info = data("collections", "show", "a")
    assert (info["dim"], info["index"]) == (64, "flat")
    (work / "embedkit.toml").write_text('embedder = "hashing?dim=128"\nindex = "auto"\n')
    assert data("index", "a.csv")["unchanged"] == 1
    info = data("collections", "show", "a")
    assert (info["dim"], info["index"]) == (64, "flat")


def test_another_model_is_refused_with_both_named(run: Any, work: Path) -> None:
    (work / "a.csv").write_text("id,text\n1,one\n", encoding="utf-8")
    run("index", "a.csv")
    result = run("index", "a.csv", "--embedder", "hashing?dim=64", code=1)
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.count("hashing") >= 2


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--embedder", "hashin"], "did you mean 'hashing'?"),
        (["--index", "flatt"], "did you mean 'flat'?"),
        (["--index", "turbovec?bit=4"], "bits"),
        (["-c", "../out"], "collection's name"),
        (["--text", "nope"], "'nope'"),
        (["--format", "trec"], "trec"),
        (["--home", " "], "expected a folder"),
    ],
)
def test_misuse_exits_2(run: Any, questions: Path, words: list[str], part: str) -> None:
    result = run("index", "questions.csv", *words, code=2)
    assert part in result.stderr
    assert result.stderr.startswith("embedkit: ")
    assert result.stdout == ""


def test_no_bar_where_nobody_watches(run: Any, work: Path) -> None:
    (work / "a.csv").write_text("id,text\n1,one\n", encoding="utf-8")
    assert run("index", "a.csv").stderr == ""


def test_bar_on_a_terminal(start: Callable[..., Any], work: Path) -> None:
    (work / "a.csv").write_text("id,text\n1,one\n", encoding="utf-8")
    parent, child = pty.openpty()
    termios.tcsetwinsize(child, (24, 80))
    process = start(["index", "a.csv"], stderr=child)
    os.close(child)
    seen = bytearray()
    with contextlib.suppress(OSError):
        while part := os.read(parent, 4096):
            seen += part
    os.close(parent)
    assert process.wait(timeout=60) == 0
    assert b"embedding:" in seen, bytes(seen)
